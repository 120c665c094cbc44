"""Suites for memory blocks and memories."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import BaseMemory, BaseMemoryBlock, Memory
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import KEY, NOWHERE, Suite, at_once, off

from ..memory import RAGFlowMemory, RAGFlowMemoryBlock

__all__ = ["MemoryBlockTests", "MemoryTests"]

_ALBATROSS = ("My boat is called Albatross.", "A fine name for a boat.")
_PATIENCE = 60  # looks, half a second apart: servers take what they keep into a queue


@asynccontextmanager
async def _database() -> AsyncIterator[AsyncEngine]:
    """What ``Memory`` keeps a conversation in, and does not close."""
    engine = create_async_engine("sqlite+aiosqlite:///:memory:", poolclass=StaticPool)
    try:
        yield engine
    finally:
        await engine.dispose()


class RememberingTests(Suite):
    """What holds for a block and for a whole memory: whose it is, and what is told of its connection."""

    base: ClassVar[type]
    """LlamaIndex's class that it is one of."""

    native: ClassVar[tuple[str, ...]]
    """The methods that must be its own: what it would inherit takes a thread."""

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"memory_ids": ["0" * 32], "user": "ann"}

    @property
    def of_one_session(self) -> dict[str, Any]:
        """Parameters with which only what the same session said is recalled."""
        return {"recall_from": "session"}

    def models(self, knowledge: KnowledgeBase) -> tuple[str, str]:
        """The embedding and the language model of a new memory, ``model@factory``; those of the knowledge base."""
        dataset = knowledge.client.get_dataset(knowledge.dataset_id)
        chat = knowledge.client.get_chat(knowledge.chat_id)
        return str(dataset.embedding_model), str(chat.llm_id)

    @pytest.fixture
    def memory_id(self, knowledge: KnowledgeBase) -> Iterator[str]:
        """An empty memory."""
        name = f"conformance-{uuid4().hex[:12]}"
        memory = knowledge.client.create_memory(name, ["raw"], *self.models(knowledge))
        try:
            yield memory.id
        finally:
            knowledge.client.delete_memory(memory.id)

    def remembering(self, knowledge: KnowledgeBase, memory_id: str, user: str, **more: Any) -> Any:
        """A user's."""
        return self.made(knowledge.client, knowledge, memory_ids=[memory_id], user=user, **more)

    async def speak(self, made: Any, session_id: str, *said: tuple[str, str]) -> None:
        """Put questions with their answers into a session."""
        raise NotImplementedError

    async def told(self, made: Any, session_id: str, question: str) -> str:
        """What is recalled for a question in a session."""
        raise NotImplementedError

    async def recalled(
        self, made: Any, question: str, wanted: str = "", session_id: str = "another day"
    ) -> str:
        """The same, waited for until it has what is wanted."""
        said = ""
        for _ in range(_PATIENCE if wanted else 1):
            said = await self.told(made, session_id, question)
            if wanted in said:
                break
            await asyncio.sleep(0.5)
        return said

    def test_the_class(self, knowledge: KnowledgeBase) -> None:
        """It is one of LlamaIndex's, whose methods are its own, and of somebody: nobody's would be everybody's."""
        made = self.made(knowledge.client, knowledge)
        assert isinstance(made, self.base)
        inherited = [name for name in self.native if getattr(type(made), name) is getattr(self.base, name)]
        assert inherited == []
        for user in ("", None):
            with pytest.raises(Exception, match="user"):
                self.made(knowledge.client, knowledge, user=user)

    @pytest.mark.asyncio
    async def test_users_on_one_key(self, knowledge: KnowledgeBase, memory_id: str) -> None:
        """Of one memory, side by side: each recalls their own, and nothing of another's."""
        boats = {user: f"Ship-{uuid4().hex[:8]}" for user in ("ann", "bob", "cid")}

        async def speaks(user: str) -> None:
            made = self.remembering(knowledge, memory_id, user)
            await self.speak(made, "monday", (f"My boat is called {boats[user]}.", "A fine name for a boat."))

        await asyncio.gather(*map(speaks, boats))
        for user, boat in boats.items():
            made = self.remembering(knowledge, memory_id, user)
            said = await self.recalled(made, "What is my boat called?", boat)
            assert boat in said
            assert not any(other in said for other in boats.values() if other != boat)
        nobody = self.remembering(knowledge, memory_id, "dan")
        assert "Ship-" not in await self.recalled(nobody, "What is my boat called?")

    @pytest.mark.asyncio
    async def test_sessions_are_told_apart(self, knowledge: KnowledgeBase, memory_id: str) -> None:
        """Where only the session's own is wanted, nothing of the user's other sessions is recalled."""
        boats = {"monday": "Albatross", "tuesday": "Cormorant"}
        for session, boat in boats.items():
            made = self.remembering(knowledge, memory_id, "ann")
            await self.speak(made, session, (f"My boat is called {boat}.", "A fine name for a boat."))
        for session, boat in boats.items():
            made = self.remembering(knowledge, memory_id, "ann", **self.of_one_session)
            said = await self.recalled(made, "What is my boat called?", boat, session)
            assert [name for name in boats.values() if name in said] == [boat]

    def test_dumps_do_not_tell_the_key(self, knowledge: KnowledgeBase) -> None:
        """LlamaIndex writes its fields into a workflow's context."""
        made = self.constructor(base_url=NOWHERE, api_key=KEY, **self.params(knowledge))
        assert KEY not in f"{made.model_dump()} {made.model_dump_json()}"


