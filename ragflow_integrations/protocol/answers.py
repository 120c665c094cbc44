"""What a chat answers to a question: whole, or as a stream of frames.

A frame is ``data:{"code", "message", "data": {…}}`` with new text in ``answer``; reasoning stands between a
``start_to_think`` and an ``end_to_think`` frame (v0.25.2 to v0.26: or ``<retrieving>`` and ``</retrieving>``);
the ``final`` frame carries the reference, and the whole text again where it differs (always in v0.25.0 to
v0.26.0, after an empty response everywhere); ``"data": true`` ends it. Without ``final`` in any frame the text
may be all that was said so far, repeated in each: until v0.23, and with ``legacy`` since v0.26.1. An answer from
a table and one of a chat without datasets have no final frame. Errors come inside, as a frame with ``code`` 500.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from ..errors import StreamInterruptedError
from ..models import Message
from .decoding import decode
from .envelope import error_for, payload
from .error_text import refuse_error_text
from .joiner import CumulativeJoiner
from .reading import unexpected, valid
from .reasoning import RETRIEVED, RETRIEVING, Splitter, split, unfinished
from .sse import EventDecoder
from .wire import Request, Response

__all__ = ["AnswerDecoder", "answer", "cited"]

_TEXT_OR_NULL = (str, type(None))
_OURS = frozenset({"answer", "reference", "final", "start_to_think", "end_to_think"})


def answer(request: Request, response: Response) -> Message:
    """The reader of a whole answer."""
    data = payload(request, response)
    if not isinstance(data, dict) or not isinstance(data.get("answer", False), _TEXT_OR_NULL):
        raise unexpected(request, "data holds no answer")
    if data.get("start_to_think") or data["answer"] == RETRIEVING:
        raise unfinished()
    reasoning, content = split(data["answer"])
    return _whole(request, data, content=content, reasoning=reasoning, full_content=content)


def cited(reference: Any) -> dict[str, Any]:
    """A message's fields of a reference, which is an object, ``{}``, or until v0.18 a list."""
    if not isinstance(reference, Mapping):
        return {"reference": reference or []}
    fields = {"reference": reference.get("chunks") or [], "doc_aggs": reference.get("doc_aggs") or []}
    return fields if reference.get("total") is None else {**fields, "total": reference["total"]}


