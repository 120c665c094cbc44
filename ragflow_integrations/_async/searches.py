"""Search applications: a question over datasets, answered without a chat; and questions like one's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, overload

from ..models import Message, Page, SearchFields
from ..protocol import searches
from ..protocol.bulk import PAGE
from ..protocol.checks import check_flag
from .calls import AsyncCalls
from .paging import every
from .resource import AsyncResource
from .stream import AsyncStream

__all__ = ["AsyncSearch", "AsyncSearchCalls"]


class AsyncSearch(SearchFields, AsyncResource):
    """A search application: its settings, and asking it."""

    async def update(self, update_message: Mapping[str, Any]) -> AsyncSearch:
        """Change ``name`` (at most 128 bytes) or ``search_config`` (merged); returns itself, renewed.

        ``PUT /searches/{id}``; a name that is not given is looked up, since servers want it said again.
        ``search_config`` has e.g. ``kb_ids`` (the datasets), ``similarity_threshold``,
        ``vector_similarity_weight``, ``top_k``, ``chat_id`` (the model).
        """
        return self._take(await self._client._run(searches.update(self.id, update_message)))

    @overload
    async def ask(
        self, question: str, stream: Literal[False] = False, dataset_ids: Sequence[str] | None = None
    ) -> Message: ...

    @overload
    async def ask(
        self, question: str, stream: Literal[True], dataset_ids: Sequence[str] | None = None
    ) -> AsyncStream[Message]: ...

    async def ask(
        self, question: str, stream: bool = False, dataset_ids: Sequence[str] | None = None
    ) -> Message | AsyncStream[Message]:
        """Ask it (``POST /searches/{id}/completions``): one message, or the stream of its pieces.

        ``dataset_ids`` is for a search application that has no datasets of its own. Raises
        ``InvalidRequestError`` if neither says any, ``StreamInterruptedError`` when the answer breaks off.
        """
        check_flag("stream", stream)
        answer = await self._client._stream(searches.ask_stream(self.id, question, dataset_ids))
        if stream:
            return answer
        async with answer:
            last, reasoning = Message(), ""
            async for piece in answer:
                last, reasoning = piece, reasoning + piece.reasoning
        return last.model_copy(update={"content": last.full_content, "reasoning": reasoning})


class AsyncSearchCalls(AsyncCalls):
    """Search applications, from v0.25.1 on, and related questions."""

    async def create_search(self, name: str, description: str | None = None) -> AsyncSearch:
        """Create a search application (``POST /searches``); a name that is taken becomes ``name(1)``.

        ``name`` has at most 255 bytes.
        Its datasets are set by ``update({"search_config": {"kb_ids": […]}})``.
        """
        return AsyncSearch._of(self._client, await self._client._run(searches.create(name, description)))

    async def get_search(self, search_id: str) -> AsyncSearch:
        """One search application with its configuration (``GET /searches/{id}``).

        Raises ``PermissionDeniedError`` for an unknown one, as servers do not tell it from a foreign one.
        """
        return AsyncSearch._of(self._client, await self._client._run(searches.get(search_id)))

    async def list_searches(
        self,
        page: int = 1,
        page_size: int = 30,
        orderby: str = "create_time",
        desc: bool = True,
        keywords: str | None = None,
    ) -> Page[AsyncSearch]:
        """A page of search applications with ``total`` (``GET /searches``), without their configuration.

        ``page_size`` is 1 to 100; ``orderby`` is ``create_time``, ``update_time`` or ``name``; ``keywords``
        finds a part of the name.
        """
        found = await self._client._run(
            searches.listing(page=page, page_size=page_size, orderby=orderby, desc=desc, keywords=keywords)
        )
        return AsyncSearch._page_of(self._client, found)

    def iter_searches(self, keywords: str | None = None) -> AsyncIterator[AsyncSearch]:
        """Every search application, a hundred a call."""
        return every(lambda page: self.list_searches(page, PAGE, keywords=keywords))

    async def delete_search(self, search_id: str) -> None:
        """Delete a search application (``DELETE /searches/{id}``); ``NotFoundError`` if there is none."""
        await self._client._run(searches.delete(search_id))

    async def related_questions(self, question: str) -> list[str]:
        """Questions like this one (``POST /chat/recommendation``), as the account's chat model finds them."""
        return await self._client._run(searches.related_questions(question))
