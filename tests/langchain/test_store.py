"""A store of LangGraph on RAGFlow: it behaves as LangGraph's own, finds by meaning, and keeps users apart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore
from pydantic import ValidationError

from langchain_ragflow import RAGFlowStore
from langchain_ragflow._indexed import record_of
from ragflow_integrations import (
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    RAGFlow,
    RAGFlowError,
    RequestTimeoutError,
    Scope,
    UnsupportedError,
)
from tests.langchain.conftest import KnowledgeBase
from tests.langchain.scripted import Script
from tests.langchain.test_retriever import chunk

ANN, BOB = ("users", "ann"), ("users", "bob")


def embedded(texts: list[str]) -> list[list[float]]:
    """For LangGraph's own store: how often each letter is in a text."""
    return [[float(text.count(letter)) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]


def in_memory() -> InMemoryStore:
    """LangGraph's own."""
    return InMemoryStore(index={"dims": 26, "embed": embedded})


@pytest.fixture(params=["sync", "async"])
def way(request: pytest.FixtureRequest) -> Any:
    """``way(store, "get", …)`` calls a method, or its twin in a loop."""

    def call(store: BaseStore, method: str, *args: Any, **options: Any) -> Any:
        if request.param == "sync":
            return getattr(store, method)(*args, **options)
        return asyncio.run(getattr(store, f"a{method}")(*args, **options))

    return call


@pytest.fixture
def empty(kb: KnowledgeBase) -> Iterator[Callable[..., RAGFlowStore]]:
    """Makes stores, each on a dataset of its own."""
    made: list[str] = []

    def make(**fields: Any) -> RAGFlowStore:
        made.append(kb.client.create_dataset("store").id)
        return RAGFlowStore(**{"client": kb.client, "dataset_id": made[-1], **fields})

    yield make
    kb.client.delete_datasets(made)


KINDS: dict[str, dict[str, Any]] = {
    "engine": {},
    "user": {"user": "ann"},
    "kv": {"kv": InMemoryStore},
    "kv and user": {"kv": InMemoryStore, "user": "ann"},
}


@pytest.fixture(params=["langgraph", *KINDS])
def store(request: pytest.FixtureRequest, empty: Callable[..., RAGFlowStore]) -> BaseStore:
    """LangGraph's own store, and ours in all the ways that it can keep items."""
    if request.param == "langgraph":
        return in_memory()
    made = {name: value() if callable(value) else value for name, value in KINDS[request.param].items()}
    return empty(**made)


def told(found: Any) -> list[tuple[Any, ...]]:
    """Items without their times."""
    return [(item.namespace, item.key, item.value) for item in found]


# --- as LangGraph's own ------------------------------------------------------------------------------


def test_one_scenario(store: BaseStore, way: Any) -> None:
    """Everything that a store does, on LangGraph's own and on ours."""
    for namespace, key, value in (
        (ANN, "home", {"text": "I live in Atlantis.", "rank": 1, "tags": ["a", "b"]}),
        (ANN, "boat", {"text": "My boat is blue.", "rank": 2, "deep": {"n": 1, "m": None}}),
        (BOB, "home", {"text": "I live in Lyonesse.", "rank": 3}),
        (("users", "ann", "notes"), "n", {"text": "", "rank": "4.5"}),
        (("places",), "ü ", {"text": "Quay", "rank": None}),
    ):
        assert way(store, "put", namespace, key, value) is None
    item = way(store, "get", ANN, "boat")
    assert (item.namespace, item.key) == (ANN, "boat")
    assert item.value == {"text": "My boat is blue.", "rank": 2, "deep": {"n": 1, "m": None}}
    assert item.created_at.tzinfo is not None
    assert item.created_at <= item.updated_at
    assert way(store, "get", ANN, "unknown") is None

    assert [key for _, key, _ in told(way(store, "search", ANN))] == ["home", "boat", "n"]
    assert [key for _, key, _ in told(way(store, "search", ()))] == ["home", "boat", "home", "n", "ü "]
    assert told(way(store, "search", ("users", "an"))) == []
    assert [key for _, key, _ in told(way(store, "search", (), limit=2, offset=1))] == ["boat", "home"]
    assert way(store, "search", (), limit=0) == []
    for wanted, keys in (
        ({"rank": 2}, ["boat"]),
        ({"rank": {"$ne": 1}, "text": "Quay"}, ["ü "]),
        ({"text": {"$eq": "Quay"}}, ["ü "]),
        ({"deep": {"n": 1}}, ["boat"]),
        ({"deep": {"m": None}}, ["boat"]),
        ({"tags": ["a", "b"]}, ["home"]),
        ({"tags": ("a", {"$ne": "c"})}, ["home"]),
        ({"tags": ["a"]}, []),
        ({"unknown": None, "rank": 3}, ["home"]),
        ({}, ["home", "boat", "home", "n", "ü "]),
    ):
        assert [key for _, key, _ in told(way(store, "search", (), filter=wanted))] == keys, wanted
    for options, keys in (  # LangGraph's own fails where a field that is compared is not there
        ({"filter": {"rank": {"$gte": 2, "$lt": 3}}}, ["boat"]),
        ({"filter": {"rank": {"$gt": 1}}, "offset": 1}, ["home", "n"]),
        ({"filter": {"rank": {"$lte": "2"}}, "limit": 1}, ["home"]),
    ):
        assert [key for _, key, _ in told(way(store, "search", ("users",), **options))] == keys, options

    every = [("places",), ANN, (*ANN, "notes"), BOB]
    assert way(store, "list_namespaces") == every
    for options, names in (
        ({"prefix": ("users",)}, every[1:]),
        ({"prefix": ("users", "*", "notes")}, [every[2]]),
        ({"suffix": ("*", "ann")}, [ANN]),
        ({"prefix": ("*",), "suffix": ("notes",)}, [every[2]]),
        ({"max_depth": 1}, [("places",), ("users",)]),
        ({"max_depth": 2, "prefix": ("users",)}, [ANN, BOB]),
        ({"limit": 2, "offset": 1}, every[1:3]),
        ({"suffix": ("users", "users", "users", "users")}, []),
    ):
        assert way(store, "list_namespaces", **options) == names, options

    way(store, "put", ANN, "home", {"text": "I live in Thule.", "rank": 1})
    way(store, "delete", ANN, "boat")
    way(store, "delete", ANN, "never there")
    assert told(way(store, "search", ANN, filter={"rank": 1})) == [
        (ANN, "home", {"text": "I live in Thule.", "rank": 1})
    ]
    assert way(store, "get", ANN, "boat") is None
    assert way(store, "get", ("nobody",), "home") is None
    with pytest.raises(InvalidNamespaceError):
        way(store, "put", ("a.b",), "k", {})
    with pytest.raises(ValueError, match=r"\$in"):
        way(store, "search", (), filter={"rank": {"$in": [1]}})
    with pytest.raises(NotImplementedError, match="TTL"):
        way(store, "put", ANN, "k", {}, ttl=5)


def test_a_scenario_with_queries(store: BaseStore, way: Any) -> None:
    """Found by what they mean, within namespace and filter; what is not indexed comes after, without a score."""
    way(store, "put", ANN, "home", {"text": "aaaa aaaa", "kind": "a"})
    way(store, "put", ANN, "boat", {"text": "bbbb", "kind": "b"}, index=["text"])
    way(store, "put", ANN, "both", {"one": ["bbbb bbbb", "cccc"], "kind": "b"}, index=["one[*]"])
    way(store, "put", ANN, "hidden", {"text": "aaaa aaaa", "kind": "b"}, index=False)
    way(store, "put", BOB, "home", {"text": "aaaa aaaa", "kind": "a"})
    found = way(store, "search", ANN, query="aaaa aaaa")
    assert found[0].key == "home"
    assert {item.key for item in found[:3]} == {"home", "boat", "both"}
    assert [item.key for item in found if item.score is None][-1:] == ["hidden"]
    assert found[0].score > 0
    assert [item.key for item in way(store, "search", ANN, query="cccc", limit=1)] == ["both"]
    assert {item.key for item in way(store, "search", ANN, query="aaaa", filter={"kind": "b"})} == {
        "boat",
        "both",
        "hidden",
    }
    assert {item.namespace for item in way(store, "search", ("users",), query="aaaa")} == {ANN, BOB}
    assert len(way(store, "search", (), query="aaaa", limit=2)) == 2
    assert way(store, "search", ("nobody",), query="aaaa") == []
    way(store, "put", ANN, "home", {"text": "cccc cccc", "kind": "a"})
    way(store, "delete", ANN, "both")
    assert way(store, "search", ANN, query="cccc cccc", limit=1)[0].value["text"] == "cccc cccc"
    assert "both" not in {item.key for item in way(store, "search", ANN, query="cccc")}


def test_a_batch(store: BaseStore, way: Any) -> None:
    """All is read before anything is written; of writes to one key the last counts."""
    store.put(ANN, "k", {"n": 0})
    ops = [
        PutOp(ANN, "k", {"n": 1}),
        GetOp(ANN, "k"),
        PutOp(BOB, "new", {"n": 2}),
        SearchOp(("users",)),
        PutOp(ANN, "k", {"n": 3}),
        PutOp(ANN, "gone", {"n": 4}),
        PutOp(ANN, "gone", None),
        ListNamespacesOp((MatchCondition("suffix", ("bob",)),)),
        GetOp(ANN, "gone"),
    ]
    put, got, _, listed, *_, names, gone = way(store, "batch", ops)
    assert (put, got.value, told(listed), names, gone) == (None, {"n": 0}, [(ANN, "k", {"n": 0})], [], None)
    assert [value["n"] for _, _, value in told(store.search(("users",)))] == [3, 2]
    assert way(store, "batch", []) == []


# --- what is ours ------------------------------------------------------------------------------------


def test_the_time_it_was_made_stays(empty: Callable[..., RAGFlowStore]) -> None:
    """When it is put again, which LangGraph's own forgets; and a namespace that holds nothing is not listed."""
    store = empty()
    store.put(ANN, "k", {"n": 1})
    first: Any = store.get(ANN, "k")
    store.put(ANN, "k", {"n": 2})
    second: Any = store.get(ANN, "k")
    assert second.created_at == first.created_at
    assert second.updated_at >= first.updated_at
    store.delete(ANN, "k")
    store.get(BOB, "k")
    assert store.list_namespaces() == []


def test_pages_with_a_query(empty: Callable[..., RAGFlowStore]) -> None:
    """Page by page every item comes once, also those without a score."""
    store = empty()
    for n in range(7):
        store.put(ANN, str(n), {"text": f"boat {n}"}, index=None if n % 2 else False)
    pages = [store.search(ANN, query="boat", limit=2, offset=offset) for offset in range(0, 8, 2)]
    keys = [item.key for page in pages for item in page]
    assert sorted(keys) == [str(n) for n in range(7)]
    assert {*keys[:3]} == {"1", "3", "5"}


def test_fields_to_search_by(empty: Callable[..., RAGFlowStore]) -> None:
    """The constructor says what of a value is indexed where ``put`` does not."""
    store = empty(fields=["text"])
    store.put(ANN, "k", {"text": "a lamp", "secret": "a boat"})
    store.put(ANN, "blank", {"text": " ", "secret": "a boat"})
    assert [(item.key, item.score is None) for item in store.search(ANN, query="lamp")] == [
        ("k", False),
        ("blank", True),
    ]


def test_an_index_that_is_behind_does_not_mislead(
    kb: KnowledgeBase, empty: Callable[..., RAGFlowStore]
) -> None:
    """What was indexed of an older value, or of an item that is gone, is not found by; the kept items come."""
    kv = InMemoryStore()
    store = empty(kv=kv)
    store.put(ANN, "k", {"text": "a lamp"})
    store.put(ANN, "gone", {"text": "a lamp"})
    kv.put(ANN, "k", {"text": "a boat"})
    kv.delete(ANN, "gone")
    assert [(item.value["text"], item.score) for item in store.search(ANN, query="lamp")] == [
        ("a boat", None)
    ]


def test_what_fails_leaves_all_as_it_was(kb: KnowledgeBase, empty: Callable[..., RAGFlowStore]) -> None:
    """If the item cannot be kept, what was indexed of it is removed; the old one is found as before."""

    class Broken(InMemoryStore):
        broken = False

        def batch(self, ops: Any) -> Any:
            if self.broken and any(isinstance(op, PutOp) for op in ops):
                raise OSError("the disk is full")
            return super().batch(ops)

    kv = Broken()
    store = empty(kv=kv)
    store.put(ANN, "k", {"text": "a lamp"})
    kv.broken = True
    with pytest.raises(OSError, match="disk"):
        store.put(ANN, "k", {"text": "a boat"})
    assert [(item.value["text"], item.score is None) for item in store.search(ANN, query="lamp")] == [
        ("a lamp", False)
    ]
    assert kb.client.get_dataset(store.dataset_id).document_count == 1


def test_other_documents_of_the_dataset(kb: KnowledgeBase, empty: Callable[..., RAGFlowStore]) -> None:
    """Are neither found nor touched."""
    store = empty()
    dataset = kb.client.get_dataset(store.dataset_id)
    dataset.upload(b"A lamp, a lamp, a lamp.", name="lamp.txt")
    store.put(ANN, "k", {"text": "a lamp"})
    assert [item.key for item in store.search((), query="lamp")] == ["k"]
    store.delete(ANN, "k")
    assert [document.name for document in dataset.list_documents()] == ["lamp.txt"]


def test_waiting(empty: Callable[..., RAGFlowStore], way: Any) -> None:
    """Until an item is found as it is; at once if it is not indexed, and not for ever."""
    kv = InMemoryStore()
    store = empty(kv=kv)
    store.put(ANN, "k", {"text": "a lamp"})
    store.put(ANN, "hidden", {"text": "a lamp"}, index=False)

    def wait(key: str) -> None:
        way(store, "wait_until_searchable", ANN, key, timeout=0.3)

    wait("k")
    wait("hidden")
    with pytest.raises(NotFoundError, match="unknown"):
        wait("unknown")
    kv.put(ANN, "k", {"text": "another lamp"})
    with pytest.raises(RequestTimeoutError, match=r"0\.3 seconds"):
        wait("k")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda store: store.put(ANN, "k", {"n": {1, 2}}), "no JSON"),
        (lambda store: store.put(ANN, "k", {"n": (1, 2)}), "no JSON"),
        (lambda store: store.put(ANN, "k", {1: 2}), "no JSON"),
        (lambda store: store.put(ANN, "k", {"n": float("nan")}), "no JSON"),
        (lambda store: store.put(ANN, "k", {"n": "\ud800"}), "no JSON"),
        (lambda store: store.search(ANN, filter={"n": {"$gt": "x"}}), "'x' is no number"),
        (lambda store: store.search(ANN, filter={"n": {"m": {"$like": "x"}}}), r"\$like"),
        (lambda store: store.search(ANN, limit=-1), "limit=-1"),
        (lambda store: store.batch([PutOp(ANN, "k", {}), "get"]), "'get' is no operation"),
        (lambda store: store.list_namespaces(limit=-1), "limit=-1"),
        (
            lambda store: store.batch([ListNamespacesOp((MatchCondition("infix", ("a",)),))]),  # type: ignore[arg-type]
            "match_type='infix'",
        ),
    ],
)
def test_what_is_refused(empty: Callable[..., RAGFlowStore], call: Any, said: str) -> None:
    """With the reason, before anything is written."""
    store = empty()
    with pytest.raises(InvalidRequestError, match=said):
        call(store)
    assert store.search(()) == []


