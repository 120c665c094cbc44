"""What runs of agents answer: whole and as events, as real servers sent them and as versions differ."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
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
)
from ragflow_integrations.models import AgentMessage
from ragflow_integrations.protocol.agent_stream import AgentDecoder, answer
from ragflow_integrations.protocol.wire import Request, Response

from .recorded import VERSIONS, Exchange, exchanges, recorded

REQUEST = Request("POST", "/api/v1/agents/chat/completions")
END = b"data:[DONE]\n\n"
ANSWER = "FAKE-LLM says: you asked 'What is the capital of Atlantis?'. The capital of Atlantis is Poseidonia."


def is_run(exchange: Exchange) -> bool:
    return (
        exchange.path.endswith("/completions")
        and exchange.path.startswith("/api/v1/agents/")
        and "openai" not in exchange.name
    )


RUNS = [each for version in VERSIONS for each in exchanges(version, "10_agent_completions") if is_run(each)]
STREAMS = [each for each in RUNS if each.raw and END.decode() in each.raw and '"code"' not in each.raw]
WHOLE = [
    each
    for each in RUNS
    if isinstance(each.body, dict)
    and isinstance(each.body.get("data"), dict)
    and each.body["data"]["event"] != "node_finished"
]


def name_of(exchange: Exchange) -> str:
    return f"{exchange.version}-{exchange.name}"


def read(pieces: Iterable[bytes]) -> list[AgentMessage]:
    decoder = AgentDecoder(REQUEST)
    messages = [message for piece in pieces for message in decoder.feed(piece)]
    return messages + list(decoder.end())


def event(kind: str | None, /, **data: Any) -> bytes:
    told = {"message_id": "m", "session_id": "s", "task_id": "t", "created_at": 1, "data": data}
    return b"data:" + json.dumps({"event": kind, **told} if kind else told).encode() + b"\n\n"


def whole(data: Any) -> AgentMessage:
    return answer(REQUEST, Response(200, {}, json.dumps({"code": 0, "data": data}).encode()))


def frames_of(exchange: Exchange) -> list[dict[str, Any]]:
    assert exchange.raw is not None
    parts = [part.removeprefix("data:") for part in exchange.raw.split("\n\n") if part]
    return [json.loads(part) for part in parts if part != "[DONE]"]


def test_how_many_were_recorded() -> None:
    """The tests on recordings below are about this many answers."""
    assert (len(STREAMS), len(WHOLE)) == (17, 27)


@pytest.mark.parametrize("exchange", STREAMS, ids=name_of)
def test_recorded_streams(exchange: Exchange) -> None:
    """Text comes as sent, each component as a step, and the last message, and only it, is final and has all."""
    frames = frames_of(exchange)
    texts = [each["data"]["content"] for each in frames if each["event"] == "message"]
    ended = [each["data"] for each in frames if each["event"] == "node_finished"]
    *pieces, last = read([exchange.sent])
    assert [piece.content for piece in pieces if piece.content] == [text for text in texts if text]
    assert [piece.final for piece in pieces] == [False] * len(pieces)
    assert last.final
    assert last.full_content == "".join(texts)
    assert [step.component_id for step in last.trace] == [each["component_id"] for each in ended]
    assert [step.outputs for step in last.trace] == [each["outputs"] for each in ended]
    assert (last.id, last.session_id) == (frames[-1]["message_id"], frames[-1]["session_id"])
    assert last.usage == frames[-1]["data"].get("usage")
    assert not last.paused


@pytest.mark.parametrize("exchange", [STREAMS[0], STREAMS[-1]], ids=name_of)
def test_a_cut_at_every_byte(exchange: Exchange) -> None:
    """Wherever the network cuts the bytes, the messages are the same."""
    messages = read([exchange.sent])
    for cut in range(0, len(exchange.sent), 7):
        assert read([exchange.sent[:cut], exchange.sent[cut:]]) == messages
    assert read(exchange.sent[i : i + 1] for i in range(len(exchange.sent))) == messages


@pytest.mark.parametrize("exchange", WHOLE, ids=name_of)
def test_recorded_whole_answers(exchange: Exchange) -> None:
    """One message with the text, the session, the usage and the trace."""
    message = answer(exchange.request, exchange.response)
    run = exchange.body["data"]
    assert message.content == message.full_content == run["data"]["content"]
    assert (message.final, message.id, message.session_id) == (True, run["message_id"], run["session_id"])
    assert message.usage == run["data"].get("usage")
    assert [step.component_id for step in message.trace] == [
        each["component_id"] for each in run["data"].get("trace", [])
    ]


def test_a_second_turn_begins_without_its_beginning() -> None:
    """In a session of its own the events of the workflow are left out: the answer is the same."""
    frames = frames_of(recorded("v0.27", "ac.stream.session"))
    assert {each["event"] for each in frames} == {
        "node_finished",
        "message",
        "message_end",
        "workflow_finished",
    }
    assert read([recorded("v0.27", "ac.stream.session").sent])[-1].full_content == ANSWER


def test_steps() -> None:
    """A component is told when it begins and when it ends, without the trace of those before it."""
    pieces = read([recorded("v0.27", "ac.stream.no_session").sent])
    steps = [piece.step for piece in pieces if piece.step]
    assert [(step.component_id, step.outputs is None) for step in steps] == [
        ("begin", True),
        ("begin", False),
        ("LLM:0", True),
        ("Message:0", True),
        ("LLM:0", False),
        ("Message:0", False),
    ]
    assert "trace" not in (
        read([recorded("v0.27", "ac.return_trace.stream").sent])[-1].trace[0].model_extra or {}
    )


CHUNK = {"id": "c9", "content": "Poseidonia is the capital.", "document_name": "a.txt", "document_id": None}
AGGREGATES = {"a.txt": {"doc_name": "a.txt", "doc_id": "d", "count": 1}}


def test_the_reference_is_keyed_by_citation() -> None:
    """``[ID:217]`` cites the chunk that was sent under 217, streamed or whole."""
    reference = {"chunks": {"217": CHUNK, "3": {**CHUNK, "id": "c3"}}, "doc_aggs": AGGREGATES}
    text = "Poseidonia [ID:217], or not [ID:5]."
    streamed = read([event("message", content=text), event("message_end", reference=reference), END])[-1]
    at_once = whole({"event": "message_end", "data": {"content": text, "reference": reference}})
    for message in (streamed, at_once):
        assert [(one.index, one.chunk and one.chunk.id) for one in message.citations()] == [
            (217, "c9"),
            (5, None),
        ]
        assert [chunk.document_name for chunk in message.reference] == ["a.txt", "a.txt"]
        assert [each.count for each in message.doc_aggs] == [1]


def test_a_reference_in_a_list() -> None:
    """Where chunks come as a list, the number is the place in it."""
    message = whole(
        {
            "data": {
                "content": "a [ID:1]",
                "reference": {"chunks": [CHUNK, {"chunk_id": "c2"}], "doc_aggs": []},
            }
        }
    )
    (cited,) = message.citations()
    assert cited.chunk is message.reference[1]
    assert cited.chunk.id == "c2"


def test_references_of_several_messages_are_joined() -> None:
    """A run with two messages ends with the chunks of both."""
    last = read(
        [
            event("message", content="one [ID:1] "),
            event("message_end", reference={"chunks": {"1": CHUNK}, "doc_aggs": AGGREGATES}),
            event("message", content="two [ID:2]"),
            event("message_end", reference={"chunks": {"2": {**CHUNK, "id": "c2"}}, "doc_aggs": AGGREGATES}),
            event("message_end"),
            END,
        ]
    )[-1]
    assert [one.chunk and one.chunk.id for one in last.citations()] == ["c9", "c2"]


def test_reasoning() -> None:
    """What stands between the markers is reasoning, not text."""
    pieces = read(
        [
            event("message", content="", start_to_think=True),
            event("message", content="hm"),
            event("message", content="", end_to_think=True),
            event("message", content="yes"),
            END,
        ]
    )
    assert [(piece.reasoning, piece.content, piece.full_content) for piece in pieces] == [
        ("hm", "", ""),
        ("", "yes", ""),
        ("", "", "yes"),
    ]
    message = whole({"data": {"content": "<think>hm</think>yes<think>!</think>."}})
    assert (message.reasoning, message.content) == ("hm!", "yes.")


def test_a_run_that_pauses() -> None:
    """What it asks for is in the last message, streamed or whole; the inputs of a finished one are not asked for."""
    wanted = {"who": {"type": "line", "name": "Who", "value": None}}
    asked = event("user_inputs", inputs=wanted, tips="Who are you?")
    streamed = read([event("message", content="Hello"), asked, END])[-1]
    at_once = whole(
        {"event": "user_inputs", "session_id": "s", "data": {"inputs": wanted, "tips": "Who are you?"}}
    )
    for message in (streamed, at_once):
        assert message.paused
        assert (message.user_inputs, message.tips, message.session_id) == (wanted, "Who are you?", "s")
    assert not whole({"event": "workflow_finished", "data": {"inputs": wanted, "content": "x"}}).paused


def test_what_else_a_run_makes() -> None:
    """Structured output by component, files, sound and usage."""
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "calls": 1}
    *pieces, last = read(
        [
            event("message", content="x", audio_binary="ff"),
            event("message_end", attachment={"doc_id": "d", "format": "pdf"}, downloads=[{"doc_id": "e"}]),
            event("node_finished", component_id="LLM:0", outputs={"structured": {"a": 1}}, error=None),
            event("workflow_finished", inputs={}, outputs={"content": "x"}, usage=usage),
            END,
        ]
    )
    assert (pieces[0].model_extra or {})["audio_binary"] == "ff"
    assert last.structured == {"LLM:0": {"a": 1}}
    assert (last.attachment, last.downloads, last.usage) == (
        {"doc_id": "d", "format": "pdf"},
        [{"doc_id": "e"}],
        usage,
    )


def test_a_run_that_says_nothing() -> None:
    """It still tells its session, streamed or whole."""
    (last,) = read([event(None), END])
    message = whole({"session_id": "s"})
    for each in (last, message):
        assert (each.final, each.full_content, each.session_id) == (True, "", "s")


def test_a_failed_model_in_a_stream() -> None:
    """The recorded frame with code 500 is an error with the server's words."""
    with pytest.raises(NotFoundError, match="Model zz@fake@OpenAI-API-Compatible not found") as caught:
        read([recorded("v0.27", "ac.bad_llm.stream").sent])
    assert caught.value.code == 500


