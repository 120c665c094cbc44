"""A language model that says what a test tells it to, and calls tools; the lowest llama-index-core has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from pydantic import Field

__all__ = ["ScriptedLLM", "Turn", "agents", "answers", "calls", "told"]

Turn = Callable[[list[ChatMessage]], ChatMessage]

agents = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""llama-index-workflows inspects an agent, a pydantic model, with all its deprecated attributes."""


class ScriptedLLM(FunctionCallingLLM):
    """Takes its turns one after the other; ``seen`` are the messages it was given at each, ``tools`` its tools."""

    turns: list[Any]
    seen: list[list[ChatMessage]] = Field(default_factory=list)
    tools: list[Any] = Field(default_factory=list)

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_function_calling_model=True, is_chat_model=True)

    def _prepare_chat_with_tools(
        self, tools: Sequence[Any], user_msg: Any = None, chat_history: Any = None, *_: Any, **__: Any
    ) -> dict[str, Any]:
        self.tools[:] = tools
        return {"messages": [*(chat_history or []), *([user_msg] if user_msg else [])]}

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The tools that the turn calls."""
        wanted = response.message.additional_kwargs.get("wanted", [])
        return [
            ToolSelection(tool_id=f"call-{n}", tool_name=name, tool_kwargs=args)
            for n, (name, args) in enumerate(wanted)
        ]

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The next turn."""
        turn = self.turns[len(self.seen)]
        self.seen.append([message.model_copy(deep=True) for message in messages])
        message = turn(list(messages))
        return ChatResponse(message=message, delta=message.content)

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The next turn."""
        return self.chat(messages)

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The next turn, in one piece."""
        yield self.chat(messages)

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """The next turn, in one piece."""

        async def pieces() -> ChatResponseAsyncGen:
            yield self.chat(messages)

        return pieces()

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The next turn."""
        text = self.chat([ChatMessage(prompt)]).message.content or ""
        return CompletionResponse(text=text, delta=text)

    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The next turn."""
        return self.complete(prompt)

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """The next turn, in one piece."""
        yield self.complete(prompt)

    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        """The next turn, in one piece."""

        async def pieces() -> CompletionResponseAsyncGen:
            yield self.complete(prompt)

        return pieces()


def calls(*wanted: tuple[str, dict[str, Any]]) -> Turn:
    """Calls tools."""
    return lambda messages: ChatMessage(
        role="assistant", content="", additional_kwargs={"wanted": [list(one) for one in wanted]}
    )


def answers(text: str) -> Turn:
    """Ends the run."""
    return lambda messages: ChatMessage(role="assistant", content=text)


def told(messages: Sequence[ChatMessage]) -> list[str]:
    """What tools said."""
    return [message.content or "" for message in messages if message.role == "tool"]
