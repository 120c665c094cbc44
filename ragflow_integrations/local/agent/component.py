"""What all components have in common: parameters, inputs that come from elsewhere, outputs that others refer to."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..problems import Problem
from .limits import check_length
from .problems import NotRunnable
from .references import names

if TYPE_CHECKING:
    from .canvas import Canvas

__all__ = ["END_OF_THINKING", "START_OF_THINKING", "Checked", "Component"]

Row = dict[str, Any]

START_OF_THINKING, END_OF_THINKING = "<think>", "</think>"
_COMMON: Row = {
    "message_history_window_size": 13,
    "inputs": {},
    "outputs": {},
    "description": "",
    "max_retries": 0,
    "delay_after_error": 2.0,
    "exception_method": None,
    "exception_default_value": None,
    "exception_goto": None,
    "debug_inputs": {},
}


class Component:
    """A node of a canvas.

    ``params`` hold its settings and, as in RAGFlow's DSL, its last ``inputs`` and ``outputs``. A text that is still
    being made is ``pending``: whoever asks for the output ``content`` makes it complete.
    """

    name: ClassVar[str] = ""
    defaults: ClassVar[Row] = {}

    def __init__(self, canvas: Canvas, identifier: str, node: Row) -> None:
        self.canvas, self.id, self.node = canvas, identifier, node
        given = node["obj"].get("params") or {}
        self.params: Row = copy.deepcopy({**_COMMON, **self.defaults, **given})
        for key in ("inputs", "outputs"):
            if not isinstance(self.params[key], dict):
                raise NotRunnable(f"`{key}` of the component {identifier} should be an object")
        self.pending: Iterator[str] | None = None
        self.next: Sequence[str] | None = None

    @classmethod
    def check(cls, params: Row) -> None:
        """Raise ``WrongParameter`` for what cannot be run."""

    def texts(self) -> Sequence[str]:
        """The texts of its settings that may refer to variables."""
        return ()

    def needs(self) -> Sequence[str]:
        """The outputs of other components that it refers to."""
        return [name for text in self.texts() for name in names(text) if "@" in name]

    def elements(self) -> Row:
        """What it takes from elsewhere: ``{name: {"name", "value"}}``."""
        return {
            name: {"name": self.canvas.label_of(name), "value": None}
            for text in self.texts()
            for name in names(text)
        }

    def form(self) -> Row:
        """What a user would have to fill in to try it alone."""
        return {name: {"type": "line", "name": each["name"]} for name, each in self.elements().items()}

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        """Do its work: set outputs, or ``pending``; ``inputs`` are what the user has filled in."""
        raise NotImplementedError

    def thoughts(self) -> str:
        """What it says when it begins."""
        return ""

    @property
    def error(self) -> str | None:
        """Why it failed, if it did."""
        return (self.params["outputs"].get("_ERROR") or {}).get("value")

    @property
    def fallback(self) -> str:
        """What it says in place of a failure; empty if it has no such."""
        return (
            str(self.params["exception_default_value"] or "")
            if self.params["exception_method"] == "comment"
            else ""
        )

    @property
    def way_out(self) -> list[str]:
        """The components that a failure leads to."""
        goto = self.params["exception_goto"] if self.params["exception_method"] else None
        return [goto] if isinstance(goto, str) else list(goto or ())

    def following(self) -> list[str]:
        """The components that come after it, now that it has run."""
        if self.error:
            return self.way_out
        ahead = list(self.node.get("downstream") or ()) if self.next is None else list(self.next)
        return ahead or self.outward()

    def outward(self) -> list[str]:
        """Where the run goes on when a way ends here: at the next round of what it is inside of, if it is so."""
        parent = self.canvas.parent_of(self.id)
        return [] if parent is None else parent.again()

    def again(self) -> list[str]:
        """The component with which another round of what is inside begins; nothing if there is none."""
        return []

    def output(self, key: str) -> Any:
        """An output's value; an empty text if it has none such, None if it has not run."""
        if key == "content" and self.pending is not None:
            for _ in self.deltas():
                pass
        return (self.params["outputs"].get(key) or {}).get("value", "")

    def outputs(self) -> Row:
        """All outputs that are there."""
        return {key: (each or {}).get("value") for key, each in self.params["outputs"].items()}

    def set_output(self, key: str, value: Any) -> None:
        """Set an output, which is made if the DSL does not declare it; ``AgentFailed`` if it is too long."""
        what = f"the output {key} of {self.id}"
        self.canvas.hold(what, check_length(value, what))
        declared = self.params["outputs"].get(key) or {"type": str(type(value))}
        self.params["outputs"][key] = {**declared, "value": value}

    def deltas(self) -> Iterator[str]:
        """The text that is pending, piece by piece; its output is set when it ends."""
        pending, self.pending = self.pending, None
        text, thinking = "", False
        try:
            for piece in pending or ():
                if piece in (START_OF_THINKING, END_OF_THINKING):
                    thinking = piece == START_OF_THINKING
                elif not thinking:
                    text += piece
                yield piece
        except Problem:
            if not self.fallback:
                raise
            text += self.fallback
            yield self.fallback
        self.set_output("content", text)

    def input_values(self) -> Row:
        """What it took from elsewhere when it ran."""
        return {name: (self.params["inputs"].get(name) or {}).get("value") for name in self.elements()}

    def set_input(self, name: str, value: Any) -> None:
        """Note what it took from elsewhere."""
        self.params["inputs"][name] = {**(self.params["inputs"].get(name) or {}), "value": value}

    def filled(self, text: str) -> str:
        """``text`` with the values of what it refers to, which are noted as inputs."""
        for name in names(text):
            self.set_input(name, self.canvas.text_of(name))
        return self.canvas.filled(text)

    def begin_anew(self) -> None:
        """Forget how it went when it ran before, in the same turn."""
        self.pending = self.next = None
        self.params["outputs"].pop("_ERROR", None)

    def forget(self) -> None:
        """Forget what it took from elsewhere and what it has made of it."""
        for kind in ("outputs", "inputs"):
            for each in self.params[kind].values():
                if isinstance(each, dict):
                    each["value"] = None

    def reset(self) -> None:
        """Forget what the last run left."""
        self.begin_anew()
        self.forget()
        self.params["debug_inputs"] = {}

    def dumped(self) -> Row:
        """The node as the DSL has it."""
        return {**self.node, "obj": {"component_name": self.name, "params": copy.deepcopy(self.params)}}


class Checked(Component):
    """A component that is not made with parameters of wrong kinds."""

    def __init__(self, canvas: Canvas, identifier: str, node: Row) -> None:
        super().__init__(canvas, identifier, node)
        self.check(self.params)
