"""Chats and agents in OpenAI's form: on the local engine, and as real v0.24.0 and v0.27.0 servers answered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from ragflow_integrations import (
    APIError,
    AsyncRAGFlow,
    InvalidRequestError,
    NotFoundError,
    ServerError,
    StreamInterruptedError,
)
from tests.client._async.conftest import Connect
from tests.client.conftest import Place
from tests.protocol.recorded import recorded
from tests.recordings.replay import Replay, replay
from tests.transport.raw_server import RawServer, http, serving

QUESTION = "What is the capital of Atlantis?"
MESSAGES = [{"role": "user", "content": QUESTION}]
AUTHOR = {"logic": "and", "conditions": [{"name": "author", "comparison_operator": "is", "value": "x"}]}
NOBODY = "0" * 32


@pytest.fixture(params=["v0.24", "v0.27"])
def recording(request: pytest.FixtureRequest) -> Iterator[tuple[str, Replay]]:
    """Each version with a server that answers as one of that version did."""
    with replay(request.param) as server:
        yield request.param, server


@pytest.fixture
async def client(library: Place) -> AsyncIterator[AsyncRAGFlow]:
    """A client of the knowledge base that all tests share; each begins without chats."""
    async with AsyncRAGFlow(library.api_key, library.base_url) as client:
        await client.delete_chats(delete_all=True)
        yield client


@pytest.fixture
async def chat_id(client: AsyncRAGFlow) -> str:
    """An assistant of the local engine that answers from the facts."""
    (facts,) = await client.list_datasets(name="facts")
    return (await client.create_chat("guide", dataset_ids=[facts.id])).id


@pytest.fixture
def deaf() -> Iterator[tuple[RawServer, str]]:
    """A server that should not be asked anything."""
    with serving(http({"code": 0})) as found:
        yield found


async def test_a_chat_of_the_local_engine(client: AsyncRAGFlow, chat_id: str) -> None:
    """Whole and streamed the same text with the same chunks, which ``[ID:n]`` cites, and usage."""
    whole = await client.chat_completions(chat_id, MESSAGES, reference=True)
    message = whole.choices[0].message
    assert "Poseidonia" in (message.content or "")
    assert "Poseidonia" in message.reference[0].content
    stream = await client.chat_completions(chat_id, MESSAGES, stream=True, reference=True)
    *pieces, last = [piece async for piece in stream]
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert text == message.content == last.choices[0].delta.final_content
    assert [chunk.id for chunk in last.choices[0].delta.reference] == [
        chunk.id for chunk in message.reference
    ]
    assert last.choices[0].finish_reason == whole.choices[0].finish_reason == "stop"
    for usage in (whole.usage, last.usage):
        assert usage is not None
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0


async def test_filters_of_the_local_engine(client: AsyncRAGFlow, chat_id: str) -> None:
    """A condition that no document fits finds nothing; without ``reference`` there is none."""
    found = await client.chat_completions(chat_id, MESSAGES, reference=True, metadata_condition=AUTHOR)
    assert found.choices[0].message.reference == []
    assert "Poseidonia" not in (found.choices[0].message.content or "")
    assert (await client.chat_completions(chat_id, MESSAGES)).choices[0].message.reference == []


async def test_an_unknown_chat_of_the_local_engine(client: AsyncRAGFlow) -> None:
    """It is an error, also where a stream was asked for."""
    with pytest.raises(NotFoundError, match="own the chat"):
        await client.chat_completions(NOBODY, MESSAGES)
    with pytest.raises(NotFoundError, match="own the chat"):
        await client.chat_completions(NOBODY, MESSAGES, stream=True)


async def test_a_recorded_chat(recording: tuple[str, Replay], connect: Connect) -> None:
    """Both versions, with and without a reference, whole and streamed."""
    version, server = recording
    client = connect(server.url)
    chat_id = recorded(version, "oai.nostream").path.split("/")[4]
    answer = recorded(version, "oai.nostream").body["choices"][0]["message"]["content"]
    for reference in (False, True):
        whole = await client.chat_completions(chat_id, MESSAGES, reference=reference)
        stream = await client.chat_completions(chat_id, MESSAGES, stream=True, reference=reference)
        *pieces, last = [piece async for piece in stream]
        assert whole.choices[0].message.content == answer
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == answer
        for chunks in (whole.choices[0].message.reference, last.choices[0].delta.reference):
            assert [chunk.document_name for chunk in chunks] == ["atlantis.txt"] * reference
        assert last.choices[0].delta.final_content == (answer if reference else None)
        assert last.usage is not None
        assert last.usage.prompt_tokens == 7


@pytest.mark.parametrize(
    "name",
    [
        "oai.reference_metadata",
        "oai.metadata_condition",
        "oai.history",
        "oai.system",
        "oai.model_named",
    ],
)
async def test_what_is_sent(name: str, recording: tuple[str, Replay], connect: Connect) -> None:
    """The recorded request, from this library's arguments."""
    version, server = recording
    exchange = recorded(version, name)
    told = dict(exchange.request_body)
    extra = told.pop("extra_body", {})
    found = await connect(server.url).chat_completions(exchange.path.split("/")[4], **told, **extra)
    assert found.choices[0].message.content == exchange.body["choices"][0]["message"]["content"]
    assert server.served[-1] == name


