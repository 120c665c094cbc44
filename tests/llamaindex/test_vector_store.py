"""The vector store: what goes in comes back exactly, is replaced and deleted by its id, found by text and filter."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageNode,
    IndexNode,
    MediaResource,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from pydantic import ValidationError

from llamaindex_ragflow import RAGFlowRetriever, RAGFlowServerSideEmbedding, RAGFlowVectorStore, RunContext
from llamaindex_ragflow._run import called_with
from ragflow_integrations import (
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    RAGFlow,
    Scope,
    UnsupportedError,
)
from tests.llamaindex.faults import preceded

HANDBOOK = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="handbook", metadata={"pages": 7}, hash="h")}
BOXED = RelatedNodeInfo(node_id="boxed", metadata={"box": (1, 2)})
NOTES: list[BaseNode] = [
    TextNode(
        id_="lamps",
        text="Lamps are lit at dusk.",
        metadata={"team": "crew", "year": 2025, "page_label": "3"},
        relationships={**HANDBOOK, NodeRelationship.NEXT: RelatedNodeInfo(node_id="boats")},
    ),
    TextNode(id_="boats", text="Boats are painted blue.", metadata={"team": "crew", "year": 2024}),
    TextNode(
        id_="bills",
        text="Lamps are paid for by the board.",
        metadata={"team": "board", "year": 2026, "tags": ["oil", "wicks"]},
        relationships=HANDBOOK,
    ),
]
ODD: list[BaseNode] = [
    TextNode(
        id_="a/b?c=d&e,f;g|h “ü”",
        text="  Lamps\n\nare lit at dusk — “always”, <b>always</b>.\t \n",
        metadata={"nested": {"a": [1, None, True]}, "tags": ["a,b", "c"], "n": 1.5, "none": None, "": "x"},
        excluded_llm_metadata_keys=["n"],
        start_char_idx=3,
        text_template="{content}",
    ),
    Document(id_="CASE", text="A", metadata={"llamaindex_node": "mine", "node": 1}),
    Node(id_="case", text_resource=MediaResource(text="A", mimetype="text/x-odd"), metadata={"id": "one"}),
    ImageNode(id_="picture", text="A picture of a ship", image="aGVsbG8=", image_url="http://127.0.0.1:9/s"),
    IndexNode(id_="index", text="Where ships are", index_id="ships"),
    TextNode(id_="i" * 600, text="船\u00a0🚢 " * 400, relationships={NodeRelationship.CHILD: [
        RelatedNodeInfo(node_id="x"), RelatedNodeInfo(node_id="y"),
    ]}),
]  # fmt: skip


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
    assert store.dataset_id is not None
    return store.client.get_dataset(store.dataset_id).document_count


def ids(nodes: Any) -> list[str]:
    """What was found, in its order."""
    return [node.node_id for node in nodes]


def asked(text: str = "lamps", top_k: int = 9, **fields: Any) -> VectorStoreQuery:
    """A question to the store."""
    return VectorStoreQuery(query_str=text, similarity_top_k=top_k, **fields)


def where(*conditions: Any, condition: FilterCondition = FilterCondition.AND) -> MetadataFilters:
    """A filter of ``(key, operator, value)`` and of other filters."""
    parts = [
        MetadataFilter(key=one[0], operator=FilterOperator(one[1]), value=one[2])
        if isinstance(one, tuple)
        else one
        for one in conditions
    ]
    return MetadataFilters(filters=parts, condition=condition)


def test_everything_comes_back_as_it_was(store: RAGFlowVectorStore) -> None:
    """Nodes of every kind, by id and by search, all but their embeddings; and what was given is not touched."""
    given = [node.model_copy(deep=True, update={"embedding": [1.0]}) for node in ODD]
    assert store.add(given) == ids(ODD)
    assert [node.embedding for node in given] == [[1.0]] * len(ODD)
    assert store.get_nodes([*reversed(ids(ODD)), "unknown", "case"]) == ODD[::-1]
    assert sorted(ids(store.get_nodes())) == sorted(ids(ODD))
    found = store.query(asked("lamps at dusk", 99))
    assert found.nodes is not None
    assert found.similarities == sorted(found.similarities or [], reverse=True)
    assert (found.nodes[0], found.ids) == (ODD[0], ids(found.nodes))
    assert {node.node_id: node for node in found.nodes} == {node.node_id: node for node in ODD}
    assert found.nodes[0].relationships == ODD[0].relationships


async def test_everything_comes_back_as_it_was_async(client: RAGFlow) -> None:
    """The same in coroutines, fifty nodes at once, in a dataset that is made for them."""
    many: list[BaseNode] = [
        TextNode(id_=f"ship {n}", text=f"Ship number {n} sails.", metadata={"n": n}) for n in range(50)
    ]
    store = RAGFlowVectorStore(async_client=client.as_async(), dataset_name="ships")
    assert await store.async_add(many) == ids(many)
    assert await store.aget_nodes(["ship 7", "ship 8"]) == many[7:9]
    found = await store.aquery(asked("Ship number 31", 1))
    assert found.nodes == [many[31]]
    await store.adelete("ship 31")
    await store.adelete_nodes(["ship 7", "unknown"])
    await store.adelete_nodes(filters=where(("n", ">=", 40)))
    assert len(await store.aget_nodes()) == 38
    await store.aclear()
    assert await store.aget_nodes() == []


def test_the_same_id_replaces(store: RAGFlowVectorStore) -> None:
    """In one call the last one counts, in the next call the old one is gone, from the dataset too."""
    twice: list[BaseNode] = [
        TextNode(id_="a", text="Old lamps."),
        TextNode(id_="a", text="Lamps."),
        TextNode(id_="b", text="Boats."),
    ]
    assert store.add(twice) == ["a", "a", "b"]
    assert ([node.get_content() for node in store.get_nodes(["a"])], stored(store)) == (["Lamps."], 2)
    moved = TextNode(id_="a", text="New lamps.", relationships=HANDBOOK)
    store.add([moved])
    assert (store.get_nodes(["a"]), stored(store)) == ([moved], 2)
    assert len(store.query(asked()).nodes or []) == 2


def test_what_fails_leaves_everything_as_it_was() -> None:
    """A model that cannot embed the last node: no new one stays, and the old versions do."""

    def embedding(texts: list[str]) -> list[list[float]]:
        if any("poison" in text for text in texts):
            raise RuntimeError("cannot embed this")
        return [[1.0, float(len(text))] for text in texts]

    with RAGFlow.local(embedding=embedding) as client:
        store = RAGFlowVectorStore(client=client, dataset_id=client.create_dataset("notes").id)
        store.add(NOTES)
        changed = [
            TextNode(id_="lamps", text="New lamps."),
            TextNode(id_="boats", text="A poison."),
            TextNode(text="More."),
        ]
        with pytest.raises(InvalidRequestError, match="cannot embed this"):
            store.add(changed)
        with pytest.raises(InvalidRequestError, match="cannot embed this"):
            asyncio.run(store.async_add(changed))
        assert (stored(store), store.get_nodes(ids(NOTES))) == (len(NOTES), NOTES)


def test_deleting(store: RAGFlowVectorStore) -> None:
    """By document, by ids, by filter; all only by ``clear``, and never what others put into the dataset."""
    dataset = store.client.get_dataset(store.dataset_id)
    theirs = dataset.upload_documents([{"display_name": "theirs.txt", "blob": b"Theirs."}])[0]
    theirs.add_chunk("Lamps of theirs.")
    store.add([*NOTES, Document(id_="whole", text="A whole document.")])
    store.delete("unknown")
    store.delete("handbook")
    assert ids(store.get_nodes()) == ["boats", "whole"]
    store.delete("whole")
    store.add(NOTES)
    store.delete_nodes(["boats", "unknown"], where(("team", "==", "board")))
    store.delete_nodes([])
    assert sorted(ids(store.get_nodes())) == sorted(ids(NOTES))
    store.delete_nodes(["lamps", "boats"], where(("year", ">", 2024)))
    assert sorted(ids(store.get_nodes())) == ["bills", "boats"]
    with pytest.raises(InvalidRequestError, match="clear"):
        store.delete_nodes()
    with pytest.raises(InvalidRequestError, match="list of ids"):
        store.delete_nodes("boats")  # type: ignore[arg-type]
    store.clear()
    (left,) = store.query(asked()).nodes or []
    assert (left.get_content(), left.metadata["document_name"], stored(store)) == (
        "Lamps of theirs.",
        "theirs.txt",
        1,
    )


def test_what_was_left_half_way_is_cleared(store: RAGFlowVectorStore) -> None:
    """A process that was killed before it described a file: the file is not found, replaced, and goes with the rest."""
    store.add(NOTES)
    dataset = store.client.get_dataset(store.dataset_id)
    name = next(one.name for one in dataset.iter_documents() if "Boats" in one.download().decode())
    dataset.upload_documents([{"display_name": f"{name[:-12]}01234567.txt", "blob": b"Half a boat."}])
    assert "Half a boat." not in {node.get_content() for node in store.get_nodes()}
    assert len(store.query(asked("boat")).nodes or []) == len(NOTES)
    store.add([NOTES[1]])
    assert stored(store) == len(NOTES)
    dataset.upload_documents([{"display_name": f"{name[:-12]}01234567.txt", "blob": b"Half a boat."}])
    store.clear()
    assert stored(store) == 0


FILTERS = [
    (where(("team", "==", "crew")), {"lamps", "boats"}),
    (where(("team", "==", "Crew")), set()),
    (where(("year", ">=", 2025)), {"lamps", "bills"}),
    (where(("tags", "contains", "oil")), {"bills"}),
    (where(("tags", "is_empty", None)), {"lamps", "boats"}),
    (where(("team", "!=", "crew")), {"bills"}),
    (where(("ref_doc_id", "==", "handbook")), {"lamps", "bills"}),
    (where(("team", "==", "crew"), ("year", "==", 2024), condition=FilterCondition.NOT), {"bills"}),
    (
        where(
            ("year", "==", 2026),
            where(("team", "in", ["crew"]), ("year", "<", 2025)),
            condition=FilterCondition.OR,
        ),
        {"boats", "bills"},
    ),
    (where(), {"lamps", "boats", "bills"}),
]


async def test_filters(client: RAGFlow) -> None:
    """On the nodes' own metadata, exactly as LlamaIndex reads them, sync and async; nothing of others is found."""
    dataset = await asyncio.to_thread(client.create_dataset, "notes")
    store = RAGFlowVectorStore(client=client, dataset_id=dataset.id)
    await store.async_add(NOTES)
    for wanted, expected in FILTERS:
        assert set((await store.aquery(asked(filters=wanted))).ids or []) == expected
        assert set((await asyncio.to_thread(store.query, asked(filters=wanted))).ids or []) == expected
        assert set(ids(await store.aget_nodes(filters=wanted))) == expected


