"""A suite for chat engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.chat_engine.types import BaseChatEngine

from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import off

from ..chat_engine import RAGFlowChatEngine
from ._seeing import seeing
from ._streams import StreamTests

__all__ = ["ChatEngineTests"]


class ChatEngineTests(StreamTests):
    """What was said so far, and beginning anew; and all of ``StreamTests``."""

    base = BaseChatEngine
    native = ("chat", "achat", "stream_chat", "astream_chat", "reset", "chat_history")
    told = ()

    @property
    def constructor(self) -> Callable[..., Any]:
        return RAGFlowChatEngine

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"chat_id": knowledge.chat_id}

    @property
    def failing(self) -> dict[str, Any]:
        return {"chat_id": "0" * 32}

    def call(self, made: Any, question: str) -> Any:
        return made.chat(question)

    async def acall(self, made: Any, question: str) -> Any:
        return await made.achat(question)

    def open(self, made: Any, question: str) -> Any:
        return made.stream_chat(question)

    async def aopen(self, made: Any, question: str) -> Any:
        return await made.astream_chat(question)

    @pytest.mark.asyncio
    async def test_it_is_told(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """LlamaIndex's events of a stream begin and end; it has none for an answer that comes at once."""
        made = self.made(watch.client, knowledge)
        with seeing() as (events, _):
            response = await self.aopen(made, knowledge.question)
            assert "".join([piece async for piece in self.apieces(response)])
        seen = [name for name in events.names if name in ("StreamChatStartEvent", "StreamChatEndEvent")]
        assert seen == ["StreamChatStartEvent", "StreamChatEndEvent"]

    @pytest.mark.asyncio
    async def test_what_was_said_is_known(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Questions and answers in their order, also those of streams; after a reset nothing."""
        made = self.made(watch.client, knowledge)
        first = str(await off(lambda: made.chat(knowledge.question)))
        response = await made.astream_chat(knowledge.topic)
        second = "".join([piece async for piece in self.apieces(response)])
        said = [
            message
            for message in await off(lambda: made.chat_history)
            if message.role in (MessageRole.USER, MessageRole.ASSISTANT)
        ]
        assert [message.content for message in said[-4:]] == [
            knowledge.question,
            first,
            knowledge.topic,
            second,
        ]
        await off(made.reset)
        left = await off(lambda: made.chat_history)
        assert not [message for message in left if message.role == MessageRole.USER]

    @pytest.mark.asyncio
    async def test_a_history_from_elsewhere_replaces_it(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """``chat_history=`` is what was said before; nothing that was said here is."""
        made = self.made(watch.client, knowledge)
        await made.achat(knowledge.topic)
        before = [
            ChatMessage(role="user", content="Hello harbour."),
            ChatMessage(role="assistant", content="Hello."),
        ]
        await made.achat(knowledge.question, chat_history=before)
        contents = [message.content for message in await off(lambda: made.chat_history)]
        assert "Hello harbour." in contents
        assert knowledge.topic not in contents
        assert knowledge.question in contents
