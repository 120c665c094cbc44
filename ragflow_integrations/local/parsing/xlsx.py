"""Excel files: the values that were last computed, sheet by sheet, without the program that made them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, time, timedelta
from io import BytesIO
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from .archive import Archive, check_xml, local_name
from .base import File, ParseError
from .sheets import Cell, Sheet, is_filled

__all__ = ["read_xlsx"]

_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_LAST_COLUMN = 16_384
_GAP = 10_000  # empty rows in a row that are kept as such
_DATE_FORMATS = frozenset([*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)])
_NOT_THE_FORMAT = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')  # quoted text, colours, fillers
_DATE_SIGNS = re.compile(r"[dmyhs]", re.IGNORECASE)
_EPOCH, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001 - Excel has no zones


def read_xlsx(file: File) -> list[Sheet]:
    """The sheets that have something in them, in the workbook's order."""
    archive = Archive(file)
    try:
        book = _Book(archive)
        sheets = []
        for number, (name, part) in enumerate(book.sheets, start=1):
            sheets.append(book.read(name, part))
            file.tell(number / len(book.sheets), "")
    except (KeyError, ElementTree.ParseError) as error:
        raise ParseError(f"The file {file.name!r} is damaged: {error}") from None
    filled = [sheet for sheet in sheets if any(is_filled(cell) for row in sheet.rows for cell in row)]
    if not filled:
        raise ParseError(f"The file {file.name!r} holds no cells with a value.")
    return filled


class _Book:
    """The parts of a workbook that its sheets share."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        main = archive.main_part()
        parts = archive.related(main)
        root = archive.xml(main)
        properties = [each for each in root if local_name(each) == "workbookPr"]
        self._epoch = _EPOCH_1904 if properties and _is_true(properties[0].get("date1904")) else _EPOCH
        self.sheets = [
            (each.get("name", ""), parts[identifier][1])
            for each in root.iter()
            if local_name(each) == "sheet"
            for key, identifier in each.items()
            if key.endswith("}id") and identifier in parts and parts[identifier][0] == "worksheet"
        ]
        by_kind = dict(parts.values())
        self._texts = self._shared_texts(by_kind.get("sharedStrings"))
        self._dates = self._date_styles(by_kind.get("styles"))

    def read(self, name: str, part: str) -> Sheet:
        """A sheet; rows and columns that are left out in the file are put in."""
        data = self._archive.read(part)
        check_xml(data)
        rows: list[list[Cell]] = []
        merged = []
        for _, element in ElementTree.iterparse(BytesIO(data)):
            kind = local_name(element)
            if kind == "row":
                rows += [[] for _ in range(min(int(element.get("r", 0)) - 1 - len(rows), _GAP))]
                rows.append(list(self._row(element)))
                element.clear()
            elif kind == "mergeCell":
                merged.append(_range(element.get("ref", "")))
        return Sheet(name, rows, merged)

    def _row(self, row: Element) -> Iterator[Cell]:
        column = 0
        for cell in row:
            reference = _REFERENCE.fullmatch(cell.get("r", ""))
            wanted = min(_column(reference[1]), _LAST_COLUMN) if reference else column + 1
            while column + 1 < wanted:
                yield None
                column += 1
            yield self._value(cell)
            column += 1

    def _value(self, cell: Element) -> Cell:
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            return _text(cell)
        value = next((each.text for each in cell if local_name(each) == "v"), None)
        if value is None or kind == "e":
            return value
        if kind == "s":
            return self._texts[int(value)] if int(value) < len(self._texts) else None
        if kind == "b":
            return _is_true(value)
        return self._number(value, cell.get("s", "0")) if kind == "n" else value

    def _number(self, text: str, style: str) -> Cell:
        try:
            number = float(text)
            if style in self._dates:
                return _date(self._epoch, number)
            return int(number) if number.is_integer() else number
        except (ValueError, OverflowError):
            return text

    def _shared_texts(self, part: str | None) -> list[str]:
        root: Iterable[Element] = self._archive.xml(part) if part else ()
        return [_text(each) for each in root if local_name(each) == "si"]

    def _date_styles(self, part: str | None) -> set[str]:
        """The numbers of the cell styles that show a number as a date or a time."""
        if part is None:
            return set()
        root = self._archive.xml(part)
        formats = {
            each.get("numFmtId", ""): each.get("formatCode", "")
            for each in root.iter()
            if local_name(each) == "numFmt"
        }
        styles = next((each for each in root if local_name(each) == "cellXfs"), ())
        return {
            str(number)
            for number, style in enumerate(styles)
            if _is_date(style.get("numFmtId", "0"), formats)
        }


def _text(element: Element) -> str:
    """The text of all runs, without the readings that Japanese texts have beside them."""
    parts = []
    for child in element:
        if local_name(child) == "t":
            parts.append(child.text or "")
        elif local_name(child) != "rPh":
            parts.append(_text(child))
    return "".join(parts)


def _date(epoch: datetime, number: float) -> datetime | time:
    moment = epoch + timedelta(seconds=round(number * 86_400, 3))
    return moment.time() if 0 <= number < 1 else moment


def _is_date(identifier: str, formats: dict[str, str]) -> bool:
    if identifier in formats:
        return _DATE_SIGNS.search(_NOT_THE_FORMAT.sub("", formats[identifier])) is not None
    return identifier.isdecimal() and int(identifier) in _DATE_FORMATS


def _is_true(text: str | None) -> bool:
    return text in ("1", "true")


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _range(reference: str) -> tuple[int, int, int, int]:
    first, _, last = reference.partition(":")
    corners = [_REFERENCE.fullmatch(each) for each in (first, last or first)]
    if not all(corners):
        return (0, 0, 0, 0)
    (left, upper), (right, lower) = [(_column(each[1]), int(each[2])) for each in corners if each]
    return (upper, left, lower, right)