def test_a_failed_model_in_a_whole_answer() -> None:
    """The recorded text in place of an answer's object is an error with the server's words."""
    exchange = recorded("v0.27", "ac.bad_llm.nostream")
    with pytest.raises(NotFoundError, match="^Model zz@fake@OpenAI-API-Compatible not found"):
        answer(exchange.request, exchange.response)


def test_a_failed_component() -> None:
    """One that failed with nothing after it is an error, as v0.24 was recorded to leave it, streamed or whole."""
    exchange = recorded("v0.24", "ac.inputs.plain")
    with pytest.raises(ServerError, match="the component begin failed: 'str' object has no attribute"):
        answer(exchange.request, exchange.response)
    with pytest.raises(ServerError, match="the component LLM:0 failed: out of memory"):
        read([event("node_finished", component_id="LLM:0", error="out of memory"), END])


@pytest.mark.parametrize(
    "after",
    [
        event("workflow_finished"),
        event("message", content="a default answer"),
        event("node_finished", component_id="Message:0", error=None),
    ],
    ids=["finished", "message", "component"],
)
def test_a_failure_that_the_agent_handles(after: bytes) -> None:
    """A run that goes on after a component failed has its answer; the step keeps the error."""
    last = read([event("node_finished", component_id="LLM:0", error="out of memory"), after, END])[-1]
    assert last.trace[0].error == "out of memory"


