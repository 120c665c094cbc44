"""Whether a result still has everything that the server sent, and nothing that it did not.

What was sent is taken apart into its objects, and each must be found in the result: one object, model or mapping that
has all of its plain values under their names, or under a name that is documented as another spelling. How objects
contain each other is not compared: ``{"chunks": [...], "total": 3}`` may become a list with a ``total``, and the
``total`` of an answer's ``reference`` the answer's own.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import AliasChoices, BaseModel

from ragflow_integrations.models import Page

RUNS = {"0": "UNSTART", "1": "RUNNING", "2": "CANCEL", "3": "DONE", "4": "FAIL", "5": "UNSTART"}

# Names of the client's own for what the server calls otherwise, beyond the spellings that a model itself declares.
ALSO = {
    "total": {"total_datasets", "total_count"},
    "dataset_ids": {"datasets"},
    "icon": {"avatar"},
    "llm_id": {"model_name"},
    "rerank_id": {"rerank_model"},
    "vector_similarity_weight": {"keywords_similarity_weight"},  # what is left of it to 1
}


@dataclasses.dataclass(frozen=True)
class Sent:
    """An object of an answer: where it was, its plain values, all its keys."""

    where: str
    values: dict[str, Any]
    keys: frozenset[str]

    @property
    def holds_others(self) -> bool:
        """Whether it is there for the objects in it, and may be gone if what it says itself is not."""
        return len(self.values) <= 2 and self.keys > self.values.keys()


@dataclasses.dataclass(frozen=True)
class Found:
    """An object of a result: its values by each of their spellings, and the spellings of what was set."""

    name: str
    values: dict[str, Any]
    given: dict[str, set[str]]


def objects_sent(value: Any, where: str = "data") -> Iterator[Sent]:
    """Each object in an answer that has plain values."""
    if isinstance(value, Mapping):
        plain = {name: each for name, each in value.items() if _is_told(each)}
        if plain:
            yield Sent(where, plain, frozenset(value))
        for name, each in value.items():
            yield from objects_sent(each, f"{where}.{name}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from objects_sent(each, f"{where}[{index}]")


def objects_read(value: Any, view: bool = False) -> Iterator[Found]:
    """Each object in a result; of a ``view``, which shows another one's values again, nothing counts as set."""
    children: Any = []
    if isinstance(value, BaseModel):
        found = _of_model(value)
        yield dataclasses.replace(found, given={}) if view else found
        children = [getattr(value, name) for name in value.model_fields_set]
        for each in _views(value).values():
            yield from objects_read(each, view=True)
    elif isinstance(value, Mapping):
        yield Found("dict", dict(value), {})
        children = value.values()
    elif isinstance(value, Page) or dataclasses.is_dataclass(value):
        yield Found(type(value).__name__, dict(vars(value)), {})
        children = [*vars(value).values(), *(value if isinstance(value, Page) else [])]
    elif isinstance(value, list | tuple):
        fields: Mapping[str, Any] = value._asdict() if hasattr(value, "_asdict") else {}
        yield Found(type(value).__name__, dict(fields), {})
        children = value
    for each in children:
        yield from objects_read(each, view)


def lost_or_invented(sent: Any, result: Any, derived: frozenset[str] = frozenset()) -> list[str]:
    """What of ``sent`` the result does not have, and what it has besides (``derived``: fields made by the client)."""
    rows = sorted(objects_sent(sent), key=lambda row: -len(row.values))
    everything = list(objects_read(result))
    left, problems = [*everything], []
    for row in rows:
        missing, best = _best(row, left)
        if not missing and best is not None:
            left.remove(best)
        elif not row.holds_others or _best(row, everything)[0]:
            problems.append(f"{row.where}: lost {missing}")
    names = {name for row in rows for name in row.keys}
    for found in everything:
        made = [
            name for name, spellings in found.given.items() if not (spellings | ALSO.get(name, set())) & names
        ]
        problems += [f"{found.name}.{name} was not sent" for name in made if name not in derived]
    return problems


def _best(row: Sent, among: list[Found]) -> tuple[list[str], Found | None]:
    """The object that has it all, or what the one that has most of it lacks."""
    for found in among:
        if next(_missing(row.values, found), None) is None:
            return [], found
    fits = [([*_missing(row.values, found)], found) for found in among]
    return min(fits, key=lambda fit: len(fit[0]), default=([str(row.values)], None))


def _missing(values: Mapping[str, Any], found: Found) -> Iterator[str]:
    for name, value in values.items():
        names = {name, *(own for own, others in ALSO.items() if name in others)} & found.values.keys()
        if not any(_same(name, value, found.values[each]) for each in names) and (names or value is not None):
            yield f"{name}={value!r}"  # a null without a field says nothing


def _same(name: str, sent: Any, read: Any) -> bool:
    """A number of ``run`` reads as its word, ``null`` as the field's empty default, a text's number as text."""
    if name == "run":
        return bool(read == RUNS.get(str(sent), sent))
    if isinstance(sent, float) and isinstance(read, float):
        return math.isclose(sent, read)
    if isinstance(sent, list) and isinstance(read, list | tuple):
        return len(sent) == len(read) and all(_same(name, *pair) for pair in zip(sent, read, strict=True))
    return bool(read == sent) or (sent is None and read in ("", [], {})) or read == str(sent)


def _of_model(model: BaseModel) -> Found:
    values: dict[str, Any] = _views(model) | (model.model_extra or {})
    given: dict[str, set[str]] = {
        name: {name} for name, each in (model.model_extra or {}).items() if _is_told(each)
    }
    for name, field in type(model).model_fields.items():
        alias = field.validation_alias
        spellings = (
            {name, *(str(each) for each in alias.choices)} if isinstance(alias, AliasChoices) else {name}
        )
        values |= dict.fromkeys(spellings, getattr(model, name))
        if name in model.model_fields_set and _is_told(getattr(model, name)):
            given[name] = spellings
    return Found(type(model).__name__, values, given)


def _views(model: BaseModel) -> dict[str, Any]:
    """What a model shows again under another name: its public properties."""
    kinds = [kind for kind in type(model).__mro__ if kind.__module__.startswith("ragflow_integrations")]
    names = {name for kind in kinds for name, each in vars(kind).items() if isinstance(each, property)}
    return {name: getattr(model, name) for name in names if not name.startswith("_")}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(each) for each in value)
    return not isinstance(value, Mapping | BaseModel)


def _is_told(value: Any) -> bool:
    """Plain, and not an empty list, which has nothing to lose and may stand for one of objects."""
    return _is_plain(value) and value != []
