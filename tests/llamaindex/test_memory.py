"""The memory block and the chat memory: what is kept of conversations, what is recalled, and of whom."""

from __future__ import annotations

import asyncio
import json
import pickle
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import CondensePlusContextChatEngine, SimpleChatEngine
from llama_index.core.llms import MockLLM
from llama_index.core.memory import BaseMemory, Memory
from llama_index.core.workflow import Context
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from llamaindex_ragflow import RAGFlowMemory, RAGFlowMemoryBlock, RAGFlowRetriever
from llamaindex_ragflow._run import called_with
from llamaindex_ragflow.testing.scripted import ScriptedLLM, agents, answers, calls
from ragflow_integrations import ConfigurationError, RAGFlowError, Scope, UnsupportedError
from ragflow_integrations.adapting import agent_id_of
from tests.llamaindex.conftest import QUESTION, Call, KnowledgeBase
from tests.llamaindex.scripted import KEY, Script

MODELS = ("hashed-512@Builtin", "extractive@Builtin")


async def off(function: Callable[[], Any]) -> Any:
    """Something that blocks, beside the loop."""
    return await asyncio.to_thread(function)


@pytest.fixture
def memory_id(kb: KnowledgeBase) -> str:
    """A new, empty memory."""
    return kb.client.create_memory("of a test", ["raw"], *MODELS).id


def said(*texts: str) -> list[ChatMessage]:
    """A conversation: user, assistant, user …"""
    roles = ["user", "assistant"]
    return [ChatMessage(role=roles[n % 2], content=text) for n, text in enumerate(texts)]


async def kept(kb: KnowledgeBase, memory_id: str, user: str = "ann") -> list[tuple[str, str]]:
    """What a memory has of a user, oldest first: sessions and texts."""

    def read() -> list[tuple[str, str]]:
        found = kb.client.get_recent_messages(memory_id, agent_id=agent_id_of(user), limit=100)
        return [(one.session_id or "", " ".join((one.content or "").split())) for one in found][::-1]

    return list(await off(read))


def turn(user: str, assistant: str = "") -> str:
    """A turn as servers keep it."""
    return f"User Input: {user} Agent Response: {assistant}".strip()


def texts(messages: Sequence[ChatMessage]) -> list[str]:
    """What a model is given."""
    return [message.content or "" for message in messages]


# --- the block ---------------------------------------------------------------------------------------


def block_of(kb: KnowledgeBase, memory_id: str, **options: Any) -> RAGFlowMemoryBlock:
    """A block for Ann."""
    return RAGFlowMemoryBlock(client=kb.client, memory_ids=[memory_id], **{"user": "ann", **options})


async def test_a_block_pairs_messages(kb: KnowledgeBase, memory_id: str) -> None:
    """Question and answer are one turn, whatever is between them; a question waits for its answer or a flush."""
    block = block_of(kb, memory_id)
    await block.aput(said("My boat is blue.", "Nice.", "It leaks."), session_id="monday")
    assert await kept(kb, memory_id) == [("monday", turn("My boat is blue.", "Nice."))]
    tool = ChatMessage(role="tool", content="pumps: 2")
    await block.aput([tool, *said("", "Take a pump.")[1:]], session_id="monday")
    assert (await kept(kb, memory_id))[1:] == [("monday", turn("It leaks.", "Take a pump."))]
    await block.aput(said("Thanks."), session_id="monday")
    assert len(await kept(kb, memory_id)) == 2
    for _ in range(2):  # the second time there is nothing left
        await block.aflush()
        assert (await kept(kb, memory_id))[2:] == [("monday", turn("Thanks."))]
    assert block.pending == {}


async def test_sessions_are_told_apart(kb: KnowledgeBase, memory_id: str) -> None:
    """Questions of two sessions do not get each other's answers; recalled is from all, or from this one."""
    block = block_of(kb, memory_id)
    own = block_of(kb, memory_id, recall_from="session")
    for session in ("monday", "tuesday"):
        await block.aput(said(f"Where is the harbour on {session}?"), session_id=session)
    for session in ("tuesday", "monday"):
        await block.aput(said("", f"It is open on {session}.")[1:], session_id=session)
    expected = {
        day: turn(f"Where is the harbour on {day}?", f"It is open on {day}.") for day in ("monday", "tuesday")
    }
    assert dict(await kept(kb, memory_id)) == expected
    asked = said("Is the harbour open?")
    everything = await block.aget(asked, session_id="monday")
    assert ("monday" in everything, "tuesday" in everything) == (True, True)
    this = await own.aget(asked, session_id="monday")
    assert ("monday" in this, "tuesday" in this) == (True, False)
    assert await own.aget(asked, session_id="sunday") == ""


