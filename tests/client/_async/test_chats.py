"""Chat assistants: their settings in both spellings, finding and deleting them, on servers old and new."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ragflow_integrations import (
    AsyncChat,
    AsyncDataSet,
    AsyncRAGFlow,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    UnsupportedError,
)
from tests.client._async.conftest import Connect
from tests.client.conftest import Place
from tests.protocol.recorded import recorded
from tests.recordings.replay import Replay

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


async def test_both_spellings(client: AsyncRAGFlow, facts: AsyncDataSet) -> None:
    """The document's and the server's say the same, in making and in changing; the views show it back."""
    prompt = AsyncChat.Prompt(opener="Servus", keywords_similarity_weight=0.6, top_n=2, show_quote=False)
    old = await client.create_chat("old", "a", [facts.id], AsyncChat.LLM(temperature=0.2), prompt)
    new = await client.create_chat(
        "new",
        icon="a",
        dataset_ids=[facts.id],
        llm_setting={"temperature": 0.2},
        prompt_config={"prologue": "Servus", "quote": False},
        vector_similarity_weight=0.4,
        top_n=2,
    )
    same = {"icon", "llm_setting", "prompt_config", "vector_similarity_weight", "top_n", "dataset_ids"}
    assert old.model_dump(include=same) == new.model_dump(include=same)
    assert (new.avatar, new.llm.temperature, new.prompt.opener) == ("a", 0.2, "Servus")
    assert (new.prompt.keywords_similarity_weight, new.prompt.top_n) == (0.6, 2)
    await old.update({"prompt": {"keywords_similarity_weight": 0.1}, "llm": {"top_p": 0.5}, "avatar": "b"})
    fresh = await client.get_chat(old.id)
    assert (fresh.vector_similarity_weight, fresh.llm.temperature, fresh.llm.top_p) == (0.9, 0.2, 0.5)
    assert (fresh.icon, fresh.prompt.opener, old.icon) == ("b", "Servus", "b")


async def test_wrong_settings(client: AsyncRAGFlow, chat: AsyncChat) -> None:
    """Two spellings at once, or a setting that is none, are refused before anything is sent."""
    with pytest.raises(InvalidRequestError, match="avatar= and icon= are two spellings"):
        await client.create_chat("n", avatar="a", icon="b")
    with pytest.raises(InvalidRequestError, match="similarity_threshold=2: give a number from 0 to 1"):
        await client.create_chat("n", similarity_threshold=2)
    with pytest.raises(InvalidRequestError, match="tenant_id='t': a chat has no setting of this name"):
        await chat.update({"tenant_id": "t"})
    assert [each.id for each in await client.list_chats()] == [chat.id]


async def test_by_name(client: AsyncRAGFlow, chat: AsyncChat) -> None:
    """Exactly that name, or none."""
    assert (await client.get_chat(name="guide")).id == chat.id
    for name in ("guid", "nobody"):
        with pytest.raises(NotFoundError, match=f"no chat is called '{name}'"):
            await client.get_chat(name=name)
    with pytest.raises(NotFoundError, match="no authorization"):
        await client.get_chat(MISSING)
    with pytest.raises(InvalidRequestError, match="give one of the two"):
        await client.get_chat()


async def test_find(client: AsyncRAGFlow) -> None:
    """By a part of the name, in an order; an iterator goes over all pages."""
    for number in range(101):
        await client.create_chat(f"chat {number:03}")
    found = await client.list_chats(keywords="t 00", orderby="name", desc=False, page_size=100)
    assert [each.name for each in found] == [f"chat {number:03}" for number in range(10)]
    names = [each.name async for each in client.iter_chats(orderby="name", desc=False)]
    assert names == [f"chat {number:03}" for number in range(101)]
    assert [each.name async for each in client.iter_chats(keywords="099")] == ["chat 099"]
    with pytest.raises(InvalidRequestError, match="orderby='zz': give one of create_time, update_time, name"):
        await client.list_chats(orderby="zz")
    await client.delete_chats([each.id async for each in client.iter_chats()])
    assert (await client.list_chats()).total == 0


async def test_delete(client: AsyncRAGFlow, chat: AsyncChat) -> None:
    """What is named, nothing by an empty list, all only if that is said."""
    other = await client.create_chat("other")
    await client.delete_chats([other.id])
    await client.delete_chats(ids=[])
    with pytest.raises(InvalidRequestError, match="say what to delete"):
        await client.delete_chats()
    with pytest.raises(NotFoundError, match=f"Chat\\({MISSING}\\) not found"):
        await client.delete_chats([MISSING])
    assert [each.id for each in await client.list_chats()] == [chat.id]
    await client.delete_chats(ids=None)
    assert (await client.list_chats()).total == 0


async def test_v024(replay_v024: Replay, connect: Connect) -> None:
    """Made, found and changed as that version has it, in the fields of today's."""
    client = connect(replay_v024.url)
    dataset_ids = recorded("v0.24", "chat.create").request_body["dataset_ids"]
    chat = await client.create_chat("chat_1795251451", dataset_ids=dataset_ids)
    assert (chat.dataset_ids, chat.top_n, chat.vector_similarity_weight) == (dataset_ids, 6, 0.3)
    assert (await client.get_chat(chat.id)).dataset_ids == dataset_ids
    assert (await client.get_chat(name=chat.name)).id == chat.id
    assert await client.list_chats(name="zz") == []
    with pytest.raises(NotFoundError, match="The chat doesn't exist"):
        await client.get_chat(MISSING)
    with pytest.raises(UnsupportedError, match=r"list_chats\(keywords=…\) needs RAGFlow v0\.25\.0"):
        await client.list_chats(keywords="pc_")
    assert await chat.update({"name": "chat_1795251451", "dataset_ids": dataset_ids}) is chat
    with pytest.raises(NotFoundError, match="own the dataset"):
        await chat.update({"dataset_ids": [MISSING]})
    with pytest.raises(NotFoundError, match="not found"):
        await client.delete_chats([MISSING])


