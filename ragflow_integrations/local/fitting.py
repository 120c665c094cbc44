"""How much of a conversation, and of what was found for it, a language model can be given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from .models import LLM, context_of
from .tokens import beginning, count_tokens

__all__ = ["excerpts_within", "newest_within", "room_for"]

_SHARE = 0.95  # of the context; the rest is for what is counted in another way than here
_Message = TypeVar("_Message", bound=Mapping[str, Any])


def room_for(llm: LLM | None, *texts: str) -> int:
    """The tokens that are left in a model's context beside these texts."""
    return max(0, int(context_of(llm) * _SHARE) - sum(map(count_tokens, texts)))


def newest_within(room: int, messages: Sequence[_Message]) -> list[_Message]:
    """The messages without the oldest, which are too many."""
    kept: list[_Message] = []
    for message in reversed(messages):
        room -= count_tokens(str(message.get("content") or ""))
        if room < 0:
            break
        kept.append(message)
    return kept[::-1]


def excerpts_within(room: int, excerpts: Sequence[str]) -> list[str]:
    """The excerpts without the last, which are too many; of the first at least its beginning."""
    kept: list[str] = []
    for excerpt in excerpts:
        tokens = count_tokens(excerpt)
        if tokens > room and kept:
            break
        kept.append(excerpt if tokens <= room else beginning(excerpt, room))
        room -= tokens
    return kept
