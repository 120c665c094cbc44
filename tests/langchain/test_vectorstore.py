"""The vector store: what goes in comes back exactly, replaced and deleted by its id, found by text and filter."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import FakeEmbeddings
from langchain_core.indexing import InMemoryRecordManager, aindex, index
from pydantic import ValidationError

from langchain_ragflow import RAGFlowFilter, RAGFlowVectorStore
from ragflow_integrations import (
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    RAGFlow,
    Scope,
)
from ragflow_integrations.testing import watched
from tests.llamaindex.faults import preceded

ODD = [
    Document(
        "  Lamps\n\nare lit at dusk — “always”, <b>always</b>.\t \n",
        id="a/b?c=d&e,f;g|h “ü”",
        metadata={"nested": {"a": [1, None, True]}, "tags": ["a,b", "c"], "n": 1.5, "none": None, "": "x"},
    ),
    Document("A", id="CASE", metadata={"langchain_document": "mine", "id": 1}),
    Document("A", id="case", metadata={"id": "one", "flag": True}),
    Document("船\u00a0🚢 " * 400, id="i" * 600),
]
NOTES = [
    Document("Lamps are lit at dusk.", id="lamps", metadata={"team": "crew", "year": 2025, "tags": ["oil"]}),
    Document("Boats are painted blue.", id="boats", metadata={"team": "crew", "year": 2024}),
    Document("Lamps are paid for by the board.", id="bills", metadata={"team": "board", "year": 2026}),
]


@pytest.fixture(params=["0.27", "0.24"])
def client(request: pytest.FixtureRequest) -> Iterator[RAGFlow]:
    """An empty engine, in both dialects."""
    with RAGFlow.local(api_version=request.param) as opened:
        yield opened


@pytest.fixture
def store(client: RAGFlow) -> RAGFlowVectorStore:
    """On an empty dataset."""
    return RAGFlowVectorStore(client=client, dataset_id=client.create_dataset("notes").id)


def stored(store: RAGFlowVectorStore) -> int:
    """How many documents RAGFlow has."""
    assert store.client is not None
    return store.client.get_dataset(store.dataset_id).document_count


def ids(documents: list[Document]) -> list[str | None]:
    """What was found, in its order."""
    return [document.id for document in documents]


def test_everything_comes_back_as_it_was(store: RAGFlowVectorStore) -> None:
    """Texts, ids and metadata of all kinds, by id and by search; and what was given is not touched."""
    before = [document.model_copy(deep=True) for document in ODD]
    assert store.add_documents(ODD) == ids(ODD)
    assert before == ODD
    assert store.get_by_ids([*reversed(ids(ODD)), "unknown", "case"]) == ODD[::-1]  # type: ignore[list-item]
    found = store.similarity_search("lamps at dusk", k=9)
    assert found[0] == ODD[0]
    assert sorted(found, key=lambda one: one.id or "") == sorted(ODD, key=lambda one: one.id or "")


async def test_everything_comes_back_as_it_was_async(client: RAGFlow) -> None:
    """The same in coroutines, fifty documents at once."""
    many = [Document(f"Ship number {n} sails.", id=f"ship {n}", metadata={"n": n}) for n in range(50)]
    made = await asyncio.to_thread(client.create_dataset, "ships")
    store = RAGFlowVectorStore(async_client=client.as_async(), dataset_name="ships")
    assert await store.aadd_documents(many, batch_size=20) == ids(many)
    assert await store.aget_by_ids(["ship 7", "ship 8"]) == many[7:9]
    ((best, score),) = await store.asimilarity_search_with_score("Ship number 31", k=1)
    assert (best, 0 < score <= 1) == (many[31], True)
    assert (await asyncio.to_thread(client.get_dataset, made.id)).document_count == 50


def test_the_same_id_replaces(store: RAGFlowVectorStore) -> None:
    """In one call the last one counts, in the next call the old one is gone, from the dataset too."""
    twice = [Document("Old lamps."), Document("Lamps."), Document("Boats.")]
    assert store.add_documents(twice, ids=["a", "a", "b"]) == ["a", "a", "b"]
    assert (store.get_by_ids(["a"])[0].page_content, stored(store)) == ("Lamps.", 2)
    store.add_texts(["New lamps."], [{"new": True}], ids=["a"])
    assert store.get_by_ids(["a"]) == [Document("New lamps.", id="a", metadata={"new": True})]
    assert (len(store.similarity_search("lamps", k=9)), stored(store)) == (2, 2)


def test_what_fails_leaves_everything_as_it_was() -> None:
    """A model that cannot embed the last document: no new one stays, and the old versions do."""

    def embedding(texts: list[str]) -> list[list[float]]:
        if any("poison" in text for text in texts):
            raise RuntimeError("cannot embed this")
        return [[1.0, float(len(text))] for text in texts]

    with RAGFlow.local(embedding=embedding) as client:
        store = RAGFlowVectorStore(client=client, dataset_id=client.create_dataset("notes").id)
        store.add_documents(NOTES)
        changed = [Document("New lamps.", id="lamps"), Document("A poison.", id="boats"), Document("More.")]
        with pytest.raises(InvalidRequestError, match="cannot embed this"):
            store.add_documents(changed)
        with pytest.raises(InvalidRequestError, match="cannot embed this"):
            asyncio.run(store.aadd_documents(changed))
        assert stored(store) == len(NOTES)
        assert store.get_by_ids(["lamps", "boats", "bills"]) == NOTES


def test_deleting(store: RAGFlowVectorStore) -> None:
    """By ids, unknown ones passed over; all only by saying so, and never what others put into the dataset."""
    assert store.client is not None
    dataset = store.client.get_dataset(store.dataset_id)
    theirs = dataset.upload_documents([{"display_name": "theirs.txt", "blob": b"Theirs."}])[0]
    theirs.add_chunk("Lamps of theirs.")
    store.add_documents(NOTES)
    assert store.delete(["boats", "unknown"])
    assert asyncio.run(store.adelete([]))
    assert ids(store.get_by_ids(["lamps", "boats", "bills"])) == ["lamps", "bills"]
    for wrong in ({}, {"ids": ["lamps"], "delete_all": True}, {"ids": "lamps"}, {"ids": [], "all": True}):
        with pytest.raises(InvalidRequestError, match="delete_all|'all'"):
            store.delete(**wrong)  # type: ignore[arg-type]
    assert store.delete(delete_all=True)
    (left,) = store.similarity_search("lamps")
    assert (left.page_content, left.metadata["source"], stored(store)) == (
        "Lamps of theirs.",
        "theirs.txt",
        1,
    )


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (RAGFlowFilter.where("team", "is", "crew"), {"lamps", "boats"}),
        ({"conditions": [{"name": "year", "comparison_operator": "≥", "value": 2025}]}, {"lamps", "bills"}),
        (RAGFlowFilter.where("tags", "is", "oil"), {"lamps"}),
        (RAGFlowFilter.where("team", "is", "nobody"), set()),
        (
            RAGFlowFilter.where("year", "=", 2026)
            | (RAGFlowFilter.where("team", "is", "crew") & RAGFlowFilter.where("year", "<", 2025)),
            {"boats", "bills"},
        ),
    ],
)
async def test_filters(client: RAGFlow, wanted: Any, expected: set[str]) -> None:
    """On metadata of texts, numbers and lists, typed or as a dict, also by a retriever; nothing else is found."""
    dataset = await asyncio.to_thread(client.create_dataset, "notes")
    store = RAGFlowVectorStore(client=client, dataset_id=dataset.id)
    await store.aadd_documents(NOTES)
    assert set(ids(await store.asimilarity_search("lamps", filter=wanted))) == expected
    retriever = store.as_retriever(search_kwargs={"filter": wanted, "k": 9})
    assert set(ids(await retriever.ainvoke("lamps"))) == expected
    assert set(ids(await asyncio.to_thread(retriever.invoke, "lamps"))) == expected


def test_what_a_search_costs(store: RAGFlowVectorStore) -> None:
    """With a filter that the server reads: the dataset and the search; its version is known after the first."""
    store.add_documents(NOTES)
    assert store.client is not None
    asked = []
    for _ in range(2):
        with watched(store.client) as watch:
            store.client = watch.client
            store.similarity_search("lamps", filter=RAGFlowFilter.where("team", "is", "crew"))
            asked.append([one.operation for one in watch.exchanges])
    assert "RAGFlow.server_info" in asked[0]
    assert "RAGFlow.server_info" not in asked[1]
    if store._server == (0, 27, 0):
        assert asked[1] == ["RAGFlow.get_dataset", "RAGFlow.retrieve"]


def test_scores_and_thresholds(store: RAGFlowVectorStore) -> None:
    """Best first, all of them by default; three ways to leave out what fits badly."""
    store.add_documents(NOTES)
    scored = store.similarity_search_with_score("Lamps are lit at dusk.", k=9)
    scores = [score for _, score in scored]
    assert (ids([one for one, _ in scored])[0], len(scores)) == ("lamps", 3)
    assert scores == sorted(scores, reverse=True)
    over = {"score_threshold": scores[1] + 0.001}
    best = store.as_retriever(search_type="similarity_score_threshold", search_kwargs=over)
    assert ids(best.invoke("Lamps are lit at dusk.")) == ["lamps"]
    assert ids(store.similarity_search("Lamps are lit at dusk.", **over)) == ["lamps"]
    least = {"similarity_threshold": scores[1] + 0.001}
    assert ids(store.similarity_search("Lamps are lit at dusk.", **least)) == ["lamps"]


def test_from_texts(client: RAGFlow) -> None:
    """Makes the dataset if there is none, uses it if there is; an embedding model is refused softly."""
    with pytest.raises(NotFoundError):
        RAGFlowVectorStore(client=client, dataset_name="notes").add_texts(["x"])
    store = RAGFlowVectorStore.from_texts(["Lamps."], client=client, dataset_name="notes", ids=["a"])
    with pytest.warns(UserWarning, match="FakeEmbeddings"):
        again = asyncio.run(
            RAGFlowVectorStore.afrom_documents(
                [Document("Boats.", id="b")], FakeEmbeddings(size=2), client=client, dataset_name="notes"
            )
        )
    assert ids(store.get_by_ids(["a", "b"])) == ids(again.get_by_ids(["a", "b"])) == ["a", "b"]
    with pytest.raises(NotFoundError):
        RAGFlowVectorStore.from_texts(["x"], client=client, dataset_id="4c1e1a10e5cf11f1b81e813d689ac929")


@pytest.mark.parametrize("cleanup", ["full", "incremental"])
def test_the_indexing_api(store: RAGFlowVectorStore, cleanup: Any) -> None:
    """Adds what is new, skips what is known, deletes what is gone or changed."""
    manager = InMemoryRecordManager("notes")
    manager.create_schema()

    def run(*pairs: tuple[str, str]) -> list[int]:
        documents = [Document(text, metadata={"source": source}) for source, text in pairs]
        told = index(documents, manager, store, cleanup=cleanup, source_id_key="source", key_encoder="sha256")
        return [told["num_added"], told["num_skipped"], told["num_deleted"]]

    assert run(("a", "Lamps."), ("b", "Boats.")) == [2, 0, 0]
    assert run(("a", "Lamps."), ("b", "Blue boats.")) == [1, 1, 1]
    gone = int(cleanup == "full")
    assert run(("b", "Blue boats.")) == [0, 1, gone]
    assert {one.page_content for one in store.similarity_search("x", k=9)} == (
        {"Blue boats."} if gone else {"Lamps.", "Blue boats."}
    )


async def test_the_indexing_api_async(client: RAGFlow) -> None:
    """The same in coroutines."""
    manager = InMemoryRecordManager("notes")
    await manager.acreate_schema()
    store = await RAGFlowVectorStore.afrom_texts([], client=client, dataset_name="notes")
    for expected in ((2, 0), (0, 2)):
        documents = [Document("Lamps."), Document("Boats.")]
        told = await aindex(documents, manager, store, cleanup="full", key_encoder="sha256")
        assert (told["num_added"], told["num_skipped"]) == expected


@pytest.mark.parametrize(
    ("document", "what"),
    [
        (Document("  \n"), "documents\\[1\\]: page_content is blank"),
        (Document("x", metadata={"when": {1, 2}}), "metadata\\['when'\\]={1, 2} is no JSON"),
        (Document("x", metadata={"box": (1, 2)}), "metadata\\['box'\\]=\\(1, 2\\)"),
        (Document("x", metadata={"n": float("nan")}), "metadata\\['n'\\]=nan"),
        (Document("x", metadata={"d": {1: 2}}), "metadata\\['d'\\]={1: 2}"),
        (Document("x", id=""), "id=''"),
    ],
)
def test_what_would_not_come_back_is_refused(
    store: RAGFlowVectorStore, document: Document, what: str
) -> None:
    """Before anything is written, naming the document, the field and the value."""
    with pytest.raises(InvalidRequestError, match=what):
        store.add_documents([NOTES[0], document])
    assert stored(store) == 0


def test_wrong_calls(store: RAGFlowVectorStore) -> None:
    """Misspelt fields, lists of different lengths, texts in place of lists, and what RAGFlow cannot do."""
    with pytest.raises(InvalidRequestError, match="ids: 1 for 3 documents"):
        store.add_documents(NOTES, ids=["a"])
    with pytest.raises(InvalidRequestError, match="metadatas: 1 for 2 texts"):
        store.add_texts(["a", "b"], [{}])
    with pytest.raises(InvalidRequestError, match="batch_size=0"):
        store.add_documents(NOTES, batch_size=0)
    with pytest.raises(InvalidRequestError, match="takes no 'idz'"):
        store.add_documents(NOTES, idz=["a"])
    with pytest.raises(InvalidRequestError, match="give a list of ids"):
        store.get_by_ids("lamps")
    with pytest.raises(ValidationError, match="tresh"):
        store.similarity_search("x", tresh=1)
    with pytest.raises(NotImplementedError, match="no vectors"):
        store.as_retriever(search_type="mmr").invoke("x")
    with pytest.raises(NotImplementedError, match="no vectors"):
        asyncio.run(store.asimilarity_search_by_vector([1.0]))
    for wrong in ({}, {"dataset_id": "a", "dataset_name": "b"}, {"dataset_id": "a", "names": 1}):
        with pytest.raises(ValidationError):
            RAGFlowVectorStore(client=store.client, **wrong)


def test_within_a_scope(client: RAGFlow) -> None:
    """Another dataset than the scope's does not exist, neither for reading nor for writing."""
    ours, theirs = client.create_dataset("ours"), client.create_dataset("theirs")
    within = {"client": client, "scope": Scope([ours.id])}
    RAGFlowVectorStore(dataset_id=ours.id, **within).add_texts(["Lamps."], ids=["a"])
    RAGFlowVectorStore(client=client, dataset_id=theirs.id).add_texts(["Their lamps."], ids=["a"])
    assert len(RAGFlowVectorStore(dataset_name="ours", **within).similarity_search("lamps")) == 1
    blind = RAGFlowVectorStore(dataset_id=theirs.id, **within)
    for call in (
        lambda: blind.similarity_search("lamps"),
        lambda: blind.add_texts(["x"]),
        lambda: blind.delete(["a"]),
        lambda: blind.get_by_ids(["a"]),
        lambda: asyncio.run(blind.aget_by_ids(["a"])),
    ):
        with pytest.raises(NotFoundError):
            call()


