"""Memories and their messages, as real servers answered: v0.24.0 and v0.27.0."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from ragflow_integrations import (
    AsyncMemory,
    AsyncRAGFlow,
    InvalidRequestError,
    NotFoundError,
    ServerError,
    UnsupportedError,
)
from ragflow_integrations.models import MemoryFields
from tests.protocol.recorded import recorded
from tests.recordings.replay import Replay, replay
from tests.transport.raw_server import http, serving

AGENT = "a" * 32
TURN = {
    "agent_id": AGENT,
    "session_id": "s1",
    "user_input": "What is the capital of Atlantis?",
    "agent_response": "It is Poseidonia.",
    "user_id": "u1",
}


@pytest.fixture(params=["v0.24", "v0.27"])
def server(request: pytest.FixtureRequest) -> Iterator[Replay]:
    """A real server's memories."""
    with replay(request.param, "12_memories") as server:
        yield server


@pytest.fixture
async def client(server: Replay) -> AsyncIterator[AsyncRAGFlow]:
    async with AsyncRAGFlow("ragflow-key", server.url) as client:
        yield client


def version_of(server: Replay) -> str:
    return server.exchanges[0].version


def told(server: Replay, name: str) -> dict[str, object]:
    """What a recorded call answered."""
    return dict(recorded(version_of(server), name).body["data"])


async def memory_of(client: AsyncRAGFlow, server: Replay, name: str) -> AsyncMemory:
    """The memory that a recorded call was about."""
    path = recorded(version_of(server), name).path
    id = path.split("/")[4].partition(":")[0]
    return AsyncMemory._of(client, MemoryFields(id=id))


async def test_created(client: AsyncRAGFlow, server: Replay) -> None:
    """Its settings as the server filled them in."""
    sent = recorded(version_of(server), "mem.create").request_body
    memory = await client.create_memory(sent["name"], sent["memory_type"], sent["embd_id"], sent["llm_id"])
    assert memory.model_dump(include=set(told(server, "mem.create"))) == told(server, "mem.create")
    assert (memory.memory_size, memory.memory_type) == (5 * 2**20, ["raw", "semantic"])


async def test_listed(client: AsyncRAGFlow, server: Replay) -> None:
    """A dict of memories and their number, as the reference has it; and an iterator over all."""
    assert await client.list_memory(page_size=30) == {
        "memory_list": [],
        "total_count": 0,
    }  # as it was at first
    body = told(server, "mem.list")
    found = await client.list_memory(page_size=30)
    assert [each.id for each in found["memory_list"]] == [each["id"] for each in body["memory_list"]]  # type: ignore[attr-defined]
    assert found["total_count"] == body["total_count"] > 1
    assert all(isinstance(each, AsyncMemory) for each in found["memory_list"])
    semantic = await client.list_memory(page_size=30, memory_type=["semantic"])
    assert 0 < semantic["total_count"] < found["total_count"]


async def test_settings(client: AsyncRAGFlow, server: Replay) -> None:
    """Read and changed; a memory takes over what the server says and returns itself."""
    memory = await memory_of(client, server, "mem.config")
    assert await memory.get_config() is memory
    assert memory.name == told(server, "mem.config")["name"]
    other = await memory_of(client, server, "mem.update.temp")
    assert (await other.update({"temperature": 0.3})).temperature == pytest.approx(0.3)
    assert (await other.update({"permission": "team"})).permissions == "team"


async def test_messages(client: AsyncRAGFlow, server: Replay) -> None:
    """Raw messages with what was extracted; their fields by attribute and by key."""
    memory = await memory_of(client, server, "mem.messages.page")
    page = await memory.list_memory_messages(page=1, page_size=1)
    (message,) = page["messages"]["message_list"]
    (row,) = told(server, "mem.messages.page")["messages"]["message_list"]  # type: ignore[index]
    assert message.message_id == message["message_id"] == row["message_id"]
    assert [each.message_type for each in message.extract] == ["semantic"]
    assert (page["messages"]["total_count"], page["storage_type"]) == (1, "table")
    with pytest.raises(KeyError):
        message["no such field"]


async def test_added_and_found(client: AsyncRAGFlow, server: Replay) -> None:
    """What the server says of it; the search and the newest ones give whole messages."""
    first = (await memory_of(client, server, "mem.update.name")).id
    assert await client.add_message([first], **TURN) == "All add to task."
    memory = (await memory_of(client, server, "mem.config")).id
    found = await client.search_message("capital Atlantis", [memory], top_n=5)
    assert "Poseidonia" in str(found[0].content)
    recent = await client.get_recent_messages([memory], limit=5)
    assert [each["message_id"] for each in recent] == [
        each["message_id"] for each in recorded(version_of(server), "msg.recent").body["data"]
    ]


async def test_one_message(client: AsyncRAGFlow, server: Replay) -> None:
    """Its content with the embedding; switched off and forgotten."""
    memory = await memory_of(client, server, "msg.content")
    message = await memory.get_message_content(4)
    assert message.content == "User Input: Do zebras live in Africa?\nAgent Response: Yes."
    assert len(message["content_embed"]) == 128
    assert await memory.update_message_status(4, False) is True
    assert await memory.forget_message("4") is True


