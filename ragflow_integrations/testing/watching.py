"""A client whose exchanges with its server are seen, held up or kept together, on any server."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from .. import AsyncRAGFlow, RAGFlow
from ..protocol.wire import Request, Response
from ..transport.base import AsyncByteStream, AsyncTransport, ByteStream, SyncTransport

__all__ = ["Exchange", "Watch", "watched"]

_PATIENCE = 10.0  # seconds
_OFTEN = 0.01
_HELD = "the stream was held, and nobody closed it"


@dataclass
class Exchange:
    """A request, and how far its answer came; of one that is ``streamed``, ``lines`` were handed out so far."""

    operation: str
    method: str
    streamed: bool = False
    lines: int = 0
    ended: bool = False
    """The answer is there, or the stream was read to its end."""

    closed: bool = False
    """The stream was closed; ``closed and not ended``: it was broken off."""


@dataclass
class Watch:
    """What goes through ``client`` and its twin; ``exchanges`` are in the order in which they began."""

    client: RAGFlow
    exchanges: list[Exchange] = field(default_factory=list)
    most_at_once: int = 0
    """How many requests were under way at the same time, at most; a streamed one is until its answer begins."""

    _held: bool = field(default=False, repr=False)
    _wanted: int = field(default=0, repr=False)
    _given_up: bool = field(default=False, repr=False)
    _under_way: int = field(default=0, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def streams(self) -> list[Exchange]:
        """Those that are streamed."""
        return [one for one in self.exchanges if one.streamed]

    def hold_streams(self) -> None:
        """From now on streams wait before their next line until they are closed; after ten seconds they fail."""
        self._held = True

    def keep_until(self, together: int) -> None:
        """From now on requests wait until so many are under way at once; after ten seconds all of them fail."""
        self._wanted, self.most_at_once, self._given_up = together, 0, False

    @contextmanager
    def _exchange(self, request: Request) -> Iterator[Exchange]:
        """A request, under way until the block is left."""
        exchange = Exchange(request.operation, request.method)
        with self._lock:
            self.exchanges.append(exchange)
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            yield exchange
        finally:
            with self._lock:
                self._under_way -= 1

    def _waits(self) -> bool:
        return self.most_at_once < self._wanted

    def _gave_up(self) -> TimeoutError:
        self._given_up = True
        return TimeoutError(f"{self.most_at_once} requests were under way at once, not {self._wanted}")


@contextmanager
def watched(client: RAGFlow) -> Iterator[Watch]:
    """A client on the connections of this one, watched like its twin ``as_async()``; the given one stays as it is."""
    own = client.with_options()
    twin: AsyncRAGFlow = own.as_async()
    watch = Watch(own)
    own._transport = _Watched(own._transport, watch)
    twin._transport = _AsyncWatched(twin._transport, watch)
    yield watch


class _Watched:
    """A ``SyncTransport``."""

    def __init__(self, inner: SyncTransport, watch: Watch) -> None:
        self._inner, self._watch = inner, watch

    def send(self, request: Request, *, timeout: float | None) -> Response:
        with self._watch._exchange(request) as exchange:
            _wait(self._watch)
            answer = self._inner.send(request, timeout=timeout)
            exchange.ended = True
            return answer

    def open(self, request: Request, *, timeout: float | None) -> ByteStream:
        with self._watch._exchange(request) as exchange:
            exchange.streamed = True
            _wait(self._watch)
            return _Stream(self._inner.open(request, timeout=timeout), exchange, self._watch)

    def close(self) -> None:
        """The connections are the given client's."""


class _AsyncWatched:
    """An ``AsyncTransport``."""

    def __init__(self, inner: AsyncTransport, watch: Watch) -> None:
        self._inner, self._watch = inner, watch

    async def send(self, request: Request, *, timeout: float | None) -> Response:
        with self._watch._exchange(request) as exchange:
            await _await(self._watch)
            answer = await self._inner.send(request, timeout=timeout)
            exchange.ended = True
            return answer

    async def open(self, request: Request, *, timeout: float | None) -> AsyncByteStream:
        with self._watch._exchange(request) as exchange:
            exchange.streamed = True
            await _await(self._watch)
            return _AsyncStream(await self._inner.open(request, timeout=timeout), exchange, self._watch)

    async def aclose(self) -> None:
        """The connections are the given client's."""


class _Stream:
    """A ``ByteStream`` that hands out line by line, however the bytes came."""

    def __init__(self, inner: ByteStream, exchange: Exchange, watch: Watch) -> None:
        self._inner, self._exchange, self._watch = inner, exchange, watch
        self._closed = threading.Event()
        self.status: int = inner.status
        self.headers: Mapping[str, str] = inner.headers

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._inner:
            for line in piece.splitlines(keepends=True):
                if self._watch._held:
                    self._closed.wait(_PATIENCE)
                    raise TimeoutError(_HELD)
                self._exchange.lines += 1
                yield line
        self._exchange.ended = True

    def close(self) -> None:
        self._exchange.closed = True
        self._closed.set()
        self._inner.close()


class _AsyncStream:
    """An ``AsyncByteStream`` that hands out line by line, however the bytes came."""

    def __init__(self, inner: AsyncByteStream, exchange: Exchange, watch: Watch) -> None:
        self._inner, self._exchange, self._watch = inner, exchange, watch
        self.status: int = inner.status
        self.headers: Mapping[str, str] = inner.headers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._inner:
            for line in piece.splitlines(keepends=True):
                if self._watch._held:
                    await asyncio.sleep(_PATIENCE)
                    raise TimeoutError(_HELD)
                self._exchange.lines += 1
                yield line
        self._exchange.ended = True

    async def aclose(self) -> None:
        self._exchange.closed = True
        await self._inner.aclose()


def _wait(watch: Watch) -> None:
    until = time.monotonic() + _PATIENCE
    while watch._waits():
        if watch._given_up or time.monotonic() > until:
            raise watch._gave_up()
        time.sleep(_OFTEN)


async def _await(watch: Watch) -> None:
    until = time.monotonic() + _PATIENCE
    while watch._waits():
        if watch._given_up or time.monotonic() > until:
            raise watch._gave_up()
        await asyncio.sleep(_OFTEN)
