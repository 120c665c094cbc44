"""A streamed answer: iterate for its messages; leaving early closes the connection."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from weakref import finalize

from .._compat import afinish
from ..errors import StreamInterruptedError
from ..protocol.wire import Decoder
from ..telemetry import Observed
from ..transport.base import AsyncByteStream
from ..transport.whole import LineByLine

T = TypeVar("T")

__all__ = ["AsyncStream"]


class AsyncStream(Generic[T]):
    """Iterate over it; ``aclose()``, leaving its ``with`` block or cancelling breaks the answer off.

    It is read and closed by one thread or task: another one cannot close it while it waits for a piece.
    One that is dropped without either frees its connection, but what was made on the server for it stays.
    Raises ``APIError`` for an error inside the stream and ``StreamInterruptedError`` when it ends too soon.
    """

    def __init__(
        self,
        body: AsyncByteStream,
        decoder: Decoder[T],
        lines: LineByLine,
        seen: Observed,
        after: Callable[[], Any] | None = None,
    ) -> None:
        self._body, self._seen, self._after = body, seen, after
        self._values = _decoded(body, decoder, lines, seen)
        finalize(self, seen.ended).atexit = False  # one that is dropped unread is told as well

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self._values.__anext__()
        except BaseException:  # the end is one, too
            await self._finish()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Break the answer off and free its connection; does nothing after the end."""
        try:
            await self._values.aclose()
            await self._body.aclose()
            self._seen.ended()
        finally:
            await self._finish()

    async def _finish(self) -> None:
        """Do what is left to do on the server, once."""
        after, self._after = self._after, None
        if after:
            await afinish(after())


async def _decoded(
    body: AsyncByteStream, decoder: Decoder[T], lines: LineByLine, seen: Observed
) -> AsyncGenerator[T, None]:
    """Outside the class, since a generator that holds its stream is a cycle: the garbage collector would
    close the connection, at any moment, even while this thread holds the pool's lock."""
    async with aclosing(body):
        with seen:
            try:
                async for piece in body:
                    lines.add(piece)
                    seen.received(len(piece))
                    for value in decoder.feed(piece):
                        yield value
            except StreamInterruptedError as error:
                error.partial = decoder.partial
                raise
            for value in decoder.end():
                yield value
