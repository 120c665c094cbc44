"""LlamaIndex's own engines and agents around a class that is tested."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from llama_index.core.agent.workflow import BaseWorkflowAgent, FunctionAgent, ReActAgent, ToolCallResult
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.base_selector import BaseSelector, SelectorResult, SingleSelection
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.indices.query.query_transform.base import BaseQueryTransform
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import (
    CitationQueryEngine,
    RetrieverQueryEngine,
    RouterQueryEngine,
    SubQuestionQueryEngine,
    TransformQueryEngine,
)
from llama_index.core.question_gen.types import BaseQuestionGenerator, SubQuestion
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import QueryBundle
from llama_index.core.tools import AsyncBaseTool, QueryEngineTool, ToolMetadata

from .scripted import ScriptedLLM, answers, calls

__all__ = ["around_engine", "around_retriever", "in_agents"]

_TOOL = "handbook"


class _Unprompted:
    """Has no prompts."""

    def _get_prompts(self) -> dict[str, Any]:
        return {}

    def _update_prompts(self, prompts: dict[str, Any]) -> None:
        """There are none."""


class _First(_Unprompted, BaseSelector):
    """Selects the first."""

    def _select(self, choices: Sequence[ToolMetadata], query: QueryBundle) -> SelectorResult:
        return SelectorResult(selections=[SingleSelection(index=0, reason="it is the first")])

    async def _aselect(self, choices: Sequence[ToolMetadata], query: QueryBundle) -> SelectorResult:
        return self._select(choices, query)


class _Twice(_Unprompted, BaseQuestionGenerator):
    """Asks the first tool the question twice."""

    def generate(self, tools: Sequence[ToolMetadata], query: QueryBundle) -> list[SubQuestion]:
        return [SubQuestion(sub_question=query.query_str, tool_name=tools[0].get_name())] * 2

    async def agenerate(self, tools: Sequence[ToolMetadata], query: QueryBundle) -> list[SubQuestion]:
        return self.generate(tools, query)


class _Asking(_Unprompted, BaseQueryTransform):
    """Asks this, whatever was asked."""

    def __init__(self, question: str) -> None:
        self._question = question

    def _run(self, query_bundle: QueryBundle, metadata: dict[str, Any]) -> QueryBundle:
        return QueryBundle(self._question)


def around_retriever(retriever: BaseRetriever) -> Iterator[BaseQueryEngine]:
    """Engines that answer from what it finds, once also fused with itself."""
    fused = QueryFusionRetriever(
        [retriever, retriever], llm=MockLLM(), num_queries=1, similarity_top_k=20, use_async=False
    )
    yield RetrieverQueryEngine.from_args(retriever, llm=MockLLM())
    yield RetrieverQueryEngine.from_args(fused, llm=MockLLM())
    yield CitationQueryEngine.from_args(None, retriever=retriever, llm=MockLLM())  # type: ignore[arg-type]


def around_engine(engine: BaseQueryEngine, question: str) -> Iterator[BaseQueryEngine]:
    """Engines that hand the question on to it; the last asks it this one in any case."""
    tool = QueryEngineTool.from_defaults(engine, name=_TOOL, description="The harbour's handbook.")
    yield RouterQueryEngine(_First(), [tool], llm=MockLLM())
    yield SubQuestionQueryEngine(
        question_gen=_Twice(),
        response_synthesizer=get_response_synthesizer(llm=MockLLM()),
        query_engine_tools=[tool],
        verbose=False,
        use_async=False,
    )
    yield TransformQueryEngine(engine, _Asking(question))


async def in_agents(tool: AsyncBaseTool, arguments: dict[str, Any]) -> list[tuple[ToolCallResult, str]]:
    """What the tool gave an agent that calls functions and one that calls in words, and what they then answered."""
    name = tool.metadata.get_name()
    called = f"Thought: I need a tool.\nAction: {name}\nAction Input: {json.dumps(arguments)}"
    made: list[BaseWorkflowAgent] = [
        FunctionAgent(tools=[tool], llm=ScriptedLLM(turns=[calls((name, arguments)), _repeated])),
        ReActAgent(tools=[tool], llm=ScriptedLLM(turns=[answers(called), _concluded])),
    ]
    return [await _ran(agent) for agent in made]


async def _ran(agent: BaseWorkflowAgent) -> tuple[ToolCallResult, str]:
    running = agent.run("What does the handbook say?", memory=ChatMemoryBuffer.from_defaults())
    (result,) = [event async for event in running.stream_events() if isinstance(event, ToolCallResult)]
    return result, str(await running)


def _repeated(messages: list[ChatMessage]) -> ChatMessage:
    return ChatMessage(role="assistant", content=f"It says: {messages[-1].content}")


def _concluded(messages: list[ChatMessage]) -> ChatMessage:
    return ChatMessage(role="assistant", content=f"Thought: I know.\nAnswer: It says: {messages[-1].content}")
