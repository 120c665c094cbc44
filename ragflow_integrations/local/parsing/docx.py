"""Word files: paragraphs, headings with their level, and tables as HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from xml.etree.ElementTree import Element

from .archive import Archive, descendants, local_name
from .base import File, ParseError, Section

__all__ = ["read_docx"]

_HEADING = re.compile(r"heading\s*(\d*)", re.IGNORECASE)
_LEVELS = 9
_SKIPPED = frozenset({"Fallback", "del", "pPr", "rPr", "moveFrom"})
_SIGNS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


def read_docx(file: File, title: str = "") -> list[Section]:
    """Paragraphs and tables in order. A table below headings is captioned with ``title`` and these, as in RAGFlow."""
    archive = Archive(file)
    main = archive.main_part()
    try:
        document = archive.xml(main)
    except KeyError:
        raise ParseError(f"The file {file.name!r} is damaged: {main} is missing.") from None
    body = next((each for each in document if local_name(each) == "body"), None)
    if body is None:
        raise ParseError(f"The file {file.name!r} is no docx file: it has no body.")
    levels = _heading_levels(archive, main)
    return _sections(body, levels, title)


def _sections(body: Element, levels: dict[str, int], title: str) -> list[Section]:
    sections: list[Section] = []
    above: list[tuple[int, str]] = []  # the headings we are below
    for block in _blocks(body):
        if local_name(block) == "tbl":
            caption = " > ".join([title, *(text for _, text in above)]) if above else ""
            sections.append(Section(_table(block, caption), is_table=True))
            continue
        text, level = _text(block), levels.get(_style(block), 0)
        if not text:
            continue
        if level:
            above = [*(each for each in above if each[0] < level), (level, text)]
        sections.append(Section(text, level))
    return sections


def _blocks(parent: Element) -> Iterator[Element]:
    """Paragraphs and tables, those in content controls and the like too."""
    for child in parent:
        if local_name(child) in ("p", "tbl"):
            yield child
        elif local_name(child) in ("sdt", "sdtContent", "customXml", "ins", "smartTag"):
            yield from _blocks(child)


def _text(paragraph: Element) -> str:
    parts = []
    for each in descendants(paragraph, _SKIPPED):
        name = local_name(each)
        parts.append((each.text or "") if name == "t" else _SIGNS.get(name, ""))
    return "".join(parts).replace("\u3000", " ").strip()


def _style(paragraph: Element) -> str:
    found = (_value(each) for each in paragraph.iter() if local_name(each) == "pStyle")
    return next(found, "")


def _heading_levels(archive: Archive, main: str) -> dict[str, int]:
    """The level of each style that makes a heading; its name says so, in Word files of any language."""
    styles = next((name for kind, name in archive.related(main).values() if kind == "styles"), None)
    try:
        root: Iterable[Element] = archive.xml(styles) if styles else ()
    except KeyError:
        return {}
    levels = {}
    for style in root:
        names = [_value(each) for each in style if local_name(each) == "name"]
        found = _HEADING.match(names[0]) if names else None
        if found:
            levels[_attribute(style, "styleId")] = min(int(found[1] or 1), _LEVELS) or 1
    return levels


def _table(table: Element, caption: str) -> str:
    shown = f"<caption>Table Location: {html.escape(caption, quote=False)}</caption>" if caption else ""
    rows: list[list[str]] = []
    for row in _named(table, "tr"):
        rows.append(_cells(row, rows[-1] if rows else []))
    return f"<table>{shown}{''.join(map(_row, rows))}</table>"


def _cells(row: Element, above: Sequence[str]) -> list[str]:
    """A row's texts; a cell over several columns or rows has its text in each of them."""
    texts: list[str] = []
    for cell in _named(row, "tc"):
        span, goes_on = 1, False
        for each in cell.iter():
            if local_name(each) == "gridSpan":
                span = min(int(_value(each) or 1), 64)
            elif local_name(each) == "vMerge":
                goes_on = _value(each) != "restart"
        text = above[len(texts)] if goes_on and len(texts) < len(above) else _cell_text(cell)
        texts += [text] * span
    return texts


def _cell_text(cell: Element) -> str:
    return "\n".join(text for each in cell.iter() if local_name(each) == "p" if (text := _text(each)))


def _row(texts: Sequence[str]) -> str:
    cells = []
    for text, same in groupby(texts):
        span = len(list(same))
        start = "<td>" if span == 1 else f"<td colspan='{span}'>"
        cells.append(f"{start}{html.escape(text, quote=False)}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _named(parent: Element, name: str) -> list[Element]:
    """The children of this name, those in content controls too."""
    found = []
    for child in parent:
        if local_name(child) == name:
            found.append(child)
        elif local_name(child) in ("sdt", "sdtContent", "customXml"):
            found += _named(child, name)
    return found


def _value(element: Element) -> str:
    return _attribute(element, "val")


def _attribute(element: Element, name: str) -> str:
    return next((value for key, value in element.items() if key.rpartition("}")[2] == name), "")
