"""A suite for stores of LangGraph, of which there is none; it needs langgraph."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore

from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import Suite, at_once, off

from ..stores import RAGFlowStore

__all__ = ["StoreTests"]

_FRUIT, _TEA = ("users", "ann", "fruit"), ("users", "bob", "tea")
_BATCHES: list[list[Any]] = [
    [SearchOp(("users",)), ListNamespacesOp()],  # a get would make an empty namespace in LangGraph's own
    [
        PutOp(_FRUIT, "apple", {"colour": "red", "grams": 150, "ripe": True}),
        PutOp(_FRUIT, "pear", {"colour": "green", "grams": 180, "origin": {"land": "Chile"}}),
        PutOp(_TEA, "sencha", {"colour": "green", "grams": 3}, index=False),
        PutOp(("users", "bob"), "note", {"text": "Grüße, 世界", "grams": 1}),
    ],
    [GetOp(_FRUIT, "apple"), GetOp(_FRUIT, "plum"), GetOp(_TEA, "apple")],
    [PutOp(_FRUIT, "apple", {"colour": "yellow", "grams": 150}), GetOp(_FRUIT, "apple")],
    [GetOp(_FRUIT, "apple")],
    [SearchOp(("users", "ann")), SearchOp(("users",), limit=2), SearchOp(("users",), limit=2, offset=2)],
    [
        SearchOp(("users",), filter={"colour": "green"}),
        SearchOp(("users",), filter={"grams": {"$gt": 3}}),
        SearchOp(("users",), filter={"grams": {"$gte": 3, "$lt": 180}}),
        SearchOp(("users",), filter={"colour": {"$ne": "green"}, "grams": {"$lte": 150}}),
        SearchOp(("users",), filter={"origin": {"land": "Chile"}}),
        SearchOp(("users",), filter={"origin": {"land": "Peru"}}),
    ],
    [
        ListNamespacesOp(),
        ListNamespacesOp((MatchCondition("prefix", ("users", "ann")),)),
        ListNamespacesOp((MatchCondition("suffix", ("tea",)),)),
        ListNamespacesOp((MatchCondition("prefix", ("users", "*")),), max_depth=2),
        ListNamespacesOp(limit=1, offset=1),
    ],
    [PutOp(_FRUIT, "pear", None), PutOp(_FRUIT, "plum", None), GetOp(_FRUIT, "pear")],
    [GetOp(_FRUIT, "pear"), SearchOp(("users",), filter={"colour": "green"})],
]


class StoreTests(Suite):
    """Does what LangGraph's own store in memory does, sync and async; finds by meaning; keeps users apart."""

    kv: Any = None
    """What keeps the items exactly, where the server is no local engine: a store of LangGraph."""

    patience = 60.0
    """Seconds until what was put has to be found by its meaning."""

    @property
    def constructor(self) -> Callable[..., Any]:
        return RAGFlowStore

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"dataset_id": self.dataset_id, "kv": self.kv}

    @contextmanager
    def prepared(self, knowledge: KnowledgeBase) -> Iterator[None]:
        """An empty dataset."""
        dataset = knowledge.client.create_dataset(f"{knowledge.name}-store")
        self.dataset_id = dataset.id
        try:
            yield
        finally:
            knowledge.client.delete_datasets([dataset.id])

    @pytest.mark.asyncio
    @pytest.mark.parametrize("way", ["sync", "async"])
    async def test_it_does_what_langgraphs_own_does(
        self, knowledge: KnowledgeBase, watch: Watch, way: str
    ) -> None:
        """Get, put, put again, delete, search by filters and page by page, list namespaces; in batches."""
        made, own = self.made(watch.client, knowledge), InMemoryStore()
        for ops in _BATCHES:
            done = await off(partial(made.batch, ops)) if way == "sync" else await made.abatch(ops)
            assert plain(done) == plain(own.batch(ops)), ops

    @pytest.mark.asyncio
    async def test_a_query_finds_by_meaning(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """What fits best is first and has a score; sync and async give the same."""
        made = self.made(watch.client, knowledge)
        texts = {"boat": "My boat is painted blue.", "tea": "Green tea steeps for two minutes."}
        for key, text in texts.items():
            await made.aput(("notes",), key, {"text": text})
        end = time.monotonic() + self.patience
        while True:
            found = await made.asearch(("notes",), query="How long does tea steep?", limit=1)
            if found and getattr(found[0], "score", None) is not None:
                break
            assert time.monotonic() < end, "what was put is not found by its meaning"
            await asyncio.sleep(0.2)
        assert (found[0].key, found[0].value) == ("tea", {"text": texts["tea"]})
        again = await off(lambda: made.search(("notes",), query="How long does tea steep?", limit=1))
        assert plain([again]) == plain([found])

    def test_namespaces_do_not_run_together(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """A namespace is its labels: one that reads alike is another, or is refused."""
        made = self.made(watch.client, knowledge)
        made.put(("a", "b"), "key", {"text": "here"})
        for other in (("a.b",), ("a",), ("a", "b", "key"), ("a/b",), ("b", "a")):
            try:
                (found,) = made.batch([GetOp(other, "key")])
            except ValueError:
                continue  # what LangGraph does not let through by ``get``
            assert found is None

    def test_a_user_has_their_own(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """By ``user=``: under the same namespace and key nobody gets, finds, lists or deletes what is another's."""
        ann, bob = (self.made(watch.client, knowledge, user=user) for user in ("ann", "bob"))
        ann.put(("notes",), "a", {"text": "of ann"})
        assert bob.search(()) == bob.search((), query="of ann") == bob.list_namespaces() == []
        assert bob.get(("notes",), "a") is None
        bob.delete(("notes",), "a")
        assert ann.get(("notes",), "a").value == {"text": "of ann"}

    @pytest.mark.asyncio
    async def test_coroutines_take_no_threads(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """More calls are under way at once than there are threads for stores without a coroutine."""
        made = self.made(watch.client, knowledge)
        await at_once(watch, lambda: made.asearch(("notes",), query="boat"))


def plain(results: list[Any]) -> list[Any]:
    """What operations gave, as far as it has to be the same everywhere: not the times and scores."""
    return [_plain(one) for one in results]


def _plain(result: Any) -> Any:
    if isinstance(result, list):
        return [_plain(one) for one in result]
    return (result.namespace, result.key, result.value) if hasattr(result, "key") else result
