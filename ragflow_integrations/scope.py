"""What one user may see of a server that many users share behind one key."""

from __future__ import annotations

import hashlib
import json
import operator
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import InvalidRequestError

__all__ = ["Condition", "Conditions", "Scope"]

Compare = Callable[[Any, Any], bool]

_COMPARISONS: dict[str, Compare] = {
    **dict.fromkeys(("is", "="), operator.eq),
    **dict.fromkeys(("not is", "!=", "≠"), operator.ne),
    ">": operator.gt,
    "<": operator.lt,
    **dict.fromkeys((">=", "≥"), operator.ge),
    **dict.fromkeys(("<=", "≤"), operator.le),
}
_ORDERS = (operator.gt, operator.lt, operator.ge, operator.le)
_TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "contains": operator.contains,
    "not contains": lambda held, value: value not in held,
    "start with": str.startswith,
    "end with": str.endswith,
}
_MEMBERSHIPS: dict[str, bool] = {"in": True, "not in": False}
_OPERATORS = (*_COMPARISONS, *_TEXT_TESTS, *_MEMBERSHIPS)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d{0,30})(?:\.\d{0,30})?", re.ASCII)  # "007" is a text
_IDS = re.compile(r"[A-Za-z0-9_.:-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a metadata field; ``value`` is a text, for ``in`` and ``not in`` several in lower case."""

    name: str
    comparison_operator: str
    value: str | tuple[str, ...]

    def fits(self, meta_fields: Mapping[str, Any]) -> bool:
        """Whether one of the field's values does; without the field nothing fits, ``not is`` included."""
        held = meta_fields.get(self.name)
        values = held if isinstance(held, (list, tuple)) else [held]
        return any(self._is_met(str(value)) for value in values if value is not None)

    def _is_met(self, held: str) -> bool:
        if isinstance(self.value, tuple):
            return (held.lower() in self.value) == _MEMBERSHIPS[self.comparison_operator]
        if test := _TEXT_TESTS.get(self.comparison_operator):
            return test(held.lower(), self.value.lower())
        return _compared(_COMPARISONS[self.comparison_operator], held, self.value)

    def as_dict(self) -> dict[str, Any]:
        """As servers read it."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"name": self.name, "comparison_operator": self.comparison_operator, "value": value}


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions that must all fit (``logic`` "and"), or one of them ("or"); RAGFlow's ``metadata_condition``."""

    logic: str
    conditions: tuple[Condition, ...]

    def fits(self, meta_fields: Mapping[str, Any]) -> bool:
        """Whether a document with this metadata does."""
        combined = any if self.logic == "or" else all
        return combined(each.fits(meta_fields) for each in self.conditions)

    def as_dict(self) -> dict[str, Any]:
        """As servers read it."""
        return {"logic": self.logic, "conditions": [each.as_dict() for each in self.conditions]}


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Scope:
    """What one user may see; ``client.scoped(scope)`` gives a client that keeps within it.

    ``dataset_ids`` and ``document_ids`` are the datasets and documents, ``metadata`` a condition that a
    document's ``meta_fields`` must fit, as in ``retrieve``: ``{"logic": "and", "conditions": [{"name",
    "comparison_operator", "value"}]}``. What is ``None`` does not narrow, ``[]`` leaves nothing; a document
    must be within all that is given. ``memory_ids`` are the memories that may be asked and written; without it there
    are none.

    A condition's value is a text or a number, for ``in`` and ``not in`` a list of these; for ``>``, ``<``, ``≥``
    and ``≤`` a number or a date (``YYYY-MM-DD``). Upper and lower case are the same. A document without the
    field never fits. ``empty`` and ``not empty`` are not taken.

    Hashable, and equal to a scope of the same; ``one & other`` is what both let through. Raises
    ``InvalidRequestError`` for a value that would let everything or nobody knows what through: no argument, a
    blank text, no condition.
    """

    dataset_ids: frozenset[str] | None
    document_ids: frozenset[str] | None
    metadata: tuple[Conditions, ...]
    memory_ids: frozenset[str]

    def __init__(
        self,
        dataset_ids: Iterable[str] | None = None,
        document_ids: Iterable[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        memory_ids: Iterable[str] = (),
    ) -> None:
        if dataset_ids is None and document_ids is None and metadata is None:
            raise InvalidRequestError(
                "dataset_ids, document_ids, metadata: give at least one; a scope without any would narrow nothing"
            )
        conditions = () if metadata is None else (_checked_conditions(metadata),)
        self._set(
            _checked_ids("dataset_ids", dataset_ids),
            _checked_ids("document_ids", document_ids),
            conditions,
            _checked_ids("memory_ids", memory_ids) or frozenset(),
        )

    def _set(
        self,
        dataset_ids: frozenset[str] | None,
        document_ids: frozenset[str] | None,
        metadata: Iterable[Conditions],
        memory_ids: frozenset[str],
    ) -> None:
        put = object.__setattr__
        put(self, "dataset_ids", dataset_ids)
        put(self, "document_ids", document_ids)
        put(self, "metadata", tuple(sorted(set(metadata), key=repr)))
        put(self, "memory_ids", memory_ids)

    def __and__(self, other: Scope) -> Scope:
        """What both let through."""
        if not isinstance(other, Scope):
            return NotImplemented
        both = object.__new__(Scope)
        both._set(
            _in_both(self.dataset_ids, other.dataset_ids),
            _in_both(self.document_ids, other.document_ids),
            (*self.metadata, *other.metadata),
            self.memory_ids & other.memory_ids,
        )
        return both

    @property
    def whole_datasets(self) -> bool:
        """Whether all documents of its datasets are within it."""
        return self.document_ids is None and not self.metadata

    @property
    def fingerprint(self) -> str:
        """A short text that another scope does not have, for the keys of caches; the same in every process."""
        parts = [
            None if self.dataset_ids is None else sorted(self.dataset_ids),
            None if self.document_ids is None else sorted(self.document_ids),
            [each.as_dict() for each in self.metadata],
            *([sorted(self.memory_ids)] if self.memory_ids else []),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def has_dataset(self, dataset_id: str) -> bool:
        """Whether the dataset is within it, or some of its documents may be."""
        return self.dataset_ids is None or dataset_id in self.dataset_ids

    def has_document(self, document_id: str, meta_fields: Mapping[str, Any] | None) -> bool:
        """Whether a document with this id and metadata is; its dataset is not looked at."""
        listed = self.document_ids is None or document_id in self.document_ids
        return listed and all(each.fits(meta_fields or {}) for each in self.metadata)

    def __repr__(self) -> str:
        ids = {
            "dataset_ids": self.dataset_ids,
            "document_ids": self.document_ids,
            "memory_ids": self.memory_ids or None,
        }
        shown = [f"{name}={reprlib.repr(sorted(held))}" for name, held in ids.items() if held is not None]
        conditions = " and ".join(str(each.as_dict()) for each in self.metadata)
        return f"Scope({', '.join([*shown, *([f'metadata={conditions}'] if conditions else [])])})"


def _in_both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _compared(compare: Compare, held: str, value: str) -> bool:
    """As servers compare: dates with dates only, numbers as numbers, anything else as text."""
    if _DATE.fullmatch(value):
        return _DATE.fullmatch(held) is not None and compare(held, value)
    numbers = [float(text) for text in (held, value) if _NUMBER.fullmatch(text)]
    if len(numbers) == 2:
        return compare(*numbers)
    return compare(held.lower(), value.lower())


def _checked_ids(name: str, ids: Any) -> frozenset[str] | None:
    if ids is None:
        return None
    if isinstance(ids, (str, bytes, Mapping)) or not isinstance(ids, Iterable):
        raise InvalidRequestError(f"{name}={ids!r}: give a list of ids, or [] for none")
    listed = list(ids)
    for each in listed:
        if not isinstance(each, str) or not _IDS.fullmatch(each):
            raise InvalidRequestError(f"{name}: {each!r} is no id")
    return frozenset(listed)


def _checked_conditions(metadata: Any) -> Conditions:
    conditions = metadata.get("conditions") if isinstance(metadata, Mapping) else None
    if not isinstance(conditions, (list, tuple)) or not conditions:
        raise InvalidRequestError(
            f"metadata={metadata!r}: give {{'logic': 'and', 'conditions': [{{'name': …, "
            "'comparison_operator': 'is', 'value': …}]} with at least one condition"
        )
    logic = metadata.get("logic", "and")
    if logic not in ("and", "or"):
        raise InvalidRequestError(f"metadata['logic']={logic!r}: give 'and' or 'or'")
    checked = [_checked_condition(f"metadata['conditions'][{n}]", one) for n, one in enumerate(conditions)]
    return Conditions(logic, tuple(checked))


def _checked_condition(where: str, condition: Any) -> Condition:
    if not isinstance(condition, Mapping):
        raise InvalidRequestError(f"{where}={condition!r}: give {{'name', 'comparison_operator', 'value'}}")
    name, sign, value = (condition.get(each) for each in ("name", "comparison_operator", "value"))
    if not isinstance(name, str) or not name.strip():
        raise InvalidRequestError(f"{where}['name']={name!r}: give the name of a metadata field")
    if sign not in _OPERATORS:
        raise InvalidRequestError(
            f"{where}['comparison_operator']={sign!r}: give one of {', '.join(_OPERATORS)}"
        )
    at = f"{where}['value']"
    if sign not in _MEMBERSHIPS:
        text = _text(at, value)
        if _COMPARISONS.get(sign) in _ORDERS and not (_DATE.fullmatch(text) or _NUMBER.fullmatch(text)):
            raise InvalidRequestError(f"{at}={value!r}: with {sign} give a number or a date (YYYY-MM-DD)")
        return Condition(name, sign, text)
    if not isinstance(value, (list, tuple, set, frozenset)) or not value:
        raise InvalidRequestError(f"{at}={value!r}: with {sign!r} give a list of at least one text")
    return Condition(name, sign, tuple(sorted({_text(at, each).lower() for each in value})))


def _text(where: str, value: Any) -> str:
    """Servers compare texts: a number that is sent as one fits nothing."""
    if not isinstance(value, (str, int, float)) or not str(value).strip():
        raise InvalidRequestError(f"{where}={value!r}: give a text that is not empty, or a number")
    return str(value)
