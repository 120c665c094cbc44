"""What SQLite passes over fits nothing: the filter finds the same with and without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.metadata import Condition, Filter, matching
from ragflow_integrations.local.metadata_sql import may_fit

OPERATORS = [
    *"= is ≠ != > < ≥ >= ≤ <= contains in empty nonsense".split(),
    *("not is", "not contains", "not in", "start with", "end with", "not empty"),
]
TEXTS = st.sampled_from(
    [
        *("Ann", "ann", "AN", "n", "5", "5.0", "2024-01-02", "", "None", "true", "e", "1e3", "1000"),
        *("50%", "a_b", 'say "hi"', "back\\slash", "line\nbreak", "Über", "über", "Kelvin", "\u212aelvin"),
    ]
)
VALUES = TEXTS | st.sampled_from([5, 5.0, 1000.0, 1.5, True]) | st.lists(TEXTS, max_size=2)
KEYS = st.sampled_from(["author", "Author", "ye%ar", "größe", 'a"b'])
CONDITIONS = st.builds(Condition, KEYS, st.sampled_from(OPERATORS), TEXTS | st.lists(TEXTS, max_size=2))
FILTERS = st.builds(Filter, st.lists(CONDITIONS, max_size=3), st.sampled_from(["and", "or"]))


@pytest.fixture(scope="module")
def kb() -> Iterator[tuple[Engine, str, list[str]]]:
    """An engine with a dataset of three documents."""
    with Engine(":memory:") as engine:
        dataset = engine.create_dataset({"name": "kb"})["id"]
        yield engine, dataset, [engine.add_document(dataset, f"{n}.txt", b"x")["id"] for n in range(3)]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=2), min_size=3, max_size=3), FILTERS)
def test_the_same_is_found(
    kb: tuple[Engine, str, list[str]], metadata: list[dict[str, Any]], wanted: Filter
) -> None:
    """For any metadata and any filter the documents are those that the filter fits."""
    engine, dataset, ids = kb
    for identifier, fields in zip(ids, metadata, strict=True):
        engine.update_document(identifier, {"meta_fields": fields})
    assert set(engine.documents_fitting([dataset], wanted)) == set(
        matching(engine.metadata([dataset]), wanted)
    )


def test_what_does_not_fit_is_passed_over() -> None:
    """SQLite itself leaves out documents without the field or without its text."""
    with Engine(":memory:") as engine:
        dataset = engine.create_dataset({"name": "kb"})["id"]
        for number in range(9):
            document = engine.add_document(dataset, f"{number}.txt", b"x")["id"]
            engine.update_document(document, {"meta_fields": {"author": f"writer{number}"}})
        test, bindings = may_fit(Filter([Condition("author", "is", "WRITER7")]))
        with engine._shared.store.read() as db:
            found = list(db.execute(f"SELECT meta_fields_json FROM document WHERE {test}", bindings))
    assert found == [('{"author":"writer7"}',)]