class MemoryBlockTests(RememberingTests):
    """Short and long conversations are kept, each user's for themselves, and recalled in another session."""

    base = BaseMemoryBlock
    native = ("_aget", "_aput")

    @property
    def constructor(self) -> Callable[..., Any]:
        return RAGFlowMemoryBlock

    async def speak(self, made: Any, session_id: str, *said: tuple[str, str]) -> None:
        await made.aput(_messages(*said), session_id=session_id)
        await made.aflush()

    async def told(self, made: Any, session_id: str, question: str) -> str:
        return str(await made.aget([ChatMessage(question)], session_id=session_id))

    @pytest.mark.asyncio
    async def test_a_short_conversation_is_kept(self, knowledge: KnowledgeBase, memory_id: str) -> None:
        """LlamaIndex hands a block what its short-term memory has no room for: of two messages, nothing."""
        block = self.remembering(knowledge, memory_id, "ann")
        async with _database() as database:
            memory = Memory.from_defaults(session_id="monday", memory_blocks=[block], async_engine=database)
            await memory.aput_messages(_messages(_ALBATROSS))
            await block.aflush(memory)
        later = self.remembering(knowledge, memory_id, "ann")
        assert "Albatross" in await self.recalled(later, "What is my boat called?", "Albatross")

    @pytest.mark.asyncio
    async def test_what_has_no_room_is_kept(self, knowledge: KnowledgeBase, memory_id: str) -> None:
        """A long conversation hands its beginning over."""
        block = self.remembering(knowledge, memory_id, "ann")
        days = [
            (f"The weather of day {day} was " + "fair, " * 20, f"I see: of day {day}.") for day in range(6)
        ]
        async with _database() as database:
            memory = Memory.from_defaults(
                session_id="monday",
                memory_blocks=[block],
                token_limit=200,
                chat_history_token_ratio=0.5,
                token_flush_size=50,
                async_engine=database,
            )
            for message in _messages(_ALBATROSS, *days):
                await memory.aput(message)
        later = self.remembering(knowledge, memory_id, "ann")
        assert "Albatross" in await self.recalled(later, "What is my boat called?", "Albatross")


class MemoryTests(RememberingTests):
    """A conversation, what is recalled of others, both ways alike, on its way through JSON; and of whom it is."""

    base = BaseMemory
    native = ("aget", "aget_all", "aput", "aput_messages", "aset", "areset")

    @property
    def constructor(self) -> Callable[..., Any]:
        return RAGFlowMemory

    async def speak(self, made: Any, session_id: str, *said: tuple[str, str]) -> None:
        made.session_id = session_id
        await made.aput_messages(_messages(*said))

    async def told(self, made: Any, session_id: str, question: str) -> str:
        made.session_id = session_id
        return "\n".join(str(message.content) for message in await made.aget(question))

    @pytest.mark.asyncio
    async def test_a_conversation(self, knowledge: KnowledgeBase, memory_id: str) -> None:
        """What was said is there in its order, by plain calls and coroutines, until it is replaced or reset."""
        made, said = self.remembering(knowledge, memory_id, "ann"), _messages(_ALBATROSS)
        await off(lambda: made.put(said[0]))
        await made.aput(said[1])
        contents = [one.content for one in said]
        assert [one.content for one in await made.aget_all()] == contents
        assert await off(made.get_all) == await made.aget_all()
        given = await made.aget("What is my boat called?")
        assert [one.content for one in given][: len(said)] == contents
        await made.aset(said[:1])
        assert [one.content for one in await off(made.get_all)] == contents[:1]
        await off(made.reset)
        assert await made.aget_all() == []

    @pytest.mark.asyncio
    async def test_another_conversation_recalls_it(self, knowledge: KnowledgeBase, memory_id: str) -> None:
        """However short it was, and without being told to keep it."""
        await self.speak(self.remembering(knowledge, memory_id, "ann"), "monday", _ALBATROSS)
        later = self.remembering(knowledge, memory_id, "ann")
        assert "Albatross" in await self.recalled(later, "What is my boat called?", "Albatross")

    @pytest.mark.asyncio
    async def test_it_goes_on_from_json(self, knowledge: KnowledgeBase, memory_id: str) -> None:
        """As it does in a workflow's context: the conversation is there, and the user is the same."""
        made = self.remembering(knowledge, memory_id, "ann")
        await made.aput_messages(_messages(_ALBATROSS))
        again = type(made).from_dict(json.loads(json.dumps(made.to_dict())), client=knowledge.client)
        assert await again.aget_all() == await made.aget_all()
        assert (again.user, again.session_id) == (made.user, made.session_id)

    @pytest.mark.asyncio
    async def test_coroutines_take_no_threads(
        self, knowledge: KnowledgeBase, memory_id: str, watch: Watch
    ) -> None:
        """More are under way at once than there are threads."""
        made = self.made(watch.client, knowledge, memory_ids=[memory_id])
        await at_once(watch, lambda: made.aget("What is my boat called?"))


def _messages(*said: tuple[str, str]) -> list[ChatMessage]:
    """A conversation of questions and their answers."""
    return [
        ChatMessage(text, role=role)
        for pair in said
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
