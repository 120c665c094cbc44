"""Tests of values, as conditions and filters name them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .references import as_text

__all__ = ["TEXT_TESTS", "compared", "is_equal"]


def is_equal(value: Any, other: Any) -> bool:
    """Numbers are equal to what is written in another way."""
    if isinstance(value, int | float):
        try:
            return value == float(other)
        except (TypeError, ValueError):
            return False
    return bool(value == other)


def compared(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """A test of numbers as such, and of anything else as texts."""

    def tested(value: Any, other: Any) -> bool:
        try:
            return test(float(value), float(other))
        except (TypeError, ValueError):
            return test(as_text(value), as_text(other))

    return tested


TEXT_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "=": lambda value, other: value == other,
    "≠": lambda value, other: value != other,
    "contains": lambda value, other: other in value,
    "start with": str.startswith,
    "end with": str.endswith,
}
"""The filters of lists and objects: texts, letter by letter."""
