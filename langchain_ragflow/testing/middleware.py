"""Suites for middleware, of which langchain-tests has none; they need langchain and langgraph."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import Suite, assert_quoted, at_once, off, orders_in

from ..middleware import RAGFlowMemoryMiddleware, RAGFlowRetrievalMiddleware
from ._toolkit import odd

__all__ = ["MemoryMiddlewareTests", "RetrievalMiddlewareTests"]

_ANSWER = "It is noted."


class _Model(BaseChatModel):
    """Says one thing; ``seen`` are the messages that it was given."""

    seen: list[BaseMessage] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "conformance"

    def bind_tools(self, tools: Any, **kwargs: Any) -> _Model:
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.seen.extend(messages)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(_ANSWER))])

    @property
    def told(self) -> str:
        """All that it was given."""
        return "\n".join(str(message.text) for message in self.seen)


async def asked(middleware: Any, question: str, way: str, config: Any = None) -> tuple[dict[str, Any], str]:
    """The state after an agent with this middleware was asked, and what its model was told."""
    model = _Model()
    # some versions read source files for that
    agent: Any = await off(lambda: create_agent(model, middleware=[middleware]))
    state = {"messages": [HumanMessage(question)]}
    if way == "sync":
        return await off(lambda: agent.invoke(state, config)), model.told
    return await agent.ainvoke(state, config), model.told


class RetrievalMiddlewareTests(Suite):
    """What a model is told in sync and async runs, what is kept in the state, failures, async without threads."""

    @property
    def constructor(self) -> Callable[..., Any]:
        return RAGFlowRetrievalMiddleware

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"dataset_ids": [knowledge.dataset_id], "similarity_threshold": 0.0}

    @property
    def failing(self) -> dict[str, Any]:
        """Parameters with which a search fails on the server."""
        return {"dataset_ids": ["0" * 32]}

    @pytest.mark.asyncio
    @pytest.mark.parametrize("way", ["sync", "async"])
    async def test_a_model_is_told_what_was_found(
        self, knowledge: KnowledgeBase, watch: Watch, way: str
    ) -> None:
        """As quoted text beside the question, while the conversation stays as it was."""
        state, told = await asked(self.made(watch.client, knowledge), knowledge.topic, way)
        assert "six weeks" in told
        assert "<<<quoted 0000000000000000" in told
        assert knowledge.topic in told
        assert_quoted(told, orders_in(told))
        assert [message.text for message in state["messages"]] == [knowledge.topic, _ANSWER]

    @pytest.mark.asyncio
    @pytest.mark.parametrize("way", ["sync", "async"])
    async def test_the_state_is_plain(self, knowledge: KnowledgeBase, watch: Watch, way: str) -> None:
        """What was found is in it, as documents or plain types only, so that any checkpointer keeps it."""
        state, _ = await asked(self.made(watch.client, knowledge), knowledge.topic, way)
        kept = {name: value for name, value in state.items() if name != "messages"}
        assert "six weeks" in str(kept)
        assert odd(kept) == []

    @pytest.mark.asyncio
    @pytest.mark.parametrize("way", ["sync", "async"])
    async def test_a_failure_ends_the_run_or_is_passed_over(
        self, knowledge: KnowledgeBase, watch: Watch, way: str
    ) -> None:
        """As ``on_error`` says."""
        made = self.made(watch.client, knowledge, **self.failing)
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the client raises
            await asked(made, knowledge.topic, way)
        made = self.made(watch.client, knowledge, **self.failing, on_error="ignore")
        state, told = await asked(made, knowledge.topic, way)
        assert state["messages"][-1].text == _ANSWER
        assert told == knowledge.topic

    @pytest.mark.asyncio
    async def test_coroutines_take_no_threads(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """More runs are under way at once than LangChain has threads for middleware without a coroutine."""
        made = self.made(watch.client, knowledge)
        await at_once(watch, lambda: asked(made, knowledge.topic, "async"))


class MemoryMiddlewareTests(Suite):
    """What is recalled in a later conversation, by whom, in sync and async runs, async without threads.

    ``models`` are the embedding and the language model of the memories that are made on the server.
    """

    models = ("hashed-512@Builtin", "extractive@Builtin")
    patience = 60.0
    """Seconds until what was said has to be found: servers take it into a queue."""

    @contextmanager
    def prepared(self, knowledge: KnowledgeBase) -> Iterator[None]:
        """A memory."""
        memory = knowledge.client.create_memory(f"{knowledge.name}-memory", ["raw"], *self.models)
        self.memory_id = memory.id
        try:
            yield
        finally:
            knowledge.client.delete_memory(memory.id)

    @property
    def constructor(self) -> Callable[..., Any]:
        return RAGFlowMemoryMiddleware

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"memory_ids": [self.memory_id], "user": lambda run: run.config["configurable"]["user"]}

    def test_it_is_someones(self, knowledge: KnowledgeBase) -> None:
        """Without a user there is no memory."""
        params = {name: value for name, value in self.params(knowledge).items() if name != "user"}
        with pytest.raises((TypeError, ValueError), match="user"):
            self.constructor(client=knowledge.client, **params)

    @pytest.mark.asyncio
    @pytest.mark.parametrize("way", ["sync", "async"])
    async def test_it_is_recalled_in_another_conversation(
        self, knowledge: KnowledgeBase, watch: Watch, way: str
    ) -> None:
        """By the user who said it, and by nobody else."""
        made = self.made(watch.client, knowledge)
        await asked(made, "My boat is called Sea Urchin.", way, _as("ann"))
        await self._until(watch, "Sea Urchin")
        state, told = await asked(made, "What is my boat called?", way, _as("ann"))
        assert "Sea Urchin" in told
        assert odd({name: value for name, value in state.items() if name != "messages"}) == []
        _, told = await asked(made, "What is my boat called?", way, _as("bob"))
        assert told == "What is my boat called?"

    @pytest.mark.asyncio
    async def test_users_at_once_recall_their_own(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Nobody is told what another said, although all say and ask the same at the same time."""
        made = self.made(watch.client, knowledge)
        users = [f"user{number}" for number in range(10)]
        await asyncio.gather(
            *(asked(made, f"My boat is called Boat of {user}.", "async", _as(user)) for user in users)
        )
        for user in users:
            await self._until(watch, f"Boat of {user}.")
        told = await asyncio.gather(
            *(asked(made, "What is my boat called?", "async", _as(user)) for user in users)
        )
        for user, (_, text) in zip(users, told, strict=True):
            assert {one for one in users if f"Boat of {one}." in text} == {user}

    @pytest.mark.asyncio
    async def test_coroutines_take_no_threads(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """More runs are under way at once than LangChain has threads for middleware without a coroutine."""
        made = self.made(watch.client, knowledge)
        await at_once(watch, lambda: asked(made, "What is my boat called?", "async", _as("ann")))

    async def _until(self, watch: Watch, known: str) -> None:
        """Wait until something is found in the memory."""
        end = time.monotonic() + self.patience
        while True:
            found = await watch.client.as_async().search_message(known, [self.memory_id], top_n=100)
            if any(known in (message.content or "") for message in found):
                return
            assert time.monotonic() < end, f"{known!r} was not found within {self.patience} seconds"
            await asyncio.sleep(0.2)


def _as(user: str) -> dict[str, Any]:
    return {"configurable": {"user": user}}
