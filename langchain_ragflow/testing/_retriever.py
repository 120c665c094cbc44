"""What langchain-tests does not ask of a retriever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.documents import Document

from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import Suite, at_once, off

from ..retrievers import RAGFlowRetriever

__all__ = ["RetrieverTests"]


class RetrieverTests(Suite):
    """Wrong keywords, fields of a call, sync and async alike, errors, async without threads."""

    @property
    def constructor(self) -> Callable[..., Any]:
        return RAGFlowRetriever

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"dataset_ids": [knowledge.dataset_id], "similarity_threshold": 0.0}

    @property
    def failing(self) -> dict[str, Any]:
        """Parameters with which a search fails on the server."""
        return {"dataset_ids": ["0" * 32]}

    async def _all_ways(self, made: Any, question: str, **fields: Any) -> list[list[Document]]:
        """What a call gives in each way of making it."""
        return [
            await off(lambda: made.invoke(question, **fields)),
            await made.ainvoke(question, **fields),
            *(await off(lambda: made.batch([question], **fields))),
            *(await made.abatch([question], **fields)),
        ]

    @pytest.mark.asyncio
    async def test_all_ways_of_calling_give_the_same(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Sync, async, alone and in a batch."""
        first, *others = await self._all_ways(self.made(watch.client, knowledge), knowledge.topic)
        assert len(first) > 1
        assert others == [first] * 3

    @pytest.mark.asyncio
    async def test_a_field_of_a_call_counts(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """``k=1`` in a call gives one document, in every way of calling."""
        made = self.made(watch.client, knowledge)
        for found in await self._all_ways(made, knowledge.topic, k=1):
            assert len(found) == 1

    @pytest.mark.asyncio
    async def test_a_misspelt_field_of_a_call_is_refused(
        self, knowledge: KnowledgeBase, watch: Watch
    ) -> None:
        """LangChain drops what a retriever's sync signature does not name."""
        made = self.made(watch.client, knowledge)
        with pytest.raises((TypeError, ValueError), match="misspelt_field"):
            await off(lambda: made.invoke(knowledge.topic, misspelt_field=1))
        with pytest.raises((TypeError, ValueError), match="misspelt_field"):
            await made.ainvoke(knowledge.topic, misspelt_field=1)

    def test_documents_say_where_they_are_from(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Each has an id, a text, its source and a score, the best first."""
        found = self.made(watch.client, knowledge).invoke(knowledge.topic)
        for document in found:
            assert document.id
            assert document.page_content.strip()
            assert document.metadata["source"] in knowledge.documents
            assert document.metadata["document_id"] == knowledge.documents[document.metadata["source"]]
        scores = [document.metadata["score"] for document in found]
        assert scores == sorted(scores, reverse=True)
        assert scores[0] > 0

    @pytest.mark.asyncio
    async def test_a_failure_is_not_an_empty_list(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """What goes wrong is raised, sync and async, as the same error."""
        made = self.made(watch.client, knowledge, **self.failing)
        with pytest.raises(Exception) as sync:  # noqa: PT011 - whatever the client raises
            await off(lambda: made.invoke(knowledge.topic))
        with pytest.raises(sync.type):
            await made.ainvoke(knowledge.topic)

    @pytest.mark.asyncio
    async def test_coroutines_take_no_threads(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """More calls are under way at once than LangChain has threads for those without a coroutine."""
        made = self.made(watch.client, knowledge)
        await at_once(watch, lambda: made.ainvoke(knowledge.topic))
