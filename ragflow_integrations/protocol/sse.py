"""Server-sent events from bytes.

Lines end at LF, CR or CRLF bytes only: RAGFlow writes answers with raw U+2028 and U+0085 in them, and
a reader that splits decoded text on those loses frames.
"""

from __future__ import annotations

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

    def feed(self, data: bytes) -> list[bytes]:
        """The data of the events that these bytes complete."""
        if self._after_cr or b"\r" in data:  # looked for first, since it is rare and replacing is not free
            data = self._ended_by_lf(data)
        events: list[bytes] = []
        start, end = 0, data.find(b"\n")
        if end >= 0 and self._tail:
            line = b"".join([*self._tail, data[:end]])
            self._tail.clear()
            self._line(line, 0, len(line), events)
            start, end = end + 1, data.find(b"\n", end + 1)
        while end >= 0:
            self._line(data, start, end, events)
            start, end = end + 1, data.find(b"\n", end + 1)
        if start < len(data):
            self._tail.append(data[start:])
        return events

    def end(self) -> list[bytes]:
        """The data of an event that the end of the stream left without its blank line."""
        return self.feed(b"\n\n")

    def _ended_by_lf(self, data: bytes) -> bytes:
        """The same with LF at the end of each line."""
        if self._after_cr and data:
            self._after_cr, data = False, data.removeprefix(b"\n")
        self._after_cr = self._after_cr or data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _line(self, data: bytes, start: int, end: int, events: list[bytes]) -> None:
        """Take the line between; its data is copied once, since in a cumulative stream it is long."""
        if start == end:
            if self._data:
                events.append(b"\n".join(self._data))
                self._data.clear()
            return
        if self._at_start:
            self._at_start = False
            start += len(_BOM) if data.startswith(_BOM, start) else 0
        if data.startswith(b"data:", start):
            self._data.append(data[start + (6 if data.startswith(b" ", start + 5) else 5) : end])
        elif data[start:end] == b"data":
            self._data.append(b"")