@pytest.mark.parametrize("exchange", STREAMS[:3], ids=name_of)
def test_an_interrupted_stream(exchange: Exchange) -> None:
    """Without its closing frame the stream is an error that keeps the text; no cut passes for an end."""
    text = ""
    for cut in range(0, len(exchange.sent) - len(END), 11):
        with pytest.raises(StreamInterruptedError, match="before its closing frame") as caught:
            read([exchange.sent[:cut]])
        assert caught.value.partial.startswith(text)
        text = caught.value.partial
    assert text == read([exchange.sent])[-1].full_content


def test_an_empty_stream() -> None:
    """As v0.24 answers when the agent is unknown: an error, not an empty answer."""
    with pytest.raises(StreamInterruptedError):
        read([])


@pytest.mark.parametrize("kind", ["workflow_started", "something_new"])
def test_events_that_say_nothing_here(kind: str) -> None:
    """They are passed over."""
    (last,) = read([event(kind, inputs={}), END])
    assert last.full_content == ""


KEYS = (
    "event data content reference chunks doc_aggs inputs trace error code start_to_think session_id usage outputs "
    "structured attachment downloads"
).split()
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("**ERROR**: x"),
    lambda each: (
        st.lists(each, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS) | st.text(max_size=3),
            each,
            max_size=4,
        )
    ),
    max_leaves=12,
)
kinds = st.sampled_from(
    ["message", "message_end", "user_inputs", "workflow_finished", "node_started", "node_finished"]
)
inner = st.dictionaries(st.sampled_from(KEYS), values, max_size=4) | values


def is_typed(attempt: Callable[[], bool]) -> bool:
    """Whether there is an answer, or one of this library's errors for what a server says."""
    try:
        return attempt()
    except RAGFlowError as error:
        return isinstance(error, APIError)


@given(st.lists(st.tuples(kinds, inner), max_size=4))
def test_any_events(events: list[tuple[str, Any]]) -> None:
    """Whatever JSON comes, there is an answer or one of this library's errors."""
    frames = [f"data:{json.dumps({'event': kind, 'data': data})}\n\n".encode() for kind, data in events]
    assert is_typed(lambda: read([*frames, END])[-1].final)


@given(values, kinds, inner)
def test_any_whole_answer(anything: Any, kind: str, data: Any) -> None:
    """The same of a whole answer."""
    assert is_typed(lambda: whole(anything).final)
    assert is_typed(lambda: whole({"event": kind, "data": data}).final)