async def test_parts_of_text(replay_v027: Replay, connect: Connect) -> None:
    """A message in parts is sent as the text that they are, which every version reads."""
    exchange = recorded("v0.27", "oai.content_parts")
    parts = exchange.request_body["messages"]
    assert isinstance(parts[0]["content"], list)
    found = await connect(replay_v027.url).chat_completions(exchange.path.split("/")[4], parts)
    assert found.choices[0].message.content == exchange.body["choices"][0]["message"]["content"]
    assert replay_v027.served[-1] == "oai.nostream"


@pytest.mark.parametrize(
    ("version", "name", "kind", "said"),
    [
        ("v0.24", "oai.err.bad_chat", NotFoundError, "own the chat"),
        ("v0.27", "oai.err.bad_chat", NotFoundError, "own the chat"),
        ("v0.27", "oai.err.bad_chat.stream", NotFoundError, "own the chat"),
        ("v0.27", "oai.err.model_unknown", InvalidRequestError, "`llm_id` zz doesn't exist"),
    ],
)
async def test_refused_chats(
    version: str,
    name: str,
    kind: type[APIError],
    said: str,
    replay_v024: Replay,
    replay_v027: Replay,
    connect: Connect,
) -> None:
    """RAGFlow's envelope at HTTP 200 is an error of its own kind, with its code."""
    server = replay_v024 if version == "v0.24" else replay_v027
    exchange = recorded(version, name)
    with pytest.raises(kind, match=said) as caught:
        await connect(server.url).chat_completions(exchange.path.split("/")[4], **exchange.request_body)
    assert caught.value.code == exchange.body["code"]


async def test_a_recorded_agent(recording: tuple[str, Replay], connect: Connect) -> None:
    """Both versions, in a session and without one, whole and streamed."""
    version, server = recording
    client = connect(server.url)
    exchange = recorded(version, "ac.openai.nostream")
    agent_id = exchange.request_body.get("agent_id") or exchange.path.split("/")[4]
    session_id = recorded(version, "ac.openai.session").request_body["session_id"]
    whole = await client.agent_completions(agent_id, MESSAGES, model="m")
    in_session = await client.agent_completions(agent_id, MESSAGES, model="m", session_id=session_id)
    stream = await client.agent_completions(agent_id, MESSAGES, model="m", stream=True)
    text = "".join([piece.choices[0].delta.content or "" async for piece in stream])
    answer = exchange.body["choices"][0]["message"]["content"]
    assert whole.choices[0].message.content == in_session.choices[0].message.content == text == answer
    assert in_session.id == session_id


