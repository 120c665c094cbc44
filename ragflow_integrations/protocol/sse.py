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
        if data.find(b"\n") == len(data) - 2 and self._is_one_event(data):
            self._at_start = False
            return [data[6 if data.startswith(b" ", 5) else 5 : -2]]
        events: list[bytes] = []
        for line in self._lines(data):
            if line:
                self._field(line)
            elif self._data:
                events.append(b"\n".join(self._data))
                self._data.clear()
        return events

    def end(self) -> list[bytes]:
        """The data of an event that the end of the stream left without its blank line."""
        return self.feed(b"\n\n")

    def _lines(self, data: bytes) -> list[bytes]:
        """The lines that these bytes complete."""
        if self._after_cr and data:
            self._after_cr, data = False, data.removeprefix(b"\n")
        if b"\r" in data:  # looked for first, since it is rare and two replacements are not free
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = data.split(b"\n")
        if lines and self._tail:
            lines[0] = b"".join([*self._tail, lines[0]])
            self._tail.clear()
        if rest:
            self._tail.append(rest)
        return lines

    def _field(self, line: bytes) -> None:
        if self._at_start:
            self._at_start, line = False, line.removeprefix(_BOM)
        if line.startswith(b"data:"):
            self._data.append(line[6 if line.startswith(b" ", 5) else 5 :])
        elif line == b"data":
            self._data.append(b"")

    def _is_one_event(self, data: bytes) -> bool:
        """Whether a single line and the blank one are all that is there, which is how servers send events."""
        return (
            data.startswith(b"data:")
            and data.endswith(b"\n\n")
            and not (self._tail or self._data or self._after_cr or b"\r" in data)
        )
