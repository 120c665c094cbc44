"""Memories and their messages, as one tenant sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

from ..fields import now_ms, seconds
from ..memory import memories, messages
from ..memory.extract import needs_extraction
from ..memory.messages import Message, Narrowing, Search
from ..models import question_vector
from ..store import Row
from .part import Part

__all__ = ["MemoryCalls"]


class MemoryCalls(Part):
    """The calls about memories and messages; ``Missing`` if the tenant has no memory with an id."""

    def create_memory(self, fields: Mapping[str, Any]) -> Row:
        """A new memory (``name memory_type embd_id llm_id``); a name that is taken becomes ``name(1)``."""
        with self._shared.store.write() as db:
            return memories.create(db, self.tenant_id, fields)

    def get_memory(self, memory_id: str) -> Row:
        """One memory."""
        with self._shared.store.read() as db:
            return memories.get(db, self.tenant_id, memory_id)

    def list_memories(self, **filters: Unpack[memories.Filters]) -> tuple[list[Row], int]:
        """One page of memories, those changed last first, and how many fit."""
        with self._shared.store.read() as db:
            return memories.listed(db, self.tenant_id, **filters)

    def update_memory(self, memory_id: str, fields: Mapping[str, Any]) -> tuple[Row, Row]:
        """Change a memory; how it was, and how it is now.

        ``Refused`` if it holds messages and its types or its embedding model should change.
        """
        with self._shared.store.write() as db:
            old = memories.get(db, self.tenant_id, memory_id)
            return old, memories.update(db, self.tenant_id, memory_id, fields)

    def delete_memory(self, memory_id: str) -> None:
        """Delete a memory with its messages."""
        with self._shared.store.write() as db:
            memories.delete(db, self.tenant_id, memory_id)

    def add_message(
        self,
        memory_ids: Sequence[str],
        *,
        user_input: Any,
        agent_response: Any,
        agent_id: str,
        session_id: str,
        user_id: str = "",
    ) -> list[str]:
        """Keep a turn of a conversation in those of these memories that the tenant has, in all or none.

        Returns their ids. Facts, events and procedures are extracted in the background (``wait_for_memories``)
        where a memory's types ask for them.
        """
        said = messages.conversation(user_input, agent_response)
        message = Message(said, user_id, agent_id, session_id, seconds(now_ms()))
        with self._shared.store.read() as db:
            found = memories.known(db, self.tenant_id, memory_ids)
        prepared = [messages.prepare(self.models.embedder(each["embd_id"]), [message]) for each in found]
        with self._shared.store.write() as db:
            for memory, each in zip(found, prepared, strict=True):
                (number,) = messages.add(db, memory, each)
                if needs_extraction(memory):
                    messages.queue_extraction(db, number)
        self._shared.extractor.wake()
        return [each["id"] for each in found]

    def wait_for_memories(self, timeout: float = 60.0) -> bool:
        """Wait until all that was queued is extracted; False if some is not after ``timeout`` seconds."""
        return self._shared.extractor.wait(self.tenant_id, timeout)

    def list_messages(self, memory_id: str, **filters: Unpack[messages.Filters]) -> tuple[list[Row], int]:
        """One page of a memory's raw messages, each with what was extracted from it, and how many fit."""
        self._shared.extractor.wake()
        with self._shared.store.read() as db:
            memories.get(db, self.tenant_id, memory_id)
            return messages.listed(db, memory_id, **filters)

    def recent_messages(
        self, memory_ids: Sequence[str], *, limit: int, **narrowing: Unpack[Narrowing]
    ) -> list[Row]:
        """The newest messages of those of these memories that the tenant has, forgotten ones left out."""
        with self._shared.store.read() as db:
            ids = [each["id"] for each in memories.known(db, self.tenant_id, memory_ids)]
            return messages.recent(db, ids, limit=limit, **narrowing)

    def search_messages(self, query: Search, **narrowing: Unpack[Narrowing]) -> list[Row]:
        """The messages that fit a question, best first, in those of its memories that the tenant has."""
        with self._shared.store.read() as db:
            found = memories.known(db, self.tenant_id, query.memory_ids)
        results: list[messages.Scored] = []
        for model in dict.fromkeys(each["embd_id"] for each in found):
            embedder = self.models.embedder(model)
            asked = question_vector(embedder, query.question)
            ids = [each["id"] for each in found if each["embd_id"] == model]
            with self._shared.store.read() as db:
                messages.check_embedder(db, ids, embedder.name)
                results += messages.search(db, replace(query, memory_ids=ids), asked, **narrowing)
        return [each for _, each in messages.best(results, query.top_n)]

    def get_message(self, memory_id: str, message_id: str) -> Row:
        """All of a message with its vector; ``Missing`` if there is none with this number."""
        with self._shared.store.read() as db:
            memories.get(db, self.tenant_id, memory_id)
            return messages.get(db, memory_id, message_id)

    def forget_message(self, memory_id: str, message_id: int) -> None:
        """No longer find or show a message as recent; an unknown one is passed over."""
        with self._shared.store.write() as db:
            memories.get(db, self.tenant_id, memory_id)
            messages.forget(db, memory_id, message_id)

    def set_message_status(self, memory_id: str, message_id: int, status: bool) -> None:
        """Let a message be found or not; an unknown one is passed over."""
        with self._shared.store.write() as db:
            memories.get(db, self.tenant_id, memory_id)
            messages.set_status(db, memory_id, message_id, status)
