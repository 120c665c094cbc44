"""A suite for retrievers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.chat_engine import CondensePlusContextChatEngine
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.schema import NodeWithScore

from ragflow_integrations import DataSet
from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import off

from ..retriever import RAGFlowRetriever
from ._composing import around_retriever
from ._suite import SourcesTests
from .filter_trees import expected, metadata, tree

__all__ = ["RetrieverTests"]

_PAPERS = 12


class RetrieverTests(SourcesTests):
    """Each chunk a node, the number of results, exact filters, what is composed of it; and all of ``SourcesTests``."""

    base = BaseRetriever
    native = ("_retrieve", "_aretrieve")
    told = ("RetrievalStartEvent", "RetrievalEndEvent")
    trees = 40
    """How many random filters are tried."""

    @property
    def constructor(self) -> Callable[..., Any]:
        return RAGFlowRetriever

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"dataset_ids": [knowledge.dataset_id], "similarity_threshold": 0.0}

    @property
    def failing(self) -> dict[str, Any]:
        return {"dataset_ids": ["0" * 32]}

    def call(self, made: Any, question: str) -> Any:
        return made.retrieve(question)

    async def acall(self, made: Any, question: str) -> Any:
        return await made.aretrieve(question)

    def sources(self, result: Any) -> list[NodeWithScore]:
        return list(result)

    def text(self, result: Any) -> str:
        return "\n".join(node.text for node in result)

    @pytest.mark.asyncio
    async def test_each_chunk_is_a_node(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """As many as are asked for and more than a server's page: LlamaIndex drops nodes of one id."""
        many = {"dataset_ids": [knowledge.many_id], "similarity_top_k": knowledge.many}
        made = self.made(watch.client, knowledge, **many)
        for nodes in (await off(lambda: made.retrieve("ship")), await made.aretrieve("ship")):
            assert len({node.node_id for node in nodes}) == len(nodes) == knowledge.many
            scores = [node.score for node in nodes]
            assert scores == sorted(scores, reverse=True)

    @pytest.mark.asyncio
    async def test_no_document_is_not_every_document(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Servers take an empty list for no limit."""
        made = self.made(watch.client, knowledge, document_ids=[])
        assert await off(lambda: made.retrieve(knowledge.topic)) == []
        assert await made.aretrieve(knowledge.topic) == []

    @pytest.fixture
    def papers(self, knowledge: KnowledgeBase) -> Iterator[DataSet]:
        """Documents with all kinds of metadata."""
        dataset = knowledge.client.create_dataset(f"conformance-{uuid4().hex[:12]}-papers")
        try:
            random = Random(5)
            for number in range(_PAPERS):
                text = f"Paper {number} on the harbour.".encode()
                dataset.upload(text, name=f"{number}.txt", meta_fields=metadata(random))
            yield dataset
        finally:
            knowledge.client.delete_datasets([dataset.id])

    @pytest.mark.asyncio
    async def test_filters_are_llamaindexs(
        self, knowledge: KnowledgeBase, watch: Watch, papers: DataSet
    ) -> None:
        """Random filters, in groups of groups, let through what LlamaIndex's own function lets through."""
        made = self.made(watch.client, knowledge)
        random, documents = Random(self.trees), await off(lambda: _metadata(papers))
        options = {"similarity_top_k": _PAPERS, "filter_snapshot_age": 3600}
        for filters in [tree(random) for _ in range(self.trees)]:
            wanted = expected(filters, documents)
            if wanted is not None:
                retriever = made.with_options(dataset_ids=[papers.id], filters=filters, **options)
                nodes = await retriever.aretrieve("paper")
                assert {node.node.ref_doc_id for node in nodes} == wanted, filters

    @pytest.mark.asyncio
    async def test_what_is_composed_of_it(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """LlamaIndex's own engines keep the sources to the end, sync and async."""
        made = self.made(watch.client, knowledge)
        wanted = {node.node.ref_doc_id for node in await made.aretrieve(knowledge.question)}
        assert None not in wanted
        for engine in around_retriever(made):
            for response in (
                await engine.aquery(knowledge.question),
                await off(partial(engine.query, knowledge.question)),
            ):
                assert {node.node.ref_doc_id for node in response.source_nodes} == wanted
                assert all(node.score is not None for node in response.source_nodes)

    @pytest.mark.asyncio
    async def test_in_a_chat_engine(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """LlamaIndex's own conversations keep the sources, also those of a stream, sync and async."""
        made = self.made(watch.client, knowledge)
        wanted = {node.node.ref_doc_id for node in await made.aretrieve(knowledge.question)}
        assert None not in wanted

        def chat() -> CondensePlusContextChatEngine:
            memory = ChatMemoryBuffer.from_defaults()
            return CondensePlusContextChatEngine.from_defaults(made, llm=MockLLM(), memory=memory)

        streamed = await chat().astream_chat(knowledge.question)
        assert "".join([piece async for piece in streamed.async_response_gen()])
        read = await off(lambda: chat().stream_chat(knowledge.question))
        assert await off(lambda: "".join(read.response_gen))
        whole = (await off(lambda: chat().chat(knowledge.question)), await chat().achat(knowledge.question))
        for response in (*whole, streamed, read):
            assert {node.node.ref_doc_id for node in response.source_nodes} == wanted


def _metadata(dataset: DataSet) -> dict[str, dict[str, Any]]:
    """What a node says of its document, by the documents' ids."""
    return {
        document.id: {
            **(document.meta_fields or {}),
            "document_id": document.id,
            "document_name": document.name,
            "file_name": document.name,
            "dataset_id": dataset.id,
        }
        for document in dataset.iter_documents()
    }
