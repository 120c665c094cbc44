"""Questions as the search should have them, by a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .conversation import Question
from .models import LLM
from .store import Row
from .wording import asked_of, translated, with_keywords

__all__ = ["reworded", "wanted"]

_RECENT = 6  # messages that tell what a question is about
_STANDALONE = (
    "Below is a conversation. Write its last question so that it can be understood without what was said before: put "
    "in what pronouns and omissions stand for, and dates for words like yesterday (today is {today}). Keep the "
    "language. If it needs nothing, repeat it. Answer with the question alone.\n\n{conversation}"
)


def wanted(chat: Row) -> list[str]:
    """What a chat's prompt is set to that takes a model."""
    return [
        f"`prompt_config.{name}`"
        for name in ("keyword", "cross_languages", "toc_enhance")
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
        text = translated(llm, text, languages)
    if config.get("keyword"):
        text = with_keywords(llm, text)
    return text


def _standalone(llm: LLM, messages: Sequence[Mapping[str, Any]]) -> str:
    said = "\n".join(f"{each['role'].upper()}: {each['content']}" for each in messages[-_RECENT:])
    return asked_of(llm, _STANDALONE.format(today=datetime.now(UTC).date(), conversation=said))
