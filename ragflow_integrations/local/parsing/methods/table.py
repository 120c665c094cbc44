"""``table``: each row is a chunk, with the names of its columns."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from itertools import chain, count

from ..base import Chunk, File, ParseError
from ..formats import read_sheets
from ..settings import Settings
from ..sheets import Cell, Sheet, is_filled
from ..text import read_text

__all__ = ["table"]

_LEFT_OUT = frozenset({"id", "_id", "index", "idx"})
_WHOLE = re.compile(r"[+-]?[1-9][0-9]*")
_DECIMAL = re.compile(r"[+-]?[1-9][0-9]*\.[0-9]*")
_YES = re.compile(r"true|yes|是|\*|✓|✔|☑|✅|√", re.IGNORECASE)
_NO = re.compile(r"false|no|否|⍻|×", re.IGNORECASE)
_KINDS = ("text", "datetime", "float", "int", "bool")
"""Of equally frequent kinds of values in a column the first one counts."""
_HEAD_ROWS = 5


def table(file: File, settings: Settings) -> list[Chunk]:
    """Each row below the head as lines ``- column: value``; values are written as most of their column are.

    Left out are columns named ``id`` or ``index``, and those whose role in ``table_column_roles`` is ``metadata``.
    """
    chunks: list[Chunk] = []
    for sheet in _sheets(file):
        heads, rows = _split(sheet)
        shown = [
            (place, head)
            for place, head in enumerate(_distinct(heads))
            if head not in _LEFT_OUT and settings.roles.get(head, "both") != "metadata"
        ]
        columns = [(head, _written([row[place] for row in rows])) for place, head in shown]
        for number in range(len(rows)):
            lines = [f"- {head}: {cells[number]}" for head, cells in columns if cells[number]]
            if lines:
                chunks.append(Chunk("\n".join(lines)))
    if not chunks:
        raise ParseError(f"The file {file.name!r} holds no rows below a row with the names of the columns.")
    return chunks


def _sheets(file: File) -> list[Sheet]:
    if file.suffix not in ("txt", "csv", "tsv"):
        return read_sheets(file)
    delimiter = "," if file.suffix == "csv" else "\t"
    reader = csv.reader(
        io.StringIO(read_text(file)),
        delimiter=delimiter,
        quoting=csv.QUOTE_NONE if file.suffix == "txt" else csv.QUOTE_MINIMAL,
    )
    heads, *rows = [row for row in reader if row]
    wrong = [str(number) for number, row in enumerate(rows, start=2) if len(row) != len(heads)]
    if wrong:
        told = f"{', '.join(wrong[:3])}{' …' * (len(wrong) > 3)}"
        file.tell(1.0, f"{len(wrong)} rows without {len(heads)} columns are left out: {told}")
    return [Sheet("Data", [heads, *(row for row in rows if len(row) == len(heads))])]


def _split(sheet: Sheet) -> tuple[list[str], list[list[Cell]]]:
    """The names of the columns, and the rows below, each as long as the head; merged cells have their value each."""
    rows = _unmerged(sheet)
    width = max((len(row) for row in rows), default=0)
    rows = [[*row, *[None] * (width - len(row))] for row in rows]
    head = min(_head_rows(sheet.merged), _HEAD_ROWS)
    heads = [_head([row[place] for row in rows[:head]], place) for place in range(width)]
    return heads, [row for row in rows[head:] if any(map(is_filled, row))]


def _unmerged(sheet: Sheet) -> list[list[Cell]]:
    rows = [list(row) for row in sheet.rows]
    for upper, left, lower, right in sheet.merged:
        if not 0 < upper <= len(rows) or not 0 < left <= len(rows[upper - 1]):
            continue
        value = rows[upper - 1][left - 1]
        for row in rows[upper - 1 : lower]:
            row += [None] * (right - len(row))
            row[left - 1 : right] = [value] * (right - left + 1)
    return rows


def _head_rows(merged: Sequence[tuple[int, int, int, int]]) -> int:
    """How many rows the head has: as far as merged cells of the first row go, and one below those over columns."""
    return max((lower + (left < right) for upper, left, lower, right in merged if upper == 1), default=1)


def _head(cells: Sequence[Cell], place: int) -> str:
    texts = [str(cell).strip() for cell in cells if is_filled(cell)]
    return "-".join(dict.fromkeys(texts)) or f"Column_{place + 1}"


def _distinct(heads: Sequence[str]) -> list[str]:
    """The names, a second one of the same as ``name_2``."""
    distinct: list[str] = []
    for head in heads:
        names = chain([head], (f"{head}_{number}" for number in count(2)))
        distinct.append(
            next(name for name in names if name not in distinct and (name == head or name not in heads))
        )
    return distinct


def _written(cells: Sequence[Cell]) -> list[str]:
    """The values of a column as text, in the way of the kind that most of them are of; "" where there is none."""
    kinds = Counter(_kind(cell) for cell in cells if is_filled(cell))
    kind = max(_KINDS, key=lambda each: (kinds[each], -_KINDS.index(each)))
    write = _WRITERS[kind]
    return [_tried(write, cell) if is_filled(cell) else "" for cell in cells]


def _kind(cell: Cell) -> str:
    match cell:
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float"
        case datetime() | date() | time():
            return "datetime"
    text = str(cell)
    for kind, pattern in (("int", _WHOLE), ("float", _DECIMAL), ("bool", _YES), ("bool", _NO)):
        if pattern.fullmatch(text):
            return kind
    return "datetime" if _as_date(text) else "text"


def _as_date(text: str) -> str:
    try:
        return f"{datetime.fromisoformat(text.strip()):%Y-%m-%d %H:%M:%S}" if len(text) > 7 else ""
    except ValueError:
        return ""


def _as_bool(text: str) -> str:
    return "yes" if _YES.fullmatch(text) else "no" if _NO.fullmatch(text) else ""


_WRITERS: dict[str, Callable[[str], str]] = {
    "text": str,
    "datetime": _as_date,
    "float": lambda text: str(float(text)),
    "int": lambda text: str(int(text)),
    "bool": _as_bool,
}


def _tried(write: Callable[[str], str], cell: Cell) -> str:
    """A value of another kind stays as it is: RAGFlow loses it."""
    try:
        return write(str(cell)) or str(cell)
    except ValueError:
        return str(cell)