async def test_what_is_not_there(client: AsyncRAGFlow, server: Replay) -> None:
    """Unknown memories and messages are ``NotFoundError``; an index that fails is the server's."""
    unknown = AsyncMemory._of(client, MemoryFields(id="0" * 32))
    with pytest.raises(NotFoundError, match="Memory '0{32}' not found"):
        await unknown.update({"name": "x"})
    with pytest.raises(NotFoundError, match="Message '99999'"):
        await (await memory_of(client, server, "msg.content")).get_message_content(99999)
    broken = (await memory_of(client, server, "mem.config")).id
    with pytest.raises(ServerError, match="Failed to create message index"):
        await client.add_message([broken], **TURN)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": " "}, "name=' '"),
        ({"name": "n" * 129}, "129 characters; 128 are allowed"),
        ({"permissions": "all"}, "permissions='all': give one of me, team"),
        ({"memory_size": 10 * 2**20 + 1}, "memory_size=10485761: give a whole number from 1 to 10485760"),
        ({"temperature": 1.5}, "temperature=1.5: give a number from 0 to 1"),
        ({"forgetting_policy": "LRU"}, "give one of FIFO"),
        ({"memory_type": ["dream"]}, "memory_type='dream': give one of raw, semantic"),
        ({"permisions": "team"}, "update_dict: 'permisions' is none of name, permissions"),
        ({"permission": "me", "permissions": "me"}, "give one of them"),
        ({"llm_id": None}, "llm_id=None: give a text"),
        ({"user_prompt": 5}, "user_prompt=5: give a text, or None"),
        ({"memory_size": 0}, "memory_size=0"),
        ({}, "name at least one field"),
    ],
)
async def test_settings_that_are_refused(settings: dict[str, object], said: str) -> None:
    """Before anything is sent: there is no server."""
    async with AsyncRAGFlow("ragflow-key", "http://127.0.0.1:9", max_retries=0) as client:
        with pytest.raises(InvalidRequestError, match=said):
            await AsyncMemory._of(client, MemoryFields(id="m")).update(settings)


async def test_calls_that_are_refused() -> None:
    """Wrong arguments, by field and value, before anything is sent: there is no server."""
    async with AsyncRAGFlow("ragflow-key", "http://127.0.0.1:9", max_retries=0) as client:
        with pytest.raises(InvalidRequestError, match=r"top_n=101: give a whole number from 1 to 100"):
            await client.search_message("q", ["m"], top_n=101)
        with pytest.raises(InvalidRequestError, match="query=''"):
            await client.search_message("", ["m"])
        with pytest.raises(InvalidRequestError, match=r"memory_id=\[\]"):
            await client.add_message([], **TURN)
        with pytest.raises(InvalidRequestError, match="user_input=None"):
            await client.add_message(["m"], **{**TURN, "user_input": None})  # type: ignore[dict-item]
        with pytest.raises(InvalidRequestError, match=r"user_id='': give a text that is not empty"):
            await client.search_message("q", ["m"], user_id="")
        with pytest.raises(InvalidRequestError, match=r"session_id=\['a', 'b'\]: give a text"):
            await client.get_recent_messages(["m"], session_id=["a", "b"])  # type: ignore[arg-type]
        with pytest.raises(InvalidRequestError, match=r"limit=101: give a whole number from 1 to 100"):
            await client.get_recent_messages(["m"], limit=101)
        with pytest.raises(InvalidRequestError, match=r"memory_id: 101 ids; servers take 100"):
            await client.get_recent_messages([f"m{number}" for number in range(101)])
        with pytest.raises(InvalidRequestError, match=r"memory_type='dream': give one of raw"):
            await client.list_memory(memory_type="dream")
        with pytest.raises(InvalidRequestError, match=r"keywords=5: give a text"):
            await client.list_memory(keywords=5)  # type: ignore[arg-type]
        memory = AsyncMemory._of(client, MemoryFields(id="m"))
        with pytest.raises(InvalidRequestError, match=r"agent_id=\[\]: give at least one id"):
            await memory.list_memory_messages(agent_id=[])
        with pytest.raises(InvalidRequestError, match="status='on'"):
            await memory.update_message_status(1, "on")  # type: ignore[arg-type]
        with pytest.raises(InvalidRequestError, match="message_id=None"):
            await memory.forget_message(None)  # type: ignore[arg-type]


async def test_whose_messages(replay_v024: Replay, replay_v027: Replay) -> None:
    """v0.27 finds those of a user; v0.24 would find everybody's, which is refused."""
    memory = recorded("v0.27", "mem.config").path.split("/")[4]
    async with AsyncRAGFlow("ragflow-key", replay_v027.url) as client:
        assert await client.search_message("capital", [memory], top_n=5, user_id="u1") == []
    async with AsyncRAGFlow("ragflow-key", replay_v024.url) as client:
        with pytest.raises(UnsupportedError, match=r"search_message\(user_id=…\) needs RAGFlow v0\.25"):
            await client.search_message("capital", ["m"], user_id="u1")


async def test_an_unknown_memory_deleted(client: AsyncRAGFlow) -> None:
    """``NotFoundError``, in words also where the server has none: v0.24 gives ``True`` as its message."""
    with pytest.raises(NotFoundError, match=r"Memory '0{32}' not found|no message for code 404") as caught:
        await client.delete_memory("0" * 32)
    assert "True" not in str(caught.value)


async def test_messages_of_one_session() -> None:
    """A server on Elasticsearch finds those of sessions with such an id as well: they are left out."""
    rows = [
        {"message_id": 1, "session_id": "s1", "agent_id": "a"},
        {"message_id": 2, "session_id": "s12", "agent_id": "a"},
    ]
    with serving(http({"code": 0, "message": True, "data": rows})) as (_, url):
        async with AsyncRAGFlow("ragflow-key", url) as client:
            found = await client.search_message("capital", ["m"], session_id="s1")
            assert [each.message_id for each in found] == [1]
            recent = await client.get_recent_messages(["m"], "a", "s1")
            assert [each.message_id for each in recent] == [1]
            assert len(await client.get_recent_messages(["m"], "a")) == 2
