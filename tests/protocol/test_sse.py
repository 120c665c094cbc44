"""Server-sent events: the same events however the bytes are cut and the lines are ended."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragflow_integrations.protocol.sse import EventDecoder

from .recorded import recorded

HARD = 'data:{"answer":"a\u2028b\x85c\u2029d\x0be\x0cf"}'.encode()


def decode(*pieces: bytes) -> list[bytes]:
    decoder = EventDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + list(decoder.end())


def test_recorded_stream() -> None:
    """A real answer's frames come out whole, without ``data:`` and in order."""
    raw = recorded("v0.27", "comp.new.stream").sent
    frames = [frame.removeprefix(b"data:") for frame in raw.split(b"\n\n") if frame]
    assert len(frames) == 4
    assert decode(raw) == frames


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_a_cut_at_every_byte(end: bytes) -> None:
    """Two pieces give the events of one, wherever the cut is: inside CRLF, a field name or a character."""
    stream = end.join(
        [b"\xef\xbb\xbf: hi", HARD, b"", b"data: 1", b"data:2", b"id: 7", b"", b"", b"data", b"", b""]
    )
    events = [HARD.removeprefix(b"data:"), b"1\n2", b""]
    assert decode(stream) == events
    for cut in range(len(stream) + 1):
        assert decode(stream[:cut], stream[cut:]) == events
    assert decode(*(stream[i : i + 1] for i in range(len(stream)))) == events


WHOLE = st.sampled_from([b"data:x\n\n", b"data: y\n\n", b"data:\n\n", b"data:\xe2\x80\xa8\n\n"])
ODD = st.sampled_from([b"data:x", b"data:x\ry\n\n", b"\xef\xbb\xbf", b"\n", b"\n\n", b"\r", b"id:1\n\n", b""])


@given(st.lists(WHOLE | ODD))
def test_whole_events_between_others(pieces: list[bytes]) -> None:
    """An event that arrives as a piece of its own is read like all the others, whatever came before it."""
    assert decode(*pieces) == decode(*(bytes([byte]) for byte in b"".join(pieces)))


LINES = st.lists(
    st.sampled_from(
        [b"data:x", b"data: y", b"data:\xe2\x80\xa8", b":c", b"event:e", b"data", b"", b"dataset:1"]
    )
)
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])


@given(lines=LINES, data=st.data())
def test_any_cuts_and_mixed_line_ends(lines: list[bytes], data: st.DataObject) -> None:
    """However lines are ended, each its own way, and bytes are cut, the events are those of plain LF in one piece."""
    stream = b"".join(line + data.draw(ENDS) for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in itertools.pairwise([0, *cuts, len(stream)])]
    lone_cr = b"".join(line + b"\n" for line in _as_read(stream))
    assert decode(*pieces) == decode(lone_cr)


def _as_read(stream: bytes) -> list[bytes]:
    """The lines by the standard's rule, read byte by byte: the reference to compare with."""
    lines, line, previous = [], b"", b""
    for byte in (stream[i : i + 1] for i in range(len(stream))):
        if byte == b"\n" and previous == b"\r":
            pass
        elif byte in (b"\r", b"\n"):
            lines.append(line)
            line = b""
        else:
            line += byte
        previous = byte
    return lines


def test_only_bytes_end_a_line() -> None:
    """U+2028, U+0085 and the like inside an answer are text: nothing is split or lost there."""
    assert decode(HARD + b"\n\n") == [HARD.removeprefix(b"data:")]


def test_what_is_no_data_is_skipped() -> None:
    """Comments, other fields and a byte order mark are no events; one space after the colon goes."""
    stream = b"\xef\xbb\xbfdata:a\n\n:keep-alive\n\nevent: x\nid:1\nretry:5\n\ndata:  b\n\ndatabase:c\n\n"
    assert decode(stream) == [b"a", b" b"]


def test_an_event_without_its_blank_line() -> None:
    """A last event counts even if the server closes without the blank line."""
    assert decode(b"data:a\n\ndata:b") == [b"a", b"b"]


class Counted(bytes):
    """Bytes that count how many of them are copied, and hand that on to what is made of them."""

    copied = 0

    def _count(self, result: bytes) -> Counted:
        Counted.copied += len(self)
        return Counted(result)

    def __add__(self, other: bytes) -> Counted:  # type: ignore[override]
        return self._count(bytes(self) + other)

    def __radd__(self, other: bytes) -> Counted:
        Counted.copied += len(other)
        return self._count(other + bytes(self))

    def __getitem__(self, key: slice) -> Counted:  # type: ignore[override]
        return self._count(bytes(self)[key])

    def replace(self, *args: bytes) -> Counted:  # type: ignore[override]
        return self._count(bytes(self).replace(*args))

    def split(self, *args: bytes) -> list[bytes]:  # type: ignore[override]
        return [self._count(part) for part in bytes(self).split(*args)]


def copied(size: int) -> int:
    """How many bytes are copied for one long line that comes in pieces of 16."""
    Counted.copied = 0
    decoder = EventDecoder()
    for _ in range(size // 16):
        assert not list(decoder.feed(Counted(b"x" * 16)))
    return Counted.copied


def test_time_is_linear() -> None:
    """A long event costs each of its bytes a fixed number of copies, not one for each piece that arrives."""
    assert 16_000 <= copied(16_000) <= 4 * 16_000
    assert copied(64_000) == 4 * copied(16_000)
