"""Answers of a chat: whole ones and streams, as real servers sent them and as versions differ."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ragflow_integrations import (
    Message,
    NotFoundError,
    ServerError,
    StreamInterruptedError,
    UnsupportedError,
)
from ragflow_integrations.protocol.answers import AnswerDecoder, answer
from ragflow_integrations.protocol.wire import Request, Response

from .recorded import VERSIONS, Exchange, exchanges, recorded

REQUEST = Request("POST", "/api/v1/chat/completions")
RECORDED = [
    exchange
    for version in VERSIONS
    for exchange in exchanges(version, "06_completions")
    if exchange.path.endswith("/completions") and "chatbots" not in exchange.path
]
STREAMS = [
    exchange
    for exchange in RECORDED
    if exchange.raw
    and exchange.content_type.startswith("text/event-stream")
    and "legacy" not in exchange.name
    and '"code": 500' not in exchange.raw
]
WHOLE = [exchange for exchange in RECORDED if isinstance(exchange.body, dict) and exchange.body["code"] == 0]


def read(pieces: Iterable[bytes]) -> list[Message]:
    decoder = AnswerDecoder(REQUEST)
    messages = [message for piece in pieces for message in decoder.feed(piece)]
    return messages + list(decoder.end())


def frame(**data: Any) -> bytes:
    """As servers from v0.24 on send it."""
    told = {"final": False, **data}
    return b"data:" + json.dumps({"code": 0, "message": "", "data": told}).encode() + b"\n\n"


END = b'data:{"code": 0, "message": "", "data": true}\n\n'


def frames_of(exchange: Exchange) -> list[dict[str, Any]]:
    assert exchange.raw is not None
    found = [json.loads(part.removeprefix("data:")) for part in exchange.raw.split("\n\n") if part]
    return [each["data"] for each in found if each["data"] is not True]


@pytest.mark.parametrize("exchange", STREAMS, ids=lambda exchange: f"{exchange.version} {exchange.name}")
def test_recorded_streams(exchange: Exchange) -> None:
    """Deltas are the frames' texts, never repeated; the last message, and only it, is final and has the reference."""
    frames = frames_of(exchange)
    texts = [each["answer"] for each in frames if not each.get("final")]
    messages = read([exchange.sent])
    assert [message.content for message in messages] == [*texts, ""]
    assert [message.final for message in messages] == [False] * len(texts) + [True]
    last = messages[-1]
    assert last.full_content == "".join(texts)
    assert [chunk.id for chunk in last.reference] == [
        each["id"] for each in frames[-1]["reference"].get("chunks", [])
    ]
    assert (last.id, last.session_id) == (frames[-1]["id"], frames[-1]["session_id"])
    assert not any(message.reference for message in messages[:-1])


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("v0.24", "comp.stream"),
        ("v0.24", "comp.nods.stream"),
        ("v0.27", "comp.new.stream"),
        ("v0.27", "comp.empty_response.stream"),
    ],
)
def test_a_cut_at_every_byte(version: str, name: str) -> None:
    """Wherever the network cuts the bytes, the messages are the same."""
    exchange = recorded(version, name)
    messages = read([exchange.sent])
    for cut in range(len(exchange.sent)):
        assert read([exchange.sent[:cut], exchange.sent[cut:]]) == messages
    assert read(exchange.sent[i : i + 1] for i in range(len(exchange.sent))) == messages


def test_the_reference() -> None:
    """``[ID:0]`` of a recorded answer cites ``reference[0]``, with its document and scores."""
    *_, last = read([recorded("v0.27", "comp.new.stream").sent])
    (cited,) = last.reference
    assert "[ID:0]" in last.full_content
    assert (cited.document_name, cited.content[:20]) == ("atlantis.txt", "\nThe capital of Atla")
    vector, term = cited.vector_similarity or 0, cited.term_similarity or 0
    assert cited.similarity == pytest.approx(0.3 * vector + 0.7 * term)
    assert [(each.document_name, each.count) for each in last.doc_aggs] == [("atlantis.txt", 1)]
    assert "## Time elapsed" in (last.prompt or "")


def test_the_empty_response_comes_once() -> None:
    """The server sends that text twice, as a delta and in the final frame: readers get it once."""
    messages = read([recorded("v0.27", "comp.empty_response.stream").sent])
    assert [message.content for message in messages] == ["Sorry nothing", ""]
    assert messages[-1].full_content == "Sorry nothing"
    assert messages[-1].reference == []


