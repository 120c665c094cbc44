"""All suites on the classes of this package and the server of ``RAGFLOW_BASE_URL``, or on ``:memory:``.

pytest --pyargs llamaindex_ragflow.testing.server

A server's language model need not say the same twice.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from llama_index.core.vector_stores import MetadataInfo, VectorStoreInfo

from ragflow_integrations import Scope, UnsupportedError
from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import knowledge, off, ragflow

from ..auto_retriever import RAGFlowAutoRetriever
from . import (
    ChatEngineTests,
    IndexTests,
    LLMTests,
    MemoryBlockTests,
    MemoryTests,
    QueryEngineTests,
    ReaderTests,
    RetrieverTests,
    ToolSpecTests,
    VectorStoreTests,
)
from .scripted import ScriptedLLM, answers

__all__ = [
    "TestChatEngine",
    "TestChatEngineWithItsOwnHistory",
    "TestIndex",
    "TestLLM",
    "TestMemory",
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

    @pytest.mark.asyncio
    async def test_by_an_auto_retriever(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """A model's query and filter are searched with, sync and async; the filter is exact."""
        fields = [MetadataInfo(name="place", type="str", description="Where it holds.")]
        info = VectorStoreInfo(content_info="A harbour's handbook.", metadata_info=fields)
        wanted = {"harbour": set(knowledge.documents.values()), "Harbour": set()}
        for place, documents in wanted.items():
            spec = {"query": knowledge.topic, "filters": [{"key": "place", "value": place}], "top_k": None}
            model = ScriptedLLM(turns=[answers(json.dumps(spec))] * 2)
            made = RAGFlowAutoRetriever(
                info, llm=model, retriever=self.made(watch.client, knowledge, similarity_top_k=20)
            )
            for nodes in (
                await made.aretrieve(knowledge.question),
                await off(partial(made.retrieve, knowledge.question)),
            ):
                assert {node.node.ref_doc_id for node in nodes} == documents


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


class TestMemory(MemoryTests):
    """``RAGFlowMemory``."""
