"""Asking a chat assistant: ``POST /api/v1/chat/completions``, whole or streamed.

The stream has frames ``data:{"code", "message", "data": {…}}`` with a delta in ``answer``; reasoning
stands between a ``start_to_think`` and an ``end_to_think`` frame; the ``final`` frame carries the
reference; ``"data": true`` ends it. Errors come inside, as a frame with ``code`` 500.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..errors import InvalidRequestError, StreamInterruptedError
from ..models import Message, Reference
from .checks import check_id, check_text
from .envelope import error_for, payload
from .reading import models, unexpected
from .sse import EventDecoder
from .wire import Call, Request, Response, Streamed

__all__ = ["AnswerDecoder", "ask", "ask_stream"]

_PATH = "/api/v1/chat/completions"
Question = str | Sequence[Mapping[str, Any]]


def ask(
    chat_id: str, question: Question, *, session_id: str | None, options: Mapping[str, Any]
) -> Call[Message]:
    """The whole answer at once."""
    return Call(Request("POST", _PATH, body=_body(chat_id, question, session_id, False, options)), _answer)


def ask_stream(
    chat_id: str, question: Question, *, session_id: str | None, options: Mapping[str, Any]
) -> Streamed[Message]:
    """The answer as it is made."""
    return Streamed(
        Request("POST", _PATH, body=_body(chat_id, question, session_id, True, options)), AnswerDecoder
    )


def _body(
    chat_id: str, question: Question, session_id: str | None, stream: bool, options: Mapping[str, Any]
) -> dict[str, Any]:
    """With a session the server keeps the history; without one the messages are the whole history."""
    body: dict[str, Any] = {"chat_id": check_id("chat_id", chat_id), "stream": stream}
    if session_id is not None:
        body |= {
            "session_id": check_id("session_id", session_id),
            "question": check_text("question", question),
        }
    else:
        body |= {
            "messages": _messages(question),
            "pass_all_history_messages": True,
            "store_history_messages": False,
        }
    return {**options, **body}


def _messages(question: Any) -> list[dict[str, Any]]:
    if isinstance(question, str):
        return [{"role": "user", "content": check_text("question", question)}]
    if not isinstance(question, Sequence) or not all(isinstance(message, Mapping) for message in question):
        raise InvalidRequestError(f"question={question!r}: give a text, or a list of {{'role', 'content'}}")
    messages = [dict(message) for message in question]
    if not messages or messages[-1].get("role") != "user":
        raise InvalidRequestError("messages: the last one must have the role 'user'")
    check_text("the last message's content", messages[-1].get("content"))
    return messages


def _answer(request: Request, response: Response) -> Message:
    data = payload(request, response)
    if not isinstance(data, dict) or "answer" not in data:
        raise unexpected(request, "data holds no answer")
    reasoning, content = _split_reasoning(data["answer"] or "")
    return _message(request, data, content=content, reasoning=reasoning, full_content=content, final=True)


class AnswerDecoder:
    """The state of one streamed answer: feed bytes, get messages."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._events = EventDecoder()
        self._text: list[str] = []
        self._thinking = False
        self._last: dict[str, Any] = {}
        self._final_seen = False
        self._closed = False

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that these bytes complete."""
        for event in self._events.feed(data):
            yield from self._frame(event)

    def end(self) -> Iterator[Message]:
        """Nothing more comes: the closing frame must have been there."""
        for event in self._events.end():
            if _parsed(event) is not None:  # else the end cut it in two
                yield from self._frame(event)
        if not self._closed:
            raise StreamInterruptedError(
                "the stream ended before its closing frame; `partial` holds what had arrived", self.partial
            )

    @property
    def partial(self) -> str:
        """The answer's text so far, without reasoning."""
        return "".join(self._text)

    def _frame(self, event: bytes) -> Iterable[Message]:
        frame = _parsed(event)
        code = frame.get("code") if isinstance(frame, dict) else None
        if not isinstance(frame, dict) or not isinstance(code, int):
            raise unexpected(self._request, f"a stream frame starts {event[:80]!r}")
        data = frame.get("data")
        if code != 0:
            raise error_for(self._request, 200, code, frame.get("message") or _error_text(data))
        if data is True:
            self._closed = True
            return [] if self._final_seen else [self._final({})]
        if not isinstance(data, dict):
            raise unexpected(self._request, f"a stream frame starts {event[:80]!r}")
        return self._piece(data)

    def _piece(self, data: dict[str, Any]) -> Iterable[Message]:
        self._last = data
        if data.get("start_to_think") or data.get("end_to_think"):
            self._thinking = bool(data.get("start_to_think"))
            return []
        if data.get("final"):
            return [self._final(data)]
        text = data.get("answer") or ""
        if self._thinking:
            return [_message(self._request, data, reasoning=text, reference=None)]
        self._text.append(text)
        return [_message(self._request, data, content=text, reference=None)] if text else []

    def _final(self, data: dict[str, Any]) -> Message:
        """A non-empty final answer is the whole text again: only what is new of it is handed out."""
        self._final_seen = True
        so_far = self.partial
        whole = _split_reasoning(data.get("answer") or "")[1] or so_far
        rest = whole.removeprefix(so_far) if whole.startswith(so_far) else ""
        source = {**self._last, **data}
        return _message(self._request, source, content=rest, full_content=whole, final=True)


def _message(request: Request, data: Mapping[str, Any], **fields: Any) -> Message:
    reference = fields.pop("reference", data.get("reference"))
    cited = models(Reference, [reference if isinstance(reference, dict) else {}], request)[0]
    return Message(
        **{"content": "", **fields},
        id=data.get("id"),
        session_id=data.get("session_id"),
        chat_id=data.get("chat_id"),
        prompt=data.get("prompt"),
        reference=cited.chunks,
        doc_aggs=cited.doc_aggs,
    )


def _split_reasoning(text: str) -> tuple[str, str]:
    """Whole answers carry reasoning inline as ``<think>…</think>`` at their start."""
    if not text.startswith("<think>") or "</think>" not in text:
        return "", text
    reasoning, _, content = text.removeprefix("<think>").partition("</think>")
    return reasoning, content


def _parsed(event: bytes) -> Any:
    """The frame in an event; ``None`` for what is not JSON."""
    try:
        return json.loads(event)
    except ValueError:
        return None


def _error_text(data: Any) -> str:
    return str(data.get("answer", "")) if isinstance(data, dict) else ""
