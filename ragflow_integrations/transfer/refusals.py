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
    ServerError,
    UnsupportedError,
)

__all__ = ["NOT_TO_BE_HAD", "REFUSED", "accepted"]

REFUSED = (ConflictError, InvalidRequestError, NotFoundError, PermissionDeniedError, UnsupportedError)
"""What says that a target will not have an object as it is, however often it is asked."""

NOT_TO_BE_HAD = (*REFUSED, ServerError)
"""What says that a picture cannot be read, which is no reason to carry nothing: servers keep what is no picture."""

_SETTING = re.compile(r"\b(?:parser_config|prompt_config)(?:\.\w+)+")
_REASON = re.compile(r"<([\w.]+)> - Message: <(.*?)> - Value", re.DOTALL)
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
                _tell(_missing(fields, given), refusals, note)
                return made
    raise refusals[0]


def _without_named(fields: Fields, error: Exception) -> Fields | None:
    """The same without the settings that a refusal names, e.g. ``parser_config.raptor.scope``; ``None`` if none.

    Servers list settings that they do not take: those of other versions, and some of their own.
    """
    fewer: Fields = fields
    for path in _SETTING.findall(str(error)):
        fewer = _without(fewer, path.split("."))
    return fewer if fewer != fields else None


def _without(fields: Fields, path: Sequence[str], *, inside: bool = False) -> Fields:
    """The same without the setting at a path, whose last parts may be the refusal's own words."""
    name, *rest = path
    if name not in fields:
        return fields
    inner = fields[name]
    if rest and isinstance(inner, Mapping) and (rest[0] in inner or not inside):
        return {**fields, name: _without(inner, rest, inside=True)}
    return {key: value for key, value in fields.items() if key != name or not inside}


def _missing(fields: Fields, given: Fields, place: str = "") -> list[str]:
    """The fields, and settings in them, that were given up; those that said nothing do not count."""
    lost = []
    for name, value in fields.items():
        if name not in given:
            lost += [f"{place}{name}"] if value or not place else []
        elif isinstance(value, Mapping) and isinstance(given[name], Mapping):
            lost += _missing(value, given[name], f"{place}{name}.")
    return lost


def _tell(lost: Sequence[str], refusals: Sequence[Exception], note: Callable[[str], object]) -> None:
    """One note for all that was refused for the same reason."""
    by_reason: dict[str, list[str]] = {}
    for name in lost:
        by_reason.setdefault(_about(name, refusals), []).append(name)
    for why, names in by_reason.items():
        one = len(names) == 1
        refused = f"{'is' if one else 'are'} left to the target, which refused {'it' if one else 'them'}"
        note(f"{', '.join(names)} {refused}: {why}")


def _about(name: str, refusals: Sequence[Exception]) -> str:
    """What a refusal says of this field or setting, or else the first that names it, or the first."""
    said = [str(each) for each in refusals]
    reasons = dict(chain.from_iterable(_REASON.findall(each) for each in said))
    return reasons.get(name) or next((each for each in said if name in each), said[0])
