"""All suites on the classes of this package and the server of ``RAGFLOW_BASE_URL``, or on ``:memory:``.

pytest --pyargs llamaindex_ragflow.testing.server

A server's language model need not say the same twice.
"""

from __future__ import annotations

from typing import Any

import pytest

from ragflow_integrations import Scope, UnsupportedError
from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import knowledge, ragflow

from . import (
    ChatEngineTests,
    IndexTests,
    LLMTests,
    MemoryBlockTests,
    QueryEngineTests,
    ReaderTests,
    RetrieverTests,
    ToolSpecTests,
    VectorStoreTests,
)

__all__ = [
    "TestChatEngine",
    "TestChatEngineWithItsOwnHistory",
    "TestIndex",
    "TestLLM",
    "TestMemoryBlock",
    "TestQueryEngine",
    "TestReader",
    "TestRetriever",
    "TestToolSpec",
    "TestVectorStore",
    "knowledge",
    "ragflow",
]


class TestRetriever(RetrieverTests):
    """``RAGFlowRetriever``."""


class TestQueryEngine(QueryEngineTests):
    """``RAGFlowQueryEngine`` on a chat assistant."""

    deterministic = False


class TestChatEngine(ChatEngineTests):
    """``RAGFlowChatEngine`` whose history is the server's."""

    deterministic = False


class TestChatEngineWithItsOwnHistory(ChatEngineTests):
    """``RAGFlowChatEngine`` whose history is its own."""

    deterministic = False

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {**super().params(knowledge), "history": "client"}

    @pytest.mark.asyncio
    async def test_users_on_one_key(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Servers cannot keep this route to some documents: it is refused, and nothing is sent."""
        scope = Scope([knowledge.dataset_id], [knowledge.documents["boats.txt"]])
        with pytest.raises(UnsupportedError, match="within a scope"):
            await self.acall(self.made(watch.client, knowledge, scope=scope), knowledge.topic)
        assert not watch.exchanges


class TestToolSpec(ToolSpecTests):
    """``RAGFlowToolSpec`` and its tools."""


class TestLLM(LLMTests):
    """``RAGFlowLLM``."""


class TestIndex(IndexTests):
    """``RAGFlowIndex``."""


class TestVectorStore(VectorStoreTests):
    """``RAGFlowVectorStore``."""


class TestReader(ReaderTests):
    """``RAGFlowReader``, chunk by chunk."""


class TestMemoryBlock(MemoryBlockTests):
    """``RAGFlowMemoryBlock``."""
