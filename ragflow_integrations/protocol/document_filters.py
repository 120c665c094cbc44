"""The filters of a listing of documents, checked and as they go into the query."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InvalidRequestError
from .checks import (
    check_choice,
    check_flag,
    check_id,
    check_ids,
    check_number,
    check_object,
    check_text,
    check_texts,
)
from .conditions import checked_condition
from .versions import Since

__all__ = ["SINCE", "checked_filters"]

SINCE = {
    "ids": Since.DOCUMENT_IDS,
    "types": Since.DOCUMENT_FILTERS,
    "metadata": Since.DOCUMENT_FILTERS,
    "return_empty_metadata": Since.DOCUMENT_FILTERS,
}
_RUNS = ("UNSTART", "RUNNING", "CANCEL", "DONE", "FAIL")
_FIRST_MILLISECOND = 10**11  # in 1973; less are seconds


def checked_filters(given: Mapping[str, Any]) -> dict[str, Any]:
    """The filters that are given, for the query; what servers let one do to another is refused."""
    used = {name: value for name, value in given.items() if not _is_open(name, value)}
    _check_alone(used)
    return {name: _CHECKS[name](name, value) for name, value in used.items()}


def _is_open(name: str, value: Any) -> bool:
    """Whether it lets everything through."""
    if name in _TIMES:
        return type(value) is int and value == 0
    return value is None or (name == "keywords" and value == "")


def _check_alone(given: Mapping[str, Any]) -> None:
    """``id``, ``ids`` and ``return_empty_metadata`` each switch conditions on metadata off."""
    conditions = [name for name in ("metadata_condition", "metadata") if name in given]
    switches = [name for name in ("id", "ids", "return_empty_metadata") if given.get(name)]
    if "id" in given and "ids" in given:
        raise InvalidRequestError("id, ids: give one of them")
    if conditions and switches:
        raise InvalidRequestError(
            f"{switches[0]}, {conditions[0]}: give one of them: with {switches[0]} servers ignore {conditions[0]}"
        )


def _checked_values(metadata: Any) -> dict[str, list[str]]:
    if not check_object("metadata", metadata, "{'author': ['Ann', 'Bob']}"):
        raise InvalidRequestError("metadata={}: give a dict, e.g. {'author': ['Ann', 'Bob']}")
    if "empty_metadata" in metadata:
        raise InvalidRequestError("metadata['empty_metadata']: give return_empty_metadata=True instead")
    rows = {name: [value] if isinstance(value, str) else value for name, value in metadata.items()}
    return {name: _texts(f"metadata[{name!r}]", values) for name, values in rows.items()}


def _texts(name: str, values: Any) -> list[str]:
    """Servers take an empty list for no filter."""
    listed = [check_text(name, value) for value in check_texts(name, values)]
    if not listed:
        raise InvalidRequestError(f"{name}={values!r}: give at least one text")
    return listed


def _runs(name: str, values: Any) -> list[str]:
    return [check_choice(name, one, _RUNS) for one in _texts(name, values)]


def _time(name: str, value: Any) -> int:
    if check_number(name, value, 0, whole=True) < _FIRST_MILLISECOND:
        raise InvalidRequestError(f"{name}={value!r}: give milliseconds since 1970, these are seconds")
    return int(value)


def _condition(name: str, value: Any) -> str:
    return _compact(checked_condition(name, value))


def _metadata(name: str, value: Any) -> str:
    return _compact(_checked_values(value))


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_TIMES = ("create_time_from", "create_time_to")
_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "id": check_id,
    "name": check_text,
    "keywords": check_text,
    "ids": check_ids,
    "run": _runs,
    "suffix": _texts,
    "types": _texts,
    "create_time_from": _time,
    "create_time_to": _time,
    "metadata_condition": _condition,
    "metadata": _metadata,
    "return_empty_metadata": check_flag,
}