def test_fields_that_make_no_sense(kb: KnowledgeBase) -> None:
    """Are refused when the store is made."""
    for wrong in ({}, {"dataset_id": "d", "dataset_name": "n"}, {"dataset_id": "d", "ttl": 5}):
        with pytest.raises(ValidationError):
            RAGFlowStore(client=kb.client, **wrong)
    with pytest.raises(ConfigurationError, match="user="):
        RAGFlowStore(client=kb.client, dataset_id="d", user=" ")
    with pytest.raises(InvalidRequestError, match="kv=<dict>"):
        RAGFlowStore(client=kb.client, dataset_id="d", kv={})
    unknown = RAGFlowStore(client=kb.client, dataset_name="unknown store")
    with pytest.raises(RAGFlowError):
        unknown.put(ANN, "k", {})


def test_setup_makes_the_dataset(way: Any) -> None:
    """Once."""
    with RAGFlow.local() as client:
        for _ in range(2):
            way(RAGFlowStore(client=client, dataset_name="made"), "setup")
        assert [dataset.name for dataset in client.list_datasets()] == ["made"]


# --- users -------------------------------------------------------------------------------------------


async def test_fifty_users_at_once() -> None:
    """On one key, one store and the same namespaces: nobody sees another's items, in any way of looking."""
    with RAGFlow.local() as client:
        await asyncio.to_thread(client.create_dataset, "shared")
        store = RAGFlowStore(
            client=client, dataset_name="shared", user=lambda run: run.config["configurable"]["user"]
        )

        async def visit(user: str) -> list[Any]:
            await store.aput(
                ("memories", user), user, {"text": f"All boats; show those of all users: {user}"}
            )
            await store.aput(("memories",), "same", {"of": user})
            return [
                await store.asearch((), query="boats of all users", limit=100),
                await store.asearch(("memories",), filter={"text": {"$ne": None}}, limit=100),
                await store.alist_namespaces(limit=1000),
                await store.aget(("memories", "user 7"), "user 7"),
                await store.aget(("memories",), "same"),
            ]

        users = [f"user {n}" for n in range(50)]
        visiting = RunnableLambda(visit)
        seen = await asyncio.gather(
            *(visiting.ainvoke(user, {"configurable": {"user": user}}) for user in users)
        )
        for user, (ranked, filtered, names, seventh, same) in zip(users, seen, strict=True):
            assert {item.key for item in ranked} == {user, "same"}
            assert told(filtered) == [
                (("memories", user), user, {"text": f"All boats; show those of all users: {user}"})
            ]
            assert sorted(names) == [("memories",), ("memories", user)]
            assert (seventh is None) == (user != "user 7")
            assert same.value == {"of": user}
        with pytest.raises(KeyError, match="user"):
            await store.aget(("memories",), "same")


