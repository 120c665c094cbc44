"""Streams that repeat the whole answer in each frame, read in time linear in the answer's length.

So do servers up to v0.23, and later ones with ``legacy``: ``{"code": 0, …, "data": {"answer": "…", …}}``.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from .decoding import decode

__all__ = ["CumulativeJoiner", "Joined"]

_HEAD = re.compile(rb'\s*\{[^{}\[\]]*(?<!\\)"data"\s*:\s*\{[^{}\[\]]*?(?<!\\)"answer"\s*:\s*"')
_TEXT = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*+')  # what stands for itself in a text
_HALF = re.compile(rb"\\u[dD][89abAB]..\Z")  # of a pair: the next frame may end in its other half


class Joined(NamedTuple):
    """A frame; if it is ``continued``, its ``data["answer"]`` holds only what the answer has gained."""

    frame: Any
    continued: bool


class CumulativeJoiner:
    """Feed the events of one stream, get each as JSON would give it, with what is new of the answer.

    An event that repeats the one before up to the end of its answer, which is compared as bytes, is decoded
    from there on; one that repeats what came after the answer as well has only more text. Any other is decoded
    as a whole, with the same result.
    """

    def __init__(self) -> None:
        self._head = self._known = b""  # of the last event: up to where its answer begins, and where it ends
        self._rest = b""  # what comes there
        self._frame: dict[str, Any] = {}
        self._answer: list[str] | None = None

    @property
    def text(self) -> str:
        """The answer of the last event that had one."""
        return "".join(self._answer or ())

    def read(self, event: bytes) -> Joined:
        """The next frame; raises ``ValueError`` if it is not JSON."""
        if not self._known or not event.startswith(self._known):
            return self._whole(event)
        assert self._answer is not None
        start, end = len(self._known), len(event) - len(self._rest)
        if start <= end and event.endswith(self._rest) and _PLAIN.fullmatch(event, start, end):
            new = event[start:end].decode("utf-8", "surrogatepass")  # as JSON's own reader decodes it
            frame = {**self._frame, "data": {**self._frame["data"], "answer": new}}
            self._known = event[:end]
        else:
            rest = event[start:]
            if _again(rest):
                return self._whole(event)
            frame = decode(self._head + rest)
            self._keep(event, start, frame)
        self._answer.append(frame["data"]["answer"])
        return Joined(frame, True)

    def _whole(self, event: bytes) -> Joined:
        frame = decode(event)
        answer = _answer_of(frame)
        if answer is None:
            return Joined(frame, False)
        before, self._answer = self._answer, [answer]
        self._head = self._known = b""
        head = _HEAD.match(event)
        if head and not _again(event[head.end() :]):
            self._head = head[0]
            self._keep(event, head.end(), frame)
        text = None if before is None else "".join(before)
        if text is None or not answer.startswith(text):
            return Joined(frame, False)
        frame["data"]["answer"] = answer[len(text) :]
        return Joined(frame, True)

    def _keep(self, event: bytes, start: int, frame: dict[str, Any]) -> None:
        """Know the event up to the end of its answer, which ends somewhere after ``start``, and what comes then."""
        end = event.find(b'"', start)
        if event.find(b"\\", start, end) >= 0:  # hardly ever
            text = _TEXT.match(event, start)
            end = text.end() if text else 0
        known = event[:end]
        self._known = b"" if _HALF.search(known, len(known) - 6) else known
        self._rest, self._frame = event[end:], frame


def _again(rest: bytes) -> bool:
    """Whether one of the keys may be there a second time: then that one counts."""
    return b'"answer"' in rest or b'"data"' in rest


def _answer_of(frame: Any) -> str | None:
    data = frame.get("data") if isinstance(frame, dict) else None
    answer = data.get("answer") if isinstance(data, dict) else None
    return answer if isinstance(answer, str) else None
