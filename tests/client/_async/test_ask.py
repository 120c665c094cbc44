"""Asking: whole and streamed, in a session and without one, on the local engine and as real servers answered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from ragflow_integrations import (
    AsyncChat,
    AsyncRAGFlow,
    InvalidRequestError,
    NotFoundError,
    ServerError,
    StreamInterruptedError,
    TransportError,
    UnsupportedError,
)
from tests.client._async.conftest import Connect
from tests.client.conftest import Place
from tests.protocol.recorded import recorded
from tests.recordings.replay import Replay
from tests.transport.raw_server import RawServer, chunk, http, serving, stream_head

QUESTION = "What is the capital of Atlantis?"
MISSING = "00000000000000000000000000000000"
CHAT_024, SESSION_024 = "9615b668e58911f1a50002fc00000001", "96eb9c56e58911f1a50002fc00000001"
CHAT_027, SESSION_027 = "255f4354e57e11f1bec502fc00000001", "25de68a0e57e11f1bec502fc00000001"


@pytest.fixture
async def client(library: Place) -> AsyncIterator[AsyncRAGFlow]:
    """A client of the knowledge base that all tests share; each begins without chats."""
    async with AsyncRAGFlow(library.api_key, library.base_url) as client:
        await client.delete_chats(delete_all=True)
        yield client


@pytest.fixture
async def chat(client: AsyncRAGFlow) -> AsyncChat:
    """An assistant that answers from the facts."""
    facts = (await client.list_datasets(name="facts"))[0]
    return await client.create_chat("guide", dataset_ids=[facts.id])


async def test_whole(chat: AsyncChat) -> None:
    """One message with the whole answer, whose citations point into the reference."""
    message = await chat.ask(QUESTION)
    assert message.final
    assert "Poseidonia" in message.content
    assert message.reference[0].document_name == "atlantis.txt"
    assert message.chat_id == chat.id
    cited = message.citations()[0]
    assert message.content[cited.start : cited.end] == "[ID:0]"
    assert cited.chunk is message.reference[0]


async def test_streamed(chat: AsyncChat) -> None:
    """Deltas that are the whole answer's text; the last message has the reference."""
    whole = await chat.ask(QUESTION)
    messages = [message async for message in await chat.ask(QUESTION, stream=True)]
    assert len(messages) > 3
    assert "".join(message.content for message in messages) == whole.content == messages[-1].full_content
    assert [message.final for message in messages] == [False] * (len(messages) - 1) + [True]
    assert [chunk.id for chunk in messages[-1].reference] == [chunk.id for chunk in whole.reference]
    assert messages[-1].citations()[0].index == whole.citations()[0].index


async def test_legacy(chat: AsyncChat) -> None:
    """Asked for all of the text in each frame, a server sends it so; what is handed out are deltas all the same."""
    plain = [message.content async for message in await chat.ask(QUESTION, stream=True)]
    repeated = [message.content async for message in await chat.ask(QUESTION, stream=True, legacy=True)]
    assert repeated == plain


async def test_leaving_early(client: AsyncRAGFlow, chat: AsyncChat) -> None:
    """A stream that is left is over, and the client goes on working."""
    async with await chat.ask(QUESTION, stream=True) as stream:
        assert (await stream.__anext__()).content
    assert [message.content async for message in stream] == []
    assert (await client.get_chat(chat.id)).id == chat.id


async def test_a_history(chat: AsyncChat) -> None:
    """Without a session it is what is sent, and nothing is stored."""
    history = [
        {"role": "user", "content": "Where do zebras live?"},
        {"role": "assistant", "content": "In Africa."},
        {"role": "user", "content": QUESTION},
    ]
    assert "Poseidonia" in (await chat.ask(history)).content
    assert await chat.list_sessions() == []


async def test_handles(client: AsyncRAGFlow, chat: AsyncChat) -> None:
    """Who knows the ids needs no call before asking."""
    assert "Poseidonia" in (await client.chat(chat.id).ask(QUESTION)).content
    session = await chat.create_session()
    message = await client.session(chat.id, session.id).ask(QUESTION)
    assert message.session_id == session.id


