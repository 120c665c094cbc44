"""A workflow of LlamaIndex on RAGFlow: retrieve, rerank, answer, with citations.

    python examples/llamaindex_workflow.py
    RAGFLOW_BASE_URL=http://localhost:9380 RAGFLOW_API_KEY=ragflow-… python examples/llamaindex_workflow.py

Without a server it is a local engine in this process. A dataset and a chat assistant are made and deleted at the end.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any
from uuid import uuid4

from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index_instrumentation import get_dispatcher
from pydantic import Field

from llamaindex_ragflow import RAGFlowQueryEngine, RAGFlowRetriever
from llamaindex_ragflow.events import CitationResolved
from llamaindex_ragflow.workflows import AnswerDeltaEvent, AnswerStep, RerankedEvent, RerankStep, RetrieveStep
from ragflow_integrations import AsyncRAGFlow

FILES = {
    "notice.txt": "The notice period is six weeks. Notice is given in writing to the harbour master.",
    "leave.txt": "Every keeper has thirty days of leave a year. Leave is asked for at the harbour office.",
    "lamps.txt": "The lamps of the lighthouse are lit at dusk. The harbour pays for the oil.",
}
QUESTION = "How long is the notice period?"


class Handbook(RetrieveStep, RerankStep, AnswerStep):
    """Finds, sorts, answers."""


class ByWords(BaseNodePostprocessor):
    """The passages that share most words with the question; any reranker of LlamaIndex goes in its place."""

    keep: int = 2

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        by_words = sorted(nodes, key=lambda node: node.metadata["term_similarity"], reverse=True)
        return by_words[: self.keep]


class Citations(BaseEventHandler):
    """Keeps each citation as it is resolved: LlamaIndex's instrumentation tells it, an exporter could, too."""

    found: list[CitationResolved] = Field(default_factory=list)

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        if isinstance(event, CitationResolved):
            self.found.append(event)


async def ask(handbook: Handbook, question: str) -> None:
    """Ask the workflow, and watch it."""
    run = handbook.run(question=question)
    async for event in run.stream_events():
        if isinstance(event, RerankedEvent):
            print("sources:", ", ".join(node.metadata["document_name"] for node in event.nodes))
        elif isinstance(event, AnswerDeltaEvent):
            print(event.delta, end="")
    response: Any = await run
    print()
    for citation in response.metadata["citations"]:
        source = response.source_nodes[citation["index"]]
        print(f"characters {citation['start']} to {citation['end']} cite", source.metadata["document_name"])


async def main() -> None:
    """Make a small knowledge base, ask it, clean up."""
    handler = Citations()
    get_dispatcher().add_event_handler(handler)
    async with AsyncRAGFlow(base_url=os.environ.get("RAGFLOW_BASE_URL", ":memory:")) as client:
        dataset = await client.create_dataset(f"workflow-{uuid4().hex[:8]}")
        try:
            for name, text in FILES.items():
                await dataset.upload(text.encode(), name=name)
            chat = await client.create_chat(f"workflow-{uuid4().hex[:8]}", dataset_ids=[dataset.id])
            try:
                handbook = Handbook(
                    retriever=RAGFlowRetriever([dataset.id], async_client=client, similarity_threshold=0.0),
                    postprocessors=[ByWords()],
                    engine=RAGFlowQueryEngine(chat_id=chat.id, async_client=client, streaming=True),
                )
                await ask(handbook, QUESTION)
                print(len(handler.found), "citations were resolved")
            finally:
                await client.delete_chats([chat.id])
        finally:
            await client.delete_datasets([dataset.id])
            get_dispatcher().event_handlers.remove(handler)


if __name__ == "__main__":
    asyncio.run(main())
