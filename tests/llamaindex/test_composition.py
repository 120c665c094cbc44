"""RAGFlow in LlamaIndex's own parts: sources survive to the end."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent, ReActAgent, ToolCallResult
from llama_index.core.base.base_selector import BaseSelector, SelectorResult, SingleSelection
from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    CondenseQuestionChatEngine,
    ContextChatEngine,
)
from llama_index.core.indices.query.query_transform.base import BaseQueryTransform
from llama_index.core.llms import ChatMessage, MockLLM
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.postprocessor import SimilarityPostprocessor
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
from llama_index.core.tools import QueryEngineTool, RetrieverTool, ToolMetadata

from llamaindex_ragflow import RAGFlowLLM, RAGFlowQueryEngine, RAGFlowRetriever
from ragflow_integrations import RAGFlow
from tests.llamaindex.conftest import HARBOUR, QUESTION, Call, KnowledgeBase, build


@pytest.fixture
def retriever(kb: KnowledgeBase) -> RAGFlowRetriever:
    return RAGFlowRetriever([kb.dataset_id], **kb.clients)


@pytest.fixture
def engine(kb: KnowledgeBase) -> RAGFlowQueryEngine:
    return RAGFlowQueryEngine(chat_id=kb.chat_id, **kb.clients)


def names(nodes: Sequence[Any]) -> list[str]:
    """The nodes' documents."""
    return [node.metadata["document_name"] for node in nodes]


async def test_retriever_query_engine(retriever: RAGFlowRetriever, call: Call) -> None:
    """With a postprocessor that reads the score."""
    composed = RetrieverQueryEngine.from_args(
        retriever, llm=MockLLM(), node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=0.01)]
    )
    response = await call(composed, "query", QUESTION)
    assert "six weeks" in str(response)
    assert names(response.source_nodes)[0] == "notice.txt"


async def test_citation_query_engine(retriever: RAGFlowRetriever, call: Call) -> None:
    """It cuts nodes into numbered sources, which keep our metadata."""
    composed = CitationQueryEngine.from_args(None, llm=MockLLM(), retriever=retriever)
    response = await call(composed, "query", QUESTION)
    assert response.source_nodes[0].text.startswith("Source 1:")
    assert names(response.source_nodes)[0] == "notice.txt"


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


class Always(BaseSelector):
    """Selects the same tool each time."""

    number: int = 0

    def _get_prompts(self) -> dict[str, Any]:
        return {}

    def _update_prompts(self, prompts: dict[str, Any]) -> None:
        raise NotImplementedError

    def _select(self, choices: Sequence[ToolMetadata], query: QueryBundle) -> SelectorResult:
        return SelectorResult(selections=[SingleSelection(index=self.number, reason="told to")])

    async def _aselect(self, choices: Sequence[ToolMetadata], query: QueryBundle) -> SelectorResult:
        return self._select(choices, query)


async def test_router(engine: RAGFlowQueryEngine, call: Call) -> None:
    """The response of the chosen engine comes back with its citations."""
    tool = QueryEngineTool.from_defaults(engine, name="handbook", description="The harbour's handbook.")
    router = RouterQueryEngine(Always(), [tool], llm=MockLLM())
    response = await call(router, "query", QUESTION)
    assert "six weeks" in str(response)
    assert response.metadata["citations"]


class TwoQuestions(BaseQuestionGenerator):
    """Asks the handbook two questions, whatever it is asked."""

    def _get_prompts(self) -> dict[str, Any]:
        return {}

    def _update_prompts(self, prompts: dict[str, Any]) -> None:
        raise NotImplementedError

    def generate(self, tools: Sequence[ToolMetadata], query: QueryBundle) -> list[SubQuestion]:
        asked = (QUESTION, "Who has thirty days of leave?")
        return [SubQuestion(sub_question=question, tool_name="handbook") for question in asked]

    async def agenerate(self, tools: Sequence[ToolMetadata], query: QueryBundle) -> list[SubQuestion]:
        return self.generate(tools, query)


async def test_sub_questions(engine: RAGFlowQueryEngine, call: Call) -> None:
    """Each part is answered by RAGFlow, and the sources of all parts are kept."""
    tool = QueryEngineTool.from_defaults(engine, name="handbook", description="The harbour's handbook.")
    composed = SubQuestionQueryEngine(
        question_gen=TwoQuestions(),
        response_synthesizer=get_response_synthesizer(llm=MockLLM()),
        query_engine_tools=[tool],
        verbose=False,
        use_async=False,
    )
    response = await call(composed, "query", "Notice and leave?")
    assert "six weeks" in str(response)
    assert "thirty days" in str(response)
    found = [node.metadata for node in response.source_nodes if "document_name" in node.metadata]
    assert {"notice.txt", "leave.txt"} <= {metadata["document_name"] for metadata in found}


async def test_chat_over_the_retriever(retriever: RAGFlowRetriever, call: Call) -> None:
    """LlamaIndex's own chat engine keeps the sources of its answer."""
    chat = CondensePlusContextChatEngine.from_defaults(
        retriever, llm=MockLLM(), memory=ChatMemoryBuffer.from_defaults()
    )
    response = await call(chat, "chat", QUESTION)
    assert names(response.source_nodes)[0] == "notice.txt"


