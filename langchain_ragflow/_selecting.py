"""What LangGraph's operations select: values by a filter, namespaces by conditions."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from itertools import islice, takewhile
from typing import Any

from ragflow_integrations import InvalidRequestError

from ._langgraph import ListNamespacesOp, MatchCondition

__all__ = ["check_filter", "check_page", "fits", "namespaces_for", "prefix_of"]

Namespace = tuple[str, ...]

_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_EQUALITIES: dict[str, Callable[[Any, Any], bool]] = {"$eq": operator.eq, "$ne": operator.ne}


def check_page(limit: Any, offset: Any) -> None:
    """``InvalidRequestError`` for what is no count."""
    for name, value in (("limit", limit), ("offset", offset)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InvalidRequestError(f"{name}={value!r}: give a whole number from 0")


def check_filter(wanted: Any) -> None:
    """``InvalidRequestError`` for an operator that there is not, or a value that it cannot compare."""
    if wanted is not None and not isinstance(wanted, Mapping):
        raise InvalidRequestError(f"filter={wanted!r}: give a dict of keys and values")
    for value in (wanted or {}).values():
        if _is_comparison(value):
            for name, other in value.items():
                _check_operator(name, other)
        elif isinstance(value, Mapping):
            check_filter(value)


def fits(value: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> bool:
    """Whether a value has all that a filter wants; a field that is not there counts as ``None``."""
    return all(_is(value.get(name), other) for name, other in (wanted or {}).items())


def namespaces_for(wanted: ListNamespacesOp, known: Iterable[Namespace]) -> list[Namespace]:
    """Those that meet all conditions, cut to the depth, sorted, and of these a page."""
    check_page(wanted.limit, wanted.offset)
    conditions = wanted.match_conditions or ()
    for condition in conditions:
        if condition.match_type not in ("prefix", "suffix"):
            raise InvalidRequestError(f"match_type={condition.match_type!r}: give 'prefix' or 'suffix'")
    found = [one for one in known if all(_meets(one, condition) for condition in conditions)]
    if wanted.max_depth is not None:
        found = [*{one[: wanted.max_depth] for one in found}]
    return list(islice(sorted(found), wanted.offset, wanted.offset + wanted.limit))


def prefix_of(wanted: ListNamespacesOp) -> Namespace:
    """The namespace that all which meet its conditions are below."""
    paths = [one.path for one in wanted.match_conditions or () if one.match_type == "prefix"]
    return max((tuple(takewhile("*".__ne__, path)) for path in paths), key=len, default=())


def _meets(namespace: Namespace, condition: MatchCondition) -> bool:
    path = tuple(condition.path)
    if len(namespace) < len(path):
        return False
    part = (
        namespace[: len(path)]
        if condition.match_type == "prefix"
        else namespace[len(namespace) - len(path) :]
    )
    return all(label in ("*", found) for label, found in zip(path, part, strict=True))


def _is(value: Any, wanted: Any) -> bool:
    if _is_comparison(wanted):
        return all(_compares(value, name, other) for name, other in wanted.items())
    if isinstance(wanted, Mapping):
        return isinstance(value, Mapping) and fits(value, wanted)
    if isinstance(wanted, (list, tuple)):
        same_kind = isinstance(value, (list, tuple)) and len(value) == len(wanted)
        return same_kind and all(map(_is, value, wanted))
    return bool(value == wanted)


def _is_comparison(wanted: Any) -> bool:
    return isinstance(wanted, Mapping) and any(str(name).startswith("$") for name in wanted)


def _compares(value: Any, name: str, other: Any) -> bool:
    if name in _EQUALITIES:
        return _EQUALITIES[name](value, other)
    number = _number(value)
    return number is not None and _ORDERS[name](number, float(other))


def _check_operator(name: str, other: Any) -> None:
    if name not in {**_EQUALITIES, **_ORDERS}:
        known = ", ".join([*_EQUALITIES, *_ORDERS])
        raise InvalidRequestError(f"filter: {name!r} is none of the operators {known}")
    if name in _ORDERS and _number(other) is None:
        raise InvalidRequestError(f"filter: {name}: {other!r} is no number")


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
