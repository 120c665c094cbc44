"""Chats and sessions: settings, asking whole and streamed, history, deleting."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ragflow_integrations import (
    AsyncChat,
    AsyncDataSet,
    AsyncRAGFlow,
    AsyncSession,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
)
from tests.client.conftest import Place

QUESTION = "What is the capital of Atlantis?"
MISSING = "00000000000000000000000000000000"


@pytest.fixture
async def client(library: Place) -> AsyncIterator[AsyncRAGFlow]:
    """A client of the knowledge base that all tests share; each begins without chats."""
    async with AsyncRAGFlow(library.api_key, library.base_url) as client:
        await client.delete_chats(delete_all=True)
        yield client


@pytest.fixture
async def facts(client: AsyncRAGFlow) -> AsyncDataSet:
    """Its dataset about Atlantis, zebras and tea."""
    return (await client.list_datasets(name="facts"))[0]


@pytest.fixture
async def chat(client: AsyncRAGFlow, facts: AsyncDataSet) -> AsyncChat:
    """An assistant that answers from the facts."""
    return await client.create_chat("guide", dataset_ids=[facts.id])


async def test_create(client: AsyncRAGFlow, facts: AsyncDataSet) -> None:
    """The assistant as the server made it, with its defaults."""
    chat = await client.create_chat("n", icon="i", dataset_ids=[facts.id], description="d", top_n=3)
    assert (chat.name, chat.icon, chat.description, chat.top_n) == ("n", "i", "d", 3)
    assert chat.dataset_ids == [facts.id]
    assert chat.prompt_config is not None
    assert chat.prompt_config["quote"] is True
    assert (await client.get_chat(chat.id)).name == "n"


async def test_refused(client: AsyncRAGFlow, chat: AsyncChat) -> None:
    """A taken name, an unknown dataset, and one without a parsed document, each by its own error."""
    with pytest.raises(ConflictError, match="duplicated chat name"):
        await client.create_chat("guide")
    with pytest.raises(NotFoundError, match=f"own the dataset {MISSING}"):
        await client.create_chat("n", dataset_ids=[MISSING])
    empty = await client.create_dataset("empty")
    with pytest.raises(ConflictError, match="doesn't own parsed file"):
        await client.create_chat("n", dataset_ids=[empty.id])
    await client.delete_datasets([empty.id])
    with pytest.raises(InvalidRequestError, match="name=' '"):
        await client.create_chat(" ")
    assert [each.id for each in await client.list_chats()] == [chat.id]


async def test_list_and_update(client: AsyncRAGFlow, chat: AsyncChat) -> None:
    """An unknown name is an empty page; settings are merged."""
    await client.create_chat("second")
    page = await client.list_chats(page_size=1)
    assert ([each.name for each in page], page.total) == (["second"], 2)
    assert [each.id for each in await client.list_chats(name="guide")] == [chat.id]
    assert await client.list_chats(name="nobody") == []
    before = dict(chat.prompt_config or {})
    assert await chat.update({"prompt_config": {"prologue": "Servus"}, "top_n": 2}) is chat
    fresh = await client.get_chat(chat.id)
    assert (fresh.prompt_config, fresh.top_n) == ({**before, "prologue": "Servus"}, 2)
    assert chat.top_n == 2


async def test_ask(chat: AsyncChat) -> None:
    """One message with the whole answer, whose citations point into the reference."""
    message = await chat.ask(QUESTION)
    assert message.final
    assert "Poseidonia" in message.content
    assert "[ID:0]" in message.content
    assert message.reference[0].document_name == "atlantis.txt"
    assert message.chat_id == chat.id


async def test_ask_streamed(chat: AsyncChat) -> None:
    """Deltas that are the whole answer's text; the last message has the reference."""
    whole = await chat.ask(QUESTION)
    messages = [message.model_copy() async for message in await chat.ask(QUESTION, stream=True)]
    assert len(messages) > 3
    assert "".join(message.content for message in messages) == whole.content == messages[-1].full_content
    assert [message.final for message in messages] == [False] * (len(messages) - 1) + [True]
    assert [chunk.id for chunk in messages[-1].reference] == [chunk.id for chunk in whole.reference]


async def test_leaving_early(client: AsyncRAGFlow, chat: AsyncChat) -> None:
    """A stream that is left is over, and the client goes on working."""
    async with await chat.ask(QUESTION, stream=True) as stream:
        assert (await stream.__anext__()).content
    assert [message.content async for message in stream] == []
    assert (await client.get_chat(chat.id)).id == chat.id


