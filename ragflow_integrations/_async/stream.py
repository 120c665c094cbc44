"""A streamed answer: iterate for its messages; leaving early closes the connection."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from types import TracebackType
from typing import Generic, Self, TypeVar

from ..errors import StreamInterruptedError
from ..protocol.wire import Decoder
from ..transport.base import AsyncByteStream

T = TypeVar("T")

__all__ = ["AsyncStream"]


class AsyncStream(Generic[T]):
    """Iterate over it; ``aclose()``, leaving its ``with`` block or cancelling breaks the answer off.

    It is read and closed by one thread or task: another one cannot close it while it waits for a piece.
    Raises ``APIError`` for an error inside the stream and ``StreamInterruptedError`` when it ends too soon.
    """

    def __init__(self, body: AsyncByteStream, decoder: Decoder[T]) -> None:
        self._body = body
        self._values = _decoded(body, decoder)

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        return await self._values.__anext__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Break the answer off and free its connection; does nothing after the end."""
        await self._values.aclose()
        await self._body.aclose()


async def _decoded(body: AsyncByteStream, decoder: Decoder[T]) -> AsyncGenerator[T, None]:
    """Outside the class, since a generator that holds its stream is a cycle: the garbage collector would
    close the connection, at any moment, even while this thread holds the pool's lock."""
    async with aclosing(body):
        try:
            async for piece in body:
                for value in decoder.feed(piece):
                    yield value
        except StreamInterruptedError as error:
            error.partial = decoder.partial
            raise
        for value in decoder.end():
            yield value
