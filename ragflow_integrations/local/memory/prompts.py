"""What the language model is told that extracts knowledge from a conversation, and how its answer is read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..fields import given_json
from ..problems import Refused

__all__ = ["EXTRACTED", "Extract", "read_answer", "system_prompt", "user_prompt"]

EXTRACTED = ("semantic", "episodic", "procedural")
_MOST = 5  # items of a type
_KINDS = {
    "semantic": "facts that hold whoever says them and whenever: definitions, properties, relations",
    "episodic": "what happened to somebody at some time: events, decisions, experiences, reports",
    "procedural": "how something is done: steps, methods, conditions under which to take them",
}
_VALID = {
    "semantic": "since when the fact holds (the time of the conversation if nothing else is said)",
    "episodic": "when it began",
    "procedural": "since when the procedure applies",
}


@dataclass(frozen=True)
class Extract:
    """One piece of knowledge; times as ``YYYY-MM-DD HH:MM:SS``, None if nothing was said of them."""

    message_type: str
    content: str
    valid_at: str | None
    invalid_at: str | None


def system_prompt(memory_types: Sequence[str]) -> str:
    """The default instruction of a memory that keeps these types."""
    kinds = [kind for kind in EXTRACTED if kind in memory_types]
    told = "\n".join(f"- {kind}: {_KINDS[kind]}; valid_at is {_VALID[kind]}." for kind in kinds)
    item = {"content": "one sentence that can be understood alone", "valid_at": "", "invalid_at": ""}
    form = json.dumps({kind: [item] for kind in kinds}, indent=2)
    return (
        "Read a conversation and write down what is worth remembering of it.\n\n"
        f"Kinds of knowledge to look for:\n{told}\n\n"
        f"Answer with JSON of this form alone, at most {_MOST} items of a kind, an empty list where there is none;"
        " times in ISO 8601, invalid_at (when it ceases to hold) empty if unknown:\n"
        f"{form}\n"
    )


def user_prompt(conversation: str, now: str, own: str | None) -> str:
    """The conversation to extract from, after the memory's ``own`` instruction if it has one."""
    told = f"{conversation}\n\nTime of the conversation: {now}"
    return f"{own}\n\n{told}" if own else told


def read_answer(answer: str, memory_types: Iterable[str]) -> list[Extract]:
    """What a model's answer holds of these types; ``Refused`` if it is not the JSON that was asked for."""
    start, end = answer.find("{"), answer.rfind("}")
    if start < 0 or end < start:
        raise Refused(f"the model answered without JSON: {answer[:80]!r}")
    try:
        found = given_json(answer[start : end + 1])
    except ValueError as error:
        raise Refused(f"the model's JSON cannot be read: {error}") from None
    return [
        Extract(kind, item["content"], _time(item.get("valid_at")), _time(item.get("invalid_at")))
        for kind in EXTRACTED
        if kind in memory_types
        for item in _items(found, kind)
    ]


def _items(found: dict[str, object], kind: str) -> list[dict[str, str]]:
    items = found.get(kind) or []
    if not isinstance(items, list):
        raise Refused(f"the model's {kind} is no list: {str(items)[:80]!r}")
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("content"), str) or not item["content"]:
            raise Refused(f"the model's {kind} item has no content: {str(item)[:80]!r}")
    return items[:_MOST]


def _time(value: object) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        return datetime.fromisoformat(value.strip()).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None  # a model's "long ago" is no time to sort by