def test_confined_by_ids(store: RAGFlowVectorStore) -> None:
    """To nodes, to documents, to both and a filter; no documents mean nothing, no nodes mean all, as an index asks."""
    store.add(NOTES)
    assert set(store.query(asked(doc_ids=["handbook", "unknown"])).ids or []) == {"lamps", "bills"}
    assert store.query(asked(doc_ids=[])).ids == []
    assert len(store.query(asked(node_ids=[])).ids or []) == 3
    assert store.query(asked(node_ids=["boats"])).ids == ["boats"]
    assert store.query(asked(node_ids=["boats", "bills"], doc_ids=["handbook"])).ids == ["bills"]
    crew = where(("team", "==", "crew"))
    assert store.query(asked(node_ids=["boats", "bills"], filters=crew)).ids == ["boats"]


def test_how_much_looking_up_a_filter_may_cost(client: RAGFlow) -> None:
    """Beyond the calls that are allowed it is an error with the size, never a part of what fits."""
    store = RAGFlowVectorStore(client=client, dataset_name="notes", max_filter_calls=1)
    store.add(NOTES)
    crew = where(("team", "==", "crew"))
    for call in (
        lambda: store.query(asked(filters=crew)),
        lambda: store.get_nodes(filters=crew),
        lambda: store.delete_nodes(filters=crew),
    ):
        with pytest.raises(InvalidRequestError, match="max_filter_calls=1"):
            call()
    assert len(store.get_nodes()) == len(NOTES)