def test_a_retriever_on_it_in_a_run() -> None:
    """A function as ``scope`` has the config of the retriever's call, in each way of calling; typos are refused."""
    with RAGFlow.local() as client:
        held = {user: client.create_dataset(f"notes of {user}").id for user in ("ann", "bob")}
        for user, dataset_id in held.items():
            RAGFlowVectorStore(client=client, dataset_id=dataset_id).add_texts([f"Lamps of {user}."])
        store = RAGFlowVectorStore(
            client=client,
            dataset_id=held["ann"],
            scope=lambda run: Scope([held[run.config["configurable"]["user"]]]),
        )
        retriever = store.as_retriever(search_kwargs={"k": 1}, tags=["lamps"])
        ann, bob = ({"configurable": {"user": user}} for user in held)
        for found in (
            retriever.invoke("lamps", ann),
            asyncio.run(retriever.ainvoke("lamps", ann)),
            *retriever.batch(["lamps"], [ann]),
        ):
            assert [one.page_content for one in found] == ["Lamps of ann."]
        with pytest.raises(NotFoundError):
            retriever.invoke("lamps", bob)
        assert retriever.tags == ["lamps"]
        told = retriever._get_ls_params()
        assert (told["ls_retriever_name"], told["ls_vector_store_provider"]) == (
            "ragflowvectorstore",
            "RAGFlowVectorStore",
        )
        with pytest.raises(ValidationError, match="serch_kwargs"):
            store.as_retriever(serch_kwargs={"k": 1})


