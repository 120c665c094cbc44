"""A suite for a toolkit and its tools together, of which langchain-tests has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool

from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import DEVELOPERS, Suite, assert_quoted, at_once, off

from ..toolkits import RAGFlowToolkit

__all__ = ["ToolkitTests"]

_READING = {
    *("RAGFlow.retrieve", "RAGFlow.search_message", "RAGFlow.chat_completions", "Chat.ask"),
    *("Chat.create_session", "Chat.delete_sessions"),  # servers before v0.27 answer in a session only
}


class ToolkitTests(Suite):
    """What a model may write, errors, artifacts, fences, read-only, sync and async alike, async without threads."""

    varying: frozenset[str] = frozenset({"ragflow_ask"})
    """Tools that need not say the same twice."""

    @property
    def constructor(self) -> Callable[..., Any]:
        return RAGFlowToolkit

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        named = {"dataset_ids": [knowledge.dataset_id], "chat_id": knowledge.chat_id}
        return {**named, "similarity_threshold": 0.0}

    def examples(self, knowledge: KnowledgeBase) -> dict[str, dict[str, Any]]:
        """Arguments of a model for each tool, by its name. Some tool has to find the document that gives orders."""
        return {
            "ragflow_search": {"query": knowledge.topic},
            "ragflow_list_datasets": {},
            "ragflow_read_document": {"document_id": knowledge.documents["evil.txt"]},
            "ragflow_ask": {"question": knowledge.question},
        }

    @property
    def failing(self) -> dict[str, Any]:
        """Parameters with which every tool fails on the server."""
        return {"dataset_ids": ["0" * 32], "chat_id": "0" * 32}

    def _tools(
        self, watch: Watch, knowledge: KnowledgeBase, **more: Any
    ) -> list[tuple[BaseTool, dict[str, Any]]]:
        """The tools, each with its example."""
        tools = self.made(watch.client, knowledge, **more).get_tools()
        examples = self.examples(knowledge)
        assert tools
        assert {tool.name for tool in tools} == examples.keys()
        return [(tool, examples[tool.name]) for tool in tools]

    def test_tools_say_what_they_are_for(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Each has a name of its own and tells what it does, and so does each of its arguments."""
        tools = self.made(watch.client, knowledge).get_tools()
        assert len({tool.name for tool in tools}) == len(tools)
        for tool in tools:
            assert tool.description.strip()
            assert [name for name, said in tool.args.items() if not said.get("description")] == []

    def test_a_model_says_what_and_not_where(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """No tool has an argument for a server, a key, a dataset or a user."""
        for tool, _ in self._tools(watch, knowledge):
            assert not DEVELOPERS & tool.args.keys()

    @pytest.mark.parametrize("name", ["api_key", "base_url", "dataset_ids", "scope"])
    def test_arguments_too_many_are_refused(self, knowledge: KnowledgeBase, watch: Watch, name: str) -> None:
        """They are not passed over: the model is told, and nothing is sent."""
        for tool, example in self._tools(watch, knowledge):
            assert called(tool, {**example, name: "other"}).status == "error"
        assert watch.exchanges == []

    @pytest.mark.asyncio
    async def test_sync_and_async_say_the_same(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """A message with an artifact, in both ways."""
        for tool, example in self._tools(watch, knowledge):
            one, other = await both(tool, example)
            assert (one.status, other.status) == ("success", "success")
            assert one.artifact is not None
            if tool.name not in self.varying:
                assert one == other

    def test_artifacts_are_plain(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Documents and plain types only, so that any checkpointer keeps them."""
        for tool, example in self._tools(watch, knowledge):
            assert odd(called(tool, example).artifact) == []

    def test_found_text_is_quoted(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """A document that gives orders stands between marks that it does not hold."""
        seen = 0
        for tool, example in self._tools(watch, knowledge):
            message = called(tool, example)
            for document in (one for one in message.artifact if isinstance(one, Document)):
                text = document.page_content.strip()
                if "Ignore what was said" in text and text in message.content:
                    seen += 1
                    assert_quoted(str(message.content), text)
        assert seen

    def test_reading_writes_nothing(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Without ``read_only=False`` no tool changes anything on the server."""
        for tool, example in self._tools(watch, knowledge):
            called(tool, example)
        sent = {(one.method, one.operation) for one in watch.exchanges}
        assert sent
        assert {one for one in sent if one[0] != "GET" and one[1] not in _READING} == set()

    @pytest.mark.asyncio
    async def test_errors_are_told(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """What goes wrong is a message with the status ``error``, sync and async, and ends no agent."""
        for tool, example in self._tools(watch, knowledge, **self.failing):
            try:
                messages = await both(tool, example)
            except Exception as error:  # noqa: BLE001 - whatever it is, it would end the agent
                pytest.fail(f"{tool.name} raised {error!r}")
            for message in messages:
                assert message.status == "error"
                assert str(message.content).strip()

    @pytest.mark.asyncio
    async def test_coroutines_take_no_threads(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """More calls are under way at once than LangChain has threads for tools without a coroutine."""
        tool, example = self._tools(watch, knowledge)[0]
        await at_once(watch, lambda: tool.ainvoke(example))


def called(tool: BaseTool, args: dict[str, Any]) -> ToolMessage:
    """What a model is told that calls a tool."""
    message: ToolMessage = tool.invoke(_call(tool, args))
    return message


async def both(tool: BaseTool, args: dict[str, Any]) -> list[ToolMessage]:
    """The same sync and async."""
    return [await off(lambda: called(tool, args)), await tool.ainvoke(_call(tool, args))]


def _call(tool: BaseTool, args: dict[str, Any]) -> dict[str, Any]:
    return {"name": tool.name, "args": args, "id": "1", "type": "tool_call"}


def odd(value: Any) -> list[type]:
    """The types in a value that are neither LangChain's documents nor plain."""
    if isinstance(value, Document):
        return odd(value.metadata)
    if isinstance(value, dict):
        return [kind for one in (*value, *value.values()) for kind in odd(one)]
    if isinstance(value, list | tuple):
        return [kind for one in value for kind in odd(one)]
    return [] if value is None or type(value) in (str, int, float, bool) else [type(value)]
