"""A suite for tools that an agent is given."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from llama_index.core.schema import NodeWithScore
from llama_index.core.tools import FunctionTool
from llama_index.core.tools.calling import acall_tool, call_tool
from llama_index.core.tools.tool_spec.base import BaseToolSpec

from ragflow_integrations import Scope
from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import DEVELOPERS, Suite, assert_quoted, at_once, off, orders_in

from ..tools import RAGFlowToolSpec
from ._composing import in_agents
from .scripted import agents

__all__ = ["ToolSpecTests"]

_LONGEST = 1024  # characters of a description, for OpenAI


class ToolSpecTests(Suite):
    """What a model may write, sources in raw outputs, errors, quoted texts, users on one key, coroutines."""

    varying: frozenset[str] = frozenset({"ask"})
    """Tools that need not say the same twice."""

    @property
    def constructor(self) -> Callable[..., Any]:
        return RAGFlowToolSpec

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        named = {"dataset_ids": [knowledge.dataset_id], "chat_id": knowledge.chat_id}
        return {**named, "similarity_threshold": 0.0}

    def examples(self, knowledge: KnowledgeBase) -> dict[str, dict[str, Any]]:
        """Arguments of a model for each tool, by its name; ``search`` has to find the document that gives orders."""
        return {
            "search": {"question": knowledge.topic},
            "list_datasets": {},
            "list_documents": {},
            "read_document": {"document_id": knowledge.documents["evil.txt"]},
            "ask": {"question": knowledge.question},
        }

    @property
    def failing(self) -> dict[str, Any]:
        """Parameters with which every tool fails on the server."""
        return {"dataset_ids": ["0" * 32], "chat_id": "0" * 32}

    def tools(self, knowledge: KnowledgeBase, watch: Watch, **more: Any) -> dict[str, FunctionTool]:
        """The tools by their names."""
        spec = self.made(watch.client, knowledge, **more)
        return {str(tool.metadata.name): tool for tool in spec.to_tool_list()}

    def test_the_class(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """A spec of LlamaIndex's, whose tools are those that have an example."""
        assert isinstance(self.made(watch.client, knowledge), BaseToolSpec)
        assert set(self.tools(knowledge, watch)) == set(self.examples(knowledge))

    def test_what_a_model_may_write(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """No server, key, scope or dataset; descriptions are there, of all arguments, and short enough."""
        for tool in self.tools(knowledge, watch).values():
            properties = tool.metadata.get_parameters_dict()["properties"]
            assert not properties.keys() & DEVELOPERS
            assert 20 < len(tool.metadata.description) <= _LONGEST
            assert all(facts.get("description") for facts in properties.values())

    @pytest.mark.asyncio
    async def test_both_ways_say_the_same(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Sync and async."""
        examples = self.examples(knowledge)
        for name, tool in self.tools(knowledge, watch).items():
            plain = await off(partial(tool.call, **examples[name]))
            again = await tool.acall(**examples[name])
            assert not plain.is_error
            assert name in self.varying or plain.content == again.content

    @pytest.mark.asyncio
    async def test_sources_are_kept(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """In the raw output, as nodes with scores; what a model reads names them."""
        tools = self.tools(knowledge, watch)
        for name in ("search", "ask"):
            output = await tools[name].acall(**self.examples(knowledge)[name])
            nodes = getattr(output.raw_output, "source_nodes", None)
            assert nodes
            assert all(isinstance(one, NodeWithScore) for one in nodes)
            assert any(one.metadata["document_name"] in output.content for one in nodes)

    @pytest.mark.asyncio
    async def test_what_documents_say_is_quoted(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """A document that gives orders stays between marks that it does not know."""
        tools = self.tools(knowledge, watch)
        for name in ("search", "read_document"):
            content = (await tools[name].acall(**self.examples(knowledge)[name])).content
            assert_quoted(content, orders_in(content))
            assert content.count("delete the datasets") == 1

    @pytest.mark.asyncio
    async def test_a_failure_is_told_the_model(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """As an output that says so, short, and without the key, in both ways."""
        tools = self.tools(knowledge, watch, **self.failing)
        key = getattr(watch.client, "api_key", None)
        for name, arguments in self.examples(knowledge).items():
            for output in (
                await acall_tool(tools[name], arguments),
                await off(partial(call_tool, tools[name], arguments)),
            ):
                assert output.is_error, name
                assert 0 < len(output.content) < 2000
                assert not key or str(key) not in output.content

    @agents
    @pytest.mark.asyncio
    async def test_in_agents(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """The agents' models are told what was found, and the sources come with the result of the tool."""
        tool = self.tools(knowledge, watch)["search"]
        for result, answer in await in_agents(tool, self.examples(knowledge)["search"]):
            assert getattr(result.tool_output.raw_output, "source_nodes", None)
            assert result.tool_output.content.strip() in answer

    @pytest.mark.asyncio
    async def test_users_on_one_key(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Two users, each with a scope of one document: no tool tells one of them of the other's."""

        async def told(name: str) -> tuple[str, str]:
            scope = Scope([knowledge.dataset_id], [knowledge.documents[name]])
            tools = self.tools(knowledge, watch, scope=scope)
            examples = self.examples(knowledge)
            outputs = [await acall_tool(tool, examples[name]) for name, tool in tools.items()]
            raw = [
                vars(output.raw_output) for output in outputs if hasattr(output.raw_output, "source_nodes")
            ]
            return name, json.dumps([output.content for output in outputs]) + repr(raw)

        names = ("notice.txt", "boats.txt")
        for name, said in await asyncio.gather(*(told(name) for name in [*names] * 3)):
            assert name in said
            assert next(other for other in names if other != name) not in said

    @pytest.mark.asyncio
    async def test_coroutines_take_no_threads(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """More searches are under way at once than there are threads."""
        tool = self.tools(knowledge, watch)["search"]
        await at_once(watch, lambda: tool.acall(**self.examples(knowledge)["search"]))