def test_what_is_deleted_while_it_is_found() -> None:
    """An older server is asked for the metadata afterwards: a node that is gone by then is not found."""
    with RAGFlow.local(api_version="0.24") as client:
        store = RAGFlowVectorStore(client=client, dataset_name="notes")
        store.add(NOTES)
        quick = preceded(client, "DataSet.list_documents", lambda: store.delete_nodes(["boats"]))
        found = RAGFlowVectorStore(client=quick, dataset_name="notes").query(asked())
        assert sorted(found.ids or []) == ["bills", "lamps"]


def test_modes(store: RAGFlowVectorStore) -> None:
    """``alpha`` is the vectors' share, text search has none, and what RAGFlow has not is refused by name."""
    store.add(NOTES)
    text = store.query(asked("dusk", mode=VectorStoreQueryMode.TEXT_SEARCH))
    terms = store.query(asked("dusk", mode=VectorStoreQueryMode.HYBRID, alpha=0.0))
    vectors = store.query(asked("dusk", mode=VectorStoreQueryMode.HYBRID, alpha=1.0))
    assert (text.ids, text.similarities) == (terms.ids, terms.similarities)
    assert (text.ids or [])[0] == "lamps"
    assert terms.similarities != vectors.similarities
    assert len(store.query(asked(mode=VectorStoreQueryMode.HYBRID, hybrid_top_k=2)).ids or []) == 2
    assert store.query(asked("dusk"), similarity_threshold=1.0).ids == []
    for fields in (
        {"mode": VectorStoreQueryMode.MMR},
        {"mode": VectorStoreQueryMode.SPARSE},
        {"sparse_top_k": 3},
    ):
        with pytest.raises(UnsupportedError, match="mmr|sparse"):
            store.query(asked(**fields))
    with pytest.raises(InvalidRequestError, match="'tresh'"):
        store.query(asked(), tresh=1)
    with pytest.raises(InvalidRequestError, match="query_str"):
        store.query(VectorStoreQuery(query_embedding=[1.0]))


