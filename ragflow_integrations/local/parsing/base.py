"""What the readers of formats and the chunk methods hand to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Box", "Chunk", "File", "ParseError", "Section", "Tell", "boxes_to_positions"]

Box = tuple[int, float, float, float, float]
"""Where something stands on a page: page (from 1), x0, x1, top, bottom in points from the upper left corner."""

Tell = Callable[[float, str], None]
"""Reports progress: which share of the file is read (0 to 1), and a line for its owner (or "")."""


class ParseError(Exception):
    """A document cannot be parsed; the message is the reason its owner reads."""


@dataclass(frozen=True)
class Section:
    """A piece of a file's text in reading order, as its format has it: a line, a paragraph, a heading, a table."""

    text: str
    level: int = 0
    """Of a heading, 1 to 9; 0 is no heading."""
    is_table: bool = False
    """Whether ``text`` is an HTML table, which is never cut."""
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Chunk:
    """A chunk as a method makes it; positions are ``[page, x0, x1, top, bottom]`` as RAGFlow stores them."""

    content: str
    positions: Sequence[Sequence[int]] = ()
    doc_type: str = "text"
    important_keywords: Sequence[str] = ()
    questions: Sequence[str] = ()
    tags: Sequence[str] = ()
    tag_features: Mapping[str, float] = field(default_factory=dict)
    parent: str = ""
    """The text this chunk is a part of, where children are cut."""
    token_count: int = 0
    """Of cl100k_base; 0 is not counted yet."""


@dataclass(frozen=True)
class File:
    """A file to be parsed; ``suffix`` is that of its name, in lower case and without the dot."""

    name: str
    suffix: str
    data: bytes
    tell: Tell = lambda share, line: None


def boxes_to_positions(boxes: Sequence[Box]) -> list[list[int]]:
    """The boxes as one rectangle for each run of lines that go down a page."""
    merged: list[Box] = []
    for box in boxes:
        page, x0, x1, top, bottom = box
        if merged and merged[-1][0] == page and top >= merged[-1][3]:
            _, left, right, above, below = merged[-1]
            merged[-1] = (page, min(left, x0), max(right, x1), above, max(below, bottom))
        else:
            merged.append(box)
    return [[int(value) for value in box] for box in merged]
