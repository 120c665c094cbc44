"""Answers in OpenAI's form: whole and streamed, as real servers sent them and as they differ."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragflow_integrations.errors import (
    APIError,
    NotFoundError,
    RAGFlowError,
    ServerError,
    StreamInterruptedError,
    UnsupportedError,
)
from ragflow_integrations.models import ChatCompletion, ChatCompletionChunk
from ragflow_integrations.protocol import openai
from ragflow_integrations.protocol.openai import CompletionDecoder
from ragflow_integrations.protocol.versions import Version
from ragflow_integrations.protocol.wire import Call, Request, Response

from .recorded import VERSIONS, Exchange, exchanges, recorded

REQUEST = Request("POST", "/api/v1/openai/c/chat/completions")
MESSAGES = [{"role": "user", "content": "q"}]
END = b"data:[DONE]\n\n"
RECORDED = [
    each
    for version in VERSIONS
    for each in (*exchanges(version, "07_openai"), *exchanges(version, "10_agent_completions"))
    if "openai" in each.path or "openai" in each.name
]
STREAMS = [
    each for each in RECORDED if each.raw and each.raw.startswith("data:") and "**ERROR**" not in each.raw
]
WHOLE = [
    each
    for each in RECORDED
    if isinstance(each.body, dict) and "choices" in each.body and "**ERROR**" not in str(each.body)
]


def name_of(exchange: Exchange) -> str:
    return f"{exchange.version}-{exchange.name}"


def read(pieces: Iterable[bytes]) -> list[ChatCompletionChunk]:
    decoder = CompletionDecoder(REQUEST)
    found = [piece for data in pieces for piece in decoder.feed(data)]
    return found + list(decoder.end())


def call() -> Call[ChatCompletion]:
    flow = openai.chat(
        "c",
        MESSAGES,
        model="model",
        reference=False,
        reference_metadata=None,
        metadata_condition=None,
        sampling={},
    )
    next(flow)
    asked = flow.send(Version(0, 27))
    assert isinstance(asked, Call)
    return asked


def whole(body: Any) -> ChatCompletion:
    return call().read(REQUEST, Response(200, {}, json.dumps(body).encode()))


def piece(**delta: Any) -> bytes:
    return b"data: " + json.dumps({"id": "i", "choices": [{"delta": delta, "index": 0}]}).encode() + b"\n\n"


def test_how_many_were_recorded() -> None:
    """The tests on recordings below are about this many answers."""
    assert (len(STREAMS), len(WHOLE)) == (12, 32)


@pytest.mark.parametrize("exchange", STREAMS, ids=name_of)
def test_recorded_streams(exchange: Exchange) -> None:
    """A piece for each frame, with its text, usage, reference and reason to finish."""
    frames = [
        json.loads(part)
        for part in exchange.sent.decode().split("data:")
        if part.strip() not in ("", "[DONE]")
    ]
    pieces = read([exchange.sent])
    assert len(pieces) == len(frames)
    for got, frame in zip(pieces, frames, strict=True):
        (choice,), (sent,) = got.choices, frame["choices"]
        assert (got.id, got.model, got.created) == (frame["id"], frame["model"], frame.get("created"))
        assert (choice.delta.content, choice.finish_reason) == (
            sent["delta"]["content"],
            sent["finish_reason"],
        )
        assert choice.delta.final_content == sent["delta"].get("final_content")
        assert [chunk.id for chunk in choice.delta.reference] == [
            each["id"] for each in sent["delta"].get("reference", [])
        ]
        assert (got.usage and got.usage.total_tokens) == (
            frame.get("usage") and frame["usage"]["total_tokens"]
        )


@pytest.mark.parametrize("exchange", WHOLE, ids=name_of)
def test_recorded_whole_answers(exchange: Exchange) -> None:
    """The object with its text, usage and reference."""
    got = call().read(exchange.request, exchange.response)
    (choice,), (sent,) = got.choices, exchange.body["choices"]
    assert (got.id, got.model, got.object) == (exchange.body["id"], exchange.body["model"], "chat.completion")
    assert (choice.message.content, choice.finish_reason) == (sent["message"]["content"], "stop")
    assert got.usage is not None
    assert got.usage.total_tokens == exchange.body["usage"]["total_tokens"]
    assert [chunk.id for chunk in choice.message.reference] == [
        each["id"] for each in sent["message"].get("reference", [])
    ]


def test_a_cut_at_every_byte() -> None:
    """Wherever the network cuts the bytes, the pieces are the same, and no cut passes for an end."""
    sent = recorded("v0.27", "oai.reference.stream").sent
    pieces = read([sent])
    for cut in range(len(sent)):
        assert read([sent[:cut], sent[cut:]]) == pieces
    for cut in range(0, len(sent) - len(END), 13):
        with pytest.raises(StreamInterruptedError) as caught:
            read([sent[:cut]])
        assert "".join(each.choices[0].delta.content or "" for each in pieces).startswith(
            caught.value.partial
        )


def test_the_reference_of_an_agent() -> None:
    """It comes as an object with its chunks by citation; they are a list here too, and know their number."""
    reference = {"chunks": {"217": {"id": "c", "content": "x"}}, "doc_aggs": {}}
    _, last = read([piece(content="yes [ID:217]"), piece(content="", reference=reference), END])
    (streamed,) = last.choices[0].delta.reference
    (at_once,) = (
        whole({"choices": [{"message": {"content": "x", "reference": reference}}]})
        .choices[0]
        .message.reference
    )
    for chunk in (streamed, at_once):
        assert (chunk.id, (chunk.model_extra or {})["citation_id"]) == ("c", "217")


def test_reasoning() -> None:
    """It is apart from the text, streamed as the server does it, and taken out of a whole answer."""
    pieces = read(
        [piece(content=None, reasoning_content="hm"), piece(content="yes", reasoning_content=None), END]
    )
    assert [(each.choices[0].delta.reasoning_content, each.choices[0].delta.content) for each in pieces] == [
        ("hm", None),
        (None, "yes"),
    ]
    message = whole({"choices": [{"message": {"content": "<think>hm</think>yes"}}]}).choices[0].message
    assert (message.reasoning_content, message.content) == ("hm", "yes")


def test_an_error_as_text() -> None:
    """What a failed model leaves in place of its answer, as recorded of an agent on v0.24, and in a chat's stream."""
    for name in ("ac.openai.bad_llm", "ac.openai.bad_llm.stream"):
        exchange = recorded("v0.24", name)
        with pytest.raises(ServerError, match="^LLM type error") as caught:
            if exchange.raw:
                read([exchange.sent])
            else:
                call().read(exchange.request, exchange.response)
        assert caught.value.code == 500
    with pytest.raises(ServerError, match="^out of memory"):
        read([piece(content="The "), piece(content="**ERROR**: out of memory"), END])
    assert read([piece(content="**ERROR** is a word"), END])


