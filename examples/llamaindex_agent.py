"""An agent of LlamaIndex with RAGFlow's tools and memory: it searches a handbook, and knows its user the next day.

    python examples/llamaindex_agent.py
    RAGFLOW_BASE_URL=http://localhost:9380 RAGFLOW_API_KEY=ragflow-… python examples/llamaindex_agent.py EMBEDDING LLM

Without a server it is a local engine in this process. EMBEDDING and LLM are the server's models for the memory, as
``name@factory``. A dataset and a memory are made and deleted at the end.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.llms import ChatMessage, ChatResponse, LLMMetadata, MockLLM
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection

from llamaindex_ragflow import RAGFlowMemory, RAGFlowToolSpec
from ragflow_integrations import AsyncRAGFlow

HANDBOOK = b"Boats in the harbour are painted blue. A boat needs a licence from the harbour master."
TALKS = {
    "monday": "My boat is called Albatross. What colour must it have?",
    "tuesday": "What is my boat called?",
}


class StandIn(MockLLM, FunctionCallingLLM):
    """Searches, and repeats what it is given; put any model of LlamaIndex that calls tools here."""

    @property
    def metadata(self) -> LLMMetadata:
        """It calls tools."""
        return LLMMetadata(is_chat_model=True, is_function_calling_model=True)

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """What was quoted, or a call of the search."""
        said = messages[-1].content or ""
        given = re.search(r"<<<quoted (\w+)\n(.*?)\n\1 quoted>>>", said, re.DOTALL)
        calls = {} if given else {"search": said}
        text = " ".join(given[2].split()) if given else ""
        return ChatResponse(message=ChatMessage(role="assistant", content=text, additional_kwargs=calls))

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The search, if it is called."""
        said = response.message.additional_kwargs.get("search")
        call = ToolSelection(tool_id="1", tool_name="search", tool_kwargs={"question": said})
        return [call] if said else []

    def _prepare_chat_with_tools(
        self, tools: Any, user_msg: Any = None, chat_history: Any = None, *_: Any, **__: Any
    ) -> dict[str, Any]:
        return {"messages": chat_history}


async def talk(agent: FunctionAgent, memory: RAGFlowMemory, text: str) -> None:
    """One conversation, with the sources of what the agent looked up."""
    print(f"{memory.session_id}, {memory.user}: {text}")
    run = agent.run(text, memory=memory)
    async for event in run.stream_events():
        if isinstance(event, ToolCallResult):
            sources = {node.metadata["document_name"] for node in event.tool_output.raw_output.source_nodes}
            print(f"  {event.tool_name}: {', '.join(sorted(sources))}")
    print(f"  {await run}")


async def main(embedding: str = "hashed-512@Builtin", llm: str = "extractive@Builtin") -> None:
    """Make a small knowledge base and a memory, talk on two days, clean up."""
    async with AsyncRAGFlow(base_url=os.environ.get("RAGFLOW_BASE_URL", ":memory:")) as client:
        dataset = await client.create_dataset(f"agent-{uuid4().hex[:8]}")
        memory = await client.create_memory(f"agent-{uuid4().hex[:8]}", ["raw"], embedding, llm)
        try:
            await dataset.upload(HANDBOOK, name="boats.txt")
            tools = RAGFlowToolSpec([dataset.id], async_client=client, similarity_threshold=0.0)
            agent = FunctionAgent(tools=tools.to_tool_list(), llm=StandIn(max_tokens=None), streaming=False)
            for day, text in TALKS.items():
                own = RAGFlowMemory(memory_ids=[memory.id], user="ann", session_id=day, async_client=client)
                await talk(agent, own, text)
        finally:
            await client.delete_memory(memory.id)
            await client.delete_datasets([dataset.id])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
