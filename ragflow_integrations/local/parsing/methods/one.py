"""``one``: the whole file is one chunk."""

from __future__ import annotations

from ..base import Chunk, File
from ..formats import SHEETS, read_sections, read_sheets
from ..settings import Settings
from ..sheets import tables_of_rows

__all__ = ["one"]


def one(file: File, settings: Settings) -> list[Chunk]:
    """All text of the file in its order, sheets as HTML tables."""
    if file.suffix in SHEETS:
        texts = [
            table.text for sheet in read_sheets(file) for table in tables_of_rows([sheet], len(sheet.rows))
        ]
    else:
        texts = [section.text for section in read_sections(file, settings)]
    return [Chunk("\n".join(texts))]
