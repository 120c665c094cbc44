"""How long values of an agent may become: what doubles in each round of a loop ends before the memory does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .problems import AgentFailed

__all__ = ["check_length", "joined"]

_LONGEST = 4_000_000  # characters, and items
_DEEPEST = 200  # lists and objects in each other, as in requests


def check_length(value: Any, what: str) -> int:
    """How long a text, list or object is with its parts; ``AgentFailed`` if that is too long, or it is too deep."""
    left, level = _LONGEST, [value]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below += [*each, *each.values()]
            elif isinstance(each, list | tuple):
                below += each
            left -= len(each) if isinstance(each, str) else 1
            if left < len(below):
                raise AgentFailed(f"{what} has more than {_LONGEST} characters")
        if not below:
            return _LONGEST - left
        level = below
    raise AgentFailed(f"{what} has more than {_DEEPEST} levels")


def joined(pieces: Iterable[str], what: str) -> str:
    """The pieces as one text; ``AgentFailed`` as soon as it is too long."""
    left, held = _LONGEST, []
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise AgentFailed(f"{what} has more than {_LONGEST} characters")
        held.append(piece)
    return "".join(held)
