"""Headings by their numbering: which system a text uses, and the sections it makes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from .base import Section

__all__ = ["BODY", "TITLE", "Numbering", "numbering_of", "without_contents"]

TITLE, BODY = 99, 100

_CN = "[零一二三四五六七八九十百]"
_NUMBER = f"第(?:{_CN}|[0-9])+"
_LIST = "[. 、]"
_SPELLED = "(?:ONE|TWO|THREE|FOUR|FIVE|SIX|SEVEN|EIGHT|NINE|TEN)"
_DECIMAL = r"[0-9]{1,2}"

# From the largest unit to the smallest, as RAGFlow tells them apart.
_SYSTEMS = (
    (f"{_NUMBER}(?:分?编|部分)", f"{_NUMBER}章", f"{_NUMBER}节", f"{_NUMBER}条", f"[(（]{_CN}+[)）]"),
    (
        "第[0-9]+章",
        "第[0-9]+节",
        f"{_DECIMAL}{_LIST}",
        rf"{_DECIMAL}\.{_DECIMAL}[^a-zA-Z/%~-]",
        rf"{_DECIMAL}(?:\.{_DECIMAL}){{2}}",
        rf"{_DECIMAL}(?:\.{_DECIMAL}){{3}}",
    ),
    (f"{_NUMBER}章", f"{_NUMBER}节", f"{_CN}+[ 、]", f"[(（]{_CN}+[)）]", rf"[(（]{_DECIMAL}[)）]"),
    (f"PART {_SPELLED}", "Chapter [IVX]+", "Section [0-9]+", "Article [0-9]+"),
    tuple(f"#{{{level}}}(?!#)" for level in range(1, 7)),
)
_PATTERNS = [[re.compile(each) for each in system] for system in _SYSTEMS]
_NO_NUMBER = re.compile(r"0|[0-9]+ +[0-9~个只-]|[0-9]+\.{2,}|[0-9]+(?:\.[0-9]+){2,}[的中]")
_NO_TITLE = re.compile(r"[,;，。；！!]")
_CONTENTS = re.compile("contents|目录|目次|tableofcontents|致谢|acknowledge", re.IGNORECASE)
_CONTENTS_END = 128  # lines within which a table of contents has to end


class Numbering:
    """How a text numbers its headings; without a system only headings by their style count."""

    def __init__(self, patterns: Sequence[re.Pattern[str]]) -> None:
        self._patterns = patterns

    @property
    def is_there(self) -> bool:
        """Whether the text has numbered headings."""
        return bool(self._patterns)

    def level(self, section: Section) -> int:
        """1 for the largest unit, …, ``TITLE`` for a heading without a number, ``BODY`` for all other text."""
        text = section.text.replace("\u3000", " ").strip()
        if not _NO_NUMBER.match(text):
            # the last that fits: "1.2.3" is no "1.2"
            for level in range(len(self._patterns), 0, -1):
                if self._patterns[level - 1].match(text):
                    return level
        return TITLE if section.level and _is_title(text) else BODY


def numbering_of(sections: Iterable[Section]) -> Numbering:
    """The numbering that most sections fit."""
    hits: Counter[int] = Counter()
    for section in sections:
        text = section.text.strip()
        if not _NO_NUMBER.match(text):
            hits.update(
                number
                for number, system in enumerate(_PATTERNS)
                if any(pattern.match(text) for pattern in system)
            )
    best = max(hits, key=lambda number: (hits[number], -number), default=None)
    return Numbering([] if best is None else _PATTERNS[best])


def without_contents(sections: Sequence[Section]) -> list[Section]:
    """Sections without a table of contents: what stands between its title and the next line like its first."""
    kept: list[Section] = []
    place = 0
    while place < len(sections):
        if _CONTENTS.fullmatch(re.sub(r"\s", "", sections[place].text)):
            place = _end_of_contents(sections, place + 1)
            continue
        kept.append(sections[place])
        place += 1
    return kept


def _end_of_contents(sections: Sequence[Section], first: int) -> int:
    if first >= len(sections):
        return first
    start = _start(sections[first].text)
    for place in range(first + 1, min(first + _CONTENTS_END, len(sections))):
        if _start(sections[place].text) == start:
            return place
    return first


def _start(text: str) -> str:
    """The first two words, or the first three characters of what is not written in words."""
    text = text.strip()
    return " ".join(text.split()[:2]) if text.isascii() else text[:3]


def _is_title(text: str) -> bool:
    long = len(text.split()) > 12 or (" " not in text and len(text) >= 32)
    return not long and _NO_TITLE.search(text) is None
