"""Connections to one server, kept to be used again.

The HTTP library's own pools look at all their connections several times for each request, which with 64
requests at once takes longer than the requests; and they hold a lock, which a finalizer must not wait for.
How many requests are under way is limited elsewhere: here each gets an idle connection or a new one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable
from functools import partial
from typing import Generic, TypeVar, cast

import httpcore

from .network import AsyncStream, Stream

__all__ = ["AsyncExchange", "AsyncPool", "Exchange", "Pool"]

C = TypeVar("C", bound="httpcore.ConnectionInterface | httpcore.AsyncConnectionInterface")


class Pool:
    """The connections of a process, opened by ``maker``; safe to share between threads."""

    def __init__(self, maker: httpcore.ConnectionPool, origin: httpcore.Origin) -> None:
        self._kept = _Kept(partial(maker.create_connection, origin))

    def send(self, request: httpcore.Request) -> Exchange:
        """Send it and read the answer's head; the exchange has to be closed. Raises httpcore's exceptions."""
        connection, expired = self._kept.taken()
        for each in expired:
            each.close()
        try:
            return Exchange(self, connection, connection.handle_request(request))
        except BaseException:
            self._kept.without(connection).close()
            raise

    def take_back(self, connection: httpcore.ConnectionInterface) -> None:
        """The exchange on it is over."""
        unneeded = self._kept.put_back(connection)
        if unneeded is not None:
            unneeded.close()

    def close(self) -> None:
        """Close all connections; a later request opens a new one."""
        for each in self._kept.emptied():
            each.close()


class AsyncPool:
    """The connections of an event loop, opened by ``maker``."""

    def __init__(self, maker: httpcore.AsyncConnectionPool, origin: httpcore.Origin) -> None:
        self._kept = _Kept(partial(maker.create_connection, origin))

    async def send(self, request: httpcore.Request) -> AsyncExchange:
        """Send it and read the answer's head; the exchange has to be closed. Raises httpcore's exceptions."""
        connection, expired = self._kept.taken()
        for each in expired:
            await each.aclose()
        try:
            return AsyncExchange(self, connection, await connection.handle_async_request(request))
        except BaseException:
            await self._kept.without(connection).aclose()
            raise

    async def take_back(self, connection: httpcore.AsyncConnectionInterface) -> None:
        """The exchange on it is over."""
        unneeded = self._kept.put_back(connection)
        if unneeded is not None:
            await unneeded.aclose()

    async def aclose(self) -> None:
        """Close all connections; a later request opens a new one."""
        for each in self._kept.emptied():
            await each.aclose()


class Exchange:
    """An answer whose body is read by iterating over ``body``."""

    def __init__(
        self, pool: Pool, connection: httpcore.ConnectionInterface, answer: httpcore.Response
    ) -> None:
        self._pool, self._connection, self._answer = pool, connection, answer
        self.status, self.headers = answer.status, _headers(answer)
        self.body = cast("Iterable[bytes]", answer.stream)

    def close(self) -> None:
        """Give the connection back, or close it if the answer was not read to its end."""
        try:
            self._answer.close()
        finally:
            self._pool.take_back(self._connection)


class AsyncExchange:
    """An answer whose body is read by ``async for`` over ``body``."""

    def __init__(
        self, pool: AsyncPool, connection: httpcore.AsyncConnectionInterface, answer: httpcore.Response
    ) -> None:
        self._pool, self._connection, self._answer = pool, connection, answer
        self.status, self.headers = answer.status, _headers(answer)
        self.body = cast("AsyncIterable[bytes]", answer.stream)

    async def aclose(self) -> None:
        """Give the connection back, or close it if the answer was not read to its end."""
        try:
            await self._answer.aclose()
        finally:
            await self._pool.take_back(self._connection)


def _headers(answer: httpcore.Response) -> dict[str, str]:
    """By lower-case name. Tells the connection of a body in chunks, of which it has not handed on any."""
    headers = {
        name.decode("latin-1").lower(): str(value, "utf-8", "replace") for name, value in answer.headers
    }
    if headers.get("transfer-encoding", "").lower() == "chunked":
        connection: Stream | AsyncStream = answer.extensions["network_stream"]
        connection.framing.merge()
    return headers


class _Kept(Generic[C]):
    """Which connections there are, and which of them are idle; safe to share between threads without a lock."""

    def __init__(self, make: Callable[[], C]) -> None:
        self._make = make
        self._all: set[C] = set()
        self._idle: deque[C] = deque()

    def taken(self) -> tuple[C, list[C]]:
        """One for a request, that which was used last if it is still good, and those that have to be closed."""
        expired: list[C] = []
        while (connection := self._last()) is not None:
            if not (connection.is_closed() or connection.has_expired()):
                return connection, expired
            expired.append(self.without(connection))
        connection = self._make()
        self._all.add(connection)
        return connection, expired

    def put_back(self, connection: C) -> C | None:
        """Make it idle; returns one that has to be closed: this one, or the one that was idle for longest."""
        if connection.is_closed() or not connection.is_idle() or connection not in self._all:
            return self.without(connection)
        oldest = self._first()
        self._idle.append(connection)
        if oldest is None or oldest.has_expired():
            return None if oldest is None else self.without(oldest)
        self._idle.appendleft(oldest)
        return None

    def without(self, connection: C) -> C:
        """The connection, which is not one of these any more."""
        self._all.discard(connection)
        return connection

    def emptied(self) -> list[C]:
        """All that there were."""
        every = list(self._all)
        self._all.clear()
        self._idle.clear()
        return every

    def _last(self) -> C | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _first(self) -> C | None:
        try:
            return self._idle.popleft()
        except IndexError:
            return None
