"""RAGFlow v0.27's naive merge: text is cut at the delimiters, and the pieces are put together into chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from ..tokens import count_tokens
from .base import Box, Chunk, Section, boxes_to_positions
from .settings import Settings, delimiter_pattern, is_quoted

__all__ = ["Draft", "finished", "grouped", "merged", "pieces"]


class Draft(NamedTuple):
    """A chunk's text, and the places on pages it comes from."""

    text: str
    boxes: tuple[Box, ...] = ()
    doc_type: str = "text"


def merged(sections: Iterable[Section], settings: Settings) -> list[Draft]:
    """Sections cut at the delimiters and put together into chunks, each piece after a newline, as in RAGFlow.

    A chunk is closed by the piece that takes it over the size; a piece longer than that is a chunk of its own.
    With a delimiter in back quotes every piece is. The end of a chunk is repeated in the next one if that is asked for.
    """
    drafts = [
        Draft("\n" + piece, section.boxes)
        for section in sections
        for piece in pieces(section.text, settings.delimiter)
    ]
    if is_quoted(settings.delimiter):
        return drafts
    texts = [draft.text for draft in drafts]
    full = settings.size * (100 - settings.overlap) / 100
    chunks = [_joined(drafts[start:end]) for start, end in grouped(texts, settings.size, full)]
    return _overlapped(chunks, settings.overlap) if settings.overlap else chunks


def grouped(texts: Sequence[str], size: int, full: float) -> list[tuple[int, int]]:
    """Texts in groups, as (first, end): one of more than ``size`` tokens alone, others until over ``full`` tokens."""
    starts: list[int] = []
    count: float = 0
    closed = True
    for place, text in enumerate(texts):
        tokens = count_tokens(text)
        if closed or tokens > size or count > full:
            starts.append(place)
            count = 0
        count += tokens
        closed = tokens > size
    return list(pairwise([*starts, len(texts)]))


def pieces(text: str, delimiter: str) -> list[str]:
    """What stands between the delimiters."""
    return [piece for piece in delimiter_pattern(delimiter).split(text) if piece]


def finished(drafts: Iterable[Draft], settings: Settings) -> list[Chunk]:
    """Drafts as chunks, texts cut into children where the settings say so.

    A chunk that comes from no page has its own number in all five places of its position, as in RAGFlow.
    """
    chunks: list[Chunk] = []
    for place, (text, boxes, doc_type) in enumerate(drafts):
        if not text.strip():
            continue
        positions = boxes_to_positions(boxes) or [[place + 1, *[place] * 4]]
        if settings.children is None or doc_type != "text":
            chunks.append(Chunk(text, positions, doc_type))
            continue
        parent = text.removeprefix("\n")
        chunks += [Chunk(child, positions, doc_type, parent=parent) for child in _children(text, settings)]
    return chunks


def _children(text: str, settings: Settings) -> Iterator[str]:
    """The text cut after each delimiter, which stays with what it ends."""
    start = 0
    for found in settings.children.finditer(text) if settings.children else ():
        if found.start() > start and text[start : found.start()].strip():
            yield text[start : found.end()]
        start = found.end()
    if text[start:].strip():
        yield text[start:]


def _joined(drafts: Sequence[Draft]) -> Draft:
    boxes = dict.fromkeys(box for draft in drafts for box in draft.boxes)
    return Draft("".join(draft.text for draft in drafts), tuple(boxes))


def _overlapped(chunks: Sequence[Draft], percent: int) -> list[Draft]:
    """Each chunk with the end of the one before it, overlap included, in front."""
    result: list[Draft] = []
    for text, boxes, _ in chunks:
        before = result[-1].text if result else ""
        result.append(Draft(before[int(len(before) * (100 - percent) / 100) :] + text, boxes))
    return result
