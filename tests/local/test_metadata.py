"""Metadata: which documents a condition fits, what there is, how it changes, and that the engine stores it."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from ragflow_integrations.local.engine import Engine, Retrieval
from ragflow_integrations.local.metadata import (
    Condition,
    Filter,
    changed,
    holding,
    matching,
    normalised,
    summary,
)
from ragflow_integrations.local.store import rows
from tests.local.knowledge import NEWEST, filled

DOCUMENTS: dict[str, dict[str, Any]] = {
    "ann": {
        "author": "Ann",
        "year": 2024,
        "tags": ["x", "y"],
        "day": "2024-05-01",
        "note": "",
        "code": "007",
    },
    "bob": {"author": "Bob", "year": "1999", "tags": ["y"], "day": "1999-12-31", "note": "n", "open": True},
    "marie": {"author": "Ann Marie", "year": 7.5, "tags": [], "day": "next May", "note": None},
    "none": {},
}


def fitting(name: str, operator: str, value: Any) -> str:
    """The documents that one condition fits, side by side."""
    return " ".join(matching(DOCUMENTS, Filter([Condition(name, operator, value)])))


@pytest.mark.parametrize(
    ("name", "operator", "value", "expected"),
    [
        ("author", "is", "ann", "ann"),
        ("author", "=", "ANN", "ann"),
        ("author", "not is", "Ann", "bob marie"),
        ("author", "!=", "Ann", "bob marie"),
        ("author", "≠", "Ann", "bob marie"),
        ("author", ">", "ann", "bob marie"),
        ("author", "contains", "AN", "ann marie"),
        ("author", "not contains", "an", "bob"),
        ("author", "start with", "ann ", "marie"),
        ("author", "end with", "NN", "ann"),
        ("author", "in", ["ann", "BOB"], "ann bob"),
        ("author", "not in", ["ann", "bob"], "marie"),
        ("author", "in", "Bob or Ann", "ann bob"),
        ("author", "not in", "Bob or Ann", "marie"),
        ("author", "not empty", "", "ann bob marie"),
        ("note", "empty", "", "ann"),
        ("note", "not empty", None, "bob"),
        ("tags", "is", "x", "ann"),
        ("tags", "is", "y", "ann bob"),
        ("tags", "≠", "y", "ann"),
        ("tags", "empty", "", ""),
        ("open", "is", "true", "bob"),
    ],
)
def test_operators(name: str, operator: str, value: Any, expected: str) -> None:
    """Each operator under each of its names, without regard to case; of a list one item is enough."""
    assert fitting(name, operator, value) == expected


@pytest.mark.parametrize(
    ("name", "operator", "value", "expected"),
    [
        ("year", "=", "2024", "ann"),
        ("year", "=", "2024.0", "ann"),
        ("year", ">", "1999", "ann"),
        ("year", ">=", "1999", "ann bob"),
        ("year", "≥", "1999", "ann bob"),
        ("year", "<", "1e3", "marie"),
        ("year", "<=", "7.5", "marie"),
        ("year", "≤", "7.5", "marie"),
        ("year", "<", "x", "ann bob marie"),
        ("year", "≠", 2024, "ann bob marie"),
        ("year", "=", 2024, ""),
        ("year", ">", 1999, ""),
        ("year", "start with", 20, "ann"),
        ("year", "end with", 9, "bob"),
        ("year", "contains", 20, ""),
        ("year", "≠", "x", "ann bob marie"),
        ("author", ">", "5", "ann bob marie"),
        ("author", "<", "5", ""),
        ("code", "=", "7", ""),
        ("code", "=", "007", "ann"),
        ("day", "=", "2024-05-01", "ann"),
        ("day", ">", "1999-12-31", "ann"),
        ("day", "≥", "1999-12-31", "ann bob"),
        ("day", "≠", "2024-05-01", "bob"),
        ("year", "<", "2025-01-01", ""),
    ],
)
def test_numbers_and_dates(name: str, operator: str, value: Any, expected: str) -> None:
    """Numbers are compared as numbers unless they begin with a zero, with words as words, dates with dates only.

    What is asked for as a number is unequal to everything.
    """
    assert fitting(name, operator, value) == expected


@pytest.mark.parametrize(
    ("name", "operator", "value"),
    [
        ("nothing", "is", "x"),
        ("nothing", "≠", "x"),
        ("nothing", "not contains", "x"),
        ("nothing", "not in", ["x"]),
        ("nothing", "empty", ""),
        ("author", "like", "Ann"),
        ("author", "", "Ann"),
        ("author", "is", ["Ann"]),
        ("author", "contains", ["Ann"]),
        ("author", "is", None),
        ("year", "=", 2024),
        ("year", ">", 5),
        ("year", "in", [2024]),
        ("open", "is", True),
    ],
)
def test_what_fits_nothing(name: str, operator: str, value: Any) -> None:
    """An unknown key, an unknown operator, and a value that is not text fit no document."""
    assert fitting(name, operator, value) == ""


def test_logic() -> None:
    """All conditions or one of them; a condition that fits nothing empties "and"; no condition fits nothing."""
    ann, bob, no_one = (Condition("author", "is", name) for name in ("ann", "bob", "nobody"))
    y = Condition("tags", "is", "y")
    assert matching(DOCUMENTS, Filter([y, ann])) == ["ann"]
    assert matching(DOCUMENTS, Filter([ann, bob])) == []
    assert matching(DOCUMENTS, Filter([ann, bob], "or")) == ["ann", "bob"]
    assert matching(DOCUMENTS, Filter([no_one, y])) == matching(DOCUMENTS, Filter([y, no_one])) == []
    assert matching(DOCUMENTS, Filter([no_one, y], "or")) == ["ann", "bob"]
    assert matching(DOCUMENTS, Filter([])) == matching(DOCUMENTS, Filter([], "or")) == []


PLAIN = st.text("abB1.-, ", max_size=4) | st.integers(-3, 12) | st.floats(-2, 2) | st.booleans()
METADATA = st.dictionaries(st.sampled_from("abc"), PLAIN | st.lists(PLAIN, max_size=3), max_size=3)
OPERATORS = (
    "is, not is, =, !=, ≠, >, <, >=, ≥, <=, ≤, contains, not contains, in, not in, start with, end with,"
    " empty, not empty, ?"
).split(", ")
CONDITIONS = st.builds(
    Condition,
    st.sampled_from("abcd"),
    st.sampled_from(OPERATORS),
    PLAIN | st.none() | st.lists(PLAIN, max_size=3),
)


@hypothesis.given(st.lists(METADATA, max_size=6), st.lists(CONDITIONS, min_size=1, max_size=3))
def test_conditions_only_narrow(metadata: list[dict[str, Any]], conditions: list[Condition]) -> None:
    """ "and" is what each condition fits, "or" what any does, and no document fits a key that it does not have."""
    documents = {str(number): each for number, each in enumerate(metadata)}
    single = [set(matching(documents, Filter([condition]))) for condition in conditions]
    assert set(matching(documents, Filter(conditions))) == set.intersection(*single)
    assert set(matching(documents, Filter(conditions, "or"))) == set.union(*single)
    for condition, found in zip(conditions, single, strict=True):
        assert all(condition.name in documents[each] for each in found)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"author": "Ann"}, ["ann"]),
        ({"author": "ann"}, []),
        ({"author": ["Ann", "Bob"]}, ["ann", "bob"]),
        ({"author": ["Ann", "Bob"], "tags": "x"}, ["ann"]),
        ({"author": "Ann", "tags": ["z"]}, []),
        ({"year": 2024}, ["ann"]),
        ({"author": "Ann", "tags": []}, ["ann"]),
        ({"author": [" ", None]}, None),
        ({}, None),
    ],
)
def test_values_held(wanted: dict[str, Any], expected: list[str] | None) -> None:
    """One of the values of each key, exactly as written; keys without a value ask for nothing."""
    assert holding(DOCUMENTS, wanted) == expected


def test_summary() -> None:
    """Each key with its most frequent type and how many documents hold each value, the most first."""
    documents = [{"a": "x", "n": 1}, {"a": "y", "n": "1"}, {"a": "y", "n": 2, "t": ["p", "q"]}]
    assert summary([*documents, {"t": None, "d": "2026-01-02T03:04:05"}]) == {
        "a": {"type": "string", "values": [["y", 2], ["x", 1]]},
        "n": {"type": "number", "values": [["1", 2], ["2", 1]]},
        "t": {"type": "list", "values": [["p", 1], ["q", 1]]},
        "d": {"type": "time", "values": [["2026-01-02T03:04:05", 1]]},
    }
    assert summary([]) == {}


@pytest.mark.parametrize(
    ("updates", "deletes", "expected"),
    [
        ([{"key": "a", "value": "z"}], [], {"a": "z", "t": ["x", "y"]}),
        ([{"key": "new", "value": 1}], [], {"a": "b", "t": ["x", "y"], "new": 1}),
        ([{"key": "a", "value": "z", "match": "b"}], [], {"a": "z", "t": ["x", "y"]}),
        ([{"key": "a", "value": "z", "match": "other"}], [], {"a": "b", "t": ["x", "y"]}),
        ([{"key": "new", "value": 1, "match": "x"}], [], {"a": "b", "t": ["x", "y"]}),
        ([{"key": "t", "value": "z"}], [], {"a": "b", "t": ["x", "y", "z"]}),
        ([{"key": "t", "value": ["y", "z"], "match": ""}], [], {"a": "b", "t": ["x", "y", "z"]}),
        ([{"key": "t", "value": "z", "match": "x"}], [], {"a": "b", "t": ["z", "y"]}),
        ([{"key": "t", "value": "z", "match": "?"}], [], {"a": "b", "t": ["x", "y"]}),
        ([], [{"key": "a"}], {"t": ["x", "y"]}),
        ([], [{"key": "a", "value": "b"}], {"t": ["x", "y"]}),
        ([], [{"key": "a", "value": "c"}, {"key": "?"}], {"a": "b", "t": ["x", "y"]}),
        ([], [{"key": "t"}], {"a": "b"}),
        ([], [{"key": "t", "value": "x"}], {"a": "b", "t": ["y"]}),
        ([], [{"key": "t", "value": "x"}, {"key": "t", "value": "y"}], {"a": "b"}),
        ([{"key": "a", "value": "z"}], [{"key": "a", "value": "z"}], {"t": ["x", "y"]}),
    ],
)
def test_changes(updates: list[Any], deletes: list[Any], expected: dict[str, Any]) -> None:
    """Updates add to lists and replace the rest, with ``match`` one value; deletes come after them."""
    before = {"a": "b", "t": ["x", "y"]}
    assert changed(before, updates, deletes) == expected
    assert before == {"a": "b", "t": ["x", "y"]}


@hypothesis.given(METADATA)
def test_normalised_once(metadata: dict[str, Any]) -> None:
    """Items of lists are split at separators and kept once; what has been normalised stays as it is."""
    assert normalised({"t": ["a, b", "c、d;a", 1, "1", ","], "s": "a, b"}) == {
        "t": ["a", "b", "c", "d", 1, ","],
        "s": "a, b",
    }
    once = normalised(metadata)
    assert normalised(once) == once


def test_metadata_is_stored_and_changed() -> None:
    """Documents that have metadata are told, by dataset and by id, and a change counts those that it changed."""
    with Engine(":memory:") as engine:
        dataset, other = filled(engine), filled(engine)
        ids = {row["name"]: row["id"] for row in engine.list_documents(dataset["id"], **NEWEST)[0]}
        foreign = engine.list_documents(other["id"], **NEWEST)[0][0]["id"]
        engine.update_document(ids["moon.md"], {"meta_fields": {"t": ["a, b"]}})
        assert engine.metadata([dataset["id"]]) == {ids["moon.md"]: {"t": ["a", "b"]}}
        added = [{"key": "t", "value": "b"}]
        assert engine.update_metadata(dataset["id"], [*ids.values(), foreign], added, []) == 2
        assert engine.metadata([dataset["id"], other["id"]]) == {
            ids["moon.md"]: {"t": ["a", "b"]},
            ids["atlantis.txt"]: {"t": "b"},
            ids["zebra.txt"]: {"t": "b"},
        }
        assert engine.metadata([dataset["id"]], [ids["zebra.txt"]]) == {ids["zebra.txt"]: {"t": "b"}}
        assert engine.update_metadata(dataset["id"], list(ids.values()), [], [{"key": "t"}]) == 3
        assert engine.metadata([dataset["id"]]) == {}
        without, total = engine.list_documents(dataset["id"], **NEWEST, without_metadata=True)
        assert (len(without), total) == (3, 3)


class Work:
    """Counts what SQLite does for this thread; the engine's own look for documents to parse meanwhile."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._thread = threading.get_ident()

    def statement(self, cursor: Any, sql: str, bindings: Any) -> bool:
        return self._goes_on("statements", True)

    def steps(self) -> bool:
        return self._goes_on("steps", False)

    def _goes_on(self, what: str, answer: bool) -> bool:
        self.counts[what] += threading.get_ident() == self._thread
        return answer


