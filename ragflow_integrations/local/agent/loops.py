"""Components that run others again and again: once for each item of a list, or until a condition holds.

What is inside of one names it as its ``parent_id``. A round begins at a component of its own (``IterationItem``,
``LoopItem``); where a way inside ends, the next round begins.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from . import checks
from .component import Checked, Component, Row
from .conditions import compared, is_equal
from .problems import AgentFailed
from .references import braced

if TYPE_CHECKING:
    from .canvas import Canvas

__all__ = ["Container", "ExitLoop", "Iteration", "IterationItem", "Loop", "LoopItem", "Round"]


class Container(Checked):
    """What has others inside; it has ended when its ``Round`` says so."""

    begins_with: ClassVar[str] = ""

    @property
    def start(self) -> Component:
        """The component inside with which a round begins."""
        inside = (each for each in self.canvas.children_of(self.id) if each.name == self.begins_with)
        found = next(inside, None)
        if found is None:
            raise AgentFailed(f"the agent component {self.id} has no {self.begins_with} inside")
        return found

    @property
    def over(self) -> bool:
        return bool(self.start.output("_over"))

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        self.start.reset()
        self.next = [self.start.id]

    def again(self) -> list[str]:
        return [] if self.over else [self.start.id]

    def left(self) -> list[str]:
        """The components that come after it, now that it is over."""
        return list(self.node.get("downstream") or ()) or self.outward()

    def form(self) -> Row:
        return {"items": {"type": "json", "name": "Items"}}


class Round(Component):
    """What begins each round of a container, or ends it."""

    @property
    def container(self) -> Container:
        found = self.canvas.parent_of(self.id)
        if not isinstance(found, Container):
            raise AgentFailed(f"the agent component {self.id} is not inside of an Iteration or a Loop")
        return found

    @property
    def ends(self) -> bool:
        """Whether the container is over by it."""
        return bool(self.output("_over"))

    def following(self) -> list[str]:
        return self.container.left() if self.ends else super().following()

    def thoughts(self) -> str:
        return "The next one."

    def _end(self) -> None:
        self.container.start.set_output("_over", value=True)


class Iteration(Container):
    """Runs what is inside for each item of a list; of outputs with a ``ref`` it collects the values, item by item."""

    name = "Iteration"
    begins_with = "IterationItem"
    defaults: ClassVar[Row] = {"items_ref": "", "variable": {}}

    @classmethod
    def check(cls, params: Row) -> None:
        checks.text(params["items_ref"], "[Iteration] items_ref")

    def texts(self) -> Sequence[str]:
        return [braced(self.params["items_ref"])]

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        self.set_input(self.params["items_ref"], self.items())
        for key in self._collected():
            self.set_output(key, [])
        super().invoke(inputs)

    def thoughts(self) -> str:
        return f"One by one: {self.params['items_ref']}"

    def items(self) -> list[Any]:
        """The list; ``AgentFailed`` if it is none."""
        name = self.params["items_ref"]
        items = self.canvas.value_of(name)
        if not isinstance(items, list):
            raise AgentFailed(f"{name} must be an array, but its type is {type(items).__name__}")
        return items

    def collect(self) -> None:
        """Add what has come of a round, and forget it: another item has nothing of it."""
        for key, reference in self._collected().items():
            self.set_output(key, [*(self.output(key) or ()), copy.deepcopy(self.canvas.value_of(reference))])
        for each in self.canvas.inside_of(self.id):
            if each is not self.start:
                each.forget()

    def _collected(self) -> dict[str, str]:
        return {key: each["ref"] for key, each in self.params["outputs"].items() if (each or {}).get("ref")}


class IterationItem(Round):
    """The item of the round: ``item``, also as ``result``, and its ``index``."""

    name = "IterationItem"

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        last, iteration = self.output("index"), self.container
        if not isinstance(iteration, Iteration):
            raise AgentFailed(f"the agent component {self.id} is not inside of an Iteration")
        number = last + 1 if isinstance(last, int) else 0
        if number:
            iteration.collect()
        items = iteration.items()
        if number >= len(items):
            self._end()
            return
        for key, value in {"item": items[number], "result": items[number], "index": number}.items():
            self.set_output(key, value)


class Loop(Container):
    """Runs what is inside until its conditions hold, or ``maximum_loop_count`` times; its variables are its outputs."""

    name = "Loop"
    begins_with = "LoopItem"
    defaults: ClassVar[Row] = {
        "loop_variables": [],
        "loop_termination_condition": [],
        "logical_operator": "and",
        "maximum_loop_count": 0,
    }

    @classmethod
    def check(cls, params: Row) -> None:
        for name in ("loop_variables", "loop_termination_condition"):
            checks.rows(params[name], f"[Loop] {name}")
        checks.natural(params["maximum_loop_count"], "[Loop] maximum_loop_count")

    def texts(self) -> Sequence[str]:
        variables = [each for each in self.params["loop_variables"] if each.get("input_mode") == "variable"]
        return [braced(str(each.get("value"))) for each in variables]

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        for each in self.params["loop_variables"]:
            if not each.get("variable") or not each.get("type"):
                raise AgentFailed("Loop Variable is not complete.")
            self.set_output(each["variable"], copy.deepcopy(_given(self.canvas, each, "Loop Variable")))
        super().invoke(inputs)

    def thoughts(self) -> str:
        return f"At most {self.params['maximum_loop_count']} times."

    def holds(self) -> bool:
        """Whether its conditions hold; where it has none, only the number of rounds ends it."""
        conditions = [self._test(each) for each in self.params["loop_termination_condition"]]
        operator = self.params["logical_operator"]
        if operator not in ("and", "or"):
            raise AgentFailed("Invalid logical operator,should be 'and' or 'or'.")
        return bool(conditions) and (all(conditions) if operator == "and" else any(conditions))

    def _test(self, condition: Row) -> bool:
        name, operator = condition.get("variable"), condition.get("operator")
        if not name or not operator:
            raise AgentFailed("Loop condition is incomplete.")
        other = _given(self.canvas, {"value": "", "input_mode": "constant", **condition}, "Loop condition")
        value = self.canvas.value_of(name)
        kinds, test = _TESTS.get(operator, ((), is_equal))
        if value is None:
            return bool(operator == "empty")
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise AgentFailed(f"Invalid operator: {operator}")
        return test(value, other)


class LoopItem(Round):
    """Begins a round, unless the loop is to end."""

    name = "LoopItem"

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        loop, done = self.container, self.output("_rounds") or 0
        if not isinstance(loop, Loop):
            raise AgentFailed(f"the agent component {self.id} is not inside of a Loop")
        if done >= loop.params["maximum_loop_count"] or loop.holds():
            self._end()
        else:
            self.set_output("_rounds", done + 1)


class ExitLoop(Round):
    """Ends the loop that it is in."""

    name = "ExitLoop"

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        self._end()

    @property
    def ends(self) -> bool:
        return True

    def thoughts(self) -> str:
        return ""


def _given(canvas: Canvas, told: Row, what: str) -> Any:
    """A value that stands there itself, or the variable's that is named in its place."""
    if told.get("input_mode") == "variable" and told.get("value"):
        return canvas.value_of(told["value"])
    if told.get("input_mode") == "constant" and told.get("value") is not None:
        return told["value"]
    raise AgentFailed(f"{what} is not complete.")


