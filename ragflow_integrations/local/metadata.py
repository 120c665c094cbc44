"""Metadata of documents: which documents a condition fits, what values there are, and how they change together.

As on RAGFlow v0.27 every value counts as text and a list as its items. What is asked for must be text as well:
a number (``2024`` for ``"2024"``) is unequal to everything, there as here. A document without the key fits no
condition, ``≠``, ``not contains`` and ``empty`` included.
"""

from __future__ import annotations

import operator
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Condition",
    "Filter",
    "changed",
    "flattened",
    "holding",
    "matching",
    "normalised",
    "summary",
    "values_of",
]

Metadata = Mapping[str, Any]
Test = Callable[[str], bool]

_ALIASES = {"is": "=", "not is": "≠", "!=": "≠", ">=": "≥", "<=": "≤"}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "≠": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    "≥": operator.ge,
    "≤": operator.le,
}
_TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda held, value: value in held,
    "not contains": lambda held, value: value not in held,
    "start with": str.startswith,
    "end with": str.endswith,
}
_OF_ANYTHING = ("start with", "end with")  # a value that is no text is taken as one
_MEMBERSHIPS: dict[str, Callable[[str, Any], bool]] = {
    "in": lambda held, values: held in values,
    "not in": lambda held, values: held not in values,
}
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)
_WHOLE = re.compile(r"[+-]?(?:0|[1-9]\d{0,999})", re.ASCII)  # "007" is a code, not a number
_DECIMAL = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?", re.ASCII)
_SEPARATORS = re.compile(r"[、,，;；|]+")


@dataclass(frozen=True)
class Condition:
    """One comparison of a field: ``value`` is text, for ``in`` and ``not in`` a list of texts or one long text."""

    name: str
    comparison_operator: str
    value: Any


@dataclass(frozen=True)
class Filter:
    """RAGFlow's ``metadata_condition``: all conditions must fit (``logic`` "and") or one of them ("or")."""

    conditions: Sequence[Condition]
    logic: str = "and"


def matching(documents: Mapping[str, Metadata], wanted: Filter) -> list[str]:
    """The ids of the documents (``{id: metadata}``) that the filter fits; one without conditions fits none.

    A field fits if one of its values does. Upper and lower case are the same; numbers are compared as numbers,
    dates (``YYYY-MM-DD``) with dates only. An operator that RAGFlow does not know fits nothing.
    """
    tests = [(each.name, _test(each)) for each in wanted.conditions]
    combined = any if wanted.logic == "or" else all
    return [
        identifier
        for identifier, metadata in documents.items()
        if tests and combined(any(map(test, _texts(metadata.get(name)))) for name, test in tests)
    ]


def holding(documents: Mapping[str, Metadata], wanted: Metadata) -> list[str] | None:
    """The ids of the documents that hold, for each key of ``{key: values}``, one of the values, exactly as written.

    Keys without a value do not count; None if none counts.
    """
    values = {key: {text for text in _texts(each) if text.strip()} for key, each in wanted.items() if each}
    values = {key: texts for key, texts in values.items() if texts}
    if not values:
        return None
    return [
        identifier
        for identifier, metadata in documents.items()
        if all(not texts.isdisjoint(_texts(metadata.get(key))) for key, texts in values.items())
    ]


def summary(documents: Iterable[Metadata]) -> dict[str, Any]:
    """``{key: {"type": …, "values": [[text, documents that hold it], …]}}``, the most frequent value first.

    The type is what most documents have there: ``string``, ``number``, ``list`` or ``time``.
    """
    values: defaultdict[str, Counter[str]] = defaultdict(Counter)
    types: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for metadata in documents:
        for key, value in metadata.items():
            for text in _texts(value):
                values[key][text] += 1
            types[key][_type(value)] += value is not None
    return {
        key: {
            "type": types[key].most_common(1)[0][0],
            "values": [list(each) for each in counted.most_common()],
        }
        for key, counted in values.items()
    }


def values_of(documents: Iterable[Metadata]) -> dict[str, dict[str, int]]:
    """``{key: {text: documents that hold it}}``; ``empty_metadata`` counts under "true" those that hold nothing."""
    values: defaultdict[str, Counter[str]] = defaultdict(Counter)
    empty = 0
    for metadata in documents:
        held = {(key, text) for key, value in metadata.items() for text in _texts(value) if text.strip()}
        empty += not held
        for key, text in held:
            values[key][text] += 1
    return {**{key: dict(counted) for key, counted in values.items()}, "empty_metadata": {"true": empty}}