def test_the_work_of_a_filter_grows_with_the_documents_only() -> None:
    """Finding the fitting ones, searching in them and listing them is as many statements for four times as many
    documents, and about four times the work for SQLite."""
    few, many = (work_of_a_filter(count) for count in (500, 2000))
    assert few[0] == many[0]
    assert many[1] < 4.5 * few[1]


def work_of_a_filter(count: int) -> tuple[int, int]:
    """How many statements it takes among so many documents, and how many hundreds of steps of SQLite's machine."""
    with Engine(":memory:") as engine:
        dataset = filled(engine)["id"]
        with engine._shared.store.write() as db:
            [pattern] = rows(db, "SELECT * FROM document WHERE name = 'zebra.txt'")
            marks = ", ".join(f":{column}" for column in pattern)
            db.executemany(
                f"INSERT INTO document({', '.join(pattern)}) VALUES ({marks})",
                ({**pattern, **numbered(number)} for number in range(count)),
            )
        work = Work()
        with engine._shared.store.read() as db:  # in memory there is one connection
            db.exec_trace = work.statement
            db.set_progress_handler(work.steps, 100)
        found = matching(engine.metadata([dataset]), Filter([Condition("n", ">", "0")]))
        result = engine.retrieve(Retrieval("Where do zebras live?", [dataset], document_ids=found))
        listed, total = engine.list_documents(
            dataset, page=1, page_size=30, orderby="name", desc=True, ids=found
        )
        fitting = count * 9 // 10
        assert (len(found), total, len(listed), result.chunks) == (fitting, fitting, 30, [])
        return work.counts["statements"], work.counts["steps"]


def numbered(number: int) -> dict[str, Any]:
    """What one of many documents has that no other has."""
    fields = f'{{"n":{number % 10},"author":"person {number}"}}'
    return {"id": f"{number:032x}", "name": f"{number}.txt", "meta_fields_json": fields}