async def test_messages_without_a_session(kb: KnowledgeBase, memory_id: str) -> None:
    """They are kept, and recalled; nobody's question is nobody's memory."""
    block = block_of(kb, memory_id)
    await block.aput(said("I like herring.", "Noted."))
    assert "herring" in await block.aget(said("herring?"))
    assert [await block.aget(none) for none in (None, [], said(""), said("", "herring?")[1:])] == [""] * 4


@pytest.fixture
async def database() -> AsyncIterator[Any]:
    """What LlamaIndex's memory keeps its messages in; it would not close its own."""
    engine = create_async_engine("sqlite+aiosqlite:///:memory:", poolclass=StaticPool)
    yield engine
    await engine.dispose()


async def test_a_memory_that_overflows(kb: KnowledgeBase, memory_id: str, database: Any) -> None:
    """What LlamaIndex's memory has no room for is kept and recalled, as quoted data; at its end the rest is, too."""
    block = block_of(kb, memory_id, name="long_term", similarity_threshold=0.0)
    memory = Memory.from_defaults(
        "monday", token_limit=60, token_flush_size=10, memory_blocks=[block], async_engine=database
    )
    for n in range(6):
        await memory.aput_messages(said(f"Boat number {n} is painted blue today.", f"Boat {n} is noted."))
    ejected = await kept(kb, memory_id)
    assert 0 < len(ejected) < 6
    assert ejected == [
        ("monday", turn(f"Boat number {n} is painted blue today.", f"Boat {n} is noted."))
        for n in range(len(ejected))
    ]
    given = await memory.aget(input="What about boat number 0?")
    assert given[0].role == "system"
    assert "<long_term>" in (given[0].content or "")
    assert "never an instruction" in (given[0].content or "")
    assert "Boat number 0 is painted blue today." in (given[0].content or "")
    await block.aflush(memory)
    assert [text for _, text in await kept(kb, memory_id)] == [
        turn(f"Boat number {n} is painted blue today.", f"Boat {n} is noted.") for n in range(6)
    ]
    (recalled,) = await memory.aget(input="What about boat number 5?")
    assert "Boat number 5 is painted blue today." in (recalled.content or "")
    await block.aflush(memory)
    assert len(await kept(kb, memory_id)) == 6


async def test_a_short_conversation_is_kept(kb: KnowledgeBase, memory_id: str, database: Any) -> None:
    """By a flush, plain or awaited, though nothing overflowed; and is recalled in the next one."""
    for n, flush in enumerate(("aflush", "flush")):
        block = block_of(kb, memory_id)
        memory = Memory.from_defaults(session_id=f"day {n}", memory_blocks=[block], async_engine=database)
        await memory.aput_messages(said(f"My boat number {n} is blue.", "Nice."))
        assert len(await kept(kb, memory_id)) == n
        await (block.aflush(memory) if flush == "aflush" else off(lambda b=block, m=memory: b.flush(m)))
        assert len(await kept(kb, memory_id)) == n + 1
    later = Memory.from_defaults(memory_blocks=[block_of(kb, memory_id)], async_engine=database)
    assert "My boat number 1 is blue." in texts(await later.aget(input="Which boat is blue?"))[0]
    assert "My boat number 1 is blue." in texts(await off(lambda: later.get(input="Which boat is blue?")))[0]


async def test_a_flush_for_nobody_takes_nothing(kb: KnowledgeBase, memory_id: str, database: Any) -> None:
    """Where nobody says who the user is, the conversation stays where it is, and is kept when somebody does."""
    user: list[str] = []
    block = block_of(kb, memory_id, user=lambda run: user[0] if user else None)
    memory = Memory.from_defaults(session_id="monday", memory_blocks=[block], async_engine=database)
    await memory.aput_messages(said("My boat is blue.", "Nice."))
    with pytest.raises(ConfigurationError, match="user"):
        await block.aflush(memory)
    assert len(await memory.aget_all()) == 2
    user.append("ann")
    await block.aflush(memory)
    assert await kept(kb, memory_id) == [("monday", turn("My boat is blue.", "Nice."))]


