"""Cumulative streams: what the joiner makes of them is what JSON says, with each character decoded once."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragflow_integrations.protocol import joiner
from ragflow_integrations.protocol.decoding import decode
from ragflow_integrations.protocol.joiner import CumulativeJoiner
from ragflow_integrations.protocol.sse import EventDecoder


def event(answer: str, **more: Any) -> bytes:
    """A frame as servers up to v0.23 write it."""
    return json.dumps(
        {"code": 0, "message": "", "data": {"answer": answer, "reference": {}, **more}}, ensure_ascii=False
    ).encode()


def check(events: list[bytes]) -> CumulativeJoiner:
    """Reads them, and compares each step with the whole frame's JSON."""
    joined, before = CumulativeJoiner(), ""
    for one in events:
        frame, continued = joined.read(one)
        whole = json.loads(one)
        data = whole.get("data") if isinstance(whole, dict) else None
        answer = data.get("answer") if isinstance(data, dict) else None
        if isinstance(answer, str):
            assert frame["data"]["answer"] == (answer.removeprefix(before) if continued else answer)
            assert answer.startswith(before) or not continued
            assert joined.text == answer
            before, frame["data"]["answer"] = answer, answer
        assert frame == whole
    return joined


def test_each_frame_holds_what_is_new() -> None:
    """Of an answer that grows, the first frame is whole and the others are what they add."""
    reader = CumulativeJoiner()
    read = [reader.read(event(answer)) for answer in ("", "Hel", "Hello", "Hello", 'Hello "you"\n')]
    assert [(one.frame["data"]["answer"], one.continued) for one in read] == [
        ("", False), ("Hel", True), ("lo", True), ("", True), (' "you"\n', True),
    ]  # fmt: skip
    assert reader.text == 'Hello "you"\n'


def test_a_frame_that_begins_anew() -> None:
    """One that does not repeat what was there before is whole, and says so."""
    reader = CumulativeJoiner()
    answers = ["Hello you", "Hello ##0$$ you", "Hello ##0$$ you!"]
    read = [reader.read(event(answer)) for answer in answers]
    assert [(one.frame["data"]["answer"], one.continued) for one in read] == [
        ("Hello you", False), ("Hello ##0$$ you", False), ("!", True),
    ]  # fmt: skip


def test_frames_without_an_answer() -> None:
    """The closing frame and an error come as they are, and change nothing."""
    reader = CumulativeJoiner()
    reader.read(event("Hel"))
    for frame in (
        b'{"code": 0, "data": true}',
        b'{"code": 500, "message": "no"}',
        b"1",
        b'{"data": {"answer": 1}}',
    ):
        assert reader.read(frame) == (json.loads(frame), False)
    assert reader.read(event("Hello")).frame["data"]["answer"] == "lo"


CONTROL = event("Hello").replace(b"llo", b"ll\to")
NO_UTF8 = event("Hello").replace(b"llo", b"ll\xffo")


@pytest.mark.parametrize("bad", [b"", b"{", event("Hello")[:-1], event("Hello")[:30], CONTROL, NO_UTF8])
def test_what_is_no_json(bad: bytes) -> None:
    """It is a ``ValueError``, also where its beginning is known, and changes nothing."""
    reader = CumulativeJoiner()
    reader.read(event("Hel"))
    with pytest.raises(ValueError):  # noqa: PT011 - the library's own words
        reader.read(bad)
    assert reader.read(event("Hello")).frame["data"]["answer"] == "lo"


TEXTS = st.text(
    st.sampled_from('ab"\\/{}[]:,\n\u2028é🌍\ud83c\udf0d') | st.characters(codec="utf-8"), max_size=12
)
PIECES = st.lists(TEXTS.map(lambda text: text.encode("utf-8", "replace").decode()), max_size=8)


