"""What a run of an agent answers: ``POST /agents/chat/completions``, whole or as events.

The stream has frames ``data:{"event", "message_id", "session_id", "data": {…}}`` and ends with ``data:[DONE]``.
Text comes as deltas in ``message``, reasoning between a ``start_to_think`` and an ``end_to_think``, the
reference in ``message_end``. Which of ``workflow_started``, ``node_started``, ``node_finished`` and
``workflow_finished`` are there depends on the version and on how the session began, so none is needed. An
error is a frame with ``code`` 500, or a component that failed with nothing after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import RAGFlowError
from ..models import AgentMessage
from .done import DoneDecoder
from .envelope import error_for, payload
from .error_text import refuse_error_text
from .reading import unexpected, valid
from .reasoning import split_all
from .wire import Request, Response

__all__ = ["AgentDecoder", "answer"]

_APART = ("content", "trace", "inputs", "reference")


def answer(request: Request, response: Response) -> AgentMessage:
    """The reader of a whole answer."""
    run = payload(request, response)
    if isinstance(run, str):
        refuse_error_text(request, run)
    data = run.get("data", {}) if isinstance(run, dict) else None
    if not isinstance(data, dict):
        raise unexpected(request, "data holds no answer")
    if run.get("event") == "node_finished" and data.get("error"):
        raise _failure(request, _of_component(data))
    reasoning, content = split_all(_text(request, data))
    fields = _fields(data) | {
        "content": content,
        "reasoning": reasoning,
        "trace": _trace(request, data.get("trace")),
    }
    if run.get("event") == "user_inputs":
        fields["user_inputs"] = data.get("inputs")
    around = {name: value for name, value in run.items() if name != "data"}
    return _message(request, fields | around, full_content=content, final=True)


class AgentDecoder(DoneDecoder[AgentMessage]):
    """The state of one streamed run: feed bytes, get messages."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._thinking = False
        self._around: dict[str, Any] = {}
        self._end: dict[str, Any] = {}
        self._steps: list[dict[str, Any]] = []
        self._structured: dict[str, Any] = {}
        self._failed = ""

    def _frame(self, frame: dict[str, Any]) -> Iterable[AgentMessage]:
        if frame.get("code", 0) != 0:
            raise _failure(self._request, frame.get("message"), frame["code"])
        data = frame.get("data") or {}
        if not isinstance(data, dict):
            raise unexpected(self._request, "the data of a stream's frame is no object")
        self._around = {name: value for name, value in frame.items() if name != "data"}
        return self._happened(frame.get("event"), data)

    def _happened(self, kind: Any, data: dict[str, Any]) -> Iterable[AgentMessage]:
        if kind == "message":
            return self._said(data)
        if kind == "message_end":
            self._cite(data)
        elif kind == "user_inputs":
            self._end |= {"user_inputs": data.get("inputs") or {}, "tips": data.get("tips")}
        elif kind == "workflow_finished":
            self._failed = ""
            self._end |= _fields(data)
        elif kind in ("node_started", "node_finished"):
            return [self._step(kind, data)]
        return []

    def _said(self, data: dict[str, Any]) -> Iterable[AgentMessage]:
        self._failed = ""
        if data.get("start_to_think") or data.get("end_to_think"):
            self._thinking = bool(data.get("start_to_think"))
        text, sound = _text(self._request, data), data.get("audio_binary")
        if not text and not sound:
            return []
        if self._thinking:
            return [self._piece(reasoning=text)]
        self._text.append(text)
        return [self._piece(content=text, **({"audio_binary": sound} if sound else {}))]

    def _cite(self, data: dict[str, Any]) -> None:
        """A run may end several messages, each with its own reference."""
        new = _fields(data)
        before, chunks = (each.get("reference", {}).get("chunks") for each in (self._end, new))
        if isinstance(before, Mapping) and isinstance(chunks, Mapping):
            new["reference"] = {"chunks": {**before, **chunks}}
        self._end |= new

    def _step(self, kind: str, data: dict[str, Any]) -> AgentMessage:
        self._failed = ""
        step = {name: value for name, value in data.items() if name != "trace"}  # of the steps before it
        if kind == "node_finished":
            self._steps.append(step)
            self._failed = _of_component(data) if data.get("error") else ""
            self._keep_structured(data)
        return self._piece(step=step)

    def _keep_structured(self, data: dict[str, Any]) -> None:
        outputs = data.get("outputs")
        if isinstance(outputs, dict) and "structured" in outputs:
            self._structured[str(data.get("component_id"))] = outputs["structured"]

    def _piece(self, **fields: Any) -> AgentMessage:
        ids = {name: self._around.get(name) for name in ("message_id", "session_id")}
        return _message(self._request, ids, **fields)

    def _last(self) -> Iterable[AgentMessage]:
        if self._failed:  # nothing came after it: nothing handled it
            raise _failure(self._request, self._failed)
        fields = {"trace": self._steps, "full_content": self.partial, "content": "", "final": True}
        if self._structured:
            fields["structured"] = self._structured
        return [_message(self._request, self._end | self._around, **fields)]


def _fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """What an event's data says besides text, steps and the run's inputs; its reference in two parts."""
    fields = {name: value for name, value in data.items() if name not in _APART}
    reference = data.get("reference")
    if isinstance(reference, Mapping) and reference:
        fields |= {"reference": {"chunks": reference.get("chunks")}, "doc_aggs": reference.get("doc_aggs")}
    elif isinstance(reference, list):
        fields["reference"] = {"chunks": reference}
    return fields


def _trace(request: Request, trace: Any) -> list[dict[str, Any]]:
    """The steps of a trace, without the trace that servers repeat in each."""
    items = [item.get("trace") if isinstance(item, Mapping) else None for item in _list(request, trace)]
    steps = [step for item in items for step in _list(request, item)]
    if not all(isinstance(step, Mapping) for step in steps):
        raise unexpected(request, "trace has something that is no step")
    return [{name: value for name, value in step.items() if name != "trace"} for step in steps]


def _list(request: Request, value: Any) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise unexpected(request, "trace is no list of components with their steps")
    return value or []


def _message(request: Request, told: Mapping[str, Any], **fields: Any) -> AgentMessage:
    return valid(AgentMessage, {**told, **fields}, request)


def _text(request: Request, data: Mapping[str, Any]) -> str:
    text = data.get("content")
    if text is not None and not isinstance(text, str):
        raise unexpected(request, "content is no text")
    return text or ""


def _of_component(data: Mapping[str, Any]) -> str:
    return f"the component {data.get('component_id')} failed: {data['error']}"


def _failure(request: Request, message: Any, code: Any = 500) -> RAGFlowError:
    return error_for(request, 200, code if isinstance(code, int) else 500, message)
