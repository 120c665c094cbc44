"""A suite for memory blocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import BaseMemoryBlock, Memory
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from ragflow_integrations.testing import KnowledgeBase
from ragflow_integrations.testing.suites import KEY, NOWHERE, Suite

from ..memory import RAGFlowMemoryBlock

__all__ = ["MemoryBlockTests"]

_PATIENCE = 60  # looks, half a second apart: servers take what they keep into a queue


@asynccontextmanager
async def _database() -> AsyncIterator[AsyncEngine]:
    """What ``Memory`` keeps a conversation in, and does not close."""
    engine = create_async_engine("sqlite+aiosqlite:///:memory:", poolclass=StaticPool)
    try:
        yield engine
    finally:
        await engine.dispose()


class MemoryBlockTests(Suite):
    """Short and long conversations are kept, each user's for themselves, and recalled in another session."""

    @property
    def constructor(self) -> Callable[..., Any]:
        return RAGFlowMemoryBlock

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"memory_ids": ["0" * 32], "user": "ann"}

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

    def block(self, knowledge: KnowledgeBase, memory_id: str, user: str) -> Any:
        """A user's block."""
        return self.made(knowledge.client, knowledge, memory_ids=[memory_id], user=user)

    async def recalled(self, block: Any, question: str, wanted: str = "") -> str:
        """What a new session is told; waited for until it has what is wanted."""
        said = ""
        for _ in range(_PATIENCE if wanted else 1):
            said = str(await block.aget([ChatMessage(question)], session_id="another day"))
            if wanted in said:
                break
            await asyncio.sleep(0.5)
        return said

    async def test_the_class(self, knowledge: KnowledgeBase) -> None:
        """A block of LlamaIndex's ``Memory``, that is told whose it is."""
        assert isinstance(self.made(knowledge.client, knowledge), BaseMemoryBlock)
        for user in ("", None):
            with pytest.raises(Exception, match="user"):
                self.made(knowledge.client, knowledge, user=user)

    @pytest.mark.asyncio
    async def test_a_short_conversation_is_kept(self, knowledge: KnowledgeBase, memory_id: str) -> None:
        """LlamaIndex hands a block what its short-term memory has no room for: of two messages, nothing."""
        block = self.block(knowledge, memory_id, "ann")
        async with _database() as database:
            memory = Memory.from_defaults(session_id="monday", memory_blocks=[block], async_engine=database)
            await memory.aput(ChatMessage("My boat is called Albatross.", role="user"))
            await memory.aput(ChatMessage("A fine name for a boat.", role="assistant"))
            await block.aflush(memory)
        later = self.block(knowledge, memory_id, "ann")
        assert "Albatross" in await self.recalled(later, "What is my boat called?", "Albatross")

    @pytest.mark.asyncio
    async def test_what_has_no_room_is_kept(self, knowledge: KnowledgeBase, memory_id: str) -> None:
        """A long conversation hands its beginning over."""
        block = self.block(knowledge, memory_id, "ann")
        async with _database() as database:
            memory = Memory.from_defaults(
                session_id="monday",
                memory_blocks=[block],
                token_limit=200,
                chat_history_token_ratio=0.5,
                token_flush_size=50,
                async_engine=database,
            )
            await memory.aput(ChatMessage("My boat is called Albatross.", role="user"))
            await memory.aput(ChatMessage("A fine name for a boat.", role="assistant"))
            for day in range(6):
                await memory.aput(ChatMessage(f"The weather of day {day} was " + "fair, " * 20, role="user"))
                await memory.aput(ChatMessage(f"I see: of day {day}.", role="assistant"))
        later = self.block(knowledge, memory_id, "ann")
        assert "Albatross" in await self.recalled(later, "What is my boat called?", "Albatross")

    @pytest.mark.asyncio
    async def test_users_on_one_key(self, knowledge: KnowledgeBase, memory_id: str) -> None:
        """Of one memory, side by side: each recalls their own, and nothing of another's."""
        boats = {user: f"Ship-{uuid4().hex[:8]}" for user in ("ann", "bob", "cid")}

        async def speaks(user: str) -> None:
            block = self.block(knowledge, memory_id, user)
            said = [
                ChatMessage(f"My boat is called {boats[user]}.", role="user"),
                ChatMessage("A fine name for a boat.", role="assistant"),
            ]
            await block.aput(said, session_id="monday")
            await block.aflush()

        await asyncio.gather(*map(speaks, boats))
        for user, boat in boats.items():
            block = self.block(knowledge, memory_id, user)
            said = await self.recalled(block, "What is my boat called?", boat)
            assert boat in said
            assert not any(other in said for other in boats.values() if other != boat)
        nobody = self.block(knowledge, memory_id, "dan")
        assert "Ship-" not in await self.recalled(nobody, "What is my boat called?")

    def test_dumps_do_not_tell_the_key(self, knowledge: KnowledgeBase) -> None:
        """LlamaIndex writes a block's fields into a workflow's context."""
        made = self.constructor(base_url=NOWHERE, api_key=KEY, **self.params(knowledge))
        assert KEY not in f"{made.model_dump()} {made.model_dump_json()}"
