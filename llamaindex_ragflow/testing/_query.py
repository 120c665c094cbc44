"""A suite for query engines that cite their sources."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.chat_engine import CondenseQuestionChatEngine
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.schema import QueryBundle
from llama_index.core.tools import QueryEngineTool

from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import off

from ..query_engine import RAGFlowQueryEngine
from ..retriever import RAGFlowRetriever
from ..workflows import AnswerStep, RerankStep, RetrieveStep
from ._composing import around_engine, in_agents
from ._streams import StreamTests
from .scripted import agents

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
    async def test_what_is_composed_of_it(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Routers, sub-questions, transformed questions and chat engines keep its sources, sync and async."""
        made, question = self.made(watch.client, knowledge), knowledge.question
        wanted = {node.node_id for node in (await made.aquery(question)).source_nodes}
        assert wanted
        for engine in around_engine(made, question):
            for response in (await engine.aquery(question), await off(partial(engine.query, question))):
                assert wanted <= {node.node_id for node in response.source_nodes}

        def chat() -> CondenseQuestionChatEngine:
            memory = ChatMemoryBuffer.from_defaults()
            return CondenseQuestionChatEngine.from_defaults(made, llm=MockLLM(), memory=memory)

        for said in (await chat().achat(question), await off(lambda: chat().chat(question))):
            assert wanted <= {node.node_id for node in said.source_nodes}

    @pytest.mark.asyncio
    async def test_as_a_tool(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """The sources are in the tool's raw output."""
        tool = self._tool(self.made(watch.client, knowledge))
        outputs = [await tool.acall(knowledge.question), await off(lambda: tool.call(knowledge.question))]
        assert all(output.raw_output.source_nodes for output in outputs)

    @agents
    @pytest.mark.asyncio
    async def test_in_agents(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """The agents' models are told the answer, and its sources come with the result of the tool."""
        tool = self._tool(self.made(watch.client, knowledge))
        for result, answer in await in_agents(tool, {"input": knowledge.question}):
            assert result.tool_output.raw_output.source_nodes
            assert result.tool_output.content.strip() in answer

    @pytest.mark.asyncio
    async def test_in_a_workflow(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """A step answers from what another has found; the run's result has the sources."""
        retriever = RAGFlowRetriever([knowledge.dataset_id], client=watch.client)
        handbook = _Handbook(retriever=retriever, engine=self.made(watch.client, knowledge))
        response: Any = await handbook.run(question=knowledge.question)
        assert response.source_nodes
        assert {node.node.ref_doc_id for node in response.source_nodes} <= set(knowledge.documents.values())

    def _tool(self, made: Any) -> QueryEngineTool:
        return QueryEngineTool.from_defaults(made, name="handbook", description="The harbour's handbook.")


class _Handbook(RetrieveStep, RerankStep, AnswerStep):
    """Retrieves and answers."""
