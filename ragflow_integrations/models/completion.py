"""Answers in OpenAI's form, with what RAGFlow adds to them."""

from __future__ import annotations

from pydantic import Field

from .agent import CitedChunks
from .base import Model

__all__ = [
    "ChatCompletion",
    "ChatCompletionChunk",
    "Choice",
    "ChoiceDelta",
    "CompletionMessage",
    "CompletionUsage",
    "DeltaChoice",
]


class CompletionUsage(Model):
    """Tokens, as the server counts them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class CompletionMessage(Model):
    """An answer. ``reference`` is what it rests on, empty unless asked for; ``reasoning_content`` the model's
    thoughts, taken out of ``content``."""

    role: str = "assistant"
    content: str | None = None
    reasoning_content: str | None = None
    reference: CitedChunks = Field(default_factory=list)


class Choice(Model):
    """The answer in its place: RAGFlow always sends one."""

    index: int = 0
    message: CompletionMessage = Field(default_factory=CompletionMessage)
    finish_reason: str | None = None


class ChatCompletion(Model):
    """A whole answer: ``completion.choices[0].message``."""

    id: str = ""
    object: str = "chat.completion"
    created: int | None = None
    model: str | None = None
    choices: list[Choice] = Field(default_factory=list)
    usage: CompletionUsage | None = None


class ChoiceDelta(Model):
    """What is new: ``content`` or ``reasoning_content``; with a chat's last piece, and of an agent at the end of
    a message, the ``reference``. ``final_content`` is a chat's whole answer, with citations, where it was asked
    for references."""

    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None
    reference: CitedChunks = Field(default_factory=list)
    final_content: str | None = None


class DeltaChoice(Model):
    """A piece in its place. ``finish_reason`` is ``stop`` at a chat's end; agents do not send it."""

    index: int = 0
    delta: ChoiceDelta = Field(default_factory=ChoiceDelta)
    finish_reason: str | None = None


class ChatCompletionChunk(Model):
    """A piece of a streamed answer: ``chunk.choices[0].delta``; ``usage`` comes with a chat's last one."""

    id: str = ""
    object: str = "chat.completion.chunk"
    created: int | None = None
    model: str | None = None
    choices: list[DeltaChoice] = Field(default_factory=list)
    usage: CompletionUsage | None = None
