"""``tag``: a text and its tags are a chunk; other datasets take their tags from such ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..base import Chunk, File, ParseError
from ..settings import Settings
from .rows import numbered_rows, pairs_of_sheets

__all__ = ["tag"]


def tag(file: File, settings: Settings) -> list[Chunk]:
    """Each pair of a text and its tags, which stand between commas; a dot in a tag becomes ``_``, as in RAGFlow."""
    chunks = [Chunk(text, tags=_tags(tags)) for text, tags in _pairs(file)]
    if not chunks:
        raise ParseError(
            f"The file {file.name!r} holds no tags. Needed are two columns: a text, and its tags between commas."
        )
    return chunks


def _pairs(file: File) -> Iterable[tuple[str, str]]:
    return _of_lines(file) if file.suffix in ("txt", "csv", "tsv") else pairs_of_sheets(file)


def _of_lines(file: File) -> Iterator[tuple[str, str]]:
    """Lines up to one of two columns, whose second one has the tags, are one text."""
    text: list[str] = []
    for columns, line in numbered_rows(file):
        filled = [each.strip() for each in columns if each.strip()] if file.suffix != "txt" else columns
        if len(filled) != 2:
            text.append(line)
            continue
        yield "".join(f"\n{each}" for each in [*text, filled[0]]), filled[1]
        text = []


def _tags(text: str) -> list[str]:
    return [each.strip().replace(".", "_") for each in text.split(",") if each.strip()]