@pytest.mark.parametrize("exchange", WHOLE, ids=lambda exchange: f"{exchange.version} {exchange.name}")
def test_recorded_whole_answers(exchange: Exchange) -> None:
    """One message with all of the answer and its reference."""
    message = answer(exchange.request, exchange.response)
    data = exchange.body["data"]
    assert message.content == message.full_content == data["answer"]
    assert message.final
    assert (message.id, message.session_id) == (data["id"], data["session_id"])
    assert [chunk.id for chunk in message.reference] == [
        each["id"] for each in data["reference"].get("chunks", [])
    ]
    assert message.total == data["reference"].get("total")


def test_there_are_recordings() -> None:
    """The tests above ran over something."""
    counts = {
        version: [sum(e.version == version for e in each) for each in (STREAMS, WHOLE)]
        for version in VERSIONS
    }
    assert counts == {"v0.24": [7, 11], "v0.27": [7, 13]}


@pytest.mark.parametrize("told", [{"final": False}, {}], ids=["with final", "without final"])
def test_reasoning(told: dict[str, bool]) -> None:
    """What comes between the two markers is reasoning, not answer, and new text, whatever else frames say."""
    stream = [
        old_frame("", start_to_think=True, **told),
        old_frame("The user", **told),
        old_frame("The user asks.", **told),
        old_frame("", end_to_think=True, **told),
        old_frame("Yes", **told),
        old_frame("Yes.", **told),
        *([frame(answer="", final=True, reference={"chunks": []})] if told else []),
        END,
    ]
    messages = read(stream)
    assert [(message.reasoning, message.content) for message in messages] == [
        ("The user", ""), ("The user asks.", ""), ("", "Yes"), ("", "Yes."), ("", ""),
    ]  # fmt: skip
    assert messages[-1].full_content == "YesYes."


def whole(text: str) -> Message:
    body = {"code": 0, "data": {"answer": text, "reference": {}, "id": "m", "session_id": "s"}}
    return answer(REQUEST, Response(200, {}, json.dumps(body).encode()))


def test_reasoning_of_a_whole_answer() -> None:
    """There it stands in tags before the answer."""
    message = whole("<think>Hm.</think>Yes.")
    assert (message.reasoning, message.content, message.full_content) == ("Hm.", "Yes.", "Yes.")


@pytest.mark.parametrize("version", ["v0.24", "v0.26"])
def test_how_older_servers_searched(version: str) -> None:
    """Before v0.27 a chat with ``reasoning`` tells its steps, v0.26 in tags of its own: they are no answer."""
    marks: list[dict[str, Any]] = [{"answer": "<retrieving>"}, {"answer": "</retrieving>"}]
    if version == "v0.24":
        marks = [{"answer": "", "start_to_think": True}, {"answer": "", "end_to_think": True}]
    begin, end = (frame(**mark, final=False) for mark in marks)
    step, text = frame(answer="Looking.<br/>", final=False), frame(answer="Yes.", final=False)
    messages = read([begin, step, end, text, frame(answer="", final=True), END])
    assert [(message.reasoning, message.content) for message in messages] == [
        ("Looking.<br/>", ""), ("", "Yes."), ("", ""),
    ]  # fmt: skip
    assert messages[-1].full_content == "Yes."
    with pytest.raises(UnsupportedError, match="before v0.27 .* ask with stream=True"):
        answer(REQUEST, Response(200, {}, json.dumps({"code": 0, "data": marks[0]}).encode()))


def test_how_v026_searched_in_a_stored_answer() -> None:
    """There its steps stand before its thoughts."""
    message = whole("<retrieving>Looking.</retrieving><think>Hm.</think>Yes.")
    assert (message.reasoning, message.content) == ("Looking.Hm.", "Yes.")


