"""HTTP: one exchange after the other, over connections that are pooled.

A client for event loops has a pool per running loop, closed when that loop ends. Redirects are not followed,
so that the API key goes to ``base_url``'s own origin only; cookies are not kept, as they would be those of
different users.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import NamedTuple

from ..config import Settings
from ..errors import StreamInterruptedError
from ..protocol.wire import Request, Response
from .limit import Limit, limit_of
from .loops import PerLoop, call_in
from .pool import AsyncExchange, AsyncPool, Exchange, Pool
from .server import FAILURES, Server
from .unpacking import Unpacker
from .upload import Upload
from .whole import WholeAnswer

__all__ = ["AsyncHTTPTransport", "HTTPTransport", "Request"]


class HTTPTransport:
    """Requests to one server over a pool of connections; safe to share between threads and after a fork."""

    def __init__(self, settings: Settings) -> None:
        self._server = Server(settings)
        self._lock = threading.Lock()
        self._pools: dict[int, _Limited] = {}  # by process: a forked child leaves its parent's alone

    def send(self, request: Request, *, timeout: float | None) -> Response:
        """One exchange, read whole."""
        pool, limit = self._pools.get(os.getpid()) or self._new_pool()
        built = self._server.built(request, timeout, Upload(request) if request.files else None)
        limit.acquire(self._server.at_once, timeout)
        try:
            return _read(pool.send(built), request, timeout)
        except FAILURES as error:
            raise self._server.failure(error, request) from None
        finally:
            limit.release()

    def open(self, request: Request, *, timeout: float | None) -> _HTTPStream:
        """One exchange whose answer is read as it arrives."""
        pool, limit = self._pools.get(os.getpid()) or self._new_pool()
        built = self._server.built(request, timeout, Upload(request) if request.files else None)
        limit.acquire(self._server.at_once, timeout)
        stream = None
        try:
            stream = _HTTPStream(self, request, pool.send(built), limit)
        except FAILURES as error:
            raise self._server.failure(error, request) from None
        finally:
            if stream is None:
                limit.release()
        return stream

    def close(self) -> None:
        """Close the pooled connections; a later request opens new ones."""
        with self._lock:
            limited = self._pools.pop(os.getpid(), None)
        if limited is not None:
            limited.pool.close()

    def _new_pool(self) -> _Limited:
        with self._lock:
            limited = self._pools.get(os.getpid())
            if limited is None:
                pool = self._server.pool()
                limited = self._pools[os.getpid()] = _Limited(pool, limit_of(self._server.base_url))
                weakref.finalize(self, pool.close).atexit = False
            return limited


class _Limited(NamedTuple):
    pool: Pool
    limit: Limit


class AsyncHTTPTransport:
    """Requests to one server from any number of event loops, a pool each."""

    def __init__(self, settings: Settings) -> None:
        self._server = Server(settings)
        self._pools: PerLoop[_AsyncLimited] = PerLoop(self)

    async def send(self, request: Request, *, timeout: float | None) -> Response:
        """One exchange, read whole."""
        pool, limit = self._pools.get() or await self._new_pool()
        upload = await Upload.measured(request) if request.files else None
        built = self._server.built(request, timeout, upload)
        await limit.acquire_async(self._server.at_once, timeout)
        try:
            return await _aread(await pool.send(built), request, timeout)
        except FAILURES as error:
            raise self._server.failure(error, request) from None
        finally:
            limit.release()

    async def open(self, request: Request, *, timeout: float | None) -> _AsyncHTTPStream:
        """One exchange whose answer is read as it arrives."""
        pool, limit = self._pools.get() or await self._new_pool()
        upload = await Upload.measured(request) if request.files else None
        built = self._server.built(request, timeout, upload)
        await limit.acquire_async(self._server.at_once, timeout)
        stream = None
        try:
            stream = _AsyncHTTPStream(self, request, await pool.send(built), limit)
        except FAILURES as error:
            raise self._server.failure(error, request) from None
        finally:
            if stream is None:
                limit.release()
        return stream

    async def aclose(self) -> None:
        """Close the running loop's connections; those of other loops are closed with their loops."""
        await self._pools.aclose()

    async def _new_pool(self) -> _AsyncLimited:
        pool = self._server.async_pool()
        return await self._pools.keep(_AsyncLimited(pool, limit_of(self._server.base_url)), pool.aclose)


class _AsyncLimited(NamedTuple):
    pool: AsyncPool
    limit: Limit


def _read(answer: Exchange, request: Request, timeout: float | None) -> Response:
    try:
        whole = WholeAnswer(request, answer.status, answer.headers, timeout)
        for piece in _unpacked(answer):
            if not whole.add(piece):
                break
    finally:
        answer.close()
    return whole.response()


async def _aread(answer: AsyncExchange, request: Request, timeout: float | None) -> Response:
    try:
        whole = WholeAnswer(request, answer.status, answer.headers, timeout)
        async for piece in _aunpacked(answer):
            if not whole.add(piece):
                break
    finally:
        await answer.aclose()
    return whole.response()


class _HTTPStream:
    def __init__(self, owner: HTTPTransport, request: Request, answer: Exchange, limit: Limit) -> None:
        self._owner = owner  # a transport that nobody holds any more closes its connections
        self._request, self._answer = request, answer
        self.status, self.headers = answer.status, answer.headers
        self._end = weakref.finalize(self, _end, answer, limit)  # runs once, also if this is dropped
        self._end.atexit = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from _unpacked(self._answer)
        except FAILURES as error:
            raise self._owner._server.failure(error, self._request, StreamInterruptedError) from None
        finally:
            self.close()

    def close(self) -> None:
        self._end()


def _end(answer: Exchange, limit: Limit) -> None:
    try:
        answer.close()
    finally:
        limit.release()


class _AsyncHTTPStream:
    def __init__(
        self, owner: AsyncHTTPTransport, request: Request, answer: AsyncExchange, limit: Limit
    ) -> None:
        self._owner = owner  # a transport that nobody holds any more closes its connections
        self._request, self._answer, self._limit = request, answer, limit
        self.status, self.headers = answer.status, answer.headers
        self._dropped = weakref.finalize(self, _end_in, asyncio.get_running_loop(), answer, limit)
        self._dropped.atexit = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in _aunpacked(self._answer):
                yield piece
        except FAILURES as error:
            raise self._owner._server.failure(error, self._request, StreamInterruptedError) from None
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        if self._dropped.detach() is None:
            return  # closed before
        try:
            await self._answer.aclose()
        finally:
            self._limit.release()


def _end_in(loop: asyncio.AbstractEventLoop, answer: AsyncExchange, limit: Limit) -> None:
    """For a stream that is dropped before it was read."""
    call_in(loop, answer.aclose)
    limit.release()


def _unpacked(answer: Exchange) -> Iterable[bytes]:
    unpacker = Unpacker.of(answer.headers)
    return answer.body if unpacker is None else _inflated(answer.body, unpacker)


def _inflated(body: Iterable[bytes], unpacker: Unpacker) -> Iterator[bytes]:
    for packed in body:
        yield from unpacker.feed(packed)
    unpacker.end()


def _aunpacked(answer: AsyncExchange) -> AsyncIterable[bytes]:
    unpacker = Unpacker.of(answer.headers)
    return answer.body if unpacker is None else _ainflated(answer.body, unpacker)


async def _ainflated(body: AsyncIterable[bytes], unpacker: Unpacker) -> AsyncIterator[bytes]:
    async for packed in body:
        for piece in unpacker.feed(packed):
            yield piece
    unpacker.end()