async def test_v024_settings(replay_v024: Replay, connect: Connect) -> None:
    """Both spellings reach it in the one that it takes."""
    client = connect(replay_v024.url)
    llm = recorded("v0.24", "chat.create.llm_ok").request_body["llm"]
    named = await client.create_chat("chat_llm_1795251451", llm=llm)
    assert (named.llm_id, named.llm.temperature) == (llm["model_name"], 0.2)
    config = {"system": "You know {knowledge}", "prologue": "new"}
    prompted = await client.create_chat("q_new_1795251451", prompt_config=config)
    assert (prompted.prompt.prompt, prompted.prompt.opener) == ("You know {knowledge}", "new")
    tuned = await client.create_chat(
        "chat_tk_1795251451", top_k=5, top_n=3, similarity_threshold=0.1, vector_similarity_weight=0.5
    )
    assert (tuned.top_n, tuned.similarity_threshold, tuned.vector_similarity_weight) == (3, 0.1, 0.5)
    with pytest.raises(ConflictError, match="Duplicated chat name"):
        await client.create_chat("chat_1795251451")
    assert "chat.create.top_k" in replay_v024.served


async def test_v027(replay_v027: Replay, connect: Connect) -> None:
    """Found and changed as today's version answered."""
    client = connect(replay_v027.url)
    page = await client.list_chats(keywords="pc_")
    assert page.total == recorded("v0.27", "chat.list.keywords").body["data"]["total"]
    chat = (await client.list_chats(name="chat_1795246538"))[0]
    assert (await client.get_chat(chat.id)).id == chat.id
    assert (await chat.update({"prompt": {"opener": "Servus"}})).prompt.opener == "Servus"
    with pytest.raises(NotFoundError, match="`llm_id` zz doesn't exist"):
        await chat.update({"llm": {"model_name": "zz"}})