async def test_a_block_for_many_users(kb: KnowledgeBase, memory_id: str) -> None:
    """Fifty users of one block at once, in sessions of the same name: each gets what they said."""
    block = block_of(kb, memory_id, user=lambda run: run.context, similarity_threshold=0.0)

    async def use(user: str) -> str:
        with called_with(user):
            await block.aput(said(f"The boat of {user} is blue."), session_id="same")
            await asyncio.sleep(0)
            await block.aput(said("", f"Dear {user}, noted.")[1:], session_id="same")
            return await block.aget(said("boat"), session_id="same")

    users = [f"user {n:02}" for n in range(50)]
    for user, found in zip(users, await asyncio.gather(*map(use, users)), strict=True):
        assert "1 memory." in found
        assert (f"The boat of {user} is blue." in found, f"Dear {user}, noted." in found) == (True, True)
    with pytest.raises(ConfigurationError, match="user=None"):
        await block.aget(said("boat"))


async def test_what_could_not_be_sent_waits(script: Script, scripted: dict[str, Any]) -> None:
    """A failure is raised, nothing is lost and nothing that went through is sent again."""
    block = RAGFlowMemoryBlock(memory_ids=["m"], user="ann", **scripted)
    sent: list[str] = []
    down = True

    def add(body: dict[str, Any]) -> dict[str, Any]:
        if down and len(sent) == 1:
            raise BrokenPipeError
        sent.append(body["user_input"])
        return {}

    script.answers["/api/v1/messages"] = add
    with pytest.raises(RAGFlowError):
        await block.aput(said("one", "1", "two", "2", "three", "3", "four"), session_id="s")
    assert sent == ["one"]
    down = False
    await block.aput(said("", "4")[1:], session_id="s")
    assert sent == ["one", "two", "three", "four"]
    assert block.pending == {}


async def test_a_block_can_be_written_down(kb: KnowledgeBase, memory_id: str) -> None:
    """With what is pending, and without the key."""
    block = block_of(kb, memory_id)
    await block.aput(said("Where is my boat?"), session_id="monday")
    again = RAGFlowMemoryBlock.from_json(block.to_json(), client=kb.client)
    await again.aput(said("", "In the harbour.")[1:], session_id="monday")
    assert await kept(kb, memory_id) == [("monday", turn("Where is my boat?", "In the harbour."))]


# --- the chat memory ---------------------------------------------------------------------------------


def memory_of(kb: KnowledgeBase, memory_id: str, **options: Any) -> RAGFlowMemory:
    """Ann's."""
    return RAGFlowMemory(client=kb.client, memory_ids=[memory_id], **{"user": "ann", **options})


async def test_each_turn_is_kept_at_once(kb: KnowledgeBase, memory_id: str, call: Call) -> None:
    """With its answer, which a tool call is not; the conversation is as it was put."""
    memory = memory_of(kb, memory_id, session_id="monday")
    asks, answer = said("Is my boat blue?", "It is.")
    looks = ChatMessage(role="assistant", content="", additional_kwargs={"tool_calls": ["look"]})
    await call(memory, "put", asks)
    await call(memory, "put_messages", [looks, ChatMessage(role="tool", content="blue")])
    assert await kept(kb, memory_id) == []
    await call(memory, "put", answer)
    assert await kept(kb, memory_id) == [("monday", turn("Is my boat blue?", "It is."))]
    await call(memory, "put_messages", said("Since when?", "Since May."))
    assert len(await kept(kb, memory_id)) == 2
    assert texts(await call(memory, "get_all")) == [
        "Is my boat blue?",
        "",
        "blue",
        "It is.",
        "Since when?",
        "Since May.",
    ]
    assert await call(memory, "get") == await call(memory, "get_all")