@given(PIECES, st.booleans(), st.booleans(), st.sampled_from([(",", ":"), (", ", ": ")]))
def test_any_answer(
    pieces: list[str], ascii_only: bool, keys_first: bool, separators: tuple[str, str]
) -> None:
    """Whatever the pieces are and however servers write JSON, each frame is what JSON says."""
    events = []
    for answer in itertools.accumulate(pieces):
        data = {"answer": answer, "reference": {"chunks": [{"answer": answer}]}}
        data = {"id": "x", **data} if keys_first else {**data, "prompt": '"answer": "'}
        frame = {"code": 0, "message": '"data": {"answer": "', "data": data}
        events.append(json.dumps(frame, ensure_ascii=ascii_only, separators=separators).encode())
    check(events)


SHAPES: Any = st.fixed_dictionaries(
    {},
    optional={
        "code": st.just(0),
        "answer": PIECES.map("".join),
        "meta": st.fixed_dictionaries({}, optional={"answer": TEXTS, "data": TEXTS}),
        "data": st.just(True)
        | st.fixed_dictionaries({}, optional={"meta": st.just({"answer": "a"}), "answer": TEXTS, "x": TEXTS}),
    },
)


@given(st.lists(SHAPES.map(json.dumps).map(str.encode), max_size=6))
def test_any_frames(events: list[bytes]) -> None:
    """An answer in another place, none, or several: nothing is taken for the answer that is not."""
    check(events)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('{"data": {"answer": "a"}}', '{"data": {"answer": "ab", "answer": "b"}}'),
        ('{"data": {"answer": "a"}}', '{"data": {"answer": "ab"}, "data": {"answer": "c"}}'),
        ('{"data": {"answer": "\\ud83c"}}', '{"data": {"answer": "\\ud83c\\udf0d"}}'),
        ('{"x\\"data": {"answer": "a"}, "data": {}}', '{"x\\"data": {"answer": "ac"}, "data": {}}'),
        ('{"data": {"answer": "a"}}', '{"data": {"answer": "a\ud83c"}}'),
        ('{"data": {"answer": "a"}, "n": 1}', '{"data": {"answer": "ab"}, "n": 2}'),
        ('{"data": {"answer": "a"}, "n": "a"}', '{"data": {"answer": "a"}}'),
        ('{"data": {"x\\"answer": "a", "answer": "b"}}', '{"data": {"x\\"answer": "ac", "answer": "bd"}}'),
    ],
    ids=[
        *("answer twice", "data twice", "half a pair", "a key like data"),
        *("half a pair as bytes", "another end", "a shorter end", "a key like answer"),
    ],
)  # fmt: skip
def test_traps(first: str, second: str) -> None:
    """What looks like a continued answer and is none is decoded as a whole."""
    check([first.encode(), second.encode(errors="surrogatepass")])


def stream(frames: int, word: str = "word ") -> bytes:
    """A cumulative stream of so many frames."""
    answers = (word * number for number in range(1, frames + 1))
    return b"".join(b"data:" + event(answer) + b"\n\n" for answer in answers)


@pytest.mark.parametrize("size", [1 << 20, 1 << 16, 1000, 37])
def test_cuts(size: int) -> None:
    """Through the event decoder, however the bytes are cut, the same frames come out as from whole JSON."""
    sent, decoder = stream(100), EventDecoder()
    events = [one for at in range(0, len(sent), size) for one in decoder.feed(sent[at : at + size])]
    assert len(events) == 100
    assert check(events).text == "word " * 100


def decoded(frames: int, word: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many characters go through JSON for a stream of so many frames."""
    count = 0

    def counting(data: bytes) -> Any:
        nonlocal count
        count += len(data)
        return decode(data)

    monkeypatch.setattr(joiner, "decode", counting)
    reader = CumulativeJoiner()
    for one in EventDecoder().feed(stream(frames, word)):
        reader.read(one)
    assert reader.text == word * frames
    return count


def test_characters_decoded_are_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the frames are twice the characters, not four times, and far fewer than were sent."""
    assert decoded(1000, "a\n", monkeypatch) == 2 * decoded(500, "a\n", monkeypatch)
    assert decoded(500, "a\n", monkeypatch) < len(stream(500, "a\n")) / 10


def test_plain_text_is_not_decoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of frames that have nothing but more text, the first one goes through JSON."""
    assert decoded(500, "word ", monkeypatch) == len(event("word "))
