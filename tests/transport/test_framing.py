"""Chunks that are joined below the HTTP library's parser: it reads from them what it reads from the server's bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ragflow_integrations.transport.framing import Framing, Merger

from .raw_server import chunk, http, stream_head

FRAMES = b"".join(chunk(b"data:%d\n\n" % number) for number in range(40))
STREAM = stream_head() + FRAMES + chunk(b"")
CONTINUED = b"HTTP/1.1 102 Processing\r\nx: y\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"


class Seen(NamedTuple):
    """What a reader makes of an answer; ``failure`` if that is no answer."""

    status: int | None
    content: bytes
    trailers: Any
    following: bytes
    failure: str | None


def read(arrivals: Iterable[bytes], framing: Framing | None) -> tuple[Seen, list[bytes]]:
    """By h11 as the HTTP library uses it, with the portions that it got; ``None``: straight from the wire."""
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method="GET", target="/", headers=[("host", "h")]))
    parser.send(h11.EndOfMessage())
    status, content, trailers, portions = None, b"", None, []
    source = portions_of(arrivals, framing)
    try:
        while (event := parser.next_event()) is not h11.PAUSED and trailers is None:
            match event:
                case h11.NEED_DATA:
                    portion = next(source, b"")
                    portions.append(portion)
                    parser.receive_data(portion)
                case h11.Response():
                    status = event.status_code
                    if framing and (b"transfer-encoding", b"chunked") in list(event.headers):
                        framing.merge()
                case h11.Data():
                    content += bytes(event.data)
                case h11.EndOfMessage():
                    trailers = list(event.headers)
    except h11.RemoteProtocolError as error:
        return Seen(status, content, trailers, b"", str(error)), portions
    rest = parser.trailing_data[0] + (b"".join(source) if trailers is not None else b"")
    return Seen(status, content, trailers, rest, None), portions


def portions_of(arrivals: Iterable[bytes], framing: Framing | None) -> Iterable[bytes]:
    """What the library reads, one after the other, as a connection hands it out."""
    if framing is None:
        yield from filter(None, arrivals)
        return
    framing.begin()
    for data in filter(None, arrivals):
        portion = framing.portion(data)
        while portion:
            yield portion
            portion = framing.kept()


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """The data cut at these places."""
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


SIZES = st.sampled_from(["{:x}", "{:X}", "{:04x}", "{:08x}"])
LINES = st.sampled_from([b"\r\n"] * 12 + [b";a=b\r\n", b" \r\n", b"\n", b"g\r\n", b"\r\r\n"])
ENDS = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"xx", b"", b"\r\r\n"])
CONTENT = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.sampled_from([b"0\r\n\r\n", b"\r\n", b"5\r\nabcde\r\n", b"data:\n\n", b"x" * 300]),
)
LAST = st.sampled_from(
    [b"0\r\n\r\n"] * 4 + [b"0\r\nx: y\r\n\r\n", b"00;e\r\n\r\n", b"", b"0\r", b"g\r\n", b"f" * 30]
)
FOLLOWING = st.sampled_from([b"", b"", b"HTTP/1.1 200 OK\r\n\r\n", b"3\r\nabc\r\n"])
HEADS = st.sampled_from([stream_head()] * 3 + [CONTINUED + stream_head(), stream_head().replace(b"\r", b"")])


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Chunked ones, most of them well-formed."""
    body = b""
    for content in draw(st.lists(CONTENT, max_size=6)):
        body += draw(SIZES).format(len(content)).encode() + draw(LINES) + content + draw(ENDS)
    return draw(HEADS) + body + draw(LAST) + draw(FOLLOWING)


@given(answers(), st.lists(st.integers(0, 700), max_size=12))
@example(STREAM, [])
@example(STREAM, range(len(STREAM)))
def test_the_same_is_read(answer: bytes, cuts: Sequence[int]) -> None:
    """Content, trailers, what follows and the failure, of well-formed chunks and others, wherever they are cut."""
    expected, _ = read([answer], None)
    seen, _ = read(pieces(answer, cuts), Framing())
    straight, _ = read(pieces(answer, cuts), None)
    assert seen == straight
    assert expected.failure or seen == expected


@pytest.mark.parametrize("answer", [STREAM, CONTINUED + STREAM, http(b"<p>" * 30), CONTINUED + http(b"<p>")])
def test_every_cut(answer: bytes) -> None:
    """Each answer in two pieces, cut anywhere, and byte by byte."""
    expected, _ = read([answer], None)
    assert expected.failure is None
    for cut in range(len(answer)):
        assert read(pieces(answer, [cut]), Framing())[0] == expected
    assert read(pieces(answer, range(len(answer))), Framing())[0] == expected


def test_one_portion_for_what_came_together() -> None:
    """Forty frames in one piece are the head, one chunk, and the end."""
    _, portions = read([STREAM], Framing())
    content = b"".join(b"data:%d\n\n" % number for number in range(40))
    assert portions == [stream_head(), chunk(content) + chunk(b"")]


def test_nothing_waits_for_the_end_of_a_chunk() -> None:
    """What is there of a chunk is handed on as it is, be it a part of the line of its size."""
    merger = Merger()
    assert merger.feed(b"2\r\nab\r\n3\r\ncde\r\n9\r\nfg") == b"5\r\nabcde\r\n9\r\nfg"
    assert merger.feed(b"hijkl") == b"hijkl"
    assert merger.feed(b"mn\r") == b"mn\r"
    assert merger.feed(b"\n1") == b"\n1"
    assert merger.feed(b"0\r") == b"0\r"
    assert merger.feed(b"\n" + b"o" * 16 + b"\r\n" + chunk(b"p") + chunk(b"q")) == (
        b"\n" + b"o" * 16 + b"\r\n" + chunk(b"pq")
    )


def test_what_is_left_of_an_answer_is_told() -> None:
    """Bytes after an answer without a body: its connection is not used again."""
    framing = Framing()
    framing.begin()
    assert framing.portion(b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200") == b"HTTP/1.1 204 No\r\n\r\n"
    assert framing.has_more
    assert framing.kept() == b"HTTP/1.1 200"
    assert not framing.has_more
