"""Metadata filters inside SQLite: what certainly fits nothing is passed over there, without reading its JSON."""

from __future__ import annotations

import re

from .fields import dumped
from .metadata import Condition, Filter

__all__ = ["may_fit"]

_HOLDING = {"=", "is", "contains", "start with", "end with"}  # the value's text is in what fits
_NO_NUMBER = re.compile(r"[a-df-z]", re.IGNORECASE)  # numbers are compared as numbers: "5" fits "5.0"
_HAS_KEY = "instr(meta_fields_json, ?)"
# LIKE knows upper and lower case in ASCII only; what has more letters has more bytes than characters
_HAS_VALUE = (
    "(meta_fields_json LIKE ? ESCAPE char(92)"
    " OR length(CAST(meta_fields_json AS BLOB)) > length(meta_fields_json))"
)


def may_fit(wanted: Filter) -> tuple[str, list[str]]:
    """A test in SQL, with its bindings, that all documents pass which the filter fits, and most others do not."""
    parts: list[str] = []
    bindings: list[str] = []
    for condition in wanted.conditions:
        pattern = _pattern(condition)
        parts.append(_HAS_KEY if pattern is None else f"({_HAS_KEY} AND {_HAS_VALUE})")
        bindings += [dumped(condition.name), *([] if pattern is None else [pattern])]
    return f"({(' OR ' if wanted.logic == 'or' else ' AND ').join(parts) or '0'})", bindings


def _pattern(condition: Condition) -> str | None:
    """What the JSON of a document must be like for the condition to fit, None if that cannot be said."""
    value = condition.value
    if condition.comparison_operator not in _HOLDING or not isinstance(value, str):
        return None
    if not value.isascii() or not _NO_NUMBER.search(value):
        return None
    escaped = re.sub(r"[%_\\]", lambda found: f"\\{found[0]}", dumped(value)[1:-1])
    return f"%{escaped}%"
