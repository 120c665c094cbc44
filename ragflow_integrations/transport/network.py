"""Connections as the HTTP library asks for them, their answers' bytes put as ``framing`` has it."""

from __future__ import annotations

import asyncio
import ipaddress
import select
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import httpcore

from .framing import Framing

__all__ = ["AsyncNetwork", "AsyncStream", "Network", "Stream"]

_JOINED = 1 << 16  # bytes that wait for what follows them: a request's head and its body go out together
_PIECE = 1 << 18  # bytes read at once: fewer turns than with the 64 kB that the library asks for
_MOST = 1 << 18  # bytes that wait to be read


class Network(httpcore.SyncBackend):
    """Opens connections for threads."""

    def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return Stream(super().connect_tcp(*args, **options))


class Stream(httpcore.NetworkStream):
    """A connection of threads."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._unsent = b""
        self.framing = Framing()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._unsent:
            with suppress(httpcore.WriteError):  # the server may have answered before it closed
                self._flush(timeout)
        return self.framing.kept() or self.framing.portion(self._stream.read(_PIECE, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.framing.begin()
        if self._unsent and len(self._unsent) + len(buffer) > _JOINED:
            self._flush(timeout)
        if len(buffer) > _JOINED:
            self._stream.write(buffer, timeout)
        else:
            self._unsent += buffer

    def _flush(self, timeout: float | None) -> None:
        unsent, self._unsent = self._unsent, b""
        self._stream.write(unsent, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> Stream:
        return Stream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable" and self.framing.has_more:
            return True
        return self._stream.get_extra_info(info)


class AsyncNetwork(httpcore.AsyncNetworkBackend):
    """Opens connections for the running event loop, which is asyncio's."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> AsyncStream:
        loop = asyncio.get_running_loop()
        # of a name with several addresses the next is tried meanwhile; uvloop does not know how, and
        # asyncio loses the socket of a race that is given up as it is won, so an address runs none
        race = isinstance(loop, asyncio.BaseEventLoop) and not _is_address(host)
        options: Any = {"happy_eyeballs_delay": 0.25} if race else {}
        with _told_as(httpcore.ConnectTimeout, httpcore.ConnectError):
            async with asyncio.timeout(timeout):
                transport, arriving = await loop.create_connection(_Arriving, host, port, **options)
        arriving.connection_made(transport)  # uvloop may not have told it yet
        return AsyncStream(arriving)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class AsyncStream(httpcore.AsyncNetworkStream):
    """A connection of an event loop."""

    def __init__(self, arriving: _Arriving) -> None:
        self._arriving = arriving
        self._unsent = b""
        self.framing = Framing()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._unsent:
            with suppress(httpcore.WriteError):  # the server may have answered before it closed
                await self._flush(timeout)
        if kept := self.framing.kept():
            return kept
        with _told_as(httpcore.ReadTimeout, httpcore.ReadError):
            return self.framing.portion(await self._arriving.read(timeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.framing.begin()
        if self._unsent and len(self._unsent) + len(buffer) > _JOINED:
            await self._flush(timeout)
        if len(buffer) > _JOINED:
            await self._send(buffer, timeout)
        else:
            self._unsent += buffer

    async def _flush(self, timeout: float | None) -> None:
        unsent, self._unsent = self._unsent, b""
        await self._send(unsent, timeout)

    async def _send(self, data: bytes, timeout: float | None) -> None:
        with _told_as(httpcore.WriteTimeout, httpcore.WriteError):
            await self._arriving.write(data, timeout)

    async def aclose(self) -> None:
        self._arriving.transport.abort()
        await asyncio.sleep(0)  # the loop closes the socket in its next turn

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> AsyncStream:
        with _told_as(httpcore.ConnectTimeout, httpcore.ConnectError):
            await self._arriving.encrypt(ssl_context, server_hostname, timeout)
        return AsyncStream(self._arriving)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self.framing.has_more or self._arriving.is_readable()
        return self._arriving.transport.get_extra_info(info)


class _Arriving(asyncio.Protocol):
    """What has arrived on a connection and was not read, and whether it takes more to send."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._ended = False
        self._error: Exception | None = None
        self._changed: asyncio.Future[None] | None = None
        self._may_send = True

    async def read(self, timeout: float | None) -> bytes:
        """All that is there, once there is something; empty after the end."""
        if not self._pieces:
            await self._until(self._has_come, timeout)
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        if self._size > _MOST:
            self.transport.resume_reading()
        self._size = 0
        if not data and self._error is not None:
            raise self._error
        return data

    async def write(self, data: bytes, timeout: float | None) -> None:
        """Returns when there is room for more."""
        if self._ended:
            raise ConnectionResetError("the connection was closed")
        self.transport.write(data)
        if not self._may_send:
            await self._until(self._takes_more, timeout)

    async def encrypt(self, context: ssl.SSLContext, host: str | None, timeout: float | None) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                encrypted = await loop.start_tls(self.transport, self, context, server_hostname=host)
        except BaseException:
            self.transport.abort()
            raise
        assert encrypted is not None
        self.transport = encrypted

    def is_readable(self) -> bool:
        """Whether something has arrived, also what the event loop has not seen yet."""
        return self._has_come() or _readable(self.transport.get_extra_info("socket"))

    def _has_come(self) -> bool:
        return self._ended or bool(self._pieces)

    def _takes_more(self) -> bool:
        return self._ended or self._may_send

    async def _until(self, changed: Callable[[], bool], timeout: float | None) -> None:
        async with asyncio.timeout(timeout):
            while not changed():
                self._changed = asyncio.get_running_loop().create_future()
                await self._changed

    def _change(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    # --- told by the event loop ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        if self._size > _MOST:
            self.transport.pause_reading()
        self._change()

    def eof_received(self) -> None:
        self._ended = True
        self._change()

    def connection_lost(self, error: Exception | None) -> None:
        self._ended, self._error = True, error
        self._change()

    def pause_writing(self) -> None:
        self._may_send = False

    def resume_writing(self) -> None:
        self._may_send = True
        self._change()


def _readable(sock: Any) -> bool:
    number = sock.fileno()
    if number < 0:
        return True
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@contextmanager
def _told_as(too_slow: type[Exception], broken: type[Exception]) -> Iterator[None]:
    """The event loop's exceptions as the HTTP library's."""
    try:
        yield
    except TimeoutError as error:
        raise too_slow(str(error)) from error
    except OSError as error:
        raise broken(str(error)) from error
