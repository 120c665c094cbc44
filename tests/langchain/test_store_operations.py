"""A store of LangGraph on RAGFlow does what LangGraph's own does, whatever operations are done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore

from langchain_ragflow import RAGFlowStore
from ragflow_integrations import RAGFlow
from tests.langchain.test_store import KINDS, in_memory, told

LABELS = st.sampled_from(["a", "b", "ab", '"', "a,", "ü"])
NAMESPACES = st.lists(LABELS, min_size=1, max_size=3).map(tuple)
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b c", "2"])
VALUES = st.dictionaries(
    st.sampled_from(["x", "y"]), SCALARS | st.lists(SCALARS, max_size=2) | st.just({"z": 1}), max_size=2
)
FILTERS = st.none() | st.dictionaries(
    st.sampled_from(["x", "y"]),
    SCALARS | st.dictionaries(st.sampled_from(["$eq", "$ne"]), SCALARS, min_size=1),
    max_size=2,
)
CONDITIONS = st.tuples(
    st.sampled_from(["prefix", "suffix"]),
    st.lists(LABELS | st.just("*"), min_size=1, max_size=3).map(tuple),
).map(lambda parts: MatchCondition(*parts))
PREFIXES = st.lists(LABELS, max_size=2).map(tuple)
OPS = st.one_of(
    st.tuples(NAMESPACES, LABELS).map(lambda parts: GetOp(*parts)),
    st.tuples(NAMESPACES, LABELS, VALUES, st.sampled_from([False, False, None])).map(
        lambda parts: PutOp(*parts)
    ),
    st.tuples(NAMESPACES, LABELS, st.none()).map(lambda parts: PutOp(*parts)),
    st.tuples(PREFIXES, FILTERS, st.integers(0, 4), st.integers(0, 3)).map(lambda parts: SearchOp(*parts)),
    st.tuples(PREFIXES, FILTERS, st.just(100), st.just(0), st.sampled_from(["a", "b c"])).map(
        lambda parts: SearchOp(*parts)
    ),
    st.tuples(
        st.none() | st.lists(CONDITIONS, max_size=2).map(tuple),
        st.none() | st.integers(1, 3),
        st.integers(0, 4),
        st.integers(0, 2),
    ).map(lambda parts: ListNamespacesOp(*parts)),
)


def without_traces(ops: list[Any]) -> list[Any]:
    """LangGraph's own lists a namespace that was only asked for, so what asks is in other batches than what lists."""
    lists = any(isinstance(op, ListNamespacesOp) for op in ops)
    return [op for op in ops if not (lists and isinstance(op, GetOp))]


def one_by_one(own: InMemoryStore, ops: list[Any]) -> list[Any]:
    """What LangGraph's own finds, then writes: it fails at a batch that writes the same text twice."""
    found = [None if isinstance(op, PutOp) else own.batch([op])[0] for op in ops]
    for op in ops:
        if isinstance(op, PutOp):
            own.batch([op])
    return found


def forget_empty(store: Any) -> None:
    """LangGraph's own lists namespaces that hold nothing any more; others do not."""
    if isinstance(store, InMemoryStore):
        for namespace in [namespace for namespace, held in store._data.items() if not held]:
            del store._data[namespace]


def comparable(op: Any, result: Any) -> Any:
    """What must be the same: with a query the order is each store's own."""
    if isinstance(op, SearchOp):
        found = told(result)
        return sorted(found, key=repr) if op.query else found
    return result if not isinstance(op, GetOp) or result is None else told([result])


@pytest.fixture(scope="module", params=["engine", "kv and user"])
def arena(request: pytest.FixtureRequest) -> Iterator[Callable[[], RAGFlowStore]]:
    """Makes empty stores on one engine."""
    with RAGFlow.local() as client:

        def make() -> RAGFlowStore:
            fields = {
                name: value() if callable(value) else value for name, value in KINDS[request.param].items()
            }
            return RAGFlowStore(client=client, dataset_id=client.create_dataset("store").id, **fields)

        yield make


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(batches=st.lists(st.lists(OPS, max_size=5).map(without_traces), max_size=6))
def test_any_operations(arena: Callable[[], RAGFlowStore], batches: list[list[Any]]) -> None:
    """Whatever is done, in whatever batches: both find the same."""
    own, ours = in_memory(), arena()
    for number, ops in enumerate(batches):
        found = asyncio.run(ours.abatch(ops)) if number % 2 else ours.batch(ops)
        expected = one_by_one(own, ops)
        forget_empty(own)
        forget_empty(ours.kv)
        for op, result, other in zip(ops, found, expected, strict=True):
            assert comparable(op, result) == comparable(op, other), op
