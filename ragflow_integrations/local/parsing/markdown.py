"""The sections of a Markdown text as RAGFlow v0.27 cuts them: at the delimiters, but not inside code or tables."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

__all__ = ["is_heading", "read_markdown"]

_FENCE = re.compile(r"[ \t]{0,3}(`{3,}|~{3,})")
_RULE_CELL = re.compile(r":?-+:?")
_HEADING = re.compile(r"#{1,6}\s+\S")
_NOT_PROSE = re.compile(r"\s*(?:`{3}|~{3}|\||<|>|[-*+]\s|\d+\.\s)|\S+\s*\|")
_TABLE_START = re.compile(r"<table\b", re.IGNORECASE)
_TABLE_STOP = re.compile("</table>", re.IGNORECASE)


def read_markdown(text: str, delimiters: re.Pattern[str]) -> list[str]:
    """The sections of ``text``, stripped: what stands between two delimiters.

    Fenced code and tables stay whole; pipe tables are turned into HTML tables, as in RAGFlow. A heading is put
    together with the prose after it.
    """
    sections: list[str] = []
    for part, whole in _parts(text.split("\n")):
        sections += [part] if whole else delimiters.split(part)
    return _with_headings([section.strip() for section in sections if section.strip()])


def is_heading(section: str) -> bool:
    """Whether a section begins with a Markdown heading."""
    return _HEADING.match(section.strip()) is not None


def _parts(lines: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """The text in parts, each with whether it has to stay whole."""
    prose: list[str] = []
    position = 0
    while position < len(lines):
        end = _fence_end(lines, position) or _table_end(lines, position)
        if not end:
            prose.append(lines[position])
            position += 1
            continue
        yield from _prose("\n".join(prose))
        block = lines[position:end]
        yield "\n".join(block) if _FENCE.match(block[0]) else _as_html(block), True
        prose, position = [], end
    yield from _prose("\n".join(prose))


def _prose(text: str) -> Iterator[tuple[str, bool]]:
    position = 0
    while (start := _TABLE_START.search(text, position)) and (stop := _TABLE_STOP.search(text, start.end())):
        yield text[position : start.start()], False
        yield text[start.start() : stop.end()], True
        position = stop.end()
    yield text[position:], False


def _fence_end(lines: Sequence[str], start: int) -> int:
    """The line after the fenced code that begins at ``start``, 0 if none does; an open fence runs to the end."""
    fence = _FENCE.match(lines[start])
    if not fence:
        return 0
    closing = re.compile(rf"[ \t]{{0,3}}{re.escape(fence[1][0])}{{{len(fence[1])},}}\s*")
    for position in range(start + 1, len(lines)):
        if closing.fullmatch(lines[position]):
            return position + 1
    return len(lines)


def _table_end(lines: Sequence[str], start: int) -> int:
    """The line after the pipe table that begins at ``start``, 0 if none does."""
    rule = _cells(lines[start + 1]) if start + 1 < len(lines) else []
    if not _cells(lines[start]) or not rule or not all(_RULE_CELL.fullmatch(cell) for cell in rule):
        return 0
    end = start + 2
    while end < len(lines) and _cells(lines[end]):
        end += 1
    return end


def _cells(line: str) -> list[str]:
    """The cells of a table's line, none if it is no such line."""
    cells = line.strip().removeprefix("|").removesuffix("|").split("|")
    return [cell.strip() for cell in cells] if len(cells) > 1 and any(cell.strip() for cell in cells) else []


def _as_html(lines: Sequence[str]) -> str:
    head, _, *body = [_cells(line) for line in lines]
    rows = ["<thead>", *_row(head, "th"), "</thead>", "<tbody>"]
    for cells in body:
        rows += _row((cells + [""] * len(head))[: len(head)], "td")
    return "\n".join(["<table>", *rows, "</tbody>", "</table>"])


def _row(cells: Sequence[str], tag: str) -> list[str]:
    return ["<tr>", *(f"<{tag}>{html.escape(cell, quote=False)}</{tag}>" for cell in cells), "</tr>"]


def _with_headings(sections: Sequence[str]) -> list[str]:
    """Headings in a row joined to the prose that follows them; before anything else they stay alone."""
    joined: list[str] = []
    headings: list[str] = []
    for section in sections:
        if is_heading(section) and "\n" not in section:
            headings.append(section)
            continue
        if headings and not _NOT_PROSE.match(section):
            section = "\n".join([*headings, section])
        else:
            joined += headings
        joined.append(section)
        headings = []
    return joined + headings
