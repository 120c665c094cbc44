"""Random filters, random metadata, and what LlamaIndex's own function says of them."""

from __future__ import annotations

from random import Random
from typing import Any

from llama_index.core.vector_stores import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

NAMES = ("Ann", "ann", "Bob", "Émile", "on duty", "2024-01-31", "7", "")
NUMBERS = (0, 1, 7, 2023, 2024, 7.5, -3)


def _is_known(operator: FilterOperator) -> bool:
    """Whether the installed llama-index-core evaluates it: 0.14.0 has one less."""
    group = MetadataFilters(filters=[MetadataFilter(key="a", operator=operator, value="a")])
    try:
        build_metadata_filter_fn(lambda _: {"a": "a"}, group)("")
    except ValueError:
        return False
    return True


OPERATORS = tuple(filter(_is_known, FilterOperator))
_ANY_KIND = ("==", "!=", "in", "nin", "is_empty")
_TEXT = (*_ANY_KIND, ">", "<", ">=", "<=", "contains", "any", "all", "text_match", "text_match_insensitive")
SUITABLE = {
    "author": _TEXT,
    "document_name": _TEXT,
    "year": (*_ANY_KIND, ">", "<", ">=", "<="),
    "tags": (*_ANY_KIND, "contains", "any", "all"),
    "note": _ANY_KIND,
    "missing": OPERATORS,
}
"""Operators with which LlamaIndex can compare what the field holds."""


def metadata(random: Random) -> dict[str, Any]:
    """A document's: texts, numbers and lists where they are expected, and sometimes where they are not."""
    expected = {
        "author": random.choice((*NAMES, "Ann", "Ann", "Bob")),
        "year": random.choice(NUMBERS),
        "tags": random.sample(NAMES[:5], random.randint(1, 3)),
        "note": random.choice([*NAMES, *NUMBERS, ["Ann", "7"], True]),
    }
    return {name: value for name, value in expected.items() if random.random() < 0.8}


def tree(random: Random, depth: int = 3) -> MetadataFilters:
    """A group of conditions and of further groups."""
    parts: list[Any] = [
        tree(random, depth - 1) if depth > 1 and random.random() < 0.3 else condition(random)
        for _ in range(random.randint(1, 3))
    ]
    return MetadataFilters(filters=parts, condition=random.choice(list(FilterCondition)))


def condition(random: Random) -> MetadataFilter:
    """One comparison; of kinds that can be compared, mostly."""
    field = random.choice(list(SUITABLE))
    fits = random.random() < 0.98
    suitable = [one for one in OPERATORS if one.value in SUITABLE[field]]
    operator = random.choice(suitable) if fits else random.choice(OPERATORS)
    values: tuple[Any, ...] = NUMBERS if field == "year" else NAMES
    if operator in (FilterOperator.IN, FilterOperator.NIN, FilterOperator.ANY, FilterOperator.ALL):
        value: Any = random.sample([one for one in values if not isinstance(one, float)], 3)
    else:
        value = random.choice(values)
    return MetadataFilter(key=field, operator=operator, value=value)


def expected(filters: MetadataFilters, documents: dict[str, dict[str, Any]]) -> set[str] | None:
    """The ids of the documents that fit; ``None`` if LlamaIndex cannot compare something."""
    try:
        return _fitting(filters, documents)
    except (TypeError, AttributeError):
        return None


def _fitting(filters: MetadataFilters, documents: dict[str, dict[str, Any]]) -> set[str]:
    """What LlamaIndex's function says, which takes no groups in groups: each is put in as a field of its own."""
    flat, seen = list[Any](), {id: dict(held) for id, held in documents.items()}
    for number, each in enumerate(filters.filters):
        if isinstance(each, MetadataFilters):
            inside = _fitting(each, documents)
            for id, held in seen.items():
                held[f"group {number}"] = int(id in inside)
            each = MetadataFilter(key=f"group {number}", value=1)
        flat.append(each)
    negated = bool(flat) and filters.condition == FilterCondition.NOT  # which 0.14.0 does not evaluate
    condition = FilterCondition.OR if negated else filters.condition
    judge = build_metadata_filter_fn(seen.__getitem__, MetadataFilters(filters=flat, condition=condition))
    return {id for id in seen if bool(judge(id)) != negated}