def flattened(documents: Mapping[str, Metadata]) -> dict[str, dict[str, list[str]]]:
    """``{key: {text: ids of the documents that hold it}}``."""
    holders: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for identifier, metadata in documents.items():
        for key, value in metadata.items():
            for text in _texts(value):
                holders[key][text].append(identifier)
    return {key: dict(texts) for key, texts in holders.items()}


def changed(
    metadata: Metadata, updates: Iterable[Mapping[str, Any]], deletes: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """The metadata after ``updates`` (``key value``, maybe ``match``), then ``deletes`` (``key``, maybe ``value``).

    A value is added to a list and replaces anything else; with ``match`` it replaces that value only, where it
    is. A deletion takes the key, or with ``value`` that value only.
    """
    result = dict(metadata)
    for each in updates:
        _update(result, each["key"], each["value"], each.get("match"))
    for each in deletes:
        _delete(result, each["key"], each.get("value"))
    return result


def normalised(metadata: Metadata) -> dict[str, Any]:
    """The metadata as RAGFlow keeps it: an item like ``"a, b"`` of a list becomes two, and none is there twice."""
    return {
        key: _distinct(part for item in value for part in _split(item)) if isinstance(value, list) else value
        for key, value in metadata.items()
    }


def _test(condition: Condition) -> Test:
    name = _ALIASES.get(condition.comparison_operator, condition.comparison_operator)
    value = condition.value
    if name in ("empty", "not empty"):
        return lambda held: bool(held) == (name == "not empty")
    if name in _MEMBERSHIPS and isinstance(value, list):
        members = {each.lower() for each in value if isinstance(each, str)}
        return lambda held: _MEMBERSHIPS[name](held.lower(), members)
    if not isinstance(value, str):
        if name not in _OF_ANYTHING:
            return lambda held: name == "≠"
        value = str(value)
    if name in _COMPARISONS:
        return _comparison(_COMPARISONS[name], value)
    if test := _TEXT_TESTS.get(name) or _MEMBERSHIPS.get(name):
        text = value.lower()
        return lambda held: test(held.lower(), text)
    return lambda held: False


def _comparison(compare: Callable[[Any, Any], bool], value: str) -> Test:
    if _DATE.fullmatch(value):
        return lambda held: _DATE.fullmatch(held) is not None and compare(held, value)
    number, text = _number(value), value.lower()

    def fits(held: str) -> bool:
        other = _number(held)
        if other is None or number is None:  # a number and a word are compared as words
            return compare(held.lower(), text)
        return compare(other, number)

    return fits


def _number(text: str) -> int | float | None:
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else None


def _texts(value: Any) -> list[str]:
    return [str(each) for each in (value if isinstance(value, list) else [value]) if each is not None]


def _type(value: Any) -> str:
    if isinstance(value, list):
        return "list"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return "time" if isinstance(value, str) and _TIME.fullmatch(value) else "string"


def _update(metadata: dict[str, Any], key: str, value: Any, match: Any) -> None:
    held = metadata.get(key)
    everything = match is None or match == ""
    if isinstance(held, list):
        added = value if isinstance(value, list) else [value]
        exchanged = [value if str(each) == str(match) else each for each in held]
        metadata[key] = _distinct([*held, *added] if everything else exchanged)
    elif everything or (key in metadata and str(held) == str(match)):
        metadata[key] = value


def _delete(metadata: dict[str, Any], key: str, value: Any) -> None:
    held = metadata.get(key)
    kept = [each for each in held if str(each) != str(value)] if isinstance(held, list) else []
    if value is not None and kept:
        metadata[key] = kept
    elif value is None or isinstance(held, list) or str(held) == str(value):
        metadata.pop(key, None)


def _split(item: Any) -> list[Any]:
    parts = [each.strip() for each in _SEPARATORS.split(item)] if isinstance(item, str) else []
    return [each for each in parts if each] or [item]


def _distinct(values: Iterable[Any]) -> list[Any]:
    by_text: dict[str, Any] = {}
    for each in values:
        by_text.setdefault(str(each), each)
    return list(by_text.values())