class AnswerDecoder:
    """The state of one streamed answer: feed bytes, get messages."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._events = EventDecoder()
        self._joiner = CumulativeJoiner()
        self._splitter = Splitter()
        self._reasoning: list[str] = []
        self._content: list[str] = []
        self._repeats = True if _legacy(request) else None  # None: no frame has shown it yet
        self._thinking = False
        self._last: dict[str, Any] = {}
        self._final_seen = False
        self._closed = False

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that these bytes complete."""
        return chain.from_iterable(map(self._event, self._events.feed(data)))

    def end(self) -> Iterator[Message]:
        """Nothing more comes: the closing frame must have been there."""
        for event in self._events.end():
            if _is_json(event):  # else the end cut it in two
                yield from self._event(event)
        if not self._closed:
            raise StreamInterruptedError(
                "the stream ended before its closing frame; `partial` holds what had arrived", self.partial
            )

    @property
    def partial(self) -> str:
        """The answer's text so far, without reasoning."""
        return "".join(self._content)

    def _event(self, event: bytes) -> Iterable[Message]:
        try:
            frame, continued = (decode(event), False) if self._repeats is False else self._joiner.read(event)
        except ValueError:
            frame, continued = None, False
        code = frame.get("code") if isinstance(frame, dict) else None
        if not isinstance(frame, dict) or not isinstance(code, int):
            raise unexpected(self._request, f"a stream frame starts {event[:80]!r}")
        data = frame.get("data")
        if code != 0:
            raise error_for(self._request, 200, code, frame.get("message") or _error_text(data))
        if data is True:
            self._closed = True
            return [] if self._final_seen else [self._final({}, continued=True)]
        if not isinstance(data, dict) or not isinstance(data.get("answer"), _TEXT_OR_NULL):
            raise unexpected(self._request, f"a stream frame starts {event[:80]!r}")
        return self._piece(data, continued)

    def _piece(self, data: dict[str, Any], continued: bool) -> Iterable[Message]:
        self._last = data
        text = data.get("answer")
        if not self._repeats and _is_mark(data):
            self._thinking = bool(data.get("start_to_think")) or text == RETRIEVING
            self._repeats = False  # a text that is repeated has its reasoning in tags
            return []
        if data.get("final"):
            return [self._final(data, continued)]
        if not text:
            return []
        repeats = self._repeats is not False and self._is_repeating(data, continued)
        reasoning, content = self._repeated(text, continued) if repeats else self._added(text)
        if not reasoning and not content:
            return []
        ids = {name: data.get(name) for name in ("id", "session_id", "chat_id")}
        fields = {"content": content, "reasoning": reasoning, **ids}
        if data.get("audio_binary"):
            fields["audio_binary"] = data["audio_binary"]
        return [_message(self._request, fields)]

    def _is_repeating(self, data: Mapping[str, Any], continued: bool) -> bool:
        """Whether frames hold all that was said so far: the second one shows it, if none says ``final``."""
        if self._repeats is None and "final" in data:
            self._repeats = False
        elif self._repeats is None and self._content:
            now, said = Splitter().feed(data["answer"]), ("".join(self._reasoning), self.partial)
            self._repeats = continued or (any(said) and all(map(str.startswith, now, said)))
        return self._repeats is not False

    def _added(self, text: str) -> tuple[str, str]:
        """The reasoning and the answer that a frame adds."""
        if self._thinking:
            self._reasoning.append(text)
            return text, ""
        if self._splitter.held:  # the first frame had half a tag, which was none
            text = "".join(self._splitter.feed("", last=True)) + text
        if not self._content:
            refuse_error_text(self._request, text)
        self._content.append(text)
        return "", text

    def _repeated(self, text: str, continued: bool, *, last: bool = False) -> tuple[str, str]:
        """The same of a frame with the whole text, of which ``text`` is only the end if it is ``continued``."""
        if continued:
            reasoning, content = self._splitter.feed(text, last=last)
            self._reasoning.append(reasoning)
            self._content.append(content)
            return reasoning, content
        self._splitter = Splitter()
        reasoning, content = self._splitter.feed(text, last=last)
        refuse_error_text(self._request, content)
        new = _rest("".join(self._reasoning), reasoning), _rest(self.partial, content)
        self._reasoning, self._content = [reasoning], [content]
        return new

    def _final(self, data: dict[str, Any], continued: bool) -> Message:
        """An answer that is not empty is the whole text again: only what is new of it is handed out."""
        self._final_seen = True
        text, before = data.get("answer") or "", self.partial
        reasoning, content = self._repeated(text, continued or not text, last=True)
        source = {**self._last, **data}
        return _whole(
            self._request,
            source,
            content=content,
            reasoning=reasoning,
            full_content=self.partial or before,
        )


def _whole(request: Request, data: Mapping[str, Any], **fields: Any) -> Message:
    """The message that ends an answer, with everything the server sent along."""
    refuse_error_text(request, fields["full_content"])
    told = {name: value for name, value in data.items() if name not in _OURS}
    return _message(request, {**told, **cited(data.get("reference")), **fields, "final": True})


def _message(request: Request, fields: Mapping[str, Any]) -> Message:
    return valid(Message, fields, request)


def _is_mark(data: Mapping[str, Any]) -> bool:
    """Whether a frame says only that reasoning begins or ends."""
    marks = (
        data.get("start_to_think"),
        data.get("end_to_think"),
        data.get("answer") in (RETRIEVING, RETRIEVED),
    )
    return any(marks)


def _rest(before: str, whole: str) -> str:
    """What a text has more than before; nothing if it is another one."""
    return whole[len(before) :] if whole.startswith(before) else ""


def _legacy(request: Request) -> bool:
    """Whether ``legacy`` was asked for, as servers read a flag."""
    wanted = request.body.get("legacy") if isinstance(request.body, dict) else None
    return wanted.strip().lower() in ("1", "true", "yes", "on") if isinstance(wanted, str) else bool(wanted)


def _is_json(event: bytes) -> bool:
    try:
        decode(event)
    except ValueError:
        return False
    return True


def _error_text(data: Any) -> str:
    return str(data.get("answer", "")) if isinstance(data, dict) else ""
