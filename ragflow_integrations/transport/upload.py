"""The body of an upload, read from its files while it is sent."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO

from ..errors import InvalidRequestError, TransportError
from ..protocol.encoding import multipart
from ..protocol.wire import FilePart, Request

__all__ = ["Upload"]

_PIECE = 1 << 20  # smaller ones cost more time, larger ones more memory
_SMALL = 1 << 16
_USABLE = "give bytes, a path, or a binary file that can seek"


class Upload:
    """One try to send a request's files: iterate for the body, by ``for`` or ``async for``.

    It holds a mebibyte at a time; ``async for`` reads files in a worker thread. A file object is sent from
    where it stands and put back there. Making one measures the files, which may block, and raises
    ``InvalidRequestError`` for one that cannot be read; iterating raises ``TransportError`` for one that has
    changed since.
    """

    def __init__(self, request: Request) -> None:
        self.content_type, body = multipart(request.files)
        self._sources = [each if isinstance(each, bytes) else _Source(each) for each in body]
        self._in_memory = _in_memory(request)
        self.length = sum(len(each) for each in self._sources)

    @classmethod
    async def measured(cls, request: Request) -> Upload:
        """A new one, made without blocking the event loop."""
        return cls(request) if _in_memory(request) else await asyncio.to_thread(cls, request)

    def __iter__(self) -> Generator[bytes, None, None]:
        """The body in pieces, small ones joined."""
        gathered = bytearray()
        for piece in self._pieces():
            if len(gathered) + len(piece) > _SMALL:
                if gathered:
                    yield bytes(gathered)
                    gathered.clear()
                yield piece
            else:
                gathered += piece
        if gathered:
            yield bytes(gathered)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self.__iter__()
        if self._in_memory:
            for piece in pieces:
                yield piece
            return
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(None, next, pieces, b"")
        try:
            while content := await asyncio.shield(reading):
                yield content
                reading = loop.run_in_executor(None, next, pieces, b"")
        finally:  # when this is cancelled a thread may still be reading: the file is closed after that
            reading.add_done_callback(lambda _: pieces.close())

    def _pieces(self) -> Iterator[bytes]:
        for each in self._sources:
            if isinstance(each, bytes):
                yield each
            else:
                yield from each.pieces()


class _Source:
    """The content of one part, with the size it had at first."""

    def __init__(self, part: FilePart) -> None:
        self._content, self._name = part.content, part.filename
        if isinstance(self._content, Path) and not self._content.is_file():
            raise InvalidRequestError(f"{self._name}: there is no file {self._content}")
        try:
            with self._opened() as file:
                self._start = file.tell()
                self._size = file.seek(0, io.SEEK_END) - self._start
                file.seek(self._start)
                binary = isinstance(file.read(0), bytes)
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise InvalidRequestError(f"{self._name}: {_USABLE}; this cannot be read: {error}") from None
        if not binary:
            raise InvalidRequestError(f"{self._name}: {_USABLE}; this one is open as text")

    def __len__(self) -> int:
        return self._size

    def pieces(self) -> Iterator[bytes]:
        """As many bytes as were measured, from the same place each time."""
        left = self._size
        try:
            with self._opened() as file, _put_back(file, self._start):
                file.seek(self._start)
                while left:
                    piece = file.read(min(_PIECE, left))
                    if not piece:
                        raise self._failed("it has become shorter")
                    left -= len(piece)
                    yield piece
        except (OSError, ValueError) as error:
            raise self._failed(str(error)) from error

    def _opened(self) -> AbstractContextManager[IO[bytes]]:
        """For a ``with`` block, which closes what was opened here."""
        if isinstance(self._content, bytes):
            return io.BytesIO(self._content)  # shares them until it is written to
        if isinstance(self._content, Path):
            return self._content.open("rb", buffering=0)
        return nullcontext(self._content)

    def _failed(self, reason: str) -> TransportError:
        return TransportError(
            f"{self._name} could not be read to its end: {reason}; the upload was broken off"
        )


@contextmanager
def _put_back(file: IO[bytes], start: int) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(ValueError):  # somebody has closed it
            file.seek(start)


def _in_memory(request: Request) -> bool:
    return all(isinstance(part.content, bytes) for part in request.files)
