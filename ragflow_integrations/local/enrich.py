"""Keywords and questions for chunks, from a language model: ``auto_keywords`` and ``auto_questions``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .models import LLM, Reasoning
from .parsing import Chunk

__all__ = ["enriched", "is_asked_for"]

_KEYWORDS = (
    "Give the {count} keywords or short phrases that say best what the text below is about, in the language of the "
    "text. Answer with nothing but them, in one line, with commas between them.\n\nText:\n{text}"
)
_QUESTIONS = (
    "Write the {count} most important questions that the text below answers, in the language of the text, none of "
    "which means the same as another. Answer with nothing but the questions, one a line.\n\nText:\n{text}"
)
_THOUGHT = re.compile(r"^.*</think>", re.DOTALL)
_BETWEEN = re.compile(r"[,，;；、\r\n]+")


def is_asked_for(config: Mapping[str, Any]) -> bool:
    """Whether a ``parser_config`` asks for keywords or questions."""
    return bool(config.get("auto_keywords") or config.get("auto_questions"))


def enriched(found: Sequence[Chunk], config: Mapping[str, Any], llm: LLM) -> Iterator[Chunk]:
    """The chunks with as many keywords and questions as ``config`` says, besides those they have."""
    keywords, questions = int(config.get("auto_keywords") or 0), int(config.get("auto_questions") or 0)
    for chunk in found:
        if keywords:
            told = _BETWEEN.split(_answer(llm, _KEYWORDS, keywords, chunk))
            chunk = replace(chunk, important_keywords=[*chunk.important_keywords, *_filled(told)])
        if questions:
            told = _answer(llm, _QUESTIONS, questions, chunk).split("\n")
            chunk = replace(chunk, questions=[*chunk.questions, *_filled(told)])
        yield chunk


def _answer(llm: LLM, prompt: str, count: int, chunk: Chunk) -> str:
    asked = {"role": "user", "content": prompt.format(count=count, text=chunk.content)}
    deltas = llm.chat([asked], temperature=0.2)
    return _THOUGHT.sub("", "".join(delta for delta in deltas if not isinstance(delta, Reasoning)))


def _filled(texts: Sequence[str]) -> list[str]:
    return [text.strip() for text in texts if text.strip()]
