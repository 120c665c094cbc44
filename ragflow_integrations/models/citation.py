"""Where an answer's text cites its sources."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from .chunk import ChunkFields

__all__ = ["Citation"]

# any digits, as the server's own pattern, and no number that int() refuses; ``##n$$`` is of servers up to v0.18
_MARKER = re.compile(r"\[ID:\s*(\d{1,9})\s*\]|##(\d{1,9})\$\$")


@dataclass(frozen=True, slots=True)
class Citation:
    """One marker in a text: ``text[start:end]`` is it, ``index`` the number in it, from 0.

    ``chunk`` is the source, ``None`` where the reference has none of that number.
    """

    start: int
    end: int
    index: int
    chunk: ChunkFields | None

    @classmethod
    def found_in(cls, text: str, reference: Sequence[ChunkFields]) -> list[Self]:
        """The citations of a whole answer, in its order. Of a stream give the joined text: a marker may be cut."""
        found = []
        for marker in _MARKER.finditer(text):
            index = int(marker[1] or marker[2])
            chunk = reference[index] if index < len(reference) else None
            found.append(cls(marker.start(), marker.end(), index, chunk))
        return found
