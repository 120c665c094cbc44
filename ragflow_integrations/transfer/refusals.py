"""What a target refuses: making the object with less, and saying what was left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, combinations
from typing import Any, TypeVar

from ..errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    UnsupportedError,
)

__all__ = ["REFUSED", "accepted"]

REFUSED = (ConflictError, InvalidRequestError, NotFoundError, PermissionDeniedError, UnsupportedError)
"""What says that a target will not have an object as it is, however often it is asked."""

_SETTING = re.compile(r"(parser_config|prompt_config)\.(\w+)")
T = TypeVar("T")
Fields = Mapping[str, Any]


def accepted(
    make: Callable[[Fields], T],
    fields: Fields,
    *,
    may_drop: Sequence[str],
    note: Callable[[str], object],
) -> T:
    """``make`` with as many of the fields as the target takes: all, or without one that may be dropped, or two …

    Settings inside ``parser_config`` and ``prompt_config`` that a refusal names are left out first. Raises the first
    refusal if nothing helps.
    """
    droppable = [name for name in may_drop if fields.get(name)]
    refusals: list[Exception] = []
    for dropped in chain.from_iterable(combinations(droppable, count) for count in range(len(droppable) + 1)):
        given: Fields | None = {name: value for name, value in fields.items() if name not in dropped}
        while given is not None:
            try:
                made = make(given)
            except REFUSED as error:
                refusals.append(error)
                given = _without_named(given, error)
            else:
                for name in _missing(fields, given):
                    note(f"{name} is left to the target, which refused it: {_about(name, refusals)}")
                return made
    raise refusals[0]


def _without_named(fields: Fields, error: Exception) -> Fields | None:
    """The same without the settings that a refusal names, e.g. ``parser_config.llm_id``; ``None`` if it names none.

    Servers list settings that they do not take: those of other versions, and some of their own.
    """
    fewer = dict(fields)
    for field, name in _SETTING.findall(str(error)):
        if name in fewer.get(field, ()):
            fewer[field] = {key: value for key, value in fewer[field].items() if key != name}
    return fewer if fewer != fields else None


def _missing(fields: Fields, given: Fields) -> list[str]:
    """The fields, and settings in them, that were given up; those that said nothing do not count."""
    lost = [name for name in fields if name not in given]
    for field in fields.keys() & given.keys():
        if isinstance(fields[field], dict):
            lost += [
                f"{field}.{key}" for key, value in fields[field].items() if value and key not in given[field]
            ]
    return lost


def _about(name: str, refusals: Sequence[Exception]) -> str:
    """The refusal that names a field or setting, or else the first."""
    said = [str(each) for each in refusals]
    return next((each for each in said if name in each), said[0])