@pytest.mark.parametrize("size", [1, 7, 100])
def test_how_v026_searched_in_a_stream_that_repeats_itself(size: int) -> None:
    """With ``legacy`` its steps stand in tags, too, and are no answer; the first frame may be a tag alone."""
    text = "<retrieving>Looking.</retrieving><think>Hm.</think>Yes."
    ends = ["<retrieving>", *(text[:end] for end in range(13, len(text), size)), text]
    decoder = AnswerDecoder(Request("POST", "/api/v1/chat/completions", body={"legacy": True}))
    sent = b"".join(frame(answer=each) for each in ends) + frame(answer=text, final=True) + END
    messages = [*decoder.feed(sent), *decoder.end()]
    assert "".join(message.reasoning for message in messages) == "Looking.Hm."
    assert "".join(message.content for message in messages) == messages[-1].full_content == "Yes."


@pytest.mark.parametrize("text", ["<think>never closed", "a <think>b</think>", "</think>"])
def test_other_tags_are_text(text: str) -> None:
    """Only reasoning at the start of an answer is taken out."""
    message = whole(text)
    assert (message.reasoning, message.content) == ("", text)


def test_what_a_server_adds_stays() -> None:
    """Times, counts of tokens and fields that this library does not know are attributes."""
    data = {
        "answer": "Yes.",
        "reference": [],
        "created_at": 1.5,
        "usage": {"total_tokens": 3},
        "audio_binary": "00",
    }
    message = answer(REQUEST, Response(200, {}, json.dumps({"code": 0, "data": data}).encode()))
    assert (message.created_at, message.usage, message.reference) == (1.5, {"total_tokens": 3}, [])
    assert message.audio_binary == "00"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("final", "rest", "whole"),
    [
        ("", "", "It is so."),
        ("It is so.", "", "It is so."),
        ("It is so. [ID:0]", " [ID:0]", "It is so. [ID:0]"),
        ("It [ID:0] is so.", "", "It [ID:0] is so."),
        ("<think>Hm.</think>It is so. [ID:0]", " [ID:0]", "It is so. [ID:0]"),
    ],
)
def test_final_answers(final: str, rest: str, whole: str) -> None:
    """A final answer replaces the text so far: only what is new of it is a delta, all of it is ``full_content``."""
    stream = [frame(answer="It is"), frame(answer=" so."), frame(answer=final, final=True, reference={}), END]
    messages = read(stream)
    assert "".join(message.content for message in messages[:-1]) == "It is so."
    assert (messages[-1].content, messages[-1].full_content) == (rest, whole)


def test_an_answer_without_a_final_frame() -> None:
    """A chat without datasets sends none: the end of the stream makes the last message."""
    messages = read([frame(answer="Hi", id="m", session_id="s", reference={"chunks": []}), END])
    assert [(message.content, message.final) for message in messages] == [("Hi", False), ("", True)]
    assert (messages[-1].full_content, messages[-1].id, messages[-1].session_id) == ("Hi", "m", "s")


ERROR = b'data:{"code": 500, "message": "no model", "data": {"answer": "**ERROR**: no model", "reference": []}}\n\n'


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (ERROR, "no model"),
        (b'data:{"code": 500, "message": "", "data": {"answer": "**ERROR**: x"}}\n\n', r"\*\*ERROR\*\*: x"),
        (b'data:{"code": 500, "message": "no data"}\n\n', "no data"),
        (b'data:{"code": 500}\n\n', "no message for code 500"),
    ],
)
def test_an_error_inside_the_stream(event: bytes, said: str) -> None:
    """It is an exception, not a text of the answer; what came before has been handed out."""
    decoder = AnswerDecoder(REQUEST)
    assert [message.content for message in decoder.feed(frame(answer="Hi"))] == ["Hi"]
    with pytest.raises(ServerError, match=rf"{said}.*code 500, POST /api/v1/chat/completions") as caught:
        list(decoder.feed(event + END))
    assert caught.value.code == 500


def test_an_error_that_has_a_kind() -> None:
    """Errors of a stream are typed as those of plain answers are."""
    with pytest.raises(NotFoundError):
        read([b'data:{"code": 102, "message": "Session not found!"}\n\n'])


@pytest.mark.parametrize(
    "event", [b"nonsense", b"[1]", b'"x"', b'{"data": {}}', b'{"code": 0, "data": "x"}', b'{"code": 0}']
)
def test_a_frame_that_is_none(event: bytes) -> None:
    """A frame of no known shape is the server's error, shown, and no silent gap in the answer."""
    with pytest.raises(ServerError, match="a stream frame starts b"):
        read([b"data:" + event + b"\n\n", END])


