"""``parser_config`` as the chunk methods read it, each value checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .base import ParseError

__all__ = ["Settings", "delimiter_pattern", "is_quoted", "settings_of"]

_QUOTED = re.compile(r"`([^`]+)`")
_ESCAPES = {r"\n": "\n", r"\r": "\n", r"\t": "\t"}
_LAST_PAGE = 100_000


@dataclass(frozen=True)
class Settings:
    """What a chunk method is told. Sizes are cl100k_base tokens, pages count from 1."""

    size: int
    delimiter: str
    overlap: int
    """Per cent of the chunk before, 0 to 90."""
    children: re.Pattern[str] | None
    """Where chunks are cut into children; None: they are not."""
    html_tables: bool
    pages: tuple[tuple[int, int], ...]
    """First page and the one after the last, in the order asked for."""
    layout: str
    roles: Mapping[str, str]
    """What a table's columns are for: ``indexing``, ``metadata`` or ``both``."""
    language: str

    def wants_page(self, number: int) -> bool:
        """Whether a page (from 1) is to be read."""
        return any(first <= number < end for first, end in self.pages)


def settings_of(
    config: Mapping[str, Any], *, language: str, size: int = 128, delimiter: str = "\n"
) -> Settings:
    """``parser_config`` with a method's own defaults; ``ParseError`` names a field whose value does not fit."""
    manual = config.get("table_column_mode") == "manual"
    return Settings(
        size=int(_number(config, "chunk_token_num", size)),
        delimiter=config.get("delimiter") or delimiter,
        overlap=_percent(_number(config, "overlapped_percent", 0)),
        children=_children(config),
        html_tables=bool(config.get("html4excel")),
        pages=_pages(config),
        layout=str(config.get("layout_recognize") or "DeepDOC"),
        roles=(config.get("table_column_roles") or {}) if manual else {},
        language=language,
    )


def delimiter_pattern(delimiter: str) -> re.Pattern[str]:
    """Matches any of the delimiters a ``delimiter`` field names, the longest first.

    Each character is one, text in back quotes is one as a whole. v0.24 reads escapes, v0.27 takes them letter by
    letter and so would cut at every "n": we read them.
    """
    for escape, character in _ESCAPES.items():
        delimiter = delimiter.replace(escape, character)
    delimiter = delimiter.replace("\r\n", "\n").replace("\r", "\n")
    found = {*_QUOTED.findall(delimiter), *_QUOTED.sub("", delimiter)}
    return re.compile("|".join(re.escape(text) for text in sorted(found, key=len, reverse=True)))


def is_quoted(delimiter: str) -> bool:
    """Whether the field has a delimiter in back quotes: then every piece is a chunk, whatever its size."""
    return _QUOTED.search(delimiter) is not None


def _children(config: Mapping[str, Any]) -> re.Pattern[str] | None:
    nested = config.get("parent_child") or {}
    if nested.get("use_parent_child"):
        return delimiter_pattern(nested.get("children_delimiter") or "\n")
    delimiter = config.get("children_delimiter")
    return delimiter_pattern(delimiter) if delimiter else None


def _pages(config: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    """As RAGFlow reads ``pages``: the page that ends a range is not in it."""
    ranges = config.get("pages") or [[1, _LAST_PAGE]]
    try:
        return tuple((max(1, int(first)), int(end)) for first, end in ranges)
    except (TypeError, ValueError):
        raise ParseError(
            f"parser_config.pages is {ranges!r}: it has to be a list of pairs of page numbers, like [[1, 12]]."
        ) from None


def _percent(number: float) -> int:
    return max(0, min(90, int(number * 100 if 0 < number < 1 else number)))


def _number(config: Mapping[str, Any], field: str, default: float) -> float:
    value = config.get(field)
    try:
        return float(default if value is None else value)
    except (TypeError, ValueError):
        raise ParseError(f"parser_config.{field} is {value!r}: it has to be a number.") from None
