"""Pairs of texts, one a line or row: what ``qa`` and ``tag`` are given."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from ..base import File
from ..formats import read_sheets
from ..sheets import is_filled
from ..text import read_text

__all__ = ["numbered_rows", "pairs_of_sheets"]


def pairs_of_sheets(file: File) -> Iterator[tuple[str, str]]:
    """The first two filled cells of each row that has two."""
    for sheet in read_sheets(file):
        for row in sheet.rows:
            filled = [str(cell) for cell in row if is_filled(cell)]
            if len(filled) > 1:
                yield filled[0], filled[1]


def numbered_rows(file: File) -> Iterator[tuple[Sequence[str], str]]:
    """The columns of each line of a txt, csv or tsv file, and the line itself.

    As in RAGFlow, txt columns end at whichever of tab and comma makes more lines two columns; those of csv at tabs if
    there is one, else at commas, and may be quoted.
    """
    lines = read_text(file).split("\n")
    if file.suffix == "txt":
        delimiter = max("\t,", key=lambda sign: sum(line.count(sign) == 1 for line in lines))
        yield from ((line.split(delimiter), line) for line in lines)
        return
    delimiter = "\t" if any("\t" in line for line in lines) else ","
    reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)
    before = 0
    for row in reader:
        yield row, "\n".join(lines[before : reader.line_num])
        before = reader.line_num
