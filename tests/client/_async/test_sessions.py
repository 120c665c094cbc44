"""Sessions: what the server remembers of a conversation, on the local engine and as real servers answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from ragflow_integrations import (
    AsyncChat,
    AsyncRAGFlow,
    AsyncSession,
    AsyncStoredMessage,
    InvalidRequestError,
    NotFoundError,
    PartialError,
    UnsupportedError,
)
from tests.client._async.conftest import Connect
from tests.client.conftest import Place
from tests.protocol.recorded import recorded
from tests.recordings.replay import Replay, replay

QUESTION = "What is the capital of Atlantis?"
MISSING = "00000000000000000000000000000000"
CHAT_024 = "9615b668e58911f1a50002fc00000001"
CHAT_027 = "255f4354e57e11f1bec502fc00000001"


@pytest.fixture
async def client(library: Place) -> AsyncIterator[AsyncRAGFlow]:
    """A client of the knowledge base that all tests share; each begins without chats."""
    async with AsyncRAGFlow(library.api_key, library.base_url) as client:
        await client.delete_chats(delete_all=True)
        yield client


@pytest.fixture
async def chat(client: AsyncRAGFlow) -> AsyncChat:
    """An assistant that answers from the facts."""
    facts = await client.get_dataset((await client.list_datasets(name="facts"))[0].id)
    return await client.create_chat("guide", dataset_ids=[facts.id])


async def test_a_conversation(chat: AsyncChat) -> None:
    """The server remembers: opener, questions and answers, in order."""
    session = await chat.create_session("talk")
    assert (session.name, session.chat_id) == ("talk", chat.id)
    (opener,) = session.messages
    assert (opener.role, opener.content) == ("assistant", (chat.prompt_config or {})["prologue"])
    first = await session.ask("Where do zebras live?")
    stream = await session.ask(QUESTION, stream=True)
    texts = [message.content async for message in stream]
    stored = await chat.get_session(session.id)
    assert [(message.role, message.content) for message in stored.messages[1:]] == [
        ("user", "Where do zebras live?"),
        ("assistant", first.content),
        ("user", QUESTION),
        ("assistant", "".join(texts)),
    ]
    assert stored.message is stored.messages
    assert isinstance(stored, AsyncSession)
    assert "Poseidonia" in (await stored.ask(QUESTION)).content


async def test_what_stored_answers_cite(chat: AsyncChat) -> None:
    """Each answer has its own reference, as when it came; the opener and the questions have none."""
    session = await chat.create_session()
    asked = [await session.ask(question) for question in ("Where do zebras live?", QUESTION)]
    stored = await chat.get_session(session.id)
    assert [[chunk.id for chunk in message.reference] for message in stored.messages] == [
        [],
        [],
        [chunk.id for chunk in asked[0].reference],
        [],
        [chunk.id for chunk in asked[1].reference],
    ]
    for message, answer in zip(stored.messages[2::2], asked, strict=True):
        assert [citation.chunk for citation in message.citations()] != []
        assert [one.chunk and one.chunk.content for one in message.citations()] == [
            one.chunk and one.chunk.content for one in answer.citations()
        ]


async def test_rehydrate(client: AsyncRAGFlow, chat: AsyncChat) -> None:
    """What was cut or lost of a chunk comes back from its dataset; the score is that of the answer."""
    session = await chat.create_session()
    answer = await session.ask(QUESTION)
    message = (await chat.get_session(session.id)).messages[-1]
    assert isinstance(message, AsyncStoredMessage)
    whole = answer.reference[0].content
    message.reference[0].content = whole[:10]
    assert await message.rehydrate() is message
    assert message.reference[0].content == whole
    assert message.reference[0].similarity == answer.reference[0].similarity
    assert [each.id for each in message.reference] == [each.id for each in answer.reference]
    message.reference[0].id = "gone"
    message.reference[0].content = "as it was"
    assert (await message.rehydrate()).reference[0].content == "as it was"


async def test_list(chat: AsyncChat) -> None:
    """Newest first, by name, and an empty page for what is not there; this route has no total."""
    for name in ("a", "b", "c"):
        await chat.create_session(name)
    page = await chat.list_sessions(page_size=2)
    assert ([session.name for session in page], page.total) == (["c", "b"], None)
    assert [session.name for session in await chat.list_sessions(name="a")] == ["a"]
    assert [session.name for session in await chat.list_sessions(orderby="name", desc=False)] == [
        "a",
        "b",
        "c",
    ]
    assert await chat.list_sessions(id=MISSING) == []
    assert await chat.list_sessions(user_id="nobody") == []


async def test_all_of_them(chat: AsyncChat) -> None:
    """An iterator reads page after page."""
    for number in range(101):
        await chat.create_session(f"{number:03}")
    names = [session.name async for session in chat.iter_sessions(orderby="name", desc=False)]
    assert names == [f"{number:03}" for number in range(101)]
    assert [session.name async for session in chat.iter_sessions(name="007")] == ["007"]


async def test_rename(chat: AsyncChat) -> None:
    """The session and the server have the new name; nothing else can be changed."""
    session = await chat.create_session("old")
    await session.ask(QUESTION)
    assert await session.update({"name": "new"}) is session
    assert session.name == "new"
    assert [type(message) for message in session.messages] == [AsyncStoredMessage] * 3
    assert (await chat.get_session(session.id)).name == "new"
    with pytest.raises(InvalidRequestError, match="of a session only the name can be changed"):
        await session.update({"messages": []})


async def test_delete(chat: AsyncChat) -> None:
    """What is named, all if said, nothing by an empty list; of an unknown one, what could be deleted is."""
    sessions = [await chat.create_session(name) for name in "abc"]
    await chat.delete_sessions([sessions[0].id])
    await chat.delete_sessions(ids=[])
    with pytest.raises(InvalidRequestError, match="say what to delete"):
        await chat.delete_sessions()
    assert [session.name for session in await chat.list_sessions()] == ["c", "b"]
    with pytest.raises(PartialError, match=f"own the session {MISSING}"):
        await chat.delete_sessions([sessions[1].id, MISSING])
    await chat.delete_sessions(delete_all=True)
    assert await chat.list_sessions() == []


async def test_what_is_not_there(client: AsyncRAGFlow, chat: AsyncChat) -> None:
    """An unknown session, and one of another chat, are not found."""
    session = await (await client.create_chat("other")).create_session()
    for id in (MISSING, session.id):
        with pytest.raises(NotFoundError, match="Session not found|does not belong to this chat"):
            await chat.get_session(id)
    with pytest.raises(NotFoundError, match="no authorization"):
        await client.chat(MISSING).list_sessions()


async def test_whose(chat: AsyncChat) -> None:
    """Today's servers give a session to the key's owner whatever is sent: a user's id is refused."""
    with pytest.raises(UnsupportedError, match=r"user_id=….* needs RAGFlow before v0\.25\.0"):
        await chat.create_session("n", user_id="u1")
    assert await chat.list_sessions() == []


