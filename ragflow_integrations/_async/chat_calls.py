"""Chat assistants as the server keeps them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from ..models import ChatFields, ChatLLM, ChatPrompt, Page, SessionFields
from ..protocol import chats
from ..protocol.bulk import PAGE
from ..protocol.checks import NOT_GIVEN, NotGiven, check_id, to_delete
from .calls import AsyncCalls
from .chats import AsyncChat
from .paging import every
from .sessions import AsyncSession

__all__ = ["AsyncChatCalls"]


class AsyncChatCalls(AsyncCalls):
    """Making, finding and deleting chat assistants."""

    async def create_chat(
        self,
        name: str,
        avatar: str | None = None,
        dataset_ids: Sequence[str] | None = None,
        llm: ChatLLM | Mapping[str, Any] | None = None,
        prompt: ChatPrompt | Mapping[str, Any] | None = None,
        *,
        description: str | None = None,
        icon: str | None = None,
        llm_id: str | None = None,
        llm_setting: Mapping[str, Any] | None = None,
        prompt_config: Mapping[str, Any] | None = None,
        similarity_threshold: float | None = None,
        vector_similarity_weight: float | None = None,
        top_n: int | None = None,
        top_k: int | None = None,
        rerank_id: str | None = None,
        meta_data_filter: Mapping[str, Any] | None = None,
    ) -> AsyncChat:
        """Create a chat assistant (``POST /chats``) on datasets that have at least one parsed document.

        Its settings are given in either of two spellings, not mixed: ``avatar``, ``llm`` and ``prompt``
        (``Chat.LLM``, ``Chat.Prompt`` or dicts), or ``icon``, ``llm_id``, ``llm_setting``, ``prompt_config`` and
        the numbers beside them. What is ``None`` is left to the server. ``top_n`` chunks over
        ``similarity_threshold`` (0 to 1) go to the model; ``top_k`` candidates are looked at. Raises
        ``ConflictError`` if the name is taken or a dataset has nothing parsed, ``NotFoundError`` for an unknown
        dataset, ``InvalidRequestError`` for a wrong value.
        """
        fields = {
            "name": name,
            "avatar": avatar,
            "dataset_ids": dataset_ids,
            "llm": llm,
            "prompt": prompt,
            "description": description,
            "icon": icon,
            "llm_id": llm_id,
            "llm_setting": llm_setting,
            "prompt_config": prompt_config,
            "similarity_threshold": similarity_threshold,
            "vector_similarity_weight": vector_similarity_weight,
            "top_n": top_n,
            "top_k": top_k,
            "rerank_id": rerank_id,
            "meta_data_filter": meta_data_filter,
        }
        return AsyncChat._of(self._client, await self._client._run(chats.create(fields)))

    async def get_chat(self, chat_id: str | None = None, *, name: str | None = None) -> AsyncChat:
        """One chat assistant by its id, or by its exact name (``GET /chats/{id}``, ``GET /chats`` on v0.24).

        Raises ``NotFoundError`` if there is none, ``ConflictError`` if several have the name.
        """
        return AsyncChat._of(self._client, await self._client._run(chats.find(chat_id, name)))

    def chat(self, chat_id: str) -> AsyncChat:
        """A chat assistant known by its id alone, for asking it; nothing is sent."""
        return AsyncChat._of(self._client, ChatFields(id=check_id("chat_id", chat_id)))

    def session(self, chat_id: str, session_id: str) -> AsyncSession:
        """A session known by its ids alone, for asking in it; nothing is sent."""
        return self.chat(chat_id)._session(SessionFields(id=check_id("session_id", session_id)))

    async def list_chats(
        self,
        page: int = 1,
        page_size: int = 30,
        orderby: str = "create_time",
        desc: bool = True,
        id: str | None = None,
        name: str | None = None,
        keywords: str | None = None,
        owner_ids: Sequence[str] | None = None,
    ) -> Page[AsyncChat]:
        """A page of chat assistants with ``total`` (``GET /chats``); empty for an unknown id or name.

        ``page_size`` is 1 to 100; ``orderby`` is ``create_time``, ``update_time`` or ``name``. ``keywords``
        (part of the name) and ``owner_ids`` need v0.25, as does the total; ``UnsupportedError`` before.
        """
        flow = chats.listing(
            page=page,
            page_size=page_size,
            orderby=orderby,
            desc=desc,
            id=id,
            name=name,
            keywords=keywords,
            owner_ids=owner_ids,
        )
        found = await self._client._run(flow)
        return AsyncChat._page_of(self._client, found)

    def iter_chats(
        self,
        orderby: str = "create_time",
        desc: bool = True,
        keywords: str | None = None,
        owner_ids: Sequence[str] | None = None,
    ) -> AsyncIterator[AsyncChat]:
        """All chat assistants, as ``list_chats`` has them, a hundred per call."""
        return every(lambda page: self.list_chats(page, PAGE, orderby, desc, None, None, keywords, owner_ids))

    async def delete_chats(
        self, ids: Sequence[str] | NotGiven | None = NOT_GIVEN, *, delete_all: bool = False
    ) -> None:
        """Delete chat assistants (``DELETE /chats``); everything only by ``ids=None`` or ``delete_all=True``.

        Raises ``NotFoundError`` if there is none of them, ``PartialError`` if only some could be deleted.
        """
        wanted = to_delete("ids", ids, delete_all)
        if wanted != []:
            await self._client._run(chats.delete(wanted))