async def test_in_an_index(client: RAGFlow) -> None:
    """``VectorStoreIndex`` adds, finds, replaces and deletes, sync and async, without a local embedding model."""
    dataset = await asyncio.to_thread(client.create_dataset, "notes")
    store = RAGFlowVectorStore(client=client, dataset_id=dataset.id)
    index = VectorStoreIndex.from_vector_store(
        store,
        RAGFlowServerSideEmbedding(),
        transformations=[SentenceSplitter(chunk_size=64, chunk_overlap=0)],
    )
    lamps = Document(id_="lamps", text="Lamps are lit at dusk. " * 8, metadata={"team": "crew"})
    await asyncio.to_thread(index.insert, lamps)
    await index.ainsert(Document(id_="boats", text="Boats are painted blue.", metadata={"team": "board"}))
    crew = index.as_retriever(similarity_top_k=9, filters=where(("team", "==", "crew")))
    assert {found.node.ref_doc_id for found in await crew.aretrieve("lamps")} == {"lamps"}
    assert {found.node.ref_doc_id for found in await asyncio.to_thread(crew.retrieve, "lamps")} == {"lamps"}
    await asyncio.to_thread(index.update_ref_doc, Document(id_="lamps", text="Lamps are out at dawn."))
    (best, *_) = await index.as_retriever(similarity_top_k=9).aretrieve("lamps at dawn")
    assert best.text == "Lamps are out at dawn."
    await index.adelete_ref_doc("boats")
    assert [node.ref_doc_id for node in await store.aget_nodes()] == ["lamps"]


