"""A suite for query engines that cite their sources."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.schema import QueryBundle
from llama_index.core.tools import QueryEngineTool

from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import off

from ..query_engine import RAGFlowQueryEngine
from ._streams import StreamTests

__all__ = ["QueryEngineTests"]

_MARKER = re.compile(r"\[ID: ?\d+\]")


class QueryEngineTests(StreamTests):
    """Citations as spans, its parts one by one, as a tool; and all of ``StreamTests``.

    The assistant has to cite what it found when it is asked the knowledge base's question.
    """

    base = BaseQueryEngine
    native = ("_query", "_aquery", "retrieve", "synthesize", "asynthesize")
    told = ("QueryStartEvent", "QueryEndEvent")

    @property
    def constructor(self) -> Callable[..., Any]:
        return RAGFlowQueryEngine

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"chat_id": knowledge.chat_id}

    def streaming(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"streaming": True}

    @property
    def failing(self) -> dict[str, Any]:
        return {"chat_id": "0" * 32}

    def call(self, made: Any, question: str) -> Any:
        return made.query(question)

    async def acall(self, made: Any, question: str) -> Any:
        return await made.aquery(question)

    def open(self, made: Any, question: str) -> Any:
        return made.query(question)

    async def aopen(self, made: Any, question: str) -> Any:
        return await made.aquery(question)

    @pytest.mark.asyncio
    async def test_citations_are_spans_of_the_text(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Each cuts its marker out of the text and names the node that has its number; the cited nodes say so."""
        response = await self.acall(self.made(watch.client, knowledge), knowledge.question)
        text, metadata = str(response), response.metadata or {}
        assert metadata.get("citations")
        assert len(metadata["citations"]) == len(_MARKER.findall(text))
        for citation in metadata["citations"]:
            assert _MARKER.fullmatch(text[citation["start"] : citation["end"]])
            assert response.source_nodes[citation["index"]].node_id == citation["node_id"]
        cited = [one.node_id for one in response.source_nodes if one.metadata["cited"]]
        assert set(cited) == set(metadata["cited_node_ids"])

    @pytest.mark.asyncio
    async def test_its_parts(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """It can retrieve and synthesize on its own, which LlamaIndex's engines of engines ask of it."""
        made, question = self.made(watch.client, knowledge), QueryBundle(knowledge.question)
        nodes = await off(lambda: made.retrieve(question))
        assert nodes
        for response in (
            await off(lambda: made.synthesize(question, nodes)),
            await made.asynthesize(question, nodes),
        ):
            assert str(response)
            documents = {node.node.ref_doc_id for node in response.source_nodes}
            assert documents <= {node.node.ref_doc_id for node in nodes}

    @pytest.mark.asyncio
    async def test_as_a_tool(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """The sources are in the tool's raw output."""
        tool = QueryEngineTool.from_defaults(
            self.made(watch.client, knowledge), name="handbook", description="The handbook."
        )
        outputs = [await tool.acall(knowledge.question), await off(lambda: tool.call(knowledge.question))]
        assert all(output.raw_output.source_nodes for output in outputs)
