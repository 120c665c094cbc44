"""What the engine needs of a language model and of a reranker (of an embedder: ``..embed.Embedder``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

__all__ = [
    "CONTEXT",
    "LLM",
    "Message",
    "ModelMistake",
    "Reasoning",
    "Reranker",
    "context_of",
    "whole_characters",
]

CONTEXT = 8192  # tokens; what RAGFlow takes for a model that it does not know

Message = Mapping[str, str]
"""``{"role": "system" | "user" | "assistant", "content": text}``."""


class Reasoning(str):
    """A delta of what a model thinks before it answers; a plain ``str`` is one of the answer."""

    __slots__ = ()


def whole_characters(text: str) -> str:
    """A text without halves of surrogate pairs, which no answer can hold; what is no text is a ``TypeError``."""
    try:
        str.encode(text)
    except UnicodeEncodeError:
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return Reasoning(whole) if isinstance(text, Reasoning) else whole
    return text


class LLM(Protocol):
    """A language model.

    ``chat`` yields the answer to the last message in deltas. ``settings`` are ``temperature``, ``top_p``,
    ``presence_penalty``, ``frequency_penalty``, ``max_tokens``; what a model cannot be told, it ignores. It may have
    a ``context``, the tokens that it can be given.
    Raises ``problems.ModelFailed``, at the latest while it is read.
    """

    @property
    def name(self) -> str: ...

    def chat(self, messages: Sequence[Message], **settings: Any) -> Iterator[str]: ...


def context_of(llm: LLM | None) -> int:
    """The tokens that a model can be given: its ``context`` if it says one."""
    said = getattr(llm, "context", None)
    return said if isinstance(said, int) and said > 0 else CONTEXT


class Reranker(Protocol):
    """Says how well each text answers a question, from 0 to 1; raises ``problems.ModelFailed``."""

    @property
    def name(self) -> str: ...

    def score(self, question: str, texts: Sequence[str]) -> Sequence[float]: ...


class ModelMistake(ValueError):
    """What was given as a model is none; the message says what would be one."""
