"""What goes over the wire, as values; nothing here does I/O.

A ``Call[T]`` is a ``Request`` with the pure function that reads its ``Response`` into a ``T``. A
``Streamed[T]`` is a request whose answer a decoder reads piece by piece. A ``Flow[T]`` is a generator
that yields calls and sleeps and returns a ``T``: polling and paging are written once as flows and
driven by the client, with or without ``await``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, cast

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

__all__ = ["Call", "Decoder", "FilePart", "Flow", "Request", "Response", "Sleep", "Streamed", "ask", "query"]


@dataclass(frozen=True, slots=True)
class FilePart:
    """One part of a multipart upload."""

    name: str
    filename: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; ``path`` starts with ``/api/v1``. ``idempotent``: may be sent again safely."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    files: tuple[FilePart, ...] = ()
    idempotent: bool = False

    def __post_init__(self) -> None:
        if self.method in ("GET", "PUT"):  # a DELETE done twice is answered with "not found"
            object.__setattr__(self, "idempotent", True)


@dataclass(frozen=True, slots=True)
class Response:
    """One whole HTTP answer; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The parsed body; raises ``ValueError`` when it is not JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """A request and how to read its answer. ``read`` raises ``APIError`` for an error answer."""

    request: Request
    read: Callable[[Request, Response], T_co]


class Decoder(Protocol[T_co]):
    """Turns the bytes of a streamed answer into values, however they are cut."""

    @property
    def partial(self) -> str:
        """The text that has arrived so far."""

    def feed(self, data: bytes) -> Iterable[T_co]:
        """The values completed by these bytes; raises ``APIError`` for an error event."""

    def end(self) -> Iterable[T_co]:
        """The connection ended; raises ``StreamInterruptedError`` unless the stream was complete."""


@dataclass(frozen=True, slots=True)
class Streamed(Generic[T_co]):
    """A request with a streamed answer and the maker of its decoder."""

    request: Request
    decoder: Callable[[Request], Decoder[T_co]]


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait this many seconds; the driver answers with the seconds gone since the flow began."""

    seconds: float


Flow = Generator["Call[Any] | Sleep", Any, T]


def ask(call: Call[T]) -> Flow[T]:
    """``value = yield from ask(call)`` inside a flow, keeping the call's type."""
    return cast("T", (yield call))


def query(**params: Any) -> tuple[tuple[str, str], ...]:
    """Query parameters as RAGFlow reads them: ``None`` dropped, lists repeated, booleans ``True``/``False``."""
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        if value is None:
            continue
        values = value if isinstance(value, (list, tuple)) else [value]
        pairs.extend((name, str(item)) for item in values)
    return tuple(pairs)
