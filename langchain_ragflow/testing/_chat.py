"""What langchain-tests does not ask of a chat model that cites its sources."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import StreamSuite, at_once, off

from ..chat_models import ChatRAGFlow

__all__ = ["ChatTests"]

_MARKER = re.compile(r"\[ID: ?\d+\]")


class ChatTests(StreamSuite):
    """Citation spans, streams that are left, wrong keywords, ``stop``, all ways of calling alike, errors.

    The assistant has to cite what it found when it is asked the knowledge base's question.
    """

    deterministic = False
    """Whether the model says the same to the same question; then all ways of calling have to give the same."""

    @property
    def constructor(self) -> Callable[..., Any]:
        return ChatRAGFlow

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"chat_id": knowledge.chat_id}

    @property
    def failing(self) -> dict[str, Any]:
        """Parameters with which a question fails on the server."""
        return {"chat_id": "0" * 32}

    def streamed(self, knowledge: KnowledgeBase, watch: Watch) -> Any:
        return self.made(watch.client, knowledge).stream(knowledge.question)

    async def astreamed(self, knowledge: KnowledgeBase, watch: Watch) -> AsyncIterator[Any]:
        pieces: AsyncIterator[Any] = self.made(watch.client, knowledge).astream(knowledge.question)
        return pieces

    async def _answers(self, made: Any, question: str, **fields: Any) -> list[AIMessage]:
        """The answers of ``invoke``, ``ainvoke``, ``stream`` and ``astream``; those of streams put together."""
        return [
            await off(lambda: made.invoke(question, **fields)),
            await made.ainvoke(question, **fields),
            _whole(await off(lambda: list(made.stream(question, **fields)))),
            _whole([piece async for piece in made.astream(question, **fields)]),
        ]

    @pytest.mark.asyncio
    @pytest.mark.parametrize("output_version", ["v0", "v1"])
    async def test_citations_are_spans_of_the_text(
        self, knowledge: KnowledgeBase, watch: Watch, output_version: str
    ) -> None:
        """Each citation cuts its marker out of the text and has the text of its source; streamed or not."""
        made = self.made(watch.client, knowledge, output_version=output_version)
        answers = await self._answers(made, knowledge.question)
        for answer in answers:
            (block,) = [block for block in answer.content_blocks if block["type"] == "text"]
            annotations: Any = block.get("annotations")
            assert annotations == answer.response_metadata["citations"]
            assert annotations
            assert len(annotations) == len(_MARKER.findall(block["text"]))
            for citation in annotations:
                marker = block["text"][citation["start_index"] : citation["end_index"]]
                assert _MARKER.fullmatch(marker)
                source = answer.response_metadata["reference"][citation["extras"]["reference"]]
                assert citation["cited_text"] == source["content"]
                assert citation["title"] == source["document_name"]
        if self.deterministic:
            assert len({answer.text for answer in answers}) == 1

    @pytest.mark.asyncio
    async def test_what_is_said_of_an_answer_is_said_once(
        self, knowledge: KnowledgeBase, watch: Watch
    ) -> None:
        """The pieces of a stream put together have the metadata of a whole answer; nothing is there twice."""
        whole, *others = await self._answers(self.made(watch.client, knowledge), knowledge.question)
        for other in others:
            assert other.response_metadata.keys() == whole.response_metadata.keys()
            for name in ("model_provider", "model_name", "chat_id"):
                assert other.response_metadata[name] == whole.response_metadata[name]
            assert (other.usage_metadata is None) == (whole.usage_metadata is None)

    @pytest.mark.asyncio
    async def test_a_misspelt_field_of_a_call_is_refused(
        self, knowledge: KnowledgeBase, watch: Watch
    ) -> None:
        """In every way of calling, and by ``bind``."""
        made = self.made(watch.client, knowledge)
        for ask in (
            lambda: off(lambda: made.invoke(knowledge.question, misspelt_field=1)),
            lambda: off(lambda: made.bind(misspelt_field=1).invoke(knowledge.question)),
            lambda: off(lambda: list(made.stream(knowledge.question, misspelt_field=1))),
            lambda: made.ainvoke(knowledge.question, misspelt_field=1),
            lambda: anext(made.astream(knowledge.question, misspelt_field=1)),
        ):
            with pytest.raises((TypeError, ValueError), match="misspelt_field"):
                await ask()

    @pytest.mark.asyncio
    async def test_the_text_ends_before_a_stop_sequence(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """In every way of calling; what it cites is of the text that is left."""
        for answer in await self._answers(self.made(watch.client, knowledge), knowledge.question, stop=[" "]):
            assert " " not in answer.text
            assert len(answer.response_metadata["citations"]) == len(_MARKER.findall(str(answer.text)))

    @pytest.mark.asyncio
    async def test_a_failure_is_raised(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """What goes wrong is no answer; in every way of calling the same error."""
        made = self.made(watch.client, knowledge, **self.failing)
        with pytest.raises(Exception) as first:  # noqa: PT011 - whatever the client raises
            await off(lambda: made.invoke(knowledge.question))
        for ask in (
            lambda: off(lambda: list(made.stream(knowledge.question))),
            lambda: made.ainvoke(knowledge.question),
            lambda: anext(made.astream(knowledge.question)),
        ):
            with pytest.raises(first.type):
                await ask()

    def test_tools_are_refused_with_the_way_out(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """RAGFlow calls no tools of LangChain, and an agent's author is told what to do instead."""
        with pytest.raises(NotImplementedError, match="RAGFlowToolkit"):
            self.made(watch.client, knowledge).bind_tools([])

    @pytest.mark.asyncio
    async def test_coroutines_take_no_threads(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """More questions are under way at once than LangChain has threads for models without a coroutine."""
        made = self.made(watch.client, knowledge)
        await at_once(watch, lambda: made.ainvoke(knowledge.question))


def _whole(pieces: list[Any]) -> Any:
    """The sum of a stream."""
    assert len(pieces) > 1
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    return whole
