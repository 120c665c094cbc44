"""Argument checks that run before anything is sent: what was given, and what would be right."""

from __future__ import annotations

import re
import reprlib
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
    "check_object",
    "check_objects",
    "check_page",
    "check_text",
    "check_texts",
    "check_update",
    "refuse",
    "shown",
    "to_delete",
]


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 200
_REPR.maxlist = _REPR.maxtuple = _REPR.maxdict = 20
_ID = re.compile(r"[A-Za-z0-9_.:-]+")


class _Sentinel(Enum):
    NOT_GIVEN = "not given"


NotGiven = Literal[_Sentinel.NOT_GIVEN]
NOT_GIVEN: Final[NotGiven] = _Sentinel.NOT_GIVEN


def shown(value: Any) -> str:
    """What was given, cut: it may be a whole file."""
    return _REPR.repr(value)


def check_page(page: int, page_size: int) -> None:
    """Pages count from 1; a page holds 1 to 100 objects (servers from v0.26 refuse more)."""
    if not _is_count(page):
        raise InvalidRequestError(f"page={shown(page)}: give a whole number from 1")
    if not _is_count(page_size) or page_size > 100:
        raise InvalidRequestError(f"page_size={shown(page_size)}: give a whole number from 1 to 100")


def check_text(name: str, value: Any, *, empty: bool = False) -> str:
    """A text that must not be blank, unless it may be ``empty``."""
    if not isinstance(value, str) or not (empty or value.strip()):
        wanted = "a text" if empty else "a text that is not empty"
        raise InvalidRequestError(f"{name}={shown(value)}: give {wanted}")
    return value


def check_texts(name: str, values: Any) -> list[str]:
    """A list of texts, which may be empty; a lone text is refused."""
    listed = (
        None
        if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable)
        else list(values)
    )
    if listed is None or not all(isinstance(value, str) for value in listed):
        raise InvalidRequestError(f"{name}={shown(values)}: give a list of texts")
    return listed


def check_object(name: str, value: Any, such_as: str = "") -> dict[str, Any]:
    """A dict of named values; other keys would be sent as texts."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        example = f", e.g. {such_as}" if such_as else ""
        raise InvalidRequestError(f"{name}={shown(value)}: give a dict{example}")
    return dict(value)


def check_objects(name: str, values: Any) -> list[dict[str, Any]]:
    """A list of these."""
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes)):
        raise InvalidRequestError(f"{name}={shown(values)}: give a list of dicts")
    return [check_object(f"{name}[{place}]", value) for place, value in enumerate(values)]


def check_number(
    name: str, value: Any, least: float, most: float | None = None, *, whole: bool = False
) -> Any:
    """A number of this range, both ends allowed."""
    kind, kinds = ("a whole number", (int,)) if whole else ("a number", (int, float))
    fits = isinstance(value, kinds) and not isinstance(value, bool) and value >= least
    if not fits or (most is not None and value > most):
        upper = "" if most is None else f" to {most}"
        raise InvalidRequestError(f"{name}={shown(value)}: give {kind} from {least}{upper}")
    return value


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """One of a few words."""
    if value not in choices:
        raise InvalidRequestError(f"{name}={shown(value)}: give one of {', '.join(choices)}")
    return str(value)


def check_flag(name: str, value: Any) -> bool:
    """``True`` or ``False``; servers take any text for true."""
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{name}={shown(value)}: give True or False")
    return value


def check_id(name: str, value: Any) -> str:
    """One id; it becomes part of a path, so it may hold letters, digits, ``-``, ``_``, ``.`` and ``:``."""
    if not isinstance(value, str) or not value.strip("."):
        raise InvalidRequestError(f"{name}={shown(value)}: give an id as text")
    if not _ID.fullmatch(value):
        raise InvalidRequestError(
            f"{name}={shown(value)}: an id has letters, digits, '-', '_', '.' or ':' only"
        )
    return value


def check_ids(name: str, values: Any, *, empty: bool = False) -> list[str]:
    """A list of ids, each once; a lone string or ``None`` is refused, as is ``[]`` unless ``empty``."""
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Sequence):
        raise InvalidRequestError(f"{name}={shown(values)}: give a list of ids")
    if not values and not empty:
        raise InvalidRequestError(f"{name}=[]: give at least one id")
    return list(dict.fromkeys(check_id(name, value) for value in values))


def check_update(
    message: Any, known: Sequence[str] = (), *, argument: str = "update_message"
) -> dict[str, Any]:
    """The fields that an ``update`` changes: at least one, and only ``known`` ones where servers ignore others."""
    if not isinstance(message, Mapping) or not message or not all(isinstance(name, str) for name in message):
        raise InvalidRequestError(
            f"{argument}={shown(message)}: name at least one field to change, e.g. {{'name': 'new'}}"
        )
    unknown = [name for name in message if known and name not in known]
    if unknown:
        raise InvalidRequestError(
            f"{argument}: servers ignore {unknown[0]!r}; these can be changed: {', '.join(known)}"
        )
    return dict(message)


def refuse(given: Mapping[str, Any], names: Iterable[str], why: str) -> None:
    """None of these names may be given."""
    for name in names:
        if name in given:
            raise InvalidRequestError(f"{name}={shown(given[name])}: {why}")


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
