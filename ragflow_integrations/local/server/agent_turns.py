"""A turn of a conversation with an agent: what is asked, and what its events come to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..agent import Event, Question
from .agents import as_id
from .envelope import EXCEPTION, SERVER, Fail, failed, not_there_yet, told
from .sse import frame

__all__ = ["Collected", "collected", "failure", "question_of", "session_events"]

Row = dict[str, Any]

_OF_SESSIONS = ("message", "message_end", "user_inputs")


def question_of(given: Row, user_id: str) -> Question:
    """What the user says; ``user_id`` is whose turn it is if nobody is named."""
    query = given.get("query") or given.get("question") or ""
    if isinstance(query, int | float):
        raise failed(TypeError(f"'{type(query).__name__}' object is not subscriptable"))
    if not isinstance(query, str | dict):
        raise Fail(f"`query` should be a string, got {query!r}", EXCEPTION, data=None)
    fields = given.get("inputs") or {}
    if not isinstance(fields, dict):
        raise Fail(f"`inputs` should be an object, got {fields!r}", EXCEPTION, data=None)
    if given.get("files"):
        raise not_there_yet("files in agents")
    return Question(query, fields, as_id(given.get("user_id") or user_id))


def session_events(events: Iterator[Event], *, trace: bool) -> Iterator[Event]:
    """The events of a session of the kind ``agent``: nothing of the beginning, and of the end the tokens alone."""
    finished: list[Row] = []
    for event in events:
        data = event["data"]
        if event["event"] in _OF_SESSIONS:
            yield event
        elif event["event"] == "node_finished":
            finished.append({"component_id": data["component_id"], "trace": [data]})
            yield {**event, "data": {**data, "trace": list(finished)}} if trace else event
        elif event["event"] == "workflow_finished":
            yield {**event, "data": {"usage": data.get("usage")}}


@dataclass
class Collected:
    """What a whole turn comes to."""

    content: str
    reference: Row
    structured: Row
    trace: list[Row]
    usage: Row | None
    last: Event | None
    answer: Event | None

    def data(self, event: Event, *, trace: bool) -> Row:
        """An event with all that was said."""
        more = {"structured": self.structured} if self.structured else {}
        traced = {"trace": self.trace} if trace else {}
        return {
            **event,
            "data": {**event["data"], "content": self.content, "reference": self.reference, **more, **traced},
        }


def collected(events: Iterator[Event]) -> Collected:
    """Read a turn to its end."""
    whole = Collected("", {}, {}, [], None, None, None)
    for event in events:
        kind, data = event["event"], event["data"]
        whole.last = event
        if kind == "message":
            whole.content += data["content"]
        elif kind == "message_end" or (kind == "user_inputs" and whole.answer is None):
            whole.answer = event
        elif kind == "node_finished":
            plain = {key: value for key, value in data.items() if key != "trace"}
            whole.trace.append({"component_id": data["component_id"], "trace": [plain]})
            if "structured" in data["outputs"]:
                whole.structured[data["component_id"]] = data["outputs"]["structured"]
        elif kind == "workflow_finished":
            whole.usage = data.get("usage")
        whole.reference |= data.get("reference") or {}
    return whole


def failure(error: Exception, session_id: str) -> str:
    """The frame that says that a turn has failed."""
    said = told(error, f"the agent's session {session_id}")
    return frame({"code": SERVER, "message": said, "data": False})
