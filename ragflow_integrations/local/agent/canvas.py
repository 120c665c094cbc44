"""A canvas: its components, its variables, and what it remembers between the turns of a conversation."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from ..fields import given_json
from ..memory.messages import Search
from ..models import Models
from ..search import Retrieval, Retrieved
from ..store import Row
from .component import Component
from .components import made
from .limits import check_length
from .problems import AgentFailed, NotRunnable, Stopped
from .references import as_text, replaced, stripped

__all__ = ["Canvas", "Host"]

_GLOBALS: Row = {
    "sys.query": "",
    "sys.user_id": "",
    "sys.conversation_turns": 0,
    "sys.files": [],
    "sys.history": [],
    "sys.date": "",
}
_MOST_HELD = 20_000_000  # characters of all values that were set in a turn
_EMPTY = {str: "", bool: False, int: 0, float: 0, list: [], dict: {}}
_BY_TYPE = {"number": 0, "boolean": False, "object": {}}


class Host(Protocol):
    """On whose behalf an agent runs: what its components may ask of the engine."""

    @property
    def models(self) -> Models: ...

    def retrieve(self, query: Retrieval) -> Retrieved: ...

    def search_messages(self, query: Search) -> list[Row]: ...

    def add_message(
        self,
        memory_ids: Sequence[str],
        *,
        user_input: Any,
        agent_response: Any,
        agent_id: str,
        session_id: str,
        user_id: str = "",
    ) -> list[str]: ...

    def dataset_called(self, name_or_id: str) -> str: ...

    def metadata(self, dataset_ids: Sequence[str]) -> dict[str, Row]: ...


class Canvas:
    """An agent that can be run, made from its DSL; ``dsl()`` is its state, from which it can go on later.

    Raises ``NotRunnable`` if the DSL describes no canvas, and ``Refused`` for a component that does not run here.
    """

    def __init__(
        self, dsl: Row, host: Host, *, agent_id: str, task_id: str, custom_header: str | None = None
    ) -> None:
        self._dsl = copy.deepcopy(dsl)
        self.host, self.agent_id, self.task_id = host, agent_id, task_id
        nodes = self._dsl.get("components")
        self.path: list[str] = list(self._dsl.get("path") or [])
        self.history: list[Any] = list(self._dsl.get("history") or [])
        self.globals: Row = {**copy.deepcopy(_GLOBALS), **(self._dsl.get("globals") or {})}
        self.reference: Row = _last_reference(self._dsl.get("retrieval"))
        self.searched = bool(self.reference["chunks"])
        self.usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "calls": 0}
        self._stopped = threading.Event()
        self._lengths: dict[str, int] = {}
        self.components: dict[str, Component] = {}
        for identifier, node in nodes.items() if isinstance(nodes, dict) else ():
            self.components[identifier] = made(self, identifier, node)
            self.components[identifier].params["custom_header"] = custom_header
        if "begin" not in self.components:
            raise NotRunnable("the agent's DSL has no `components` with a `begin`")

    def stop(self) -> None:
        """Have the turn end, from another thread, before a model or a component is at work again."""
        self._stopped.set()

    def check_going(self) -> None:
        """Raise ``Stopped`` if the turn is to end."""
        if self._stopped.is_set():
            raise Stopped("the turn was stopped")

    def reset(self) -> None:
        """As the author has left it: no history, variables at their first values."""
        self.path, self.history = [], []
        for component in self.components.values():
            component.reset()
        declared = self._dsl.get("variables") or {}
        for name, value in self.globals.items():
            if name.startswith("sys."):
                self.globals[name] = copy.deepcopy(_EMPTY.get(type(value)))
            elif name.startswith("env."):
                self.globals[name] = _first_value(declared.get(name[4:]) or {})

    def dsl(self) -> Row:
        """The DSL with the state that the run has left."""
        rest = {key: value for key, value in self._dsl.items() if key != "components"}
        retrieval = [self.reference] if self.history else []
        state = {"path": self.path, "history": self.history, "globals": self.globals, "retrieval": retrieval}
        nodes = {identifier: each.dumped() for identifier, each in self.components.items()}
        return {
            **rest,
            "components": nodes,
            "memory": rest.get("memory", []),
            **state,
            "task_id": self.task_id,
        }

    def start_over(self) -> None:
        """Begin a turn at ``begin``, with nothing found yet."""
        self.path, self.searched = ["begin"], False
        self.reference = _last_reference(None)

    def parent_of(self, identifier: str) -> Component | None:
        """The component that this one is inside of; None also for the tools of an Agent."""
        component = self.components.get(identifier)
        parent = component.node.get("parent_id") if component is not None else None
        return self.component(parent) if parent and isinstance(parent, str) else None

    def parents_of(self, identifier: str) -> list[Component]:
        """All that it is inside of, from the inside out."""
        found: list[Component] = []
        parent = self.parent_of(identifier)
        while parent is not None and parent not in found:
            found.append(parent)
            parent = self.parent_of(parent.id)
        return found

    def children_of(self, identifier: str) -> list[Component]:
        """What is directly inside of a component."""
        return [each for each in self.components.values() if each.node.get("parent_id") == identifier]

    def inside_of(self, identifier: str) -> list[Component]:
        """What is inside of a component, however deep."""
        parent = self.component(identifier)
        return [each for each in self.components.values() if parent in self.parents_of(each.id)]

    @property
    def begin(self) -> Component:
        return self.components["begin"]

    def component(self, identifier: str) -> Component:
        """The component with this id; ``AgentFailed`` if there is none."""
        found = self.components.get(identifier)
        if found is None:
            raise AgentFailed(f"the agent has no component '{identifier}'")
        return found

    def title_of(self, identifier: str) -> str:
        """What the author called a component; empty if the DSL has no graph."""
        for node in (self._dsl.get("graph") or {}).get("nodes") or ():
            if node.get("id") == identifier:
                return str((node.get("data") or {}).get("name", ""))
        return ""

    def label_of(self, name: str) -> str:
        """A variable's name for people."""
        identifier, at, output = name.partition("@")
        return f"{self.title_of(identifier)}@{output}" if at else name

    def value_of(self, reference: str) -> Any:
        """A variable's value; ``AgentFailed`` if there is no such."""
        name = stripped(reference)
        identifier, at, output = name.partition("@")
        if not at:
            if name not in self.globals:
                raise AgentFailed(f"the agent has no variable '{name}'")
            return self.globals[name]
        key, _, rest = output.partition(".")
        value = self.component(identifier).output(key)
        for step in rest.split(".") if rest else ():
            value = _inside(value, step)
        return value

    def set_value(self, reference: str, value: Any) -> None:
        """Give a variable another value; ``AgentFailed`` if there is no such."""
        name = stripped(reference)
        identifier, at, output = name.partition("@")
        if not at:
            self.value_of(name)
            what = f"the variable {name}"
            self.hold(what, check_length(value, what))
            self.globals[name] = value
            return
        key, _, rest = output.partition(".")
        component = self.component(identifier)
        component.set_output(key, _with(component.output(key), rest.split("."), value) if rest else value)

    def hold(self, name: str, length: int) -> None:
        """Note how long a value has become; ``AgentFailed`` if all together are too long."""
        self._lengths[name] = length
        if sum(self._lengths.values()) > _MOST_HELD:
            raise AgentFailed(f"the agent's values have more than {_MOST_HELD} characters together")

    def text_of(self, reference: str) -> str:
        """A variable's value as a text."""
        return as_text(self.value_of(reference))

    def filled(self, text: str) -> str:
        """A text with the values of the variables that it refers to."""
        return replaced(text, self.text_of)

    def add_chunks(self, retrieved: Retrieved, cited: Sequence[Row]) -> range:
        """Note what was found, so that it can be cited; the numbers that the chunks have from now on."""
        self.searched = True
        first = len(self.reference["chunks"])
        numbers = range(first, first + len(cited))
        self.reference["chunks"] |= {str(number): each for number, each in zip(numbers, cited, strict=True)}
        self.reference["doc_aggs"] |= {each["doc_name"]: each for each in retrieved.doc_aggs}
        return numbers

    def messages(self, turns: int) -> list[dict[str, str]]:
        """The last turns of the conversation before the present question."""
        if turns <= 0:
            return []
        said = self.history[:-1][-2 * turns :]
        return [{"role": role, "content": _said(what)} for role, what in said]

    def ask(self, question: Any) -> None:
        """Note what the user says."""
        self.history.append(["user", question])
        self.globals["sys.history"] = [*self.globals["sys.history"], f"user: {as_text(question)}"]
        self.globals["sys.date"] = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")

    def answer(self, outputs: Row) -> None:
        """Note what the last component has said."""
        self.history.append(["assistant", outputs])
        self.globals["sys.history"] = [*self.globals["sys.history"], f"assistant: {_said(outputs)}"]


def _last_reference(retrieval: Any) -> Row:
    last = retrieval[-1] if isinstance(retrieval, list) and retrieval else None
    if isinstance(last, dict) and isinstance(last.get("chunks"), dict):
        return {"chunks": last["chunks"], "doc_aggs": last.get("doc_aggs") or {}}
    return {"chunks": {}, "doc_aggs": {}}


def _said(what: Any) -> str:
    return as_text(what.get("content", "") if isinstance(what, dict) else what)


def _inside(value: Any, step: str) -> Any:
    if isinstance(value, str):
        try:
            value = given_json(value)
        except ValueError:
            return None
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
        return value[int(step)]
    return None


def _with(value: Any, steps: Sequence[str], new: Any) -> Row:
    """An object with ``new`` at the end of a path through it; what is no object on the way becomes one."""
    held = value if isinstance(value, dict) else {}
    step, *rest = steps
    return {**held, step: _with(held.get(step), rest, new) if rest else new}


def _first_value(declared: Row) -> Any:
    if declared.get("value") is not None:
        return declared["value"]
    kind = str(declared.get("type", ""))
    return [] if kind.startswith("array") else copy.deepcopy(_BY_TYPE.get(kind, ""))