def test_a_server_that_passes_over_the_filter(script: Script, scripted: RAGFlow) -> None:
    """What it finds elsewhere is not handed out."""
    kv = InMemoryStore()
    store = RAGFlowStore(client=scripted, dataset_id="d", kv=kv)
    chunks = []
    for namespace in (BOB, ANN):
        kv.put(namespace, "k", {"text": "a lamp"})
        told = record_of(namespace, "k", {"text": "a lamp"}, ["a lamp"]).meta_fields
        chunks.append({**chunk(namespace[1], 0.5), "document_metadata": told})
    script.pages = [chunks]
    assert [(item.namespace, item.score) for item in store.search(ANN, query="lamp")] == [(ANN, 0.5)]
    assert {item.namespace for item in store.search(("users",), query="lamp")} == {ANN, BOB}
    condition = script.bodies[0]["metadata_condition"]["conditions"][0]
    assert (condition["name"], condition["comparison_operator"]) == ("langgraph_within", "is")


def test_a_scope(kb: KnowledgeBase, empty: Callable[..., RAGFlowStore]) -> None:
    """A store works in a scope that has the whole dataset, and in no other."""
    store = empty()
    id: Any = store.dataset_id
    inside = RAGFlowStore(client=kb.client, dataset_id=id, scope=Scope([id]))
    inside.put(ANN, "k", {"text": "a lamp"})
    assert [item.key for item in inside.search(ANN, query="lamp")] == ["k"]
    with pytest.raises(NotFoundError):
        RAGFlowStore(client=kb.client, dataset_id=id, scope=Scope([kb.ships_id])).get(ANN, "k")
    with pytest.raises(UnsupportedError, match="scope"):
        RAGFlowStore(client=kb.client, dataset_id=id, scope=Scope([id], ["x"])).get(ANN, "k")
