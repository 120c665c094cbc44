"""Argument checks that run before anything is sent: what was given, and what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, Literal

from ..errors import InvalidRequestError

__all__ = [
    "NOT_GIVEN",
    "NotGiven",
    "check_choice",
    "check_flag",
    "check_id",
    "check_ids",
    "check_number",
    "check_page",
    "check_text",
    "check_texts",
    "check_update",
    "refuse",
    "to_delete",
]


_ID = re.compile(r"[A-Za-z0-9_.:-]+")


class _Sentinel(Enum):
    NOT_GIVEN = "not given"


NotGiven = Literal[_Sentinel.NOT_GIVEN]
NOT_GIVEN: Final[NotGiven] = _Sentinel.NOT_GIVEN


def check_page(page: int, page_size: int) -> None:
    """Pages count from 1; a page holds 1 to 100 objects (servers from v0.26 refuse more)."""
    if not _is_count(page):
        raise InvalidRequestError(f"page={page!r}: give a whole number from 1")
    if not _is_count(page_size) or page_size > 100:
        raise InvalidRequestError(f"page_size={page_size!r}: give a whole number from 1 to 100")


def check_text(name: str, value: Any) -> str:
    """A text that must not be blank."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequestError(f"{name}={value!r}: give a text that is not empty")
    return value


def check_texts(name: str, values: Any) -> list[str]:
    """A list of texts, which may be empty; a lone text is refused."""
    listed = (
        None
        if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable)
        else list(values)
    )
    if listed is None or not all(isinstance(value, str) for value in listed):
        raise InvalidRequestError(f"{name}={values!r}: give a list of texts")
    return listed


def check_number(
    name: str, value: Any, least: float, most: float | None = None, *, whole: bool = False
) -> Any:
    """A number of this range, both ends allowed."""
    kind, kinds = ("a whole number", (int,)) if whole else ("a number", (int, float))
    fits = isinstance(value, kinds) and not isinstance(value, bool) and value >= least
    if not fits or (most is not None and value > most):
        upper = "" if most is None else f" to {most}"
        raise InvalidRequestError(f"{name}={value!r}: give {kind} from {least}{upper}")
    return value


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """One of a few words."""
    if value not in choices:
        raise InvalidRequestError(f"{name}={value!r}: give one of {', '.join(choices)}")
    return str(value)


def check_flag(name: str, value: Any) -> bool:
    """``True`` or ``False``; servers take any text for true."""
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{name}={value!r}: give True or False")
    return value


def check_id(name: str, value: Any) -> str:
    """One id; it becomes part of a path, so it may hold letters, digits, ``-``, ``_``, ``.`` and ``:``."""
    if not isinstance(value, str) or not value.strip("."):
        raise InvalidRequestError(f"{name}={value!r}: give an id as text")
    if not _ID.fullmatch(value):
        raise InvalidRequestError(f"{name}={value!r}: an id has letters, digits, '-', '_', '.' or ':' only")
    return value


def check_ids(name: str, values: Any, *, empty: bool = False) -> list[str]:
    """A list of ids, each once; a lone string or ``None`` is refused, as is ``[]`` unless ``empty``."""
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Sequence):
        raise InvalidRequestError(f"{name}={values!r}: give a list of ids")
    if not values and not empty:
        raise InvalidRequestError(f"{name}=[]: give at least one id")
    return list(dict.fromkeys(check_id(name, value) for value in values))


def check_update(message: Any, known: Sequence[str] = ()) -> dict[str, Any]:
    """The fields that an ``update`` changes: at least one, and only ``known`` ones where servers ignore others."""
    if not isinstance(message, Mapping) or not message:
        raise InvalidRequestError(
            f"update_message={message!r}: name at least one field to change, e.g. {{'name': 'new'}}"
        )
    unknown = [name for name in message if known and name not in known]
    if unknown:
        raise InvalidRequestError(
            f"update_message: servers ignore {unknown[0]!r}; these can be changed: {', '.join(known)}"
        )
    return dict(message)


def refuse(given: Mapping[str, Any], names: Iterable[str], why: str) -> None:
    """None of these names may be given."""
    for name in names:
        if name in given:
            raise InvalidRequestError(f"{name}={given[name]!r}: {why}")


def to_delete(name: str, ids: Any, delete_all: bool) -> list[str] | None:
    """The ids to delete, or ``None`` for everything, which has to be said.

    ``ids=[…]`` those, ``ids=[]`` nothing, ``ids=None`` written out or ``delete_all=True`` everything.
    """
    check_flag("delete_all", delete_all)
    if ids is NOT_GIVEN and not delete_all:
        raise InvalidRequestError(
            f"say what to delete: {name}=[…] for those, or {name}=None or delete_all=True for everything"
        )
    if delete_all and ids not in (NOT_GIVEN, None):
        raise InvalidRequestError(f"give either {name} or delete_all=True, not both")
    return None if delete_all or ids is None else check_ids(name, ids, empty=True)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
