"""What one user may see: which scopes there are, what two let through, and which documents fit."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragflow_integrations import InvalidRequestError, Scope
from ragflow_integrations.local.metadata import Condition, Filter, matching

OPERATORS = [
    *("is", "=", "not is", "!=", "≠", ">", "<", ">=", "≥", "<=", "≤"),
    *("contains", "not contains", "start with", "end with", "in", "not in"),
]


def condition(sign: str, value: Any, name: str = "team") -> dict[str, Any]:
    """One comparison."""
    return {"name": name, "comparison_operator": sign, "value": value}


def where(*conditions: dict[str, Any], logic: str = "and") -> Scope:
    """A scope of the documents that these fit."""
    return Scope(metadata={"logic": logic, "conditions": list(conditions)})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "give at least one"),
        ({"dataset_ids": "a"}, "dataset_ids='a': give a list"),
        ({"document_ids": {"a": 1}}, "document_ids={'a': 1}: give a list"),
        ({"dataset_ids": 7}, "dataset_ids=7: give a list"),
        ({"dataset_ids": [None]}, "dataset_ids: None is no id"),
        ({"document_ids": ["a,b"]}, "document_ids: 'a,b' is no id"),
        ({"document_ids": [""]}, "document_ids: '' is no id"),
        ({"metadata": {}}, "at least one condition"),
        ({"metadata": {"conditions": []}}, "at least one condition"),
        ({"metadata": {"team": "red"}}, "at least one condition"),
        ({"metadata": {"conditions": ["team"]}}, r"\['conditions'\]\[0\]='team': give"),
        ({"metadata": {"logic": "xor", "conditions": [condition("is", "red")]}}, "'xor': give 'and' or 'or'"),
        ({"metadata": {"conditions": [condition("is", "red", "")]}}, "name of a metadata field"),
        ({"metadata": {"conditions": [condition("empty", "")]}}, "'empty': give one of is"),
        ({"metadata": {"conditions": [condition("like", "red")]}}, "'like': give one of is"),
        ({"metadata": {"conditions": [condition("is", "")]}}, "a text that is not empty"),
        ({"metadata": {"conditions": [condition("is", None)]}}, "a text that is not empty"),
        ({"metadata": {"conditions": [condition("is", ["red"])]}}, "a text that is not empty"),
        ({"metadata": {"conditions": [condition("contains", " ")]}}, "a text that is not empty"),
        ({"metadata": {"conditions": [condition("in", "red, blue")]}}, "give a list of at least one text"),
        ({"metadata": {"conditions": [condition("not in", [])]}}, "give a list of at least one text"),
        ({"metadata": {"conditions": [condition("in", ["red", ""])]}}, "a text that is not empty"),
        ({"metadata": {"conditions": [condition(">", "red")]}}, "a number or a date"),
    ],
)
def test_what_would_let_too_much_through_is_refused(arguments: dict[str, Any], said: str) -> None:
    """A user without a team, an operator nobody can evaluate: an error that names it, and no scope."""
    with pytest.raises(InvalidRequestError, match=said):
        Scope(**arguments)


def test_nothing_is_a_scope_too() -> None:
    """An empty list leaves nothing, other than none."""
    assert not Scope(dataset_ids=[]).has_dataset("a")
    assert not Scope(document_ids=()).has_document("a", {})
    assert Scope(document_ids=[]).has_dataset("a")


def test_both_narrow() -> None:
    """A document is within a scope if its id and its metadata are."""
    red = Scope(["a"], ["1", "2"], {"conditions": [condition("is", "red")]})
    assert red.has_document("1", {"team": "Red"})
    assert not red.has_document("3", {"team": "red"})
    assert not red.has_document("1", {"team": "blue"})
    assert not red.has_document("1", None)
    assert (red.has_dataset("a"), red.has_dataset("b")) == (True, False)


def test_two_scopes_narrow_each_other() -> None:
    """What both let through; in any order, and a scope with itself is itself."""
    one = Scope(["a", "b"], metadata={"conditions": [condition("is", "red")]})
    other = Scope(["b", "c"], ["1"], {"conditions": [condition("is", "hr", "unit")]})
    both = one & other
    assert (both.dataset_ids, both.document_ids) == (frozenset("b"), frozenset("1"))
    assert both.has_document("1", {"team": "red", "unit": "hr"})
    assert not both.has_document("1", {"team": "red"})
    assert both == other & one == both & one
    assert one & one == one
    with pytest.raises(TypeError):
        one & {"dataset_ids": ["a"]}  # type: ignore[operator]


def test_memories_are_named() -> None:
    """Without it there are none, and both scopes have to name one; by themselves they are no scope."""
    one, other = Scope(["a"], memory_ids=["m", "n"]), Scope(["a"], memory_ids=["n"])
    assert Scope(["a"]).memory_ids == frozenset()
    assert (one & other).memory_ids == frozenset("n")
    assert (one & Scope(["a"])).memory_ids == frozenset()
    with pytest.raises(InvalidRequestError, match="give at least one"):
        Scope(memory_ids=["m"])
    with pytest.raises(InvalidRequestError, match="'m,n' is no id"):
        Scope(["a"], memory_ids=["m,n"])


def test_it_is_a_value() -> None:
    """Equal scopes are one key; another is another, also where only the kind of limit differs."""
    scopes = [
        Scope(["a"]),
        Scope(["a", "b"]),
        Scope([]),
        Scope(document_ids=["a"]),
        Scope(["a"], ["a"]),
        Scope(["a"], memory_ids=["a"]),
        Scope(["a"], memory_ids=["a", "b"]),
        where(condition("is", "red")),
        where(condition("=", "red")),
        where(condition("in", ["red"])),
        where(condition("is", "red"), condition("is", "blue")),
        where(condition("is", "red"), condition("is", "blue"), logic="or"),
        where(condition("is", "red")) & where(condition("is", "blue")),
    ]
    assert len(set(scopes)) == len({scope.fingerprint for scope in scopes}) == len(scopes)
    for scope in scopes:
        for same in (copy.deepcopy(scope), pickle.loads(pickle.dumps(scope))):  # noqa: S301 - our own
            assert (same, hash(same), same.fingerprint) == (scope, hash(scope), scope.fingerprint)
    assert Scope(["b", "a", "a"]) == Scope(("a", "b"))
    with pytest.raises(AttributeError):
        scopes[0].dataset_ids = None  # type: ignore[misc]


def test_the_fingerprint_is_that_of_another_process() -> None:
    """So that a cache on disk can be shared: it does not hang on the order of a set."""
    code = "from ragflow_integrations import Scope; print(Scope(['a', 'b', 'c'], ['1', '2']).fingerprint)"
    told = subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    assert told == Scope(["c", "b", "a"], ["2", "1"]).fingerprint


def test_it_shows_itself() -> None:
    """Limits that are not there are not shown, long lists are cut."""
    assert repr(Scope(["b", "a"])) == "Scope(dataset_ids=['a', 'b'])"
    assert repr(Scope([], memory_ids=["m"])) == "Scope(dataset_ids=[], memory_ids=['m'])"
    assert len(repr(Scope(document_ids=[f"{n:032}" for n in range(1000)]))) < 400
    shown = "{'logic': 'and', 'conditions': [{'name': 'team', 'comparison_operator': 'is', 'value': 'red'}]}"
    assert repr(where(condition("is", "red"))) == f"Scope(metadata={shown})"


@pytest.mark.parametrize(
    ("sign", "value", "fits", "does_not"),
    [
        ("is", "red", ["Red", ["blue", "RED"]], ["blue", [], None, "redder"]),
        ("is", 2024, [2024, "2024", 2024.0], ["20240", 2023, True]),
        ("is", "007", ["007"], [7, "7"]),
        ("is", "2024-01-31", ["2024-01-31"], ["2024-01-31T00:00:00", "2024"]),
        ("not is", "red", ["blue", ["red", "blue"]], ["RED", [], None]),
        ("in", ["Red", 7], ["red", 7, ["x", "RED"]], ["re", "blue", None]),
        ("not in", ["red"], ["blue", ["red", "blue"]], ["Red", ["RED"], None]),
        ("contains", "ED", ["red", "fEd"], ["rad", None]),
        ("not contains", "ed", ["rad"], ["Red", None]),
        ("start with", "re", ["RED"], ["tre", None]),
        ("end with", "ed", ["RED"], ["edit", None]),
        (">", 9, [10, "10", 9.5, "words"], [9, "2024-01-01", None]),
        ("<=", "9", [9, "-1", "8.5", "1e0"], [10, "words"]),
        ("≥", "2024-02-01", ["2024-02-01", "2025-01-01"], ["2024-01-31", 2025, "words"]),
    ],
)
def test_what_fits(sign: str, value: Any, fits: list[Any], does_not: list[Any]) -> None:
    """Each operator as servers have it; what lacks the field never fits."""
    scope = where(condition(sign, value))
    assert [held for held in fits if not scope.has_document("1", {"team": held})] == []
    assert [held for held in does_not if scope.has_document("1", {"team": held})] == []
    assert not scope.has_document("1", {"other": value})


def test_one_or_all() -> None:
    """``or`` takes one of them, ``and`` all; ``and`` is what is meant without ``logic``."""
    red, hr = condition("is", "red"), condition("is", "hr", "unit")
    held = {"team": "red", "unit": "sales"}
    assert where(red, hr, logic="or").has_document("1", held)
    assert not where(red, hr).has_document("1", held)
    assert Scope(metadata={"conditions": [red, hr]}) == where(red, hr)


TEXTS = st.sampled_from(
    [
        "red",
        "Red",
        "re",
        "blue",
        "0",
        "7",
        "7.0",
        "07",
        "-1",
        "1.5",
        "2024",
        "2024-01-31",
        "2024-02-01",
        "ä",
        "x y",
    ]
)
VALUES = st.one_of(TEXTS, st.integers(-2, 12), st.sampled_from([0.5, 7.0]), st.lists(TEXTS, max_size=3))
ORDERED = ["7", "1.5", "-1", "2024", "2024-01-31"]


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    """Any that a scope takes."""
    sign = draw(st.sampled_from(OPERATORS))
    if sign in ("in", "not in"):
        return condition(sign, draw(st.lists(TEXTS, min_size=1, max_size=3)), draw(st.sampled_from("ab")))
    texts = st.sampled_from(ORDERED) if sign[0] in "<>≤≥" else TEXTS
    return condition(sign, draw(texts), draw(st.sampled_from("ab")))


@given(
    st.lists(conditions(), min_size=1, max_size=3),
    st.sampled_from(["and", "or"]),
    st.dictionaries(st.sampled_from("ab"), VALUES),
)
def test_it_agrees_with_the_engine(
    wanted: list[dict[str, Any]], logic: str, meta_fields: dict[str, Any]
) -> None:
    """The engine's own evaluation, written apart from this one, has the same documents fit."""
    asked = Filter([Condition(**each) for each in wanted], logic)
    assert where(*wanted, logic=logic).has_document("1", meta_fields) == bool(
        matching({"1": meta_fields}, asked)
    )
