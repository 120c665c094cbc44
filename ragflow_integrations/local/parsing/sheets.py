"""Tables of cells: what csv, tsv and Excel files are read into."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice

from .base import File, Section
from .text import read_text

__all__ = ["Cell", "Sheet", "read_csv", "row_lines", "tables_of_rows"]

Cell = str | int | float | bool | datetime | date | time | None

_DELIMITERS = ",;\t|"
_LONGEST_CELL = 1 << 28


@dataclass(frozen=True)
class Sheet:
    """A sheet's rows, as long as what is in them; ``merged`` are ranges as (first row, first column, last, last)."""

    name: str
    rows: Sequence[Sequence[Cell]]
    merged: Sequence[tuple[int, int, int, int]] = ()


def read_csv(file: File) -> list[Sheet]:
    """A csv or tsv file as one sheet, called ``Data`` as in RAGFlow.

    Columns end at tabs in a tsv file, else at what the first line has most of: comma, semicolon, tab or bar.
    """
    text = read_text(file)
    first = text.lstrip().partition("\n")[0]
    delimiter = "\t" if file.suffix == "tsv" else max(_DELIMITERS, key=first.count)
    csv.field_size_limit(_LONGEST_CELL)
    rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    return [Sheet("Data", [row for row in rows if row])]


def row_lines(sheets: Sequence[Sheet]) -> list[Section]:
    """Each row below a sheet's first as a line ``head：cell; head：cell ——sheet``, as RAGFlow writes it.

    The sheet's name is left out if it is a default one with "sheet" in it.
    """
    sections = []
    for sheet in sheets:
        heads = sheet.rows[0] if sheet.rows else ()
        ending = "" if "sheet" in sheet.name.lower() else f" ——{sheet.name}"
        for row in sheet.rows[1:]:
            line = "; ".join(_named(heads, place, cell) for place, cell in enumerate(row) if is_filled(cell))
            if line:
                sections.append(Section(line + ending))
    return sections


def tables_of_rows(sheets: Sequence[Sheet], size: int) -> Iterator[Section]:
    """HTML tables of at most ``size`` rows each, with the sheet's name as caption and its first row as head."""
    for sheet in sheets:
        rest = iter(sheet.rows)
        head = _row(next(rest, ()), "th")
        while rows := list(islice(rest, size)):
            body = "".join(_row(row, "td") for row in rows)
            caption = f"<caption>{html.escape(sheet.name, quote=False)}</caption>"
            yield Section(f"<table>{caption}{head}{body}</table>", is_table=True)


def is_filled(cell: Cell) -> bool:
    """Whether there is something in a cell."""
    return cell is not None and str(cell).strip() != ""


def _named(heads: Sequence[Cell], place: int, cell: Cell) -> str:
    head = str(heads[place]) if place < len(heads) and is_filled(heads[place]) else ""
    return f"{head}：{cell}" if head else str(cell)


def _row(cells: Sequence[Cell], tag: str) -> str:
    shown = (html.escape("" if cell is None else str(cell).strip()) for cell in cells)
    return f"<tr>{''.join(f'<{tag}>{each}</{tag}>' for each in shown)}</tr>"
