"""Memories: what agents and assistants remember of their conversations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from ..models import MemoryFields, MemoryMessage, Page
from ..protocol import memories
from ..protocol.bulk import PAGE
from .calls import AsyncCalls
from .paging import every
from .resource import AsyncResource

if TYPE_CHECKING:
    from .client import AsyncRAGFlow

__all__ = ["AsyncMemory", "AsyncMemoryCalls", "AsyncMemoryList", "MemoryMessages", "MessageList"]


class MessageList(TypedDict):
    """A page of messages and how many there are on all pages."""

    message_list: list[MemoryMessage]
    total_count: int


class MemoryMessages(TypedDict):
    """What ``list_memory_messages`` returns."""

    messages: MessageList
    storage_type: str


class AsyncMemory(MemoryFields, AsyncResource):
    """A memory: its settings and its messages; also made from an id, ``Memory(client, {"id": …})``."""

    def __init__(self, client: AsyncRAGFlow, fields: Mapping[str, Any]) -> None:
        super().__init__(**fields)
        self._bind(client)

    async def update(self, update_dict: Mapping[str, object]) -> AsyncMemory:
        """Change settings (``PUT /memories/{id}``) and take over what the server now says; returns itself.

        Keys: ``name`` (at most 128 characters), ``avatar``, ``permissions`` (``me`` or ``team``), ``llm_id``,
        ``description``, ``memory_size`` (bytes, at most 10 MiB), ``forgetting_policy`` (``FIFO``),
        ``temperature`` (0 to 1), ``system_prompt``, ``user_prompt``; ``embd_id`` and ``memory_type`` while the
        memory is empty. Raises ``InvalidRequestError`` for a value beyond its limits.
        """
        return self._take(await self._client._send(memories.update(self.id, update_dict)))

    async def get_config(self) -> AsyncMemory:
        """All its settings, anew (``GET /memories/{id}/config``); returns itself."""
        return self._take(await self._client._send(memories.config(self.id)))

    async def list_memory_messages(
        self,
        agent_id: str | Sequence[str] | None = None,
        keywords: str | None = None,
        page: int = 1,
        page_size: int = 50,
    ) -> MemoryMessages:
        """A page of raw messages, each with what was extracted from it (``GET /memories/{id}``).

        ``{"messages": {"message_list", "total_count"}, "storage_type"}``. ``keywords`` is a session's
        id, on Elasticsearch a part of one. Forgotten messages are listed as well, contents are not:
        ``get_message_content`` has them. Of all that was extracted from a page's messages servers list 512.
        """
        found = await self._client._send(
            memories.messages(self.id, agent_id=agent_id, keywords=keywords, page=page, page_size=page_size)
        )
        listed: MessageList = {"message_list": list(found), "total_count": found.total or 0}
        return {"messages": listed, "storage_type": found.storage_type}

    def iter_messages(
        self, agent_id: str | Sequence[str] | None = None, keywords: str | None = None
    ) -> AsyncIterator[MemoryMessage]:
        """Every raw message, a hundred a call."""
        return every(
            lambda page: self._client._send(
                memories.messages(self.id, agent_id=agent_id, keywords=keywords, page=page, page_size=PAGE)
            )
        )

    async def forget_message(self, message_id: int | str) -> bool:
        """Forget a message (``DELETE /messages/{memory}:{message}``): it is neither found nor recent any more.

        ``True``, as for an unknown one.
        """
        return await self._client._send(memories.forget(self.id, message_id))

    async def update_message_status(self, message_id: int | str, status: bool) -> bool:
        """Enable or disable a message (``PUT /messages/{memory}:{message}``): no search finds a disabled one.

        ``True``, as for an unknown one.
        """
        return await self._client._send(memories.set_status(self.id, message_id, status))

    async def get_message_content(self, message_id: int | str) -> MemoryMessage:
        """All of a message, with its ``content`` and ``content_embed`` (``GET /messages/{memory}:{message}/content``).

        ``NotFoundError`` if there is none.
        """
        return await self._client._send(memories.content(self.id, message_id))


class AsyncMemoryList(TypedDict):
    """What ``list_memory`` returns: a page of memories, and how many there are on all pages."""

    memory_list: list[AsyncMemory]
    total_count: int


class AsyncMemoryCalls(AsyncCalls):
    """Memories and messages, from v0.24 on."""

    async def create_memory(
        self, name: str, memory_type: Sequence[str], embd_id: str, llm_id: str
    ) -> AsyncMemory:
        """Create a memory (``POST /memories``); a name that is taken becomes ``name(1)``.

        ``memory_type`` says what is kept or extracted: ``raw`` (always), ``semantic``, ``episodic``,
        ``procedural``. ``embd_id`` and ``llm_id`` are ``model@factory``.
        """
        fields = await self._client._send(memories.create(name, memory_type, embd_id, llm_id))
        return AsyncMemory._of(self._client, fields)

    async def list_memory(
        self,
        page: int = 1,
        page_size: int = 50,
        tenant_id: str | Sequence[str] | None = None,
        memory_type: str | Sequence[str] | None = None,
        storage_type: str | None = None,
        keywords: str | None = None,
    ) -> AsyncMemoryList:
        """A page of memories (``GET /memories``), ``{"memory_list": [Memory], "total_count": n}``.

        ``memory_type`` finds those that have one of the types, ``keywords`` a part of the name. What a list
        leaves out, e.g. the prompts, ``get_config()`` has.
        """
        found = await self._memories(
            page=page,
            page_size=page_size,
            tenant_id=tenant_id,
            memory_type=memory_type,
            storage_type=storage_type,
            keywords=keywords,
        )
        return {"memory_list": list(found), "total_count": found.total or 0}

    def iter_memories(
        self,
        tenant_id: str | Sequence[str] | None = None,
        memory_type: str | Sequence[str] | None = None,
        storage_type: str | None = None,
        keywords: str | None = None,
    ) -> AsyncIterator[AsyncMemory]:
        """Every memory, a hundred a call; arguments as ``list_memory``."""
        filters: dict[str, Any] = {
            "tenant_id": tenant_id,
            "memory_type": memory_type,
            "storage_type": storage_type,
            "keywords": keywords,
        }
        return every(lambda page: self._memories(page=page, page_size=PAGE, **filters))

    async def _memories(self, **asked: Any) -> Page[AsyncMemory]:
        found = await self._client._send(memories.listing(**asked))
        return AsyncMemory._page_of(self._client, found)

    async def delete_memory(self, memory_id: str) -> None:
        """Delete a memory with its messages (``DELETE /memories/{id}``); ``NotFoundError`` if there is none."""
        await self._client._send(memories.delete(memory_id))

    async def add_message(
        self,
        memory_id: str | Sequence[str],
        agent_id: str,
        session_id: str,
        user_input: str,
        agent_response: str,
        user_id: str = "",
    ) -> str:
        """Add a turn of a conversation to memories (``POST /messages``); what the server says of it.

        The raw message is there at once, what is extracted from it follows. Raises ``NotFoundError`` if none
        of the memories is there; of several, servers leave out unknown ones without a word (v0.24 raises
        when the others have it). From v0.25.3 on servers note the key's owner as the user, whatever
        ``user_id`` is.
        """
        return await self._client._send(
            memories.add_message(
                memory_id,
                agent_id=agent_id,
                session_id=session_id,
                user_input=user_input,
                agent_response=agent_response,
                user_id=user_id,
            )
        )

    async def search_message(
        self,
        query: str,
        memory_id: str | Sequence[str],
        agent_id: str | None = None,
        session_id: str | None = None,
        similarity_threshold: float = 0.2,
        keywords_similarity_weight: float = 0.7,
        top_n: int = 10,
        *,
        user_id: str | None = None,
    ) -> list[MemoryMessage]:
        """The messages that fit best, best first (``GET /messages/search``), at most ``top_n`` (1 to 100).

        Threshold and weight are 0 to 1. ``agent_id``, ``session_id`` and ``user_id`` narrow it to theirs; the
        last needs v0.25, ``UnsupportedError`` before. Unknown memories have no messages: that is no error.
        """
        return await self._client._run(
            memories.search(
                query,
                memory_id,
                agent_id=agent_id,
                session_id=session_id,
                user_id=user_id,
                similarity_threshold=similarity_threshold,
                keywords_similarity_weight=keywords_similarity_weight,
                top_n=top_n,
            )
        )

    async def get_recent_messages(
        self,
        memory_id: str | Sequence[str],
        agent_id: str | None = None,
        session_id: str | None = None,
        limit: int = 10,
    ) -> list[MemoryMessage]:
        """The newest messages, newest first (``GET /messages``), at most ``limit`` (1 to 100).

        Unknown memories have none, which is no error but on v0.24: ``ServerError``.
        """
        return await self._client._send(
            memories.recent(memory_id, agent_id=agent_id, session_id=session_id, limit=limit)
        )
