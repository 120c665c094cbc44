"""Conditions on the metadata of documents, checked before they are sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidRequestError
from .checks import check_choice, check_text

__all__ = ["OPERATORS", "checked_condition"]

OPERATORS = (
    "is", "=", "not is", "!=", "≠", ">", "<", ">=", "≥", "<=", "≤", "contains", "not contains", "in", "not in",
    "start with", "end with", "empty", "not empty",
)  # fmt: skip
_WITHOUT_VALUE = ("empty", "not empty")


def checked_condition(name: str, condition: Any) -> dict[str, Any]:
    """A ``metadata_condition`` as servers read it: ``{"logic", "conditions": [{"name", …}]}``.

    Servers answer a missing key with a crash, an unknown operator and no condition at all with no result. A
    number goes out as text.
    """
    if not isinstance(condition, Mapping):
        raise InvalidRequestError(
            f"{name}={condition!r}: give {{'logic': 'and', 'conditions': "
            "[{'name': …, 'comparison_operator': 'is', 'value': …}]}"
        )
    conditions = condition.get("conditions")
    if not isinstance(conditions, Sequence) or isinstance(conditions, str) or not conditions:
        raise InvalidRequestError(
            f"{name}['conditions']={conditions!r}: give a list of at least one condition"
        )
    logic = check_choice(f"{name}['logic']", condition.get("logic", "and"), ("and", "or"))
    return {
        "logic": logic,
        "conditions": [_checked(f"{name}['conditions'][{n}]", one) for n, one in enumerate(conditions)],
    }


def _checked(where: str, condition: Any) -> dict[str, Any]:
    if not isinstance(condition, Mapping):
        raise InvalidRequestError(f"{where}={condition!r}: give {{'name', 'comparison_operator', 'value'}}")
    operator = check_choice(
        f"{where}['comparison_operator']", condition.get("comparison_operator"), OPERATORS
    )
    if "value" not in condition and operator not in _WITHOUT_VALUE:
        raise InvalidRequestError(f"{where}: give a 'value' to compare with")
    return {
        "name": check_text(f"{where}['name']", condition.get("name")),
        "comparison_operator": operator,
        "value": _as_text(condition.get("value", "")),
    }


def _as_text(value: Any) -> Any:
    """Servers keep values as text and never find a number equal to, or above, one of these."""
    if isinstance(value, (list, tuple)):
        return [_as_text(each) for each in value]
    return str(value) if isinstance(value, (bool, int, float)) else value
