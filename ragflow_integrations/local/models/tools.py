"""What a language model and its tools have to say to one another, whoever made the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ..fields import given_json
from ..problems import ModelFailed
from .base import Message

__all__ = [
    "NoTools",
    "Tool",
    "ToolCall",
    "ToolCalls",
    "ToolLLM",
    "Turn",
    "arguments_in",
    "is_about_tools",
    "result_of",
]


@dataclass(frozen=True)
class Tool:
    """What a model may call. ``parameters`` say by their names what they are: texts, all of them needed."""

    name: str
    description: str
    parameters: Mapping[str, str]

    @property
    def function(self) -> dict[str, Any]:
        """The tool as OpenAI's API describes it, which LangChain understands too."""
        properties = {name: {"type": "string", "description": what} for name, what in self.parameters.items()}
        schema = {"type": "object", "properties": properties, "required": list(self.parameters)}
        about = {"name": self.name, "description": self.description, "parameters": schema}
        return {"type": "function", "function": about}


@dataclass(frozen=True)
class ToolCall:
    """A tool that the model calls; ``arguments`` are None where it wrote none that can be read."""

    id: str
    name: str
    arguments: Mapping[str, Any] | None


@dataclass(frozen=True)
class ToolCalls:
    """What ends an answer that calls tools. ``message`` is the model's own, which it is given back as its turn."""

    calls: Sequence[ToolCall]
    message: Any


Turn = Message | ToolCalls
"""A turn of a conversation with tools; a ``ToolCalls`` is followed by a ``result_of`` for each of its calls."""


@runtime_checkable
class ToolLLM(Protocol):
    """A language model that can call tools."""

    def chat_with_tools(
        self, turns: Sequence[Turn], tools: Sequence[Tool], *, may_call: bool, **settings: Any
    ) -> Iterator[str | ToolCalls]:
        """The answer in deltas; one ``ToolCalls`` ends it if tools are called.

        Without ``may_call`` it should answer with what it has. Raises ``NoTools`` before anything else if the model
        turns out to know nothing of tools, ``ModelFailed`` for any other failure.
        """


class NoTools(ModelFailed):
    """A model cannot be asked with tools."""


def is_about_tools(error: Exception) -> bool:
    """Whether a model's failure is that it has no tool calls, as far as its words tell; there is no code for it."""
    return "tool" in str(error).lower() or isinstance(error.__cause__, NotImplementedError)


def result_of(call: ToolCall, content: str) -> Message:
    """The turn that tells a model what a call has brought."""
    return {"role": "tool", "tool_call_id": call.id, "content": content}


def arguments_in(text: Any) -> Mapping[str, Any] | None:
    """The arguments that a model wrote as JSON; an empty text is none at all."""
    try:
        arguments = given_json(text or "{}") if isinstance(text, str | None) else text
    except ValueError:
        return None
    return arguments if isinstance(arguments, Mapping) else None