async def test_nothing_found(client: AsyncRAGFlow, chat: AsyncChat) -> None:
    """The assistant's own text for that comes once, whole and streamed."""
    chat = await client.create_chat(
        "n",
        dataset_ids=chat.dataset_ids,
        prompt_config={"empty_response": "No idea.", "quote": True},
        similarity_threshold=0.99,
    )
    whole = await chat.ask("xyzzy plugh")
    assert (whole.content, whole.reference) == ("No idea.", [])
    stream = await chat.ask("xyzzy plugh", stream=True)
    texts = [(message.content, message.final, message.full_content) async for message in stream]
    assert texts == [("No idea.", False, ""), ("", True, "No idea.")]


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_gone(client: AsyncRAGFlow, chat: AsyncChat, stream: bool) -> None:
    """A deleted or unknown chat or session cannot be asked."""
    session = await chat.create_session()
    await chat.delete_sessions([session.id])
    with pytest.raises(NotFoundError, match="Session not found"):
        await session.ask(QUESTION, stream)  # type: ignore[call-overload]
    with pytest.raises(NotFoundError, match="no authorization. The id or name is unknown"):
        await client.chat(MISSING).ask(QUESTION, stream)  # type: ignore[call-overload]


@pytest.mark.parametrize("question", ["", "  "])
async def test_an_empty_question(chat: AsyncChat, question: str) -> None:
    """It is refused before anything is sent, with or without a session."""
    session = await chat.create_session()
    for stream in (False, True):
        with pytest.raises(
            InvalidRequestError, match=f"question='{question}': give a text that is not empty"
        ):
            await chat.ask(question, stream)
        with pytest.raises(InvalidRequestError, match="give a text that is not empty"):
            await session.ask(question, stream)
    assert len((await chat.get_session(session.id)).messages) == 1


@pytest.fixture(params=["0.24.0", "0.26.1"])
async def older(request: pytest.FixtureRequest, library: Place, chat: AsyncChat) -> AsyncIterator[AsyncChat]:
    """The assistant, by a client that takes its server for one that stores every question."""
    async with AsyncRAGFlow(library.api_key, library.base_url, server_version=request.param) as client:
        yield client.chat(chat.id)


LOOPBACK = pytest.mark.parametrize("library", ["loopback"], indirect=True)  # in-process it is always today's


@LOOPBACK
@pytest.mark.parametrize("stream", [False, True])
async def test_an_older_server_keeps_nothing(older: AsyncChat, chat: AsyncChat, stream: bool) -> None:
    """It answers in a session that was made for the question and is deleted with the answer."""
    answer: Any = await older.ask(QUESTION, stream)  # type: ignore[call-overload]
    if stream:
        sessions = [len(await chat.list_sessions()) async for _ in answer]
        assert set(sessions) == {1}
    else:
        assert "Poseidonia" in answer.content
    assert await chat.list_sessions() == []


@LOOPBACK
async def test_an_older_servers_stream_that_is_left(older: AsyncChat, chat: AsyncChat) -> None:
    """Closing it deletes the session, once."""
    async with await older.ask(QUESTION, stream=True) as stream:
        await stream.__anext__()
        assert len(await chat.list_sessions()) == 1
    assert await chat.list_sessions() == []
    await stream.aclose()


@LOOPBACK
async def test_an_older_server_that_refuses(older: AsyncChat, chat: AsyncChat) -> None:
    """A question that fails leaves nothing either."""
    for stream in (False, True):
        with pytest.raises(NotFoundError, match="`llm_id` zz doesn't exist"):
            await older.ask(QUESTION, stream, llm_id="zz")
    assert await chat.list_sessions() == []


def answered(*answers: bytes) -> Iterator[tuple[RawServer, str]]:
    with serving(http({"code": 0, "data": {"id": "temporary", "messages": []}}), *answers) as (server, url):
        yield server, url


def streamed(*pieces: bytes) -> bytes:
    return stream_head() + b"".join(chunk(piece) for piece in pieces)


