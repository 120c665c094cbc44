"""Questions with more for the search to find them by, as a language model words it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .models import LLM, Reasoning
from .thinking import parted

__all__ = ["asked_of", "translated", "with_keywords"]

_KEYWORDS = (
    "Name up to three terms that a text answering this question would contain. Keep the language. Answer with the "
    "terms alone, separated by commas.\n\n{question}"
)
_TRANSLATED = (
    "Translate this question into each of these languages: {languages}. Answer with one line for each, in this order, "
    "and nothing else.\n\n{question}"
)


def translated(llm: LLM, question: str, languages: Sequence[str]) -> str:
    """The question, and below it in each of these languages."""
    prompt = _TRANSLATED.format(languages=", ".join(map(str, languages)), question=question)
    return f"{question}\n{asked_of(llm, prompt)}".strip()


def with_keywords(llm: LLM, question: str) -> str:
    """The question, and below it terms that its answer would have."""
    return f"{question}\n{asked_of(llm, _KEYWORDS.format(question=question))}".strip()


def asked_of(llm: LLM, prompt: str, **settings: Any) -> str:
    """What a model answers to one prompt, without its thoughts."""
    deltas = parted(llm.chat([{"role": "user", "content": prompt}], **settings))
    return "".join(delta for delta in deltas if not isinstance(delta, Reasoning)).strip()
