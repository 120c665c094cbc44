"""Answers of a chat: whole ones and streams, as a real server sent them and as versions differ."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragflow_integrations import APIError, Message, NotFoundError, ServerError, StreamInterruptedError
from ragflow_integrations.protocol.converse import AnswerDecoder, ask, ask_stream
from ragflow_integrations.protocol.wire import Request, Response

from .recorded import Exchange, exchanges, recorded

REQUEST = Request("POST", "/api/v1/chat/completions")
STREAMS = [
    exchange
    for exchange in exchanges().values()
    if exchange.raw
    and exchange.content_type.startswith("text/event-stream")
    and "legacy" not in exchange.name
]
WHOLE = [
    exchange
    for exchange in exchanges().values()
    if exchange.path.endswith("/completions")
    and "chatbots" not in exchange.path
    and isinstance(exchange.body, dict)
    and exchange.body["code"] == 0
]


def read(pieces: Iterable[bytes]) -> list[Message]:
    decoder = AnswerDecoder(REQUEST)
    messages = [message for piece in pieces for message in decoder.feed(piece)]
    return messages + list(decoder.end())


def frame(**data: Any) -> bytes:
    return b"data:" + json.dumps({"code": 0, "message": "", "data": data}).encode() + b"\n\n"


END = b'data:{"code": 0, "message": "", "data": true}\n\n'


def frames_of(exchange: Exchange) -> list[dict[str, Any]]:
    assert exchange.raw is not None
    found = [json.loads(part.removeprefix("data:")) for part in exchange.raw.split("\n\n") if part]
    return [each["data"] for each in found if each["data"] is not True]


@pytest.mark.parametrize("exchange", STREAMS, ids=lambda exchange: exchange.name)
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


@pytest.mark.parametrize("exchange", STREAMS, ids=lambda exchange: exchange.name)
def test_a_cut_at_every_byte(exchange: Exchange) -> None:
    """Wherever the network cuts the bytes, the messages are the same."""
    messages = read([exchange.sent])
    for cut in range(len(exchange.sent)):
        assert read([exchange.sent[:cut], exchange.sent[cut:]]) == messages
    assert read(exchange.sent[i : i + 1] for i in range(len(exchange.sent))) == messages


def test_the_reference() -> None:
    """``[ID:0]`` of a recorded answer cites ``reference[0]``, with its document and scores."""
    *_, last = read([recorded("comp.new.stream").sent])
    (cited,) = last.reference
    assert "[ID:0]" in last.full_content
    assert (cited.document_name, cited.content[:20]) == ("atlantis.txt", "\nThe capital of Atla")
    assert cited.similarity == pytest.approx(0.3 * cited.vector_similarity + 0.7 * cited.term_similarity)
    assert [(each.document_name, each.count) for each in last.doc_aggs] == [("atlantis.txt", 1)]
    assert "## Time elapsed" in (last.prompt or "")


def test_the_empty_response_comes_once() -> None:
    """The server sends that text twice, as a delta and in the final frame: readers get it once."""
    messages = read([recorded("comp.empty_response.stream").sent])
    assert [message.content for message in messages] == ["Sorry nothing", ""]
    assert messages[-1].full_content == "Sorry nothing"
    assert messages[-1].reference == []


@pytest.mark.parametrize("exchange", WHOLE, ids=lambda exchange: exchange.name)
def test_recorded_whole_answers(exchange: Exchange) -> None:
    """One message with all of the answer and its reference."""
    call = ask("c", "q", session_id=None, options={})
    message = call.read(exchange.request, exchange.response)
    data = exchange.body["data"]
    assert message.content == message.full_content == data["answer"]
    assert message.final
    assert (message.id, message.session_id) == (data["id"], data["session_id"])
    assert [chunk.id for chunk in message.reference] == [
        each["id"] for each in data["reference"].get("chunks", [])
    ]


def test_there_are_recordings() -> None:
    """The tests above ran over something."""
    assert (len(STREAMS), len(WHOLE)) == (8, 13)


def test_reasoning() -> None:
    """What comes between the two markers is reasoning, not answer."""
    stream = [
        frame(answer="", start_to_think=True),
        frame(answer="The user"),
        frame(answer=" asks."),
        frame(answer="", end_to_think=True),
        frame(answer="Yes."),
        frame(answer="", final=True, reference={"chunks": []}),
        END,
    ]
    messages = read(stream)
    assert [(message.reasoning, message.content) for message in messages] == [
        ("The user", ""), (" asks.", ""), ("", "Yes."), ("", ""),
    ]  # fmt: skip
    assert messages[-1].full_content == "Yes."


def test_reasoning_of_a_whole_answer() -> None:
    """There it stands in tags before the answer."""
    body = {
        "code": 0,
        "data": {"answer": "<think>Hm.</think>Yes.", "reference": {}, "id": "m", "session_id": "s"},
    }
    message = ask("c", "q", session_id=None, options={}).read(
        REQUEST, Response(200, {}, json.dumps(body).encode())
    )
    assert (message.reasoning, message.content) == ("Hm.", "Yes.")


@pytest.mark.parametrize("answer", ["<think>never closed", "a <think>b</think>", "</think>"])
def test_other_tags_are_text(answer: str) -> None:
    """Only reasoning at the start of an answer is taken out."""
    body = {"code": 0, "data": {"answer": answer, "reference": {}}}
    message = ask("c", "q", session_id=None, options={}).read(
        REQUEST, Response(200, {}, json.dumps(body).encode())
    )
    assert (message.reasoning, message.content) == ("", answer)


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
    raw = recorded("comp.new.stream").sent.rstrip(b"\n")
    answer = recorded("comp.new.nostream").body["data"]["answer"]
    for cut in range(len(raw) - 1):
        with pytest.raises(StreamInterruptedError, match="before its closing frame") as caught:
            read([raw[:cut]])
        assert answer.startswith(caught.value.partial)
    assert caught.value.partial == answer
    assert read([raw])[-1].full_content == answer


@given(texts=st.lists(st.text(min_size=1), max_size=6), data=st.data())
def test_any_text_survives(texts: list[str], data: st.DataObject) -> None:
    """Whatever characters an answer has (line separators, quotes, emoji), the deltas are exactly it."""
    stream = b"".join(frame(answer=text) for text in texts) + frame(answer="", final=True, reference={}) + END
    cut = data.draw(st.integers(0, len(stream)))
    messages = read([stream[:cut], stream[cut:]])
    assert [message.content for message in messages[:-1]] == texts
    assert messages[-1].full_content == "".join(texts)


def test_what_is_asked() -> None:
    """In a session the question goes alone; without one the history does, and nothing is stored."""
    history = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    assert ask("chat", "q", session_id="s", options={"quote": False}).request.body == {
        "chat_id": "chat", "session_id": "s", "question": "q", "stream": False, "quote": False,
    }  # fmt: skip
    request = ask_stream("chat", history, session_id=None, options={}).request
    assert request.body == {
        "chat_id": "chat", "messages": history, "stream": True,
        "pass_all_history_messages": True, "store_history_messages": False,
    }  # fmt: skip
    assert not request.idempotent


def test_options_cannot_redirect_a_question() -> None:
    """A prompt variable of the same name does not change which chat is asked, or how."""
    body = ask(
        "chat", "q", session_id="s", options={"chat_id": "other", "stream": True, "question": "x"}
    ).request.body
    assert (body["chat_id"], body["stream"], body["question"]) == ("chat", False, "q")


def test_an_answer_that_is_none() -> None:
    """Success without an answer is the server's error."""
    with pytest.raises(APIError, match="data holds no answer"):
        ask("c", "q", session_id=None, options={}).read(
            REQUEST, Response(200, {}, b'{"code": 0, "data": true}')
        )