DELTA = b'data:{"code": 0, "data": {"answer": "Half", "final": false}}\n\n'
FAILURE = b'data:{"code": 500, "message": "no model", "data": {"answer": "**ERROR**: no model"}}\n\n'
GONE = http({"code": 0, "data": True})
KINDS: dict[str, tuple[bytes, type[Exception]]] = {
    "error": (streamed(DELTA, FAILURE, b""), ServerError),
    "cut": (streamed(DELTA, b""), StreamInterruptedError),
    "no stream": (http({"code": 102, "message": "no such question"}), InvalidRequestError),
    "no answer": (http(b"<html>", "502 Bad Gateway"), ServerError),
    "nothing": (b"nonsense\r\n\r\n", TransportError),
}


@pytest.fixture(params=KINDS)
def failing(request: pytest.FixtureRequest) -> Iterator[tuple[RawServer, str, type[Exception]]]:
    """A v0.24 whose streamed answer fails in some way, with the error that this is."""
    answer, kind = KINDS[request.param]
    for server, url in answered(answer, GONE):
        yield server, url, kind


async def test_a_stream_that_fails_leaves_nothing(
    failing: tuple[RawServer, str, type[Exception]], connect: Connect
) -> None:
    """Before, at or after its beginning: the session is deleted and the error is the one that it was."""
    server, url, kind = failing
    client = connect(url, server_version="0.24", max_retries=0)
    with pytest.raises(kind) as caught:
        async for message in await client.chat("c").ask(QUESTION, stream=True):
            assert message.content == "Half"
    if isinstance(caught.value, StreamInterruptedError):
        assert caught.value.partial == "Half"
    assert [received.line.split(" ")[0] for received in server.requests] == ["POST", "POST", "DELETE"]
    assert json.loads(server.requests[-1].body) == {"ids": ["temporary"]}


@pytest.mark.parametrize("stream", [False, True])
async def test_v024(replay_v024: Replay, connect: Connect, stream: bool) -> None:
    """In a session, at that version's own path."""
    session = connect(replay_v024.url).session(CHAT_024, SESSION_024)
    answer: Any = await session.ask(QUESTION, stream)  # type: ignore[call-overload]
    last = [message async for message in answer][-1] if stream else answer
    assert last.full_content.endswith("The capital of Atlantis is Poseidonia [ID:0].")
    assert last.citations()[0].chunk is last.reference[0]
    assert last.session_id == SESSION_024
    assert replay_v024.served[-1] == ("comp.stream" if stream else "comp.nostream")


async def test_a_history_on_v024(replay_v024: Replay, connect: Connect) -> None:
    """It would answer the last question as if it were the first: that is refused, and nothing is asked."""
    history = [{"role": "user", "content": text} for text in ("a", "b")]
    with pytest.raises(
        UnsupportedError, match=r"a history needs RAGFlow v0\.25\.1 or later; this server is v0\.24\.0"
    ):
        await connect(replay_v024.url).chat(CHAT_024).ask(history)
    assert all("/system/" in name or "version" in name for name in replay_v024.served)


@pytest.mark.parametrize("stream", [False, True])
async def test_v027(replay_v027: Replay, connect: Connect, stream: bool) -> None:
    """In a session, as today's version answered."""
    session = connect(replay_v027.url).session(CHAT_027, SESSION_027)
    answer: Any = await session.ask(QUESTION, stream)  # type: ignore[call-overload]
    last = [message async for message in answer][-1] if stream else answer
    assert last.full_content == recorded("v0.27", "comp.new.nostream").body["data"]["answer"]
    assert last.reference[0].document_name == "atlantis.txt"


async def test_v027_without_a_session(replay_v027: Replay, connect: Connect) -> None:
    """A history is answered and not stored."""
    history = recorded("v0.27", "comp.new.messages.history").request_body["messages"]
    message = await connect(replay_v027.url).chat(CHAT_027).ask(history)
    assert message.session_id is None
    assert replay_v027.served[-1] == "comp.new.messages.history"
