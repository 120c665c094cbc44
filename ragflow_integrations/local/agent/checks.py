"""What RAGFlow says of a wrong parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .problems import WrongParameter

__all__ = ["boolean", "filled", "fraction", "natural", "one_of", "positive", "rows", "text", "texts"]


def filled(value: Any, what: str) -> None:
    """Not empty."""
    if not value:
        raise WrongParameter(f"{what} does not support empty value.")


def boolean(value: Any, what: str) -> None:
    """True or False."""
    if not isinstance(value, bool):
        raise WrongParameter(f"{what} {value} not supported, should be bool type")


def fraction(value: Any, what: str) -> None:
    """A number from 0 to 1."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= 1:
        shown = number if isinstance(value, int | float) else value
        raise WrongParameter(f"{what} {shown} not supported, should be a float number in range [0, 1]")


def natural(value: Any, what: str) -> None:
    """A whole number from 0 on."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise WrongParameter(f"{what} {value} not supported, should be 0 or positive integer")


def positive(value: Any, what: str) -> None:
    """A number above 0."""
    if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
        raise WrongParameter(f"{what} {value} not supported, should be positive numeric")


def rows(value: Any, what: str) -> None:
    """A list of objects."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise WrongParameter(f"{what} should be a list of objects")


def text(value: Any, what: str) -> None:
    """A text."""
    if not isinstance(value, str):
        raise WrongParameter(f"{what} should be a text")


def texts(value: Any, what: str) -> None:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise WrongParameter(f"{what} should be a list of texts")


def one_of(value: Any, what: str, values: Sequence[str]) -> None:
    """One of these."""
    if value not in values:
        raise WrongParameter(f"{what} {value} is not supported, it should be in {list(values)}")