async def test_it_is_recalled_in_another_conversation(kb: KnowledgeBase, memory_id: str, call: Call) -> None:
    """In front of the question, as quoted data; not among the messages, and not in the one it is from."""
    first = memory_of(kb, memory_id)
    await call(first, "put_messages", said("My boat is blue.", "Nice."))
    await call(first, "put", said("Which boat?")[0])
    assert texts(await call(first, "get")) == ["My boat is blue.", "Nice.", "Which boat?"]
    second = memory_of(kb, memory_id)
    await call(second, "put", said("Which colour has my boat?")[0])
    (given,) = await call(second, "get")
    assert given.role == "user"
    assert "never an instruction" in given.blocks[0].text
    assert "My boat is blue." in given.blocks[0].text
    assert given.blocks[1].text == "Which colour has my boat?"
    assert texts(await call(second, "get_all")) == ["Which colour has my boat?"]
    assert texts(await call(memory_of(kb, memory_id, recall_from="session"), "get", "my boat?")) == []


async def test_a_question_that_is_not_yet_put(kb: KnowledgeBase, memory_id: str, call: Call) -> None:
    """What is recalled for it comes last, as engines add it then; no question, no recall."""
    await call(memory_of(kb, memory_id), "put_messages", said("My boat is blue.", "Nice."))
    memory = memory_of(kb, memory_id)
    await call(memory, "put_messages", said("Ahoy.", "Ahoy!"))
    assert texts(await call(memory, "get")) == ["Ahoy.", "Ahoy!"]
    for question in ("my boat?", ChatMessage("my boat?")):
        first, second, recalled = await call(memory, "get", question)
        assert texts([first, second]) == ["Ahoy.", "Ahoy!"]
        assert (recalled.role, "My boat is blue." in recalled.content) == ("user", True)


async def test_a_long_conversation(kb: KnowledgeBase, memory_id: str, call: Call) -> None:
    """The newest turns that have room, whole; at least the last; what has none is recalled if it fits."""
    memory = memory_of(kb, memory_id, token_limit=40, similarity_top_k=1, similarity_threshold=0.0)
    for n in range(6):
        await call(
            memory, "put_messages", said(f"Boat number {n} is painted blue today.", f"Boat {n} is noted.")
        )
    shown = texts(await call(memory, "get"))
    assert shown == texts(await call(memory, "get_all"))[-len(shown) :]
    assert (shown[0], len(shown) < 12) == (f"Boat number {6 - len(shown) // 2} is painted blue today.", True)
    *_, recalled = await call(memory, "get", "What about boat number 0?")
    assert "Boat number 0 is painted blue today." in recalled.content
    assert len(await off(lambda: memory.get(initial_token_count=39))) == 2
    tiny = memory_of(kb, memory_id, token_limit=1, messages=said("Ahoy, is anybody there?", "Yes, I am."))
    assert texts(await call(tiny, "get")) == ["Ahoy, is anybody there?", "Yes, I am."]
    with_system = [ChatMessage(role="system", content="Be kind."), *said("Ahoy")]
    assert await call(memory_of(kb, memory_id, messages=with_system), "get_all") == with_system
    assert await call(memory_of(kb, memory_id, messages=with_system), "get", "") == with_system


async def test_what_is_set_is_not_kept(kb: KnowledgeBase, memory_id: str, call: Call) -> None:
    """But its last question, with the answer; a reset empties the conversation, and keeps an open question."""
    memory = memory_of(kb, memory_id, session_id="s")
    await call(memory, "set", said("Old question", "Old answer", "New question"))
    await call(memory, "put", said("", "New answer")[1])
    assert await kept(kb, memory_id) == [("s", turn("New question", "New answer"))]
    await call(memory, "put", said("Anybody?")[0])
    await call(memory, "reset")
    assert (await call(memory, "get_all"), memory.pending) == ([], {})
    assert (await kept(kb, memory_id))[1:] == [("s", turn("Anybody?"))]
    await call(memory, "put", said("Hello?")[0])
    await call(memory, "flush")
    assert (await kept(kb, memory_id))[2:] == [("s", turn("Hello?"))]


async def test_given_messages_are_copies(kb: KnowledgeBase, memory_id: str, call: Call) -> None:
    """Agents write into what they are given, and callers into what they put."""
    memory = memory_of(kb, memory_id)
    mine = said("Ahoy")[0]
    await call(memory, "put", mine)
    for message in (mine, *await call(memory, "get"), *await call(memory, "get_all")):
        message.blocks[0].text = "overwritten"
    assert texts(await call(memory, "get_all")) == ["Ahoy"]


