"""Server-sent events from bytes.

Lines end at LF, CR or CRLF bytes only: RAGFlow writes answers with raw U+2028 and U+0085 in them, and
a reader that splits decoded text on those loses frames.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["EventDecoder"]

_BOM = b"\xef\xbb\xbf"


class EventDecoder:
    """Feed bytes as they arrive, get the ``data`` of each completed event.

    Several ``data:`` lines of one event are joined by LF; comments and other fields are skipped. Where
    the bytes are cut makes no difference. Time is linear in the bytes fed.
    """

    def __init__(self) -> None:
        self._tail: list[bytes] = []
        self._data: list[bytes] = []
        self._after_cr = False
        self._at_start = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The data of the events that these bytes complete."""
        for line in self._lines(data):
            if line:
                self._field(line)
            elif self._data:
                event, self._data = b"\n".join(self._data), []
                yield event

    def end(self) -> Iterator[bytes]:
        """The data of an event that the end of the stream left without its blank line."""
        yield from self.feed(b"\n\n")

    def _lines(self, data: bytes) -> Iterator[bytes]:
        if not data:
            return
        second_half = self._after_cr and data.startswith(b"\n")
        self._after_cr = data.endswith(b"\r")
        if second_half:
            data = data[1:]
        *whole, rest = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in whole:
            self._tail.append(line)
            yield b"".join(self._tail)
            self._tail.clear()
        if rest:
            self._tail.append(rest)

    def _field(self, line: bytes) -> None:
        if self._at_start:
            self._at_start, line = False, line.removeprefix(_BOM)
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
