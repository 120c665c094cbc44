"""What an agent remembers of a user: turns of a conversation on their way into memories, and found again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from .. import MemoryMessage
from .fence import DATA, Fence
from .flow import Flow, ask

__all__ = ["Turn", "memories_as_dicts", "memories_as_text", "recalled", "remembered", "turns_of"]

_LONGEST_QUERY = 4096  # bytes in the address of a request; proxies refuse more than 8 KiB of all of it


class Turn(NamedTuple):
    """What a user said and what was answered; one of them may be empty."""

    user: str
    assistant: str


def turns_of(spoken: Iterable[tuple[str, str]]) -> tuple[list[Turn], str]:
    """The turns of a conversation, and what the user said last if there is no answer to it yet.

    ``spoken`` are roles and texts in their order. Texts of ``"user"`` and of ``"assistant"`` that follow each other
    are joined; blank texts and other roles (``"tool"``, ``"system"``) are passed over.
    """
    turns: list[Turn] = []
    asked: list[str] = []
    answered: list[str] = []
    for role, text in spoken:
        if role not in ("user", "assistant") or not text.strip():
            continue
        if role == "user" and answered:
            turns.append(_turn(asked, answered))
            asked, answered = [], []
        (asked if role == "user" else answered).append(text)
    if answered:
        return [*turns, _turn(asked, answered)], ""
    return turns, "\n\n".join(asked)


def remembered(
    memory_ids: Sequence[str], agent_id: str, session_id: str, turns: Iterable[Turn]
) -> Flow[None]:
    """Keep turns in the memories under ``agent_id_of(user)``, one call each, in their order.

    Servers queue what they are given: it is found a moment later.
    """
    for turn in turns:
        yield from ask(
            lambda client, turn=turn: client.add_message(memory_ids, agent_id, session_id, *turn)  # type: ignore[misc]
        )


def recalled(
    query: str,
    memory_ids: Sequence[str],
    agent_id: str,
    *,
    k: int,
    similarity_threshold: float,
    session_id: str | None = None,
) -> Flow[list[MemoryMessage]]:
    """The ``k`` messages (1 to 100) of ``agent_id_of(user)`` that fit best, best first; none for a blank query.

    Of all the user's sessions, or of the one that is given.
    Of a query the beginning is looked up: about 4000 letters, of Chinese 450.
    """
    if not query.strip():
        return []
    begin = _beginning(query)
    return (
        yield from ask(
            lambda client: client.search_message(
                begin,
                memory_ids,
                agent_id=agent_id,
                session_id=session_id,
                similarity_threshold=similarity_threshold,
                top_n=k,
            )
        )
    )


def memories_as_text(found: Sequence[MemoryMessage | Mapping[str, Any]]) -> str:
    """Memories as a model is given them: numbered, and between marks. They may be ``memories_as_dicts``."""
    texts = [message["content"] or "" for message in found]
    fence = Fence(texts)
    parts = [f"[memory {n}]\n{fence.around(text)}" for n, text in enumerate(texts, 1)]
    count = "1 memory" if len(texts) == 1 else f"{len(texts)} memories, the best first"
    return "\n\n".join([f"{count}. {DATA}", *parts])


def memories_as_dicts(found: Iterable[MemoryMessage]) -> list[dict[str, Any]]:
    """Memories as plain types, ``{"memory_id", "message_id", "message_type", "content", "valid_at"}`` each."""
    names = ("memory_id", "message_id", "message_type", "content", "valid_at")
    return [{name: getattr(message, name) for name in names} for message in found]


def _turn(asked: list[str], answered: list[str]) -> Turn:
    return Turn("\n\n".join(asked), "\n\n".join(answered))


def _beginning(query: str) -> str:
    room = _LONGEST_QUERY
    for number, letter in enumerate(query):
        room -= len(quote(letter, errors="replace"))
        if room < 0:
            return query[:number]
    return query
