"""A suite for loaders, of which langchain-tests has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import Suite, at_once, off

from ..document_loaders import RAGFlowLoader

__all__ = ["LoaderTests"]


class LoaderTests(Suite):
    """Everything once, lazily, sync and async alike, async without threads, errors."""

    @property
    def constructor(self) -> Callable[..., Any]:
        return RAGFlowLoader

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"dataset_ids": [knowledge.many_id]}

    def expected(self, knowledge: KnowledgeBase) -> int:
        """How many documents there are; more than fit into the server's first page."""
        return knowledge.many

    @property
    def failing(self) -> dict[str, Any]:
        """Parameters with which loading fails on the server."""
        return {"dataset_ids": ["0" * 32]}

    def test_everything_is_loaded_once(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """No page is missing, none comes twice; each document has a text, an id and a source."""
        found = self.made(watch.client, knowledge).load()
        assert len(found) == self.expected(knowledge)
        assert len({document.id for document in found}) == len(found)
        assert all(one.id and one.page_content.strip() and one.metadata["source"] for one in found)

    @pytest.mark.asyncio
    async def test_all_ways_of_loading_give_the_same(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """``load``, ``lazy_load``, ``aload`` and ``alazy_load``, in one order."""
        made = self.made(watch.client, knowledge)
        first = await off(made.load)
        assert await off(lambda: list(made.lazy_load())) == first
        assert await made.aload() == first
        assert [one async for one in made.alazy_load()] == first

    def test_it_is_lazy(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Nothing is asked before the first document is wanted, and not everything for the first."""
        documents = self.made(watch.client, knowledge).lazy_load()
        assert watch.exchanges == []
        next(iter(documents))
        first = len(watch.exchanges)
        assert first
        list(documents)
        assert len(watch.exchanges) > first

    @pytest.mark.asyncio
    async def test_it_is_lazy_in_coroutines(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """As above."""
        documents = self.made(watch.client, knowledge).alazy_load()
        assert watch.exchanges == []
        await anext(documents)
        first = len(watch.exchanges)
        assert [one async for one in documents]
        assert len(watch.exchanges) > first

    @pytest.mark.asyncio
    async def test_a_failure_is_not_the_end(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """What goes wrong is raised, sync and async, as the same error."""
        made = self.made(watch.client, knowledge, **self.failing)
        with pytest.raises(Exception) as sync:  # noqa: PT011 - whatever the client raises
            await off(made.load)
        with pytest.raises(sync.type):
            await made.aload()

    @pytest.mark.asyncio
    async def test_coroutines_take_no_threads(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """More are under way at once than LangChain has threads for loaders without a coroutine."""
        made = self.made(watch.client, knowledge)

        async def first() -> None:
            documents = made.alazy_load()
            assert await anext(documents, None)
            await documents.aclose()

        await at_once(watch, first)