async def test_asking_without_a_session_stores_nothing(chat: AsyncChat) -> None:
    """The history is what is sent."""
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


async def test_sessions(chat: AsyncChat) -> None:
    """The server remembers: opener, questions and answers, in order."""
    session = await chat.create_session("talk")
    assert (session.name, session.chat_id) == ("talk", chat.id)
    (opener,) = session.messages
    assert (opener.role, opener.content) == ("assistant", (chat.prompt_config or {})["prologue"])
    first = await session.ask("Where do zebras live?")
    stream = await session.ask(QUESTION, stream=True)
    texts = [message.content async for message in stream]
    (stored,) = await chat.list_sessions(id=session.id)
    assert [(message.role, message.content) for message in stored.messages[1:]] == [
        ("user", "Where do zebras live?"),
        ("assistant", first.content),
        ("user", QUESTION),
        ("assistant", "".join(texts)),
    ]
    assert isinstance(stored, AsyncSession)
    assert "Poseidonia" in (await stored.ask(QUESTION)).content


async def test_list_sessions(chat: AsyncChat) -> None:
    """Newest first, by name, and an empty page for an unknown one; this route has no total."""
    for name in ("a", "b", "c"):
        await chat.create_session(name)
    page = await chat.list_sessions(page_size=2)
    assert ([session.name for session in page], page.total) == (["c", "b"], None)
    assert [session.name for session in await chat.list_sessions(name="a")] == ["a"]
    assert await chat.list_sessions(id=MISSING) == []


async def test_nothing_found(client: AsyncRAGFlow, facts: AsyncDataSet) -> None:
    """The assistant's own text for that comes once, whole and streamed."""
    config = {"empty_response": "No idea.", "quote": True}
    chat = await client.create_chat(
        "n", dataset_ids=[facts.id], prompt_config=config, similarity_threshold=0.99
    )
    whole = await chat.ask("xyzzy plugh")
    assert (whole.content, whole.reference) == ("No idea.", [])
    stream = await chat.ask("xyzzy plugh", stream=True)
    texts = [(message.content, message.final, message.full_content) async for message in stream]
    assert texts == [("No idea.", False, ""), ("", True, "No idea.")]


async def test_delete(client: AsyncRAGFlow, chat: AsyncChat) -> None:
    """Chats and sessions as everything else: what is named, all if said, nothing by an empty list."""
    sessions = [await chat.create_session(name) for name in "abc"]
    await chat.delete_sessions([sessions[0].id])
    await chat.delete_sessions(ids=[])
    with pytest.raises(InvalidRequestError, match="say what to delete"):
        await chat.delete_sessions()
    assert [session.name for session in await chat.list_sessions()] == ["c", "b"]
    await chat.delete_sessions(delete_all=True)
    assert await chat.list_sessions() == []
    other = await client.create_chat("other")
    await client.delete_chats([other.id])
    await client.delete_chats(ids=[])
    with pytest.raises(InvalidRequestError, match="say what to delete"):
        await client.delete_chats()
    assert [each.id for each in await client.list_chats()] == [chat.id]
    await client.delete_chats(ids=None)
    assert (await client.list_chats()).total == 0


async def test_what_is_gone(client: AsyncRAGFlow, chat: AsyncChat) -> None:
    """A deleted or unknown chat or session cannot be asked, streamed or not."""
    session = await chat.create_session()
    await chat.delete_sessions([session.id])
    for stream in (False, True):
        with pytest.raises(NotFoundError, match="Session not found"):
            await session.ask(QUESTION, stream)  # type: ignore[call-overload]
        with pytest.raises(NotFoundError, match="no authorization. The id or name is unknown"):
            await client.chat(MISSING).ask(QUESTION, stream)  # type: ignore[call-overload]
    with pytest.raises(NotFoundError, match="no authorization"):
        await client.get_chat(MISSING)
    with pytest.raises(NotFoundError, match="Session not found|own the session"):
        await chat.delete_sessions([session.id])


@pytest.mark.parametrize("question", ["", "  "])
async def test_an_empty_question(chat: AsyncChat, question: str) -> None:
    """It is refused before anything is sent, with or without a session."""
    session = await chat.create_session()
    for stream in (False, True):
        with pytest.raises(
            InvalidRequestError, match=f"question='{question}': give a text that is not empty"
        ):
            await chat.ask(question, stream)  # type: ignore[call-overload]
        with pytest.raises(InvalidRequestError, match="give a text that is not empty"):
            await session.ask(question, stream)  # type: ignore[call-overload]
    (stored,) = await chat.list_sessions()
    assert len(stored.messages) == 1
