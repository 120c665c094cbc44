"""How long values of an agent may become: what doubles in each round of a loop ends before the memory does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .problems import AgentFailed

__all__ = ["check_length", "joined"]

_LONGEST = 4_000_000  # characters, and items


def check_length(value: Any, what: str) -> None:
    """Raise ``AgentFailed`` for a text, list or object that is too long, also in its parts."""
    left, ahead = _LONGEST, [value]
    while ahead:
        each = ahead.pop()
        if isinstance(each, dict):
            ahead += [*each, *each.values()]
        elif isinstance(each, list | tuple):
            ahead += each
        left -= len(each) if isinstance(each, str) else 1
        if left < 0:
            raise AgentFailed(f"{what} has more than {_LONGEST} characters")


def joined(pieces: Iterable[str], what: str) -> str:
    """The pieces as one text; ``AgentFailed`` as soon as it is too long."""
    left, held = _LONGEST, []
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise AgentFailed(f"{what} has more than {_LONGEST} characters")
        held.append(piece)
    return "".join(held)
