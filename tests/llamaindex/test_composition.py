"""RAGFlow in LlamaIndex's own parts, where the conformance kit does not look."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from llama_index.core.chat_engine import ContextChatEngine
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.tools import QueryEngineTool, RetrieverTool

from llamaindex_ragflow import RAGFlowLLM, RAGFlowQueryEngine, RAGFlowRetriever
from llamaindex_ragflow.testing.scripted import ScriptedLLM, answers
from ragflow_integrations import RAGFlow
from tests.llamaindex.conftest import HARBOUR, QUESTION, Call, KnowledgeBase, build


def names(nodes: Any) -> list[str]:
    """The nodes' documents."""
    return [node.metadata["document_name"] for node in nodes]


@pytest.mark.parametrize("mode", ["reciprocal_rerank", "relative_score", "simple"])
async def test_fusion_knows_a_chunk_again(kb: KnowledgeBase, call: Call, mode: Any) -> None:
    """A chunk that two retrievers score differently is one result, with both scores fused."""
    both = [
        RAGFlowRetriever(
            [kb.dataset_id], vector_similarity_weight=weight, similarity_threshold=0.0, **kb.clients
        )
        for weight in (0.1, 0.9)
    ]
    alone = await call(both[0], "retrieve", HARBOUR)
    fusion = QueryFusionRetriever(
        both, llm=MockLLM(), num_queries=1, mode=mode, similarity_top_k=10, use_async=False
    )
    fused = await call(fusion, "retrieve", HARBOUR)
    assert len({node.node_id for node in fused}) == len(fused) >= len(alone)
    if mode == "reciprocal_rerank":
        assert fused[0].score > 1 / 60 + 1 / 70


async def test_fusion_of_retrievals_at_once(kb: KnowledgeBase, call: Call) -> None:
    """Several questions to several retrievers, all under way together."""
    both = [
        RAGFlowRetriever([dataset_id], similarity_threshold=0.0, **kb.clients)
        for dataset_id in (kb.dataset_id, kb.ships_id)
    ]
    asked = ScriptedLLM(turns=[answers(HARBOUR)])
    fusion = QueryFusionRetriever(both, llm=asked, num_queries=2, similarity_top_k=30, use_async=True)
    fused = await call(fusion, "retrieve", QUESTION)
    assert len(asked.seen) == 1
    assert {"notice.txt", "ships.txt"} <= set(names(fused))
    assert len({node.node_id for node in fused}) == len(fused)


async def test_an_assistant_as_the_llm_of_a_chat_engine(call: Call) -> None:
    """The context that LlamaIndex puts into a system message reaches RAGFlow's model."""
    told: list[str] = []

    def model(messages: list[dict[str, str]]) -> str:
        told.extend(message["content"] for message in messages)
        return "Six weeks."

    def opened() -> tuple[RAGFlow, str, str]:
        client = RAGFlow.local(llm=model)
        return client, build(client).dataset_id, client.create_chat("plain").id

    client, dataset_id, chat_id = await asyncio.to_thread(opened)
    chat = ContextChatEngine.from_defaults(
        RAGFlowRetriever([dataset_id], client=client),
        llm=RAGFlowLLM(chat_id, client=client),
        memory=ChatMemoryBuffer.from_defaults(),
    )
    response = await call(chat, "chat", QUESTION)
    assert (str(response), names(response.source_nodes)[0]) == ("Six weeks.", "notice.txt")
    assert any("The notice period is six weeks." in text for text in told)
    await asyncio.to_thread(client.close)


async def test_a_retriever_as_a_tool(kb: KnowledgeBase, call: Call) -> None:
    """The model is told the documents' names, and the nodes are the raw output."""
    retriever = RAGFlowRetriever([kb.dataset_id], **kb.clients)
    found = await call(RetrieverTool.from_defaults(retriever), "call", QUESTION)
    assert "document_name = notice.txt" in found.content or "document_name: notice.txt" in found.content
    assert "notice.txt" in names(found.raw_output)


# that thread's loop is closed without ending what is open in it: the client's next loop lets go of its connection
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in.*(socket|Transport):pytest.PytestUnraisableExceptionWarning"
)
def test_a_streaming_engine_as_a_tool_in_a_running_loop(kb: KnowledgeBase) -> None:
    """LlamaIndex reads the stream by ``str()`` in a loop of another thread: it must not wait for the first loop."""
    streaming = RAGFlowQueryEngine(chat_id=kb.chat_id, client=kb.client, streaming=True)
    output = asyncio.run(QueryEngineTool.from_defaults(streaming).acall(QUESTION))
    assert "six weeks" in output.content
    del output, streaming
    asyncio.run(kb.async_client.list_datasets())
    gc.collect()
