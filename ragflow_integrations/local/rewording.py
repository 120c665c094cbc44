"""Questions as the search should have them, by a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .conversation import Question
from .models import LLM, Reasoning
from .store import Row
from .thinking import parted

__all__ = ["asked_of", "reworded", "wanted"]

_RECENT = 6  # messages that tell what a question is about
_STANDALONE = (
    "Below is a conversation. Write its last question so that it can be understood without what was said before: put "
    "in what pronouns and omissions stand for, and dates for words like yesterday (today is {today}). Keep the "
    "language. If it needs nothing, repeat it. Answer with the question alone.\n\n{conversation}"
)
_KEYWORDS = (
    "Name up to three terms that a text answering this question would contain. Keep the language. Answer with the "
    "terms alone, separated by commas.\n\n{question}"
)
_TRANSLATED = (
    "Translate this question into each of these languages: {languages}. Answer with one line for each, in this order, "
    "and nothing else.\n\n{question}"
)


def wanted(chat: Row) -> list[str]:
    """What a chat's prompt is set to that takes a model."""
    return [
        f"`prompt_config.{name}`"
        for name in ("keyword", "cross_languages")
        if chat["prompt_config"].get(name)
    ]


def reworded(llm: LLM, chat: Row, question: Question) -> str:
    """The question as a chat is set to search for it: made to stand alone, translated, with keywords."""
    config = chat["prompt_config"]
    text = question.text
    earlier = [each for each in question.messages[:-1] if each["role"] == "user"]
    if earlier and config.get("refine_multiturn"):
        text = _standalone(llm, question.messages) or text
    if languages := config.get("cross_languages"):
        prompt = _TRANSLATED.format(languages=", ".join(map(str, languages)), question=text)
        text = f"{text}\n{asked_of(llm, prompt)}".strip()
    if config.get("keyword"):
        text = f"{text}\n{asked_of(llm, _KEYWORDS.format(question=text))}".strip()
    return text


def asked_of(llm: LLM, prompt: str, **settings: Any) -> str:
    """What a model answers to one prompt, without its thoughts."""
    deltas = parted(llm.chat([{"role": "user", "content": prompt}], **settings))
    return "".join(delta for delta in deltas if not isinstance(delta, Reasoning)).strip()


def _standalone(llm: LLM, messages: Sequence[Mapping[str, Any]]) -> str:
    said = "\n".join(f"{each['role'].upper()}: {each['content']}" for each in messages[-_RECENT:])
    return asked_of(llm, _STANDALONE.format(today=datetime.now(UTC).date(), conversation=said))