def _has(value: str | list[Any], other: Any) -> bool:
    return str(other) in value if isinstance(value, str) else other in value


_Test = Callable[[Any, Any], bool]
_NUMBER = (int, float)
_ANY = (str, bool, int, float, dict, list)
_TESTS: Mapping[str, tuple[tuple[type, ...], _Test]] = {
    "contains": ((str, list), _has),
    "not contains": ((str, list), lambda value, other: not _has(value, other)),
    "start with": ((str,), lambda value, other: value.startswith(str(other))),
    "end with": ((str,), lambda value, other: value.endswith(str(other))),
    "is": ((str, bool, list), lambda value, other: bool(value == other)),
    "is not": ((str, bool, list), lambda value, other: bool(value != other)),
    "empty": (_ANY, lambda value, other: value in ("", [], {})),
    "not empty": (_ANY, lambda value, other: value not in ("", [], {})),
    "=": (_NUMBER, is_equal),
    "≠": (_NUMBER, lambda value, other: not is_equal(value, other)),
    ">": (_NUMBER, compared(lambda value, other: value > other)),
    "<": (_NUMBER, compared(lambda value, other: value < other)),
    "≥": (_NUMBER, compared(lambda value, other: value >= other)),
    "≤": (_NUMBER, compared(lambda value, other: value <= other)),
}
