"""A suite for language models that answer from datasets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.llms.llm import LLM
from llama_index.core.memory import ChatMemoryBuffer

from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import KEY, NOWHERE, StreamSuite, at_once, off

from ..llm import RAGFlowLLM
from .scripted import agents

__all__ = ["LLMTests"]

_NATIVE = (
    *("chat", "achat", "stream_chat", "astream_chat"),
    *("complete", "acomplete", "stream_complete", "astream_complete"),
)


class LLMTests(StreamSuite):
    """What it says of itself, all ways of asking alike, references, streams that are left, errors, coroutines."""

    deterministic = False
    """Whether the model says the same to the same question."""

    @property
    def constructor(self) -> Callable[..., Any]:
        return RAGFlowLLM

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"chat_id": knowledge.chat_id}

    @property
    def failing(self) -> dict[str, Any]:
        """Parameters with which a question fails on the server."""
        return {"chat_id": "0" * 32}

    def streamed(self, knowledge: KnowledgeBase, watch: Watch) -> Any:
        return self.made(watch.client, knowledge).stream_chat([ChatMessage(knowledge.question)])

    async def astreamed(self, knowledge: KnowledgeBase, watch: Watch) -> AsyncIterator[Any]:
        made = self.made(watch.client, knowledge)
        pieces: AsyncIterator[Any] = await made.astream_chat([ChatMessage(knowledge.question)])
        return pieces

    async def _texts(self, made: Any, question: str) -> list[str]:
        """What each way of asking answers; streams put together."""
        messages = [ChatMessage(question)]
        return [
            str((await off(lambda: made.chat(messages))).message.content),
            str((await made.achat(messages)).message.content),
            (await off(lambda: made.complete(question))).text,
            (await made.acomplete(question)).text,
            await off(lambda: "".join(piece.delta or "" for piece in made.stream_chat(messages))),
            "".join([piece.delta or "" async for piece in await made.astream_chat(messages)]),
            await off(lambda: "".join(piece.delta or "" for piece in made.stream_complete(question))),
            "".join([piece.delta or "" async for piece in await made.astream_complete(question)]),
        ]

    def test_the_class(self, knowledge: KnowledgeBase) -> None:
        """A model for chats that calls no tools, and says so; each way of asking is its own."""
        made = self.made(knowledge.client, knowledge)
        assert isinstance(made, LLM)
        assert (made.metadata.is_chat_model, made.metadata.is_function_calling_model) == (True, False)
        assert [name for name in _NATIVE if name not in vars(type(made))] == []

    @agents
    @pytest.mark.asyncio
    async def test_an_agent_that_calls_tools_refuses_it(self, knowledge: KnowledgeBase) -> None:
        """RAGFlow passes over tools: an agent would never call one."""
        agent = FunctionAgent(tools=[_tool], llm=self.made(knowledge.client, knowledge))
        with pytest.raises(ValueError, match="FunctionCallingLLM"):
            await agent.run(knowledge.question, memory=ChatMemoryBuffer.from_defaults())

    @pytest.mark.asyncio
    async def test_all_ways_of_asking_give_the_same(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Eight of them."""
        texts = await self._texts(self.made(watch.client, knowledge), knowledge.question)
        assert all(text.strip() for text in texts)
        if self.deterministic:
            assert len(set(texts)) == 1

    @pytest.mark.asyncio
    async def test_the_answer_has_its_reference(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Whole, and with the last piece of a stream."""
        made, messages = self.made(watch.client, knowledge), [ChatMessage(knowledge.question)]
        whole = await made.achat(messages)
        *_, last = [piece async for piece in await made.astream_chat(messages)]
        for response in (whole, last):
            references = response.additional_kwargs.get("reference")
            assert references
            names = {reference["document_name"] for reference in references}
            assert names <= set(knowledge.documents)

    @pytest.mark.asyncio
    async def test_a_failure_is_raised(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """It is no answer; in all ways the same error."""
        made, messages = self.made(watch.client, knowledge, **self.failing), [ChatMessage(knowledge.question)]
        with pytest.raises(Exception) as first:  # noqa: PT011 - whatever the client raises
            await off(lambda: made.chat(messages))
        for ask in (
            lambda: made.achat(messages),
            lambda: off(lambda: list(made.stream_chat(messages))),
            lambda: off(lambda: made.complete(knowledge.question)),
        ):
            with pytest.raises(first.type):
                await ask()

    def test_dumps_do_not_tell_the_key(self, knowledge: KnowledgeBase) -> None:
        """LlamaIndex writes a model's fields into dicts, files and traces."""
        made = self.constructor(base_url=NOWHERE, api_key=KEY, **self.params(knowledge))
        assert KEY not in f"{made.to_dict()} {made.to_json()} {made.model_dump()}"

    @pytest.mark.asyncio
    async def test_coroutines_take_no_threads(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """More questions are under way at once than there are threads."""
        made = self.made(watch.client, knowledge)
        await at_once(watch, lambda: made.achat([ChatMessage(knowledge.question)]))


def _tool(text: str) -> str:
    """Says it."""
    return text
