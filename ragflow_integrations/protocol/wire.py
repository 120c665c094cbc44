"""What goes over the wire, as values; nothing here does I/O.

A ``Call[T]`` is a ``Request`` with the pure function that reads its ``Response`` into a ``T``. A
``Streamed[T]`` is a request whose answer a decoder reads piece by piece. A ``Flow[T]`` is a generator
that yields calls, sleeps and the question for the server's version, and returns a ``T``: polling, paging
and what depends on the version are written once as flows and driven by the client, with or without
``await``. What goes wrong with a call is raised inside the flow, so that it can clean up.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Generic, Protocol, TypeVar, cast

from .decoding import decode

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

__all__ = [
    "AskVersion",
    "Call",
    "Decoder",
    "FilePart",
    "Flow",
    "Reader",
    "Request",
    "Response",
    "Sleep",
    "Streamed",
    "Work",
    "ask",
    "query",
    "work",
]


@dataclass(frozen=True, slots=True)
class FilePart:
    """One part of a multipart upload: a file, or with an empty ``filename`` a plain field.

    ``content`` is bytes, a file's path, or a binary file object that can seek: that is sent from where it
    stands and put back there. Files are read while they are sent, never as a whole.
    """

    name: str
    filename: str
    content: bytes | Path | IO[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; ``path`` is whole. ``idempotent``: may be sent again safely.

    ``operation`` is its name in the table of versions, e.g. ``RAGFlow.retrieve``, and ``route`` its path
    without the ids, for logs and traces.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    files: tuple[FilePart, ...] = ()
    idempotent: bool = False
    operation: str = ""
    route: str = ""

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
        return decode(self.body)


Reader = Callable[[Request, Response], T]


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
    """A request with a streamed answer and the maker of its decoder.

    ``after`` is driven when the answer is over: read to its end, failed, or broken off.
    """

    request: Request
    decoder: Callable[[Request], Decoder[T_co]]
    after: Flow[None] | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait this many seconds; the driver answers with the seconds gone since the flow began."""

    seconds: float


@dataclass(frozen=True, slots=True)
class AskVersion:
    """The driver answers with the server's ``Version``, which it finds out once."""


@dataclass(frozen=True, slots=True)
class Work(Generic[T_co]):
    """Work on this machine that may block, such as reading a folder; an event loop has a thread do it."""

    run: Callable[[], T_co]


Flow = Generator["Call[Any] | Sleep | AskVersion | Work[Any]", Any, T]


def ask(call: Call[T]) -> Flow[T]:
    """``value = yield from ask(call)`` inside a flow, keeping the call's type."""
    return cast("T", (yield call))


def work(run: Callable[[], T]) -> Flow[T]:
    """``value = yield from work(function)`` inside a flow: what the function returns, or raises."""
    return cast("T", (yield Work(run)))


def query(**params: Any) -> tuple[tuple[str, str], ...]:
    """Query parameters as RAGFlow reads them: ``None`` dropped, lists repeated, booleans ``True``/``False``."""
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        if value is None:
            continue
        values = value if isinstance(value, (list, tuple)) else [value]
        pairs.extend((name, str(item)) for item in values)
    return tuple(pairs)
