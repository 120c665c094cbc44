"""The text of an HTML page as RAGFlow v0.27 takes it: blocks of folded text, headings marked, tables apart."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

__all__ = ["read_html"]

_BLOCKS = frozenset(
    """article aside blockquote code div figcaption figure h1 h2 h3 h4 h5 h6 li ol p pre section table ul""".split()
)
_HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
_SELF_CLOSING = frozenset("dd dt li option p td th tr".split())  # closed by their own next start tag
_TABLE_PARTS = frozenset("caption table tbody td tfoot th thead tr".split())
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_BREAK = "\x0b"  # a <br> until the blanks around it are folded


def read_html(page: str) -> tuple[list[str], list[str]]:
    """The page's text blocks in order, and its tables as bare HTML (their text and structure, no attributes).

    Scripts, styles and comments are left out, and all that stands before ``<body>``. Each block-level element is
    a block of its own; headings begin with their ``#`` marks; blanks are folded except in ``<pre>``.
    """
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.finish()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[tuple[str, int]] = []  # elements we are in, each with the block its text belongs to
        self._names: Counter[str] = Counter()  # their names
        self._blocks: list[tuple[int, list[str]]] = []
        self._tables: list[list[str]] = []
        self._count = 0

    def finish(self) -> tuple[list[str], list[str]]:
        texts = (_fold("".join(text), folded=block >= 0) for block, text in self._blocks)
        return [text for text in texts if text.strip()], [_tidy("".join(table)) for table in self._tables]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            self._open, self._names, self._blocks, self._tables = [], Counter(), [], []
        if tag in _VOID:
            self.handle_data(_BREAK if tag == "br" else "")
            return
        if tag in _SELF_CLOSING and self._open and self._open[-1][0] == tag:
            self.handle_endtag(tag)
        if tag == "table" and not self._inside("table"):
            self._tables.append([])
        self._open.append((tag, self._block(tag)))
        self._names[tag] += 1
        if self._inside("table") and tag in _TABLE_PARTS:
            self._tables[-1].append(f"<{tag}>")

    def handle_endtag(self, tag: str) -> None:
        if not self._inside(tag):
            return
        if self._inside("table") and tag in _TABLE_PARTS:
            self._tables[-1].append(f"</{tag}>")
        closed = ""
        while closed != tag:
            closed, _ = self._open.pop()
            self._names[closed] -= 1

    def handle_data(self, data: str) -> None:
        if not data or self._inside("script") or self._inside("style"):
            return
        if self._inside("table"):
            self._tables[-1].append(data.replace(_BREAK, " "))
            return
        tag, block = self._open[-1] if self._open else ("", 0)
        if self._blocks and self._blocks[-1][0] == block:
            self._blocks[-1][1].append(data)
        elif data.strip(_BREAK + " \t\r\n\f"):
            self._blocks.append((block, [f"{_HEADINGS[tag]} " if tag in _HEADINGS else "", data]))

    def _block(self, tag: str) -> int:
        """A number of its own for each block; negative in ``<pre>``, whose blanks count."""
        if tag == "pre" or (tag in _BLOCKS and not self._inside("pre")):
            self._count += 1
            return -self._count if tag == "pre" else self._count
        return self._open[-1][1] if self._open else 0

    def _inside(self, tag: str) -> bool:
        return self._names[tag] > 0


def _fold(text: str, *, folded: bool) -> str:
    if not folded:
        return text.replace(_BREAK, "\n")
    return "\n".join(_BLANKS.sub(" ", line).strip() for line in text.split(_BREAK)).strip("\n")


def _tidy(table: str) -> str:
    """One row a line, so that a long table can be cut between rows."""
    folded = re.sub(
        r"\s*(</?(?:caption|table|tbody|td|tfoot|th|thead|tr)>)\s*", r"\1", _BLANKS.sub(" ", table)
    )
    return re.sub(
        r"(<table>|</caption>|</tr>|<t(?:body|head|foot)>|</t(?:body|head|foot)>)", r"\1\n", folded
    ).strip()