def test_pickled(tmp_path: Path) -> None:
    """It reaches the same folder; an engine in memory cannot be pickled."""
    with RAGFlow.local(str(tmp_path)) as client:
        store = RAGFlowVectorStore.from_texts(["Lamps."], client=client, dataset_name="notes", ids=["a"])
        copy = pickle.loads(pickle.dumps(store))  # noqa: S301 - our own
        assert ids(copy.get_by_ids(["a"])) == ["a"]
        copy.client.close()
    with RAGFlow.local() as client, pytest.raises(ConfigurationError):
        pickle.dumps(RAGFlowVectorStore(client=client, dataset_id="a"))


def test_what_is_deleted_while_it_is_found() -> None:
    """An older server is asked for the metadata afterwards: a document that is gone by then is not found."""
    with RAGFlow.local(api_version="0.24") as client:
        dataset = client.create_dataset("notes")
        store = RAGFlowVectorStore(client=client, dataset_id=dataset.id)
        store.add_documents(NOTES)
        quick = preceded(client, "DataSet.list_documents", lambda: store.delete(["boats"]))
        found = RAGFlowVectorStore(client=quick, dataset_id=dataset.id).similarity_search(
            "lamps and boats", k=10
        )
        assert sorted(one.id or "" for one in found) == ["bills", "lamps"]