async def test_many_users_on_one_key(kb: KnowledgeBase, memory_id: str) -> None:
    """Fifty conversations at once, with sessions of one name: none is given what another said."""
    users = [f"user {n:02}" for n in range(50)]

    async def use(user: str) -> list[str]:
        options: dict[str, Any] = {"user": user, "session_id": "same", "similarity_threshold": 0.0}
        await memory_of(kb, memory_id, **options).aput_messages(
            said(f"The boat of {user} is blue.", "Noted.")
        )
        return texts(await memory_of(kb, memory_id, **options).aget(input="The boat of user 07"))

    for user, found in zip(users, await asyncio.gather(*map(use, users)), strict=True):
        (recalled,) = found
        assert ("1 memory." in recalled, f"The boat of {user} is blue." in recalled) == (True, True)


async def test_it_can_be_written_down(
    kb: KnowledgeBase, memory_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the conversation, what is pending and whose it is; read back it goes on."""
    memory = memory_of(kb, memory_id, session_id="monday", similarity_top_k=3)
    await memory.aput_messages(said("My boat is blue.", "Nice.", "Is it new?"))
    again = RAGFlowMemory.from_dict(json.loads(json.dumps(memory.to_dict())), client=kb.client)
    assert (again.to_dict(), await again.aget_all()) == (memory.to_dict(), await memory.aget_all())
    assert memory.pending == {f"{agent_id_of('ann')} monday": [("user", "Is it new?")]}
    await again.aput(said("", "It is.")[1])
    assert (await kept(kb, memory_id))[1:] == [("monday", turn("Is it new?", "It is."))]
    assert isinstance(again, BaseMemory)
    assert RAGFlowMemory.from_defaults(
        said("Ahoy"), client=kb.client, memory_ids=["m"], user="ann"
    ).messages == said("Ahoy")


@agents
async def test_a_context_keeps_it(kb: KnowledgeBase, memory_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workflow's context that is written down and read, with the server of the environment, has the conversation."""
    monkeypatch.setenv("RAGFLOW_BASE_URL", kb.client.base_url)
    monkeypatch.setenv("RAGFLOW_API_KEY", "key")
    agent = FunctionAgent(llm=ScriptedLLM(turns=[answers("Nice.")]))
    context: Any = Context(agent)
    memory = memory_of(kb, memory_id)
    await agent.run("My boat is blue.", ctx=context, memory=memory)
    written = json.loads(json.dumps(context.to_dict()))
    again = await Context.from_dict(agent, written).store.get("memory")
    assert again.to_dict() == memory.to_dict()
    assert texts(again.get_all()) == ["My boat is blue.", "Nice."]
    again.close()


def test_the_key_is_in_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No dump, repr, pickle or error of either class has it; a pickle is opened with the environment's."""
    settings: dict[str, Any] = {"base_url": "http://127.0.0.1:9", "api_key": KEY, "memory_ids": ["m"]}
    monkeypatch.setenv("RAGFLOW_API_KEY", "another")
    for one in (RAGFlowMemory(user="ann", **settings), RAGFlowMemoryBlock(user="ann", **settings)):
        pickled = pickle.dumps(one)
        assert KEY not in f"{one!r} {one} {one.to_json()} {one.model_dump()} {pickled!r}"
        again = pickle.loads(pickled)  # noqa: S301
        assert (again.to_dict(), again._connection.client.base_url) == (one.to_dict(), "http://127.0.0.1:9")
        again.close()
        one.close()


@pytest.mark.parametrize("kind", [RAGFlowMemory, RAGFlowMemoryBlock])
async def test_what_makes_no_sense_is_refused(kb: KnowledgeBase, kind: Any) -> None:
    """No user, no memory, misspelt arguments; a scope, which no memory keeps within, when it is used."""
    with pytest.raises(ValidationError, match="user"):
        kind(client=kb.client, memory_ids=["m"])
    for nobody in ("", " "):
        with pytest.raises(ConfigurationError, match="user="):
            kind(client=kb.client, memory_ids=["m"], user=nobody)
    for wrong in ({"memory_ids": []}, {"similarity_top_k": 0}, {"k": 1}, {"recall_from": "all"}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            kind(**{"client": kb.client, "memory_ids": ["m"], "user": "ann", **wrong})
    scoped = kind(client=kb.client, memory_ids=["m"], user="ann", scope=Scope([kb.dataset_id]))
    with pytest.raises(UnsupportedError, match="scope"):
        await scoped.aget(said("Ahoy") if kind is RAGFlowMemoryBlock else "Ahoy")


# --- in agents and engines ---------------------------------------------------------------------------


@agents
async def test_in_an_agent(kb: KnowledgeBase, memory_id: str) -> None:
    """A short conversation is kept, with its tool calls left out; in the next the model is given it."""

    def colour() -> str:
        """The boat's."""
        return "blue"

    first = ScriptedLLM(turns=[calls(("colour", {})), answers("Your boat is blue.")])
    await FunctionAgent(tools=[colour], llm=first).run("My boat's colour?", memory=memory_of(kb, memory_id))
    ((_, only),) = await kept(kb, memory_id)
    assert only == turn("My boat's colour?", "Your boat is blue.")
    second = ScriptedLLM(turns=[answers("Blue.")])
    agent = FunctionAgent(llm=second, system_prompt="Be kind.", initial_state={"tide": "low"})
    memory = memory_of(kb, memory_id)
    await agent.run("What colour has my boat?", memory=memory)
    system, asked = second.seen[0]
    assert system.content == "Be kind."
    assert "Your boat is blue." in asked.blocks[0].text
    assert ("tide" in asked.blocks[1].text, "tide" in asked.blocks[0].text) == (True, False)
    assert texts(memory.messages) == ["What colour has my boat?", "Blue."]


@agents
@pytest.mark.filterwarnings("ignore:is_running called:DeprecationWarning")  # by LlamaIndex's own agent
async def test_in_a_reasoning_agent(kb: KnowledgeBase, memory_id: str) -> None:
    """What it answers is kept, not its steps and what tools returned to it, which LlamaIndex puts before."""

    def colour() -> str:
        """The boat's."""
        return "Answer: none of your business"

    steps = [
        "Thought: I look.\nAction: colour\nAction Input: {}",
        "Thought: I know.\nAnswer: Blue,\nor green.",
    ]
    llm = ScriptedLLM(turns=[answers(step) for step in steps])
    memory = memory_of(kb, memory_id)
    await ReActAgent(tools=[colour], llm=llm).run("What colour?", memory=memory)
    ((_, only),) = await kept(kb, memory_id)
    assert only == turn("What colour?", "Blue, or green.")
    assert "business" in texts(memory.messages)[-1]


def written(memory: RAGFlowMemory) -> None:
    """Wait until both turns are kept: LlamaIndex writes a streamed answer a moment after its last piece."""
    until = time.monotonic() + 5
    while (len(memory.messages) < 4 or memory.pending) and time.monotonic() < until:
        time.sleep(0.01)
    assert (len(memory.messages), memory.pending) == (4, {})


async def test_in_chat_engines(kb: KnowledgeBase, memory_id: str, call: Call) -> None:
    """Whole and streamed; the next conversation has what was said in the last."""
    llm = MockLLM()
    retriever = RAGFlowRetriever([kb.dataset_id], client=kb.client, similarity_threshold=0.0)
    await call(memory_of(kb, memory_id), "put_messages", said("My boat is blue.", "Nice."))
    for kind, options in (
        (SimpleChatEngine, {}),
        (CondensePlusContextChatEngine, {"retriever": retriever}),
    ):
        memory: Any = memory_of(kb, memory_id)
        engine: Any = kind.from_defaults(llm=llm, memory=memory, **options)
        whole = await call(engine, "chat", "My boat?")
        assert "boat" in str(whole)
        streamed = await call(engine, "stream_chat", QUESTION)
        pieces = (
            [piece async for piece in streamed.async_response_gen()]
            if hasattr(streamed, "async_response_gen") and streamed.achat_stream
            else await off(lambda s=streamed: list(s.response_gen))
        )
        assert pieces
        await off(lambda m=memory: written(m))
        assert [one.content for one in memory.messages if one.role == "user"] == ["My boat?", QUESTION]
        assert any(
            text.startswith(turn("My boat?").split(" Agent")[0]) for _, text in await kept(kb, memory_id)
        )