def test_in_an_index_from_documents(client: RAGFlow) -> None:
    """As most introductions begin: documents, a storage context, and a question."""
    context = StorageContext.from_defaults(
        vector_store=RAGFlowVectorStore(client=client, dataset_name="notes")
    )
    index = VectorStoreIndex.from_documents(
        [Document(text="Lamps are lit at dusk.")], context, embed_model=RAGFlowServerSideEmbedding()
    )
    assert index.as_retriever().retrieve("lamps")[0].text == "Lamps are lit at dusk."


@pytest.mark.parametrize("strategy", [DocstoreStrategy.UPSERTS, DocstoreStrategy.UPSERTS_AND_DELETE])
async def test_in_a_pipeline(client: RAGFlow, strategy: DocstoreStrategy) -> None:
    """Changed documents replace their nodes, unchanged ones are skipped, missing ones go if told so."""
    store = RAGFlowVectorStore(client=client, dataset_name="notes")
    pipeline = IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=64, chunk_overlap=0), RAGFlowServerSideEmbedding()],
        vector_store=store,
        docstore=SimpleDocumentStore(),
        docstore_strategy=strategy,
    )
    lamps, boats = (
        Document(id_="lamps", text="Lamps are lit at dusk."),
        Document(id_="boats", text="Blue boats."),
    )
    assert len(await pipeline.arun(documents=[lamps, boats])) == 2
    changed = Document(id_="lamps", text="Lamps are out at dawn.")
    assert len(await pipeline.arun(documents=[changed, boats])) == 1
    assert len(await asyncio.to_thread(pipeline.run, documents=[changed])) == 0
    left = {node.ref_doc_id: node.get_content() for node in await store.aget_nodes()}
    kept = {} if strategy == DocstoreStrategy.UPSERTS_AND_DELETE else {"boats": "Blue boats."}
    assert left == {"lamps": "Lamps are out at dawn.", **kept}


async def test_whole_documents_in_a_pipeline(client: RAGFlow) -> None:
    """Without a splitter a node is the document itself, and is deleted by its own id."""
    store = RAGFlowVectorStore(client=client, dataset_name="notes")
    pipeline = IngestionPipeline(
        transformations=[RAGFlowServerSideEmbedding()],
        vector_store=store,
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
    )
    await pipeline.arun(documents=[Document(id_="a", text="A."), Document(id_="b", text="B.")])
    await pipeline.arun(documents=[Document(id_="b", text="New B.")])
    assert [(node.node_id, node.get_content()) for node in await store.aget_nodes()] == [("b", "New B.")]


@pytest.mark.parametrize(
    ("node", "what"),
    [
        (TextNode(text="  \n"), r"nodes\[1\]: its text is blank"),
        (TextNode(text="\ud800"), r"nodes\[1\]: its text is no text"),
        (TextNode(text="x", metadata={"when": {1, 2}}), r"metadata\['when'\]={1, 2} is no JSON"),
        (TextNode(text="x", metadata={"box": (1, 2)}), r"metadata\['box'\]=\(1, 2\)"),
        (TextNode(text="x", metadata={"n": float("nan")}), r"metadata\['n'\]=nan"),
        (TextNode(text="x", relationships={NodeRelationship.SOURCE: BOXED}), "would not come back"),
        ("text", "give nodes"),
    ],
)
def test_what_would_not_come_back_is_refused(store: RAGFlowVectorStore, node: Any, what: str) -> None:
    """Before anything is written, naming the node, the field and the value."""
    with pytest.raises(InvalidRequestError, match=what):
        store.add([NOTES[0], node])
    assert stored(store) == 0