async def test_a_failed_agent(replay_v024: Replay, connect: Connect) -> None:
    """The text that stands for its error is an error, whole and streamed."""
    exchange = recorded("v0.24", "ac.openai.bad_llm")
    client, agent_id = connect(replay_v024.url), exchange.path.split("/")[4]
    with pytest.raises(ServerError, match="LLM type error"):
        await client.agent_completions(agent_id, MESSAGES, model="m")
    with pytest.raises(ServerError, match="LLM type error"):
        async for _ in await client.agent_completions(agent_id, MESSAGES, model="m", stream=True):
            pass


async def test_an_interrupted_stream(connect: Connect) -> None:
    """What had arrived is in the error."""
    sent = recorded("v0.27", "oai.stream").sent.partition(b"data:[DONE]")[0]
    with serving(http(sent, **{"content-type": "text/event-stream"})) as (_, url):
        client = connect(url, server_version="0.27")
        with pytest.raises(StreamInterruptedError) as caught:
            async for _ in await client.chat_completions("c", MESSAGES, stream=True):
                pass
    assert caught.value.partial == recorded("v0.27", "oai.nostream").body["choices"][0]["message"]["content"]


async def test_inputs_of_an_agent(deaf: tuple[RawServer, str], connect: Connect) -> None:
    """They are sent with their type, as ``Agent.ask`` does it."""
    server, url = deaf
    with pytest.raises(ServerError, match="no choices"):
        await connect(url, server_version="0.27").agent_completions("a", MESSAGES, inputs={"who": "Bob"})
    assert json.loads(server.requests[0].body) == {
        "agent_id": "a",
        "openai-compatible": True,
        "model": "model",
        "messages": MESSAGES,
        "stream": False,
        "inputs": {"who": {"type": "line", "value": "Bob"}},
    }


IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]
BAD: dict[str, tuple[Callable[[AsyncRAGFlow], Any], str]] = {
    "no messages": (
        lambda client: client.chat_completions("c", []),
        "the last one must have the role 'user'",
    ),
    "a text": (lambda client: client.chat_completions("c", "hi"), "messages='hi'"),  # type: ignore[arg-type]
    "texts": (lambda client: client.chat_completions("c", ["hi"]), "messages=['hi']"),  # type: ignore[list-item]
    "no question": (
        lambda client: client.chat_completions("c", [{"role": "assistant", "content": "x"}]),
        "the last one must have the role 'user'",
    ),
    "empty": (lambda client: client.agent_completions("a", [{"role": "user", "content": " "}]), "' '"),
    "image": (lambda client: client.chat_completions("c", IMAGE), "RAGFlow reads text only"),
    "model": (lambda client: client.chat_completions("c", MESSAGES, model=""), "model=''"),
    "chat_id": (lambda client: client.chat_completions("c/d", MESSAGES), "chat_id='c/d'"),
    "agent_id": (lambda client: client.agent_completions("c/d", MESSAGES), "agent_id='c/d'"),
    "reference": (lambda client: client.chat_completions("c", MESSAGES, reference="no"), "reference='no'"),  # type: ignore[call-overload]
    "extra_body": (
        lambda client: client.chat_completions("c", MESSAGES, extra_body={"reference": True}),
        "extra_body",
    ),
    "metadata without": (
        lambda client: client.chat_completions("c", MESSAGES, reference_metadata={"include": True}),
        "needs reference=True",
    ),
    "fields": (
        lambda client: client.chat_completions(
            "c", MESSAGES, reference=True, reference_metadata={"fields": "author"}
        ),
        "reference_metadata['fields']='author'",
    ),
    "condition": (
        lambda client: client.chat_completions("c", MESSAGES, metadata_condition={}),
        "metadata_condition",
    ),
    "user_id": (lambda client: client.agent_completions("a", MESSAGES, user_id="u"), "user_id"),
    "inputs": (
        lambda client: client.agent_completions("a", MESSAGES, inputs=["Bob"]),  # type: ignore[call-overload]
        "inputs=['Bob']",
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input(name: str, deaf: tuple[RawServer, str], connect: Connect) -> None:
    """It is refused before anything is sent, with the argument's name and value."""
    server, url = deaf
    call, said = BAD[name]
    with pytest.raises(InvalidRequestError) as caught:
        await call(connect(url, server_version="0.27"))
    assert said in str(caught.value)
    assert server.requests == []