def test_interrupted_at_every_byte() -> None:
    """A stream that ends before its closing frame says so and keeps the text that had arrived."""
    raw = recorded("v0.27", "comp.new.stream").sent.rstrip(b"\n")
    answer = recorded("v0.27", "comp.new.nostream").body["data"]["answer"]
    partial = ""
    for cut in range(len(raw) - 1):
        with pytest.raises(StreamInterruptedError, match="before its closing frame") as caught:
            read([raw[:cut]])
        partial = caught.value.partial
        assert answer.startswith(partial)
    assert partial == answer
    assert read([raw])[-1].full_content == answer


@given(texts=st.lists(st.text(min_size=1), max_size=6), data=st.data())
def test_any_text_survives(texts: list[str], data: st.DataObject) -> None:
    """Whatever characters an answer has (line separators, quotes, emoji), the deltas are exactly it."""
    stream = b"".join(frame(answer=text) for text in texts) + frame(answer="", final=True, reference={}) + END
    cut = data.draw(st.integers(0, len(stream)))
    messages = read([stream[:cut], stream[cut:]])
    assert [message.content for message in messages[:-1]] == texts
    assert messages[-1].full_content == "".join(texts)


@pytest.mark.parametrize(
    "data", [b"true", b"{}", b'{"answer": 1}', b'{"answer": "a", "created_at": "x"}', b"[]"]
)
def test_an_answer_that_is_none(data: bytes) -> None:
    """Success without an answer is the server's error."""
    with pytest.raises(ServerError, match="the answer has not the shape"):
        answer(REQUEST, Response(200, {}, b'{"code": 0, "data": %s}' % data))


@pytest.mark.parametrize("text", ["**ERROR**: MODEL_ERROR - no key", "\n**ERROR**: no key"])
def test_a_failure_told_as_an_answer(text: str) -> None:
    """A model that fails answers so: it is an exception, whole, streamed and at the end of a stream."""
    with pytest.raises(ServerError, match="no key.*code 500"):
        whole(text)
    for stream in ([frame(answer=text)], [frame(answer=text[:4]), frame(answer=text[4:]), END]):
        with pytest.raises(ServerError, match="no key"):
            read(stream)
    assert whole("It says **ERROR**: no key").content == "It says **ERROR**: no key"


def old_frame(text: str, **more: Any) -> bytes:
    """As servers up to v0.23 send it: without ``final``."""
    data = {"answer": text, "reference": {}, "id": "m", "session_id": "s", **more}
    return b"data:" + json.dumps({"code": 0, "message": "", "data": data}).encode() + b"\n\n"


def test_a_stream_that_repeats_itself() -> None:
    """Where each frame has all that was said before, what is new is handed out, and nothing twice."""
    reference = {"chunks": [{"id": "a"}], "total": 1}
    stream = [
        old_frame("It"),
        old_frame("It is"),
        old_frame("It is so."),
        old_frame("It is so.", reference=reference),
    ]
    messages = read([*stream, END])
    assert [message.content for message in messages] == ["It", " is", " so.", ""]
    assert messages[-1].final
    assert (messages[-1].full_content, [chunk.id for chunk in messages[-1].reference]) == ("It is so.", ["a"])


def test_reasoning_in_a_stream_that_repeats_itself() -> None:
    """There it stands in tags at the start, which close when the answer begins, or in each frame."""
    expected = [("Hm", ""), (", well.", ""), ("", "Yes"), ("", "."), ("", "")]
    closed_late = [
        "<think>Hm",
        "<think>Hm, well.",
        "<think>Hm, well.</think>Yes",
        "<think>Hm, well.</think>Yes.",
    ]
    closed_always = ["<think>Hm</think>", "<think>Hm, well.</think>", *closed_late[2:]]
    for texts in (closed_late, closed_always):
        messages = read([*map(old_frame, texts), END])
        assert [(message.reasoning, message.content) for message in messages] == expected
        assert messages[-1].full_content == "Yes."


