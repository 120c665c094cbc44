"""A chat model that does what a test tells it to, for agents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

Turn = Callable[[list[BaseMessage]], AIMessage]


class ScriptedModel(BaseChatModel):
    """Takes its turns one after the other; ``seen`` are the messages it was given at each."""

    turns: list[Turn]
    seen: list[list[BaseMessage]] = Field(default_factory=list)
    tools: list[Any] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> ScriptedModel:
        self.tools[:] = tools
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        turn = self.turns[len(self.seen)]
        self.seen.append(list(messages))
        return ChatResult(generations=[ChatGeneration(message=turn(messages))])


def calls(*wanted: tuple[str, dict[str, Any]]) -> Turn:
    """Calls tools."""
    made = [
        {"name": name, "args": args, "id": f"call-{n}", "type": "tool_call"}
        for n, (name, args) in enumerate(wanted)
    ]
    return lambda messages: AIMessage("", tool_calls=made)


def answers(text: str) -> Turn:
    """Ends the run."""
    return lambda messages: AIMessage(text)


def told(messages: list[BaseMessage]) -> list[ToolMessage]:
    """What tools said."""
    return [message for message in messages if isinstance(message, ToolMessage)]