async def test_fusion_of_retrievals_at_once(kb: KnowledgeBase, call: Call) -> None:
    """Several questions to several retrievers, all under way together."""
    both = [
        RAGFlowRetriever([dataset_id], similarity_threshold=0.0, **kb.clients)
        for dataset_id in (kb.dataset_id, kb.ships_id)
    ]
    asked = MockFunctionCallingLLM(
        response_generator=lambda messages, **options: ChatMessage(role="assistant", content=HARBOUR),
        is_chat_model=True,
    )
    fusion = QueryFusionRetriever(both, llm=asked, num_queries=2, similarity_top_k=30, use_async=True)
    fused = await call(fusion, "retrieve", QUESTION)
    assert {"notice.txt", "ships.txt"} <= set(names(fused))
    assert len({node.node_id for node in fused}) == len(fused)


class Reworded(BaseQueryTransform):
    """Asks something else."""

    def _get_prompts(self) -> dict[str, Any]:
        return {}

    def _update_prompts(self, prompts: dict[str, Any]) -> None:
        raise NotImplementedError

    def _run(self, query_bundle: QueryBundle, metadata: dict[str, Any]) -> QueryBundle:
        return QueryBundle(QUESTION)


async def test_a_transformed_query(engine: RAGFlowQueryEngine, call: Call) -> None:
    """It is the transformed one that is answered, with its sources."""
    response = await call(TransformQueryEngine(engine, Reworded()), "query", "What about leaving?")
    assert "six weeks" in str(response)
    assert names(response.source_nodes)[0] == "notice.txt"


async def test_streamed_chat_over_the_retriever(retriever: RAGFlowRetriever, call: Call) -> None:
    """The sources are there when LlamaIndex's own chat engine streams."""
    chat = CondensePlusContextChatEngine.from_defaults(
        retriever, llm=MockLLM(), memory=ChatMemoryBuffer.from_defaults()
    )
    response = await call(chat, "stream_chat", QUESTION)
    if response.achat_stream is not None:
        text = "".join([piece async for piece in response.async_response_gen()])
    else:
        text = await asyncio.to_thread(lambda: "".join(response.response_gen))
    assert "six weeks" in text
    assert names(response.source_nodes)[0] == "notice.txt"


async def test_chat_over_the_query_engine(engine: RAGFlowQueryEngine, call: Call) -> None:
    """A question condensed by LlamaIndex and answered by RAGFlow keeps its sources."""
    chat = CondenseQuestionChatEngine.from_defaults(
        engine, llm=MockLLM(), memory=ChatMemoryBuffer.from_defaults()
    )
    response = await call(chat, "chat", QUESTION)
    assert "six weeks" in str(response)
    assert names(response.source_nodes)[0] == "notice.txt"


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


async def test_tools(engine: RAGFlowQueryEngine, retriever: RAGFlowRetriever, call: Call) -> None:
    """As tools both give text for the model and their sources in the raw output."""
    asked = await call(QueryEngineTool.from_defaults(engine), "call", QUESTION)
    assert "six weeks" in asked.content
    assert names(asked.raw_output.source_nodes)[0] == "notice.txt"
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


# llama-index-workflows inspects the agent, a pydantic model, with all its deprecated attributes
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211")
async def test_an_agent_with_the_engine_as_its_tool(engine: RAGFlowQueryEngine) -> None:
    """The model calls the tool, sees the answer, and the sources are in the tool call's result."""
    tool = QueryEngineTool.from_defaults(engine, name="handbook", description="The harbour's handbook.")

    def scripted(messages: Sequence[ChatMessage], **options: Any) -> ChatMessage:
        if messages[-1].role == "tool":
            return ChatMessage(role="assistant", content=f"It says: {messages[-1].content}")
        return asking("handbook", {"input": QUESTION})

    agent = FunctionAgent(tools=[tool], llm=MockFunctionCallingLLM(response_generator=scripted))
    running = agent.run(QUESTION, memory=ChatMemoryBuffer.from_defaults())
    results = [event async for event in running.stream_events() if isinstance(event, ToolCallResult)]
    answer = await running
    assert "six weeks" in str(answer)
    (result,) = results
    assert names(result.tool_output.raw_output.source_nodes)[0] == "notice.txt"


@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211")
@pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning")
async def test_a_react_agent_with_the_engine_as_its_tool(engine: RAGFlowQueryEngine) -> None:
    """As before, with a model that asks for the tool in words."""
    tool = QueryEngineTool.from_defaults(engine, name="handbook", description="The harbour's handbook.")

    def scripted(messages: Sequence[ChatMessage], **options: Any) -> ChatMessage:
        said = str(messages[-1].content)
        if said.startswith("Observation:"):
            return ChatMessage(role="assistant", content=f"Thought: I know.\nAnswer: It says {said}")
        action = f'Thought: I need a tool.\nAction: handbook\nAction Input: {{"input": "{QUESTION}"}}'
        return ChatMessage(role="assistant", content=action)

    agent = ReActAgent(tools=[tool], llm=MockFunctionCallingLLM(response_generator=scripted))
    running = agent.run(QUESTION, memory=ChatMemoryBuffer.from_defaults())
    results = [event async for event in running.stream_events() if isinstance(event, ToolCallResult)]
    assert "six weeks" in str(await running)
    (result,) = results
    sources = result.tool_output.raw_output.source_nodes
    assert names(sources)[0] == "notice.txt"
    assert any(node.metadata["cited"] for node in sources)


def asking(tool: str, arguments: dict[str, Any]) -> ChatMessage:
    """A model's message that calls a tool."""
    block = ToolCallBlock(tool_call_id="1", tool_name=tool, tool_kwargs=arguments)
    return ChatMessage(role="assistant", blocks=[block])
