"""Ready steps for workflows of LlamaIndex: retrieve, rerank, answer.

    class Handbook(RetrieveStep, RerankStep, AnswerStep):
        ...

    handbook = Handbook(retriever=RAGFlowRetriever(dataset_names=["handbook"]),
                        engine=RAGFlowQueryEngine(chat_name="helpdesk"))
    response = await handbook.run(question="How long is the notice period?")

A workflow is put together of the steps by inheriting them, in any number and with steps of its own: what leads from
one to the next are the events. A step of your own that takes a ``RetrievedEvent`` and returns a ``RerankedEvent``
stands in for ``RerankStep``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.response.schema import AsyncStreamingResponse
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.workflow import Context, Event, StartEvent, StopEvent, Workflow, step

__all__ = [
    "AnswerDeltaEvent",
    "AnswerStep",
    "AskEvent",
    "QuestionEvent",
    "RerankStep",
    "RerankedEvent",
    "RetrieveStep",
    "RetrievedEvent",
]


class AskEvent(StartEvent):
    """A run begins with a question: ``workflow.run(question="…")``."""

    question: str


class QuestionEvent(Event):
    """What is to be looked up and answered."""

    question: str


class RetrievedEvent(Event):
    """What was found for the question, best first; also in the run's stream of events."""

    question: str
    nodes: list[NodeWithScore]


class RerankedEvent(Event):
    """What the question is to be answered from, best first; also in the run's stream of events."""

    question: str
    nodes: list[NodeWithScore]


class AnswerDeltaEvent(Event):
    """A piece of the answer, in the run's stream of events, if the engine streams."""

    delta: str


class RetrieveStep(Workflow):
    """Finds what fits the question, with ``retriever``: a ``RAGFlowRetriever``, or one around some."""

    def __init__(self, *, retriever: BaseRetriever, **options: Any) -> None:
        super().__init__(**options)
        self.retriever = retriever

    @step
    async def begin(self, event: AskEvent) -> QuestionEvent:
        """The question as it was asked; a workflow of your own may rewrite it here."""
        return QuestionEvent(question=event.question)

    @step
    async def retrieve(self, ctx: Context, event: QuestionEvent) -> RetrievedEvent:
        """A function given as ``scope=`` to the retriever is told the run's context."""
        nodes = await self.retriever.aretrieve(event.question)
        found = RetrievedEvent(question=event.question, nodes=nodes)
        ctx.write_event_to_stream(found)
        return found


class RerankStep(Workflow):
    """Puts what was found through ``postprocessors``, one after the other: rerankers, thresholds."""

    def __init__(self, *, postprocessors: Sequence[BaseNodePostprocessor] = (), **options: Any) -> None:
        super().__init__(**options)
        self.postprocessors = list(postprocessors)

    @step
    async def rerank(self, ctx: Context, event: RetrievedEvent) -> RerankedEvent:
        """Nothing that was found stays nothing: no reranker is asked then."""
        nodes = event.nodes
        for postprocessor in self.postprocessors if nodes else ():
            nodes = await postprocessor.apostprocess_nodes(nodes, QueryBundle(event.question))
        ranked = RerankedEvent(question=event.question, nodes=nodes)
        ctx.write_event_to_stream(ranked)
        return ranked


class AnswerStep(Workflow):
    """Answers with ``engine`` from the nodes; the run's result is its ``Response``, with sources and citations.

    A ``RAGFlowQueryEngine`` with ``llm=`` answers from these nodes; one with a chat assistant from the documents that
    they are of. If the engine streams, the pieces are in the run's stream of events.
    """

    def __init__(self, *, engine: BaseQueryEngine, **options: Any) -> None:
        super().__init__(**options)
        self.engine = engine

    @step
    async def answer(self, ctx: Context, event: RerankedEvent) -> StopEvent:
        """The whole answer, also of an engine that streams."""
        response = await self.engine.asynthesize(QueryBundle(event.question), event.nodes)
        if isinstance(response, AsyncStreamingResponse):
            async for piece in response.async_response_gen():
                ctx.write_event_to_stream(AnswerDeltaEvent(delta=piece))
            response = await response.get_response()
        return StopEvent(result=response)
