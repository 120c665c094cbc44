"""``naive``: text cut at delimiters and put together into chunks of a size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...tokens import count_tokens
from ..base import Chunk, File, Section
from ..formats import MARKDOWN, PLAIN, SHEETS, read_sections, read_sheets
from ..markdown import is_heading, read_markdown
from ..merging import Draft, finished, grouped, merged, pieces
from ..settings import Settings, delimiter_pattern, is_quoted
from ..sheets import tables_of_rows
from ..text import read_text

__all__ = ["naive"]

_SHORT_HEADING = 50  # tokens; a shorter heading does not end a chunk
_TABLE_ROWS = 12  # of an HTML table made of a sheet


def naive(file: File, settings: Settings) -> list[Chunk]:
    """The file's text in chunks; plain text begins with a newline in each, as in RAGFlow."""
    if file.suffix in MARKDOWN:
        sections = read_markdown(read_text(file), delimiter_pattern(settings.delimiter))
        return finished(map(Draft, _joined(sections, settings)), settings)
    if file.suffix in PLAIN:
        return finished(merged(_text_blocks(read_text(file), settings), settings), settings)
    if file.suffix in SHEETS and settings.html_tables:
        tables = tables_of_rows(read_sheets(file), _TABLE_ROWS)
        return finished((Draft("\n" + table.text) for table in tables), settings)
    paragraphs = read_sections(file, settings)
    if file.suffix == "docx":
        return _with_tables(paragraphs, settings)
    return finished(merged(paragraphs, settings), settings)


def _text_blocks(text: str, settings: Settings) -> list[Section]:
    """RAGFlow cuts plain text twice; the first time, pieces are joined by newlines whatever cut them."""
    found = pieces(text, settings.delimiter)
    groups = grouped(found, settings.size, settings.size)
    return [Section("\n".join(found[start:end])) for start, end in groups]


def _joined(sections: Iterable[str], settings: Settings) -> list[str]:
    """Markdown sections joined while they fit into the size; a short heading never ends a chunk."""
    chunks: list[str] = []
    current, count = "", 0
    for section in sections:
        tokens = count_tokens(section)
        if current and count + tokens > settings.size and not _is_short_heading(current):
            chunks.append(current)
            current = current[len(current) - len(current) * settings.overlap // 100 :]
            count = count_tokens(current)
        current = f"{current}\n{section}" if current else section
        count += tokens
    return [*chunks, current]


def _is_short_heading(text: str) -> bool:
    return is_heading(text) and count_tokens(text) < _SHORT_HEADING


def _with_tables(sections: Sequence[Section], settings: Settings) -> list[Chunk]:
    """Text put together until a chunk is full; tables are chunks of their own where they stand, and never cut."""
    drafts: list[Draft] = []
    text = -1  # where the last text is
    count = 0
    for section in sections:
        if section.is_table:
            drafts.append(Draft(section.text, doc_type="table"))
            continue
        for piece in (each.strip() for each in pieces(section.text, settings.delimiter) if each.strip()):
            if text < 0 or count >= settings.size or is_quoted(settings.delimiter):
                drafts.append(Draft(piece))
                text, count = len(drafts) - 1, 0
            else:
                drafts[text] = Draft(f"{drafts[text].text}\n{piece}")
            count += count_tokens(piece)
    return finished(drafts, settings)