def test_within_a_scope(client: RAGFlow) -> None:
    """Another dataset than the scope's does not exist, neither for reading nor for writing."""
    ours, theirs = client.create_dataset("ours"), client.create_dataset("theirs")
    within: dict[str, Any] = {"client": client, "scope": Scope([ours.id])}
    RAGFlowVectorStore(dataset_id=ours.id, **within).add([TextNode(id_="a", text="Lamps.")])
    RAGFlowVectorStore(client=client, dataset_id=theirs.id).add([TextNode(id_="a", text="Their lamps.")])
    assert len(RAGFlowVectorStore(dataset_name="ours", **within).query(asked()).ids or []) == 1
    blind = RAGFlowVectorStore(dataset_id=theirs.id, **within)
    for call in (
        lambda: blind.query(asked()),
        lambda: blind.add([TextNode(text="x")]),
        lambda: blind.delete("a"),
        lambda: blind.clear(),
        lambda: asyncio.run(blind.aget_nodes(["a"])),
    ):
        with pytest.raises(NotFoundError):
            call()


def test_two_users_on_one_key(client: RAGFlow) -> None:
    """One store by the name that each calls their dataset by: what one adds and deletes is not the other's."""
    datasets = {user: client.create_dataset(f"notes of {user}").id for user in ("ann", "bob")}
    scopes: dict[Any, str] = {"ann": "notes of ann", "bob": "notes of bob"}

    def scope(run: RunContext) -> Scope:
        return Scope([datasets[run.context]])

    stores = {
        user: RAGFlowVectorStore(client=client, dataset_id=datasets[user], scope=scope) for user in scopes
    }
    for user, store in stores.items():
        with called_with(user):
            store.add([TextNode(id_="a", text=f"Lamps of {user}.")])
    with called_with("ann"):
        assert [node.get_content() for node in stores["ann"].query(asked()).nodes or []] == ["Lamps of ann."]
        for call in (lambda: stores["bob"].query(asked()), lambda: stores["bob"].clear()):
            with pytest.raises(NotFoundError):
                call()
    by_name = RAGFlowVectorStore(client=client, dataset_name="notes of ann", scope=scope)
    with called_with("ann"):
        assert by_name.get_nodes(["a"])
    with called_with("bob"), pytest.raises(NotFoundError):
        by_name.get_nodes(["a"])


def test_settings(client: RAGFlow, tmp_path: Path) -> None:
    """Wrong ones are refused, the key is in no dump, and a pickle reaches the same folder with the same scope."""
    for wrong in (
        {},
        {"dataset_id": "a", "dataset_name": "b"},
        {"dataset_id": "a", "names": 1},
        {"dataset_id": "a", "stores_text": False},
    ):
        with pytest.raises(ValidationError):
            RAGFlowVectorStore(client=client, **wrong)
    with RAGFlowVectorStore(
        dataset_id="a", base_url="http://127.0.0.1:9", api_key="ragflow-secret"
    ) as remote:
        assert "secret" not in repr(remote) + remote.to_json() + str(pickle.dumps(remote))
    with RAGFlow.local(str(tmp_path)) as local:
        made = local.create_dataset("notes").id
        store = RAGFlowVectorStore(client=local, dataset_id=made, scope=Scope([made]))
        store.add([TextNode(id_="a", text="Lamps.")])
        copy = pickle.loads(pickle.dumps(store))  # noqa: S301 - our own
        assert (ids(copy.get_nodes()), copy._connection.scope) == (["a"], Scope([made]))
        copy.close()
    with pytest.raises(ConfigurationError):
        pickle.dumps(RAGFlowVectorStore(client=client, dataset_id="a"))


def test_beside_other_classes(store: RAGFlowVectorStore) -> None:
    """What the store holds is found by a retriever of the dataset too."""
    store.add(NOTES)
    (found, *_) = RAGFlowRetriever([store.dataset_id or ""], client=store.client).retrieve("lamps at dusk")
    assert found.text == NOTES[0].get_content()


async def test_the_embedding_that_is_none() -> None:
    """Every way of embedding gives nothing that another store could take for a vector."""
    model = RAGFlowServerSideEmbedding()
    nodes = [TextNode(text="a"), TextNode(text="b")]
    assert [node.embedding for node in model(nodes)] == [[], []]
    assert [node.embedding for node in await model.acall(nodes)] == [[], []]
    assert model.get_query_embedding("a") == await model.aget_query_embedding("a") == []
    assert model.get_text_embedding("a") == await model.aget_text_embedding("a") == []
