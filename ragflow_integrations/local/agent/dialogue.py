"""Components that speak with the user: where it begins, what is asked in between, what is said."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from ..fields import given_json
from ..problems import Refused
from . import checks
from .component import END_OF_THINKING, START_OF_THINKING, Component, Row
from .limits import check_length
from .references import parts

__all__ = ["Begin", "Message", "UserFillUp"]

_MODES = ("conversational", "task", "Webhook")


class UserFillUp(Component):
    """Has the user fill in a form; the agent waits for it."""

    name = "UserFillUp"
    defaults: ClassVar[Row] = {
        "enable_tips": True,
        "tips": "Please fill up the form",
        "layout_recognize": "",
    }

    def elements(self) -> Row:
        """The fields of the form."""
        return dict(self.params["inputs"])

    def form(self) -> Row:
        return self.elements()

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        if self.params["enable_tips"]:
            self.set_output("tips", self.canvas.filled(self.params["tips"]))
        for name, value in inputs.items():
            self.set_output(name, _plain(name, value))
            self.set_input(name, _plain(name, value))

    def asked(self) -> Row:
        """The fields that are still to be filled in."""
        return {name: field for name, field in self.elements().items() if not _is_filled(field)}

    def thoughts(self) -> str:
        return "Waiting for the user."


class Begin(UserFillUp):
    """Where a run begins; its inputs are those of the whole agent."""

    name = "Begin"
    defaults: ClassVar[Row] = {
        **UserFillUp.defaults,
        "mode": "conversational",
        "prologue": "Hi! What can I do for you?",
    }

    @classmethod
    def check(cls, params: Row) -> None:
        checks.one_of(params["mode"], "The 'mode' should be either `conversational` or `task`", _MODES)

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        fields, query = self.elements(), self.canvas.globals["sys.query"]
        if not inputs and isinstance(query, dict):
            inputs = {name: value for name, value in query.items() if name in fields}
        elif not inputs and query and len(fields) == 1:
            inputs = dict.fromkeys(fields, query)
        for name, value in inputs.items():
            self.set_output(name, _plain(name, value))
            self.set_input(name, _plain(name, value))

    def thoughts(self) -> str:
        return ""


class Message(Component):
    """Says something to the user: one of its texts."""

    name = "Message"
    defaults: ClassVar[Row] = {
        "content": [],
        "stream": True,
        "output_format": None,
        "auto_play": False,
        "outputs": {"content": {"type": "str"}, "downloads": {"type": "list"}},
    }

    @classmethod
    def check(cls, params: Row) -> None:
        checks.filled(params["content"], "[Message] Content")
        checks.boolean(params["stream"], "[Message] stream")

    def texts(self) -> Sequence[str]:
        content = self.params["content"]
        return [content] if isinstance(content, str) else content

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        for name in ("output_format", "auto_play"):
            if self.params[name]:
                raise Refused(f"the local engine does not have `{name}` of Message; a RAGFlow server has it")
        text = random.choice(self.texts())
        if "{%" in text:
            raise Refused("the local engine does not fill Jinja templates in; a RAGFlow server does")
        self.set_output("downloads", [])
        self.pending = self._said(text)

    def _said(self, text: str) -> Iterator[str]:
        whole = ""
        for piece, is_name in parts(text):
            value = ""
            for delta in self._streamed(piece) if is_name else [piece]:
                yield delta
                value += "" if delta in (START_OF_THINKING, END_OF_THINKING) else delta
            whole += value
            check_length(whole, f"the text of {self.id}")
            if is_name:
                self.set_input(piece, value)
        self._remember(whole)

    def _streamed(self, name: str) -> Iterator[str]:
        """A variable's text as it is made."""
        identifier, at, output = name.partition("@")
        component = self.canvas.component(identifier) if at else None
        if component is not None and component.pending is not None and output == "content":
            yield from component.deltas()
        elif text := self.canvas.text_of(name):
            yield text

    def _remember(self, said: str) -> None:
        memory_ids = self.params.get("memory_ids")
        if not memory_ids:
            return
        user_id = self.canvas.filled(str(self.params.get("user_id") or ""))
        query = self.canvas.text_of("sys.query")
        whose = {"agent_id": self.canvas.agent_id, "session_id": self.canvas.task_id, "user_id": user_id}
        self.canvas.host.add_message(memory_ids, user_input=query, agent_response=said, **whose)


def _plain(name: str, value: Any) -> Any:
    """What a field was filled in with: a value, or an object that holds it as ``value``."""
    if not isinstance(value, dict):
        return value
    if "file" in str(value.get("type", "")).lower() and value.get("value") is not None:
        raise Refused(f"the local engine does not read files in agents (`{name}`) yet; a RAGFlow server does")
    plain = value.get("value")
    if value.get("type") == "object" and isinstance(plain, str) and plain.strip():
        try:
            return given_json(plain)
        except ValueError:
            return plain
    return plain


def _is_filled(field: Any) -> bool:
    if not isinstance(field, dict):
        return field is not None
    is_file = "file" in str(field.get("type", "")).lower()
    return field.get("value") is not None or (is_file and bool(field.get("optional")))
