"""What carries requests: HTTP, the local engine in this process, or your own class with these methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Protocol

from ..protocol.wire import Request, Response

__all__ = ["AsyncByteStream", "AsyncTransport", "ByteStream", "SyncTransport"]


class ByteStream(Protocol):
    """An answer whose body is still arriving; iterate for its bytes, ``close`` to break it off."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None: ...


class AsyncByteStream(Protocol):
    """An answer whose body is still arriving; iterate for its bytes, ``aclose`` to break it off."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class SyncTransport(Protocol):
    """Carries requests from any thread. Raises ``TransportError`` when no answer arrives.

    ``timeout`` is in seconds, for connecting and between two pieces of the answer.
    """

    def send(self, request: Request, *, timeout: float | None) -> Response: ...

    def open(self, request: Request, *, timeout: float | None) -> ByteStream: ...

    def close(self) -> None: ...


class AsyncTransport(Protocol):
    """Carries requests from any event loop, without blocking it; cancelling breaks the exchange off."""

    async def send(self, request: Request, *, timeout: float | None) -> Response: ...

    async def open(self, request: Request, *, timeout: float | None) -> AsyncByteStream: ...

    async def aclose(self) -> None: ...