@given(reasoning=st.none() | st.text("ab<>/think"), content=st.text("ab<>/think", min_size=1), data=st.data())
def test_any_cuts_of_a_stream_that_repeats_itself(
    reasoning: str | None, content: str, data: st.DataObject
) -> None:
    """Wherever the frames end, in a tag too, they add up to the reasoning and the answer."""
    assume(reasoning is None or "</think>" not in reasoning)
    assume(reasoning is not None or not content.startswith("<think>"))
    text = content if reasoning is None else f"<think>{reasoning}</think>{content}"
    ends = sorted(data.draw(st.lists(st.integers(1, len(text)), unique=True, max_size=8)))
    messages = read([*(old_frame(text[:end]) for end in [*ends, len(text)]), END])
    assert "".join(message.reasoning for message in messages) == (reasoning or "")
    assert "".join(message.content for message in messages) == content == messages[-1].full_content


def test_half_a_tag_that_is_none() -> None:
    """It is held back until the next frame shows what it is, and not lost."""
    for texts in (["<", "b"], ["<", "<b"]):
        messages = read([*map(old_frame, texts), END])
        assert "".join(message.content for message in messages) == messages[-1].full_content == "<b"
    assert read([old_frame("<"), END])[-1].full_content == "<"


def test_a_last_frame_that_says_it_otherwise() -> None:
    """Citations are put into the text at the end: the whole answer has them, what was handed out stays."""
    messages = read([old_frame("It is"), old_frame("It is so."), old_frame("It is ##0$$ so."), END])
    assert [message.content for message in messages] == ["It is", " so.", ""]
    assert messages[-1].full_content == "It is ##0$$ so."


def test_deltas_without_final() -> None:
    """A stream whose second frame does not repeat the first has deltas, whatever the later ones look like."""
    messages = read([*map(old_frame, ["a", "b", "ab", "ab"]), END])
    assert [message.content for message in messages] == ["a", "b", "ab", "ab", ""]


def test_frames_with_final_are_deltas() -> None:
    """A delta that repeats the text before it is no repetition of the stream."""
    messages = read([frame(answer="ha"), frame(answer="haha"), frame(answer="", final=True), END])
    assert messages[-1].full_content == "hahaha"


@pytest.mark.parametrize("wanted", [True, "true", 1])
def test_a_legacy_stream(wanted: Any) -> None:
    """Asked to repeat itself, v0.27 does so with ``final`` in its frames: the request tells."""
    exchange = recorded("v0.27", "comp.new.stream.legacy_true")
    plain = read([recorded("v0.27", "comp.new.stream").sent])
    decoder = AnswerDecoder(Request("POST", "/api/v1/chat/completions", body={"legacy": wanted}))
    messages = [*decoder.feed(exchange.sent), *decoder.end()]
    assert [message.content for message in messages] == [message.content for message in plain]
    assert messages[-1].full_content == plain[-1].full_content
    assert messages[-1].reference[0].id == plain[-1].reference[0].id


def test_an_answer_from_a_table() -> None:
    """It comes in one frame that does not say it is the last, with its reference."""
    reference = {"chunks": [{"id": "a"}], "doc_aggs": {}}
    messages = read([old_frame("|name|\n|Ann|", reference=reference, prompt="SELECT"), END])
    assert [message.content for message in messages] == ["|name|\n|Ann|", ""]
    last = messages[-1]
    assert (last.final, last.prompt, [chunk.id for chunk in last.reference]) == (True, "SELECT", ["a"])


def test_an_answer_read_aloud() -> None:
    """Each piece has its sound."""
    messages = read(
        [frame(answer="Hi", audio_binary="00"), frame(answer="", final=True, audio_binary=None), END]
    )
    assert messages[0].audio_binary == "00"  # type: ignore[attr-defined]


def test_reasoning_that_only_the_final_frame_has() -> None:
    """It is handed out there, once."""
    *_, last = read([frame(answer="Yes."), frame(answer="<think>Hm.</think>Yes.", final=True), END])
    assert (last.reasoning, last.content, last.full_content) == ("Hm.", "", "Yes.")


def test_a_long_stream_takes_no_longer_per_frame() -> None:
    """Four times the frames are read in about four times the steps: nothing grows with the text."""
    steps = [steps_of(count) for count in (250, 1000)]
    assert steps[1] < steps[0] * 4.4


def steps_of(frames: int) -> int:
    """How many functions are called to read a stream of so many frames."""
    called = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal called
        called += event in ("call", "c_call")

    stream = b"".join(frame(answer="word ") for _ in range(frames)) + frame(answer="", final=True) + END
    sys.setprofile(count)
    try:
        read([stream])
    finally:
        sys.setprofile(None)
    return called
