"""Components that choose which way the run goes on, and that bring the ways together again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ..fitting import newest_within, room_for
from . import checks
from .component import Checked, Component, Row
from .conditions import compared, is_equal
from .generation import LLM
from .problems import AgentFailed, WrongParameter
from .references import as_text, braced

__all__ = ["Categorize", "Switch", "VariableAggregator"]


class Switch(Component):
    """The first of its conditions that holds says where to go."""

    name = "Switch"
    defaults: ClassVar[Row] = {"conditions": [], "end_cpn_ids": []}

    @classmethod
    def check(cls, params: Row) -> None:
        checks.filled(params["conditions"], "[Switch] conditions")
        if not all(condition.get("to") for condition in params["conditions"]):
            raise WrongParameter("[Switch] 'To' can not be empty!")
        checks.filled(params["end_cpn_ids"], "[Switch] the ELSE/Other destination can not be empty.")

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        holding = (each["to"] for each in self.params["conditions"] if self._holds(each))
        self._go(next(holding, self.params["end_cpn_ids"]))

    def thoughts(self) -> str:
        return "Which way to go?"

    def _go(self, to: Sequence[str] | str) -> None:
        self.next = [to] if isinstance(to, str) else list(to)
        self.set_output("next", [self.canvas.title_of(each) for each in self.next])
        self.set_output("_next", self.next)

    def _holds(self, condition: Row) -> bool:
        items = [each for each in condition.get("items") or () if each.get("cpn_id")]
        tests = (self._test(each) for each in items)
        return bool(items) and (all(tests) if condition.get("logical_operator") == "and" else any(tests))

    def _test(self, item: Row) -> bool:
        value = self.canvas.value_of(item["cpn_id"])
        self.set_input(item["cpn_id"], value)
        operator = str(item.get("operator"))
        if operator not in _OPERATORS:
            raise AgentFailed(f"Not supported operator: {operator}")
        return _OPERATORS[operator](value, item.get("value", ""))


class Categorize(LLM):
    """A language model says which category the question belongs to; without a clear answer it is the last one."""

    name = "Categorize"
    defaults: ClassVar[Row] = {
        **LLM.defaults,
        "category_description": {},
        "query": "sys.query",
        "message_history_window_size": 1,
    }

    @classmethod
    def check(cls, params: Row) -> None:
        checks.filled(params["category_description"], "[Categorize] Category examples")
        for name, each in params["category_description"].items():
            if not name:
                raise WrongParameter("[Categorize] Category name can not be empty!")
            if not each.get("to"):
                raise WrongParameter(f"[Categorize] 'To' of category {name} can not be empty!")

    def texts(self) -> Sequence[str]:
        return [braced(self.params["query"] or "sys.query")]

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        question = self.filled(self.texts()[0])
        task, llm = self._task(), self.canvas.host.models.llm(self.params["llm_id"])
        turns = self.canvas.messages(self.params["message_history_window_size"] - 1)
        turns = newest_within(room_for(llm, task, question), turns)
        asked = [{"role": "system", "content": task}, *turns, {"role": "user", "content": question}]
        answer = self.answered(asked, "the agent component Categorize").lower()
        categories = self.params["category_description"]
        counts = {name: answer.count(name.lower()) for name in categories}
        chosen = max(counts, key=counts.__getitem__) if any(counts.values()) else list(categories)[-1]
        self.next = categories[chosen]["to"]
        self.set_output("category_name", chosen)
        self.set_output("_next", self.next)

    def thoughts(self) -> str:
        return f"Which is it: {', '.join(self.params['category_description'])}?"

    def _task(self) -> str:
        categories = self.params["category_description"]
        told = [
            f"- {name}: {each.get('description') or ''}"
            + "".join(f"\n  for example: {example}" for example in each.get("examples") or () if example)
            for name, each in categories.items()
        ]
        return (
            "Say which of these categories the user's last message belongs to. Answer with the category's name alone.\n"
            + "\n".join(told)
        )


class VariableAggregator(Checked):
    """Has an output for each of its groups: the first of the group's variables that is not empty.

    So what follows need not know which way was taken. Where all are empty, so is the output.
    """

    name = "VariableAggregator"
    defaults: ClassVar[Row] = {"groups": []}

    @classmethod
    def check(cls, params: Row) -> None:
        checks.filled(params["groups"], "[VariableAggregator] groups")
        if not isinstance(params["groups"], list):
            raise WrongParameter("[VariableAggregator] groups should be a list")
        for group in params["groups"]:
            if not isinstance(group, dict) or not group.get("group_name"):
                raise WrongParameter("[VariableAggregator] group_name can not be empty!")
            cls._check_variables(group.get("variables"), group["group_name"])

    @staticmethod
    def _check_variables(variables: Any, group: str) -> None:
        about = f"[VariableAggregator] variables of group `{group}`"
        if not variables:
            raise WrongParameter(f"{about} can not be empty")
        if not isinstance(variables, list) or not all(
            isinstance(each, dict) and isinstance(each.get("value"), str) for each in variables
        ):
            raise WrongParameter(f'{about} should be a list like [{{"value": "LLM:0@content"}}]')

    def texts(self) -> Sequence[str]:
        return [f"{{{name}}}" for group in self.params["groups"] for name in _variables(group)]

    def form(self) -> Row:
        return {"variables": {"name": "Variables", "type": "list"}}

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        for group in self.params["groups"]:
            filled = (value for name in _variables(group) if (value := self._noted(name)))
            self.set_output(group["group_name"], next(filled, None))

    def thoughts(self) -> str:
        return "Which of these is there?"

    def _noted(self, name: str) -> Any:
        value = self.canvas.value_of(name)
        self.set_input(name, value)
        return value


def _variables(group: Row) -> list[str]:
    return [each["value"] for each in group["variables"]]


def _text_test(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, other: test(as_text(value).lower(), as_text(other).lower())


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "contains": _text_test(lambda value, other: other in value),
    "not contains": _text_test(lambda value, other: other not in value),
    "start with": _text_test(str.startswith),
    "end with": _text_test(str.endswith),
    "empty": lambda value, other: not value,
    "not empty": lambda value, other: bool(value),
    "=": is_equal,
    "≠": lambda value, other: not is_equal(value, other),
    ">": compared(lambda value, other: value > other),
    "<": compared(lambda value, other: value < other),
    "≥": compared(lambda value, other: value >= other),
    "≤": compared(lambda value, other: value <= other),
}
