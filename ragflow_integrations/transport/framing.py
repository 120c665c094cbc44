"""An answer's bytes put so that the HTTP library has less to do with them; what they say stays.

A server sends each frame of a stream as a chunk of its own, and each chunk costs the library a turn through
its parser. Chunks that have arrived together are handed to it as one.
"""

from __future__ import annotations

import re

__all__ = ["Framing", "Merger"]

_CHUNK = re.compile(rb"([0-9a-fA-F]{1,7})\r\n")
_BEGUN = re.compile(rb"[0-9a-fA-F]{0,7}\r?\Z")
_BLANK_LINE = re.compile(rb"\n\r?\n")
_INFORMATIONAL = re.compile(rb"HTTP/1\.\d 1")


class Framing:
    """What is read from a connection, in the portions that the library gets it in.

    The head of an answer comes alone, so that ``merge`` can be called before the library sees its body.
    """

    def __init__(self) -> None:
        self._head: bytes | None = None  # of the answer that is awaited, as far as it has come
        self._kept = b""
        self._merger: Merger | None = None

    @property
    def has_more(self) -> bool:
        """Whether bytes have come that were not handed on."""
        return bool(self._kept)

    def begin(self) -> None:
        """A request is being sent: what comes next is the head of its answer."""
        self._head, self._merger = b"", None

    def merge(self) -> None:
        """The head that was handed on says that a chunked body follows; its chunks may be joined."""
        if self._head is None:
            self._merger = Merger()

    def kept(self) -> bytes:
        """What came with the last portion and is next now; empty if more has to be read."""
        kept, self._kept = self._kept, b""
        return self.portion(kept) if kept else kept

    def portion(self, data: bytes) -> bytes:
        """The next bytes for the library, made of those that have come."""
        if self._merger is not None:
            return self._merger.feed(data)
        return data if self._head is None else self._until_body(self._head, data)

    def _until_body(self, before: bytes, data: bytes) -> bytes:
        head = before + data
        end = _BLANK_LINE.search(head, max(0, len(before) - 2))
        if end is None:
            self._head = head
            return data
        self._head = b"" if _INFORMATIONAL.match(head) else None  # after such a one comes the real one
        self._kept = head[end.end() :]
        return head[len(before) : end.end()]


class Merger:
    """Feed the bytes of a chunked body as they arrive, get them with fewer chunks; nothing is held back.

    Whole chunks become one. One that is cut stays as it is. From the last chunk on, or from one with an
    extension or a mistake, everything stays as it came, for the library to judge.
    """

    def __init__(self) -> None:
        self._line = b""  # the first of the chunk that was cut, as far as it has come
        self._missing = 0  # bytes of that chunk that are still to come, its end included
        self._done = False

    def feed(self, data: bytes) -> bytes:
        """These bytes, with fewer chunks."""
        if self._line:
            self._begin(self._line + data)
        else:
            self._missing -= len(data)
        if self._done or self._line or self._missing >= 0:
            return data
        return self._merged(data, len(data) + self._missing)

    def _merged(self, data: bytes, start: int) -> bytes:
        """The same of bytes of which a chunk begins at ``start``."""
        contents: list[bytes | memoryview] = []
        view, position, size = memoryview(data), start, 0
        while chunk := _CHUNK.match(data, position):
            end = chunk.end() + int(chunk[1], 16)
            if end == chunk.end() or not data.startswith(b"\r\n", end):
                break
            contents.append(view[chunk.end() : end])
            position, size = end + 2, size + end - chunk.end()
        self._missing, rest = 0, data[position:]
        if rest:
            self._begin(rest)
            self._done = self._done or (self._missing <= 0 and not self._line)  # its end was not there
        if not contents:
            return data
        return b"".join([view[:start], b"%x\r\n" % size, *contents, b"\r\n", rest])

    def _begin(self, chunk: bytes) -> None:
        """Know where the chunk ends whose beginning this is."""
        line = _CHUNK.match(chunk)
        size = int(line[1], 16) if line else 0
        self._line = b"" if line or not _BEGUN.match(chunk) else chunk
        self._done = not (size or self._line)
        self._missing = line.end() + size + 2 - len(chunk) if line else 0
