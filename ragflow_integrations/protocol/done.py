"""Streams of JSON objects that end with ``data: [DONE]``, as OpenAI's do and those of agents."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Generic, TypeVar

from ..errors import StreamInterruptedError
from .decoding import decode
from .reading import unexpected
from .sse import EventDecoder
from .wire import Request

T = TypeVar("T")

__all__ = ["DoneDecoder"]

DONE = b"[DONE]"


class DoneDecoder(ABC, Generic[T]):
    """The state of one such stream; what its frames mean is said below."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._text: list[str] = []
        self._events = EventDecoder()
        self._closed = False

    @abstractmethod
    def _frame(self, frame: dict[str, Any]) -> Iterable[T]:
        """What an object says; adds text to ``_text``."""

    def _last(self) -> Iterable[T]:
        """What is to be said at the end."""
        return []

    @property
    def partial(self) -> str:
        """The answer's text so far, without reasoning."""
        return "".join(self._text)

    def feed(self, data: bytes) -> Iterator[T]:
        """What these bytes complete."""
        return chain.from_iterable(map(self._event, self._events.feed(data)))

    def end(self) -> Iterator[T]:
        """Nothing more comes: the closing frame must have been there."""
        for event in self._events.end():
            if _is_whole(event):
                yield from self._event(event)
        if not self._closed:
            raise StreamInterruptedError(
                "the stream ended before its closing frame; `partial` holds what had arrived", self.partial
            )

    def _event(self, event: bytes) -> Iterable[T]:
        if self._closed:
            return []
        if event == DONE:
            self._closed = True
            return self._last()
        try:
            frame = decode(event)
        except ValueError:
            frame = None
        if not isinstance(frame, dict):
            raise unexpected(self._request, f"a stream frame starts {event[:80]!r}")
        return self._frame(frame)


def _is_whole(event: bytes) -> bool:
    """Whether the end of the stream did not cut it in two."""
    try:
        return event == DONE or decode(event) is not None
    except ValueError:
        return False