def test_how_v026_searched() -> None:
    """With ``reasoning`` its steps are in the text: here they are reasoning, and the answer is the answer."""
    steps = ["<retrieving>", "Looking.<br/>", "</retrieving>", "Yes."]
    last = piece(content=None, final_content="".join(steps))
    *pieces, end = read([*(piece(content=text) for text in steps), last, END])
    assert [(one.choices[0].delta.reasoning_content, one.choices[0].delta.content) for one in pieces] == [
        (None, None), ("Looking.<br/>", None), (None, None), (None, "Yes."),
    ]  # fmt: skip
    assert end.choices[0].delta.final_content == "Yes."
    with pytest.raises(UnsupportedError, match="ask with stream=True"):
        whole({"choices": [{"message": {"content": "<retrieving>"}}]})


def test_an_error_as_an_envelope() -> None:
    """RAGFlow's own errors, at HTTP 200 or in a stream, are errors."""
    with pytest.raises(NotFoundError, match="You don't own the chat c"):
        whole({"code": 102, "message": "You don't own the chat c"})
    with pytest.raises(ServerError, match="boom"):
        read([b'data:{"code": 500, "message": "boom", "data": false}\n\n', END])
    with pytest.raises(ServerError, match="there are no choices"):
        whole({"code": 0, "data": {}})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda each: (
        st.lists(each, max_size=3)
        | st.dictionaries(
            st.sampled_from("choices delta message content reference chunks usage id code".split())
            | st.text(max_size=3),
            each,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def is_typed(attempt: Callable[[], object]) -> bool:
    """Whether there is an answer, or one of this library's errors for what a server says."""
    try:
        return attempt() is not None
    except RAGFlowError as error:
        return isinstance(error, APIError)


@given(values, values)
def test_any_answer(body: Any, inner: Any) -> None:
    """Whatever JSON comes, whole or in a stream, there is an answer or one of this library's errors."""
    for each in (body, {"choices": body}, {"choices": [{"delta": inner, "message": inner}]}):
        frame = b"data:" + json.dumps(each).encode() + b"\n\n"
        assert is_typed(partial(whole, each))
        assert is_typed(partial(read, [frame, END]))