async def test_v024(replay_v024: Replay, connect: Connect) -> None:
    """Made, listed, filtered by user, fetched and renamed, though that version has no route for one session."""
    chat = connect(replay_v024.url).chat(CHAT_024)
    made = await chat.create_session("s1")
    assert (made.name, [message.content for message in made.messages]) == ("s1", ["Servus"])
    theirs = await chat.create_session("s2", user_id="u1")
    assert theirs.user_id == "u1"
    assert [session.name for session in await chat.list_sessions(user_id="u1")] == ["s2"]
    assert (await chat.get_session(made.id)).id == made.id
    with pytest.raises(NotFoundError, match="has no session"):
        await chat.get_session(MISSING)
    assert await made.update({"name": "s1c"}) is made
    assert made.name == "s1c"
    assert (await made.ask(QUESTION)).reference[0].document_name == "atlantis.txt"


@pytest.fixture
def deletions() -> Iterator[Replay]:
    """Deletions of sessions as a v0.24.0 answered them."""
    names = ["sess.list.after_delete_all", "sess.delete.partial", "sess.delete.again"]
    with replay("v0.24", "08_chat_session_delete", names=names) as server:
        yield server


async def test_v024_deletes(deletions: Replay, connect: Connect) -> None:
    """Some and none of what was named, each told; what is left is listed."""
    chat = connect(deletions.url).chat(CHAT_024)
    ids = recorded("v0.24", "sess.delete.partial").request_body["ids"]
    with pytest.raises(PartialError) as caught:
        await chat.delete_sessions(ids)
    assert caught.value.data["success_count"] == 1
    with pytest.raises(NotFoundError, match="own the session"):
        await chat.delete_sessions(ids[:1])
    assert await chat.list_sessions(page_size=3) == []


async def test_v027(replay_v027: Replay, connect: Connect) -> None:
    """The same against the answers of today's version."""
    chat = connect(replay_v027.url).chat(CHAT_027)
    made = await chat.create_session("s1")
    session = await chat.get_session(made.id)
    assert await session.update({"name": "s1b"}) is session
    assert [each.id for each in await chat.list_sessions(id=made.id)] == [made.id]
    with pytest.raises(NotFoundError, match="Session not found"):
        await chat.get_session(MISSING)
    await chat.delete_sessions(delete_all=True)
