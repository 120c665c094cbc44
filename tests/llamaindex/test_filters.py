"""``filters=``: exactly as LlamaIndex reads them, at a cost that is counted, and never a cut."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from llama_index.core.vector_stores import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from llamaindex_ragflow import RAGFlowRetriever
from llamaindex_ragflow._filtering import FilteredSearch, Snapshots
from llamaindex_ragflow.filters import ExactFilter
from llamaindex_ragflow.testing.filter_trees import expected, metadata, tree
from ragflow_integrations import ConfigurationError, InvalidRequestError, RAGFlow, Scope, UnsupportedError
from ragflow_integrations.adapting import run
from tests.llamaindex.conftest import Call
from tests.llamaindex.library import Library
from tests.llamaindex.scripted import Script

TREES = 10_000
RETRIEVED = 100  # of which a real retrieval is made, by each dialect
DOCUMENTS = 12
HARBOUR = "What of the harbour?"


def where(key: str, operator: str, value: Any) -> MetadataFilter:
    return MetadataFilter(key=key, operator=FilterOperator(operator), value=value)


def group(condition: str, *filters: Any) -> MetadataFilters:
    return MetadataFilters(filters=list(filters), condition=FilterCondition(condition))


class Held:
    """A dataset of documents with random metadata, and what is known of it without a filter."""

    def __init__(self, client: RAGFlow) -> None:
        random = Random(6)
        self.client = client
        self.dataset = client.create_dataset("harbour")
        for number in range(DOCUMENTS):
            name = f"{number}.txt"
            self.dataset.upload(f"The harbour, {name}.".encode(), name=name, meta_fields=metadata(random))
        self.documents = {
            node.metadata["document_id"]: dict(node.metadata)
            for node in self.retriever(None).retrieve(HARBOUR)
        }
        for document in self.dataset.iter_documents():
            self.documents[document.id] |= document.meta_fields or {}

    def by_name(self) -> dict[str, dict[str, Any]]:
        """The documents' metadata, without what another engine has other ids for."""
        ids = ("document_id", "dataset_id", "chunk_id")
        return {
            held["document_name"]: {name: value for name, value in held.items() if name not in ids}
            for held in self.documents.values()
        }

    def chosen(self, exact: ExactFilter, snapshots: Snapshots, searched: bool) -> set[str] | None:
        """The names of the documents that a retrieval searches, or of those that it found; ``None`` is a refusal."""
        search, where = FilteredSearch(exact, "strict", 50, None), [self.dataset.id]
        try:
            if searched:
                settings = {"limit": 100, "similarity_threshold": 0.0}
                chunks = run(search.found(HARBOUR, where, settings, snapshots), self.client)
                return {chunk.document_name for chunk in chunks}
            ids = run(search.fitting(where, snapshots), self.client)
        except InvalidRequestError:
            return None
        return {self.documents[id]["document_name"] for id in ids}

    def retriever(self, filters: MetadataFilters | None, **options: Any) -> RAGFlowRetriever:
        return RAGFlowRetriever(
            [self.dataset.id],
            filters=filters,
            client=self.client,
            similarity_top_k=100,
            similarity_threshold=0.0,
            **options,
        )


@pytest.fixture(scope="module", params=["0.27", "0.24"])
def held(request: pytest.FixtureRequest) -> Iterator[Held]:
    """On engines that answer as two versions of the server."""
    with RAGFlow.local(api_version=request.param) as client:
        yield Held(client)


@pytest.fixture(scope="module")
def dialects() -> Iterator[list[Held]]:
    """The same documents on engines that answer as the newest and as the oldest server."""
    with RAGFlow.local() as newest, RAGFlow.local(api_version="0.24") as oldest:
        yield [Held(newest), Held(oldest)]


def test_random_trees(dialects: list[Held]) -> None:
    """Ten thousand filters, nested, with every operator, choose the documents that LlamaIndex's function chooses.

    Those that the newest server applies itself are asked of it; for all others it is the documents to be searched,
    on the two servers in turn.
    """
    random, sizes, asked = Random(27), Counter[int | None](), 0
    documents = dialects[0].by_name()
    assert dialects[1].by_name() == documents
    kept = [Snapshots(age=3600) for _ in dialects]
    for number in range(TREES):
        filters = tree(random)
        exact, wanted = ExactFilter(filters), expected(filters, documents)
        applied = wanted is not None and exact.as_condition() is not None
        asked += applied
        turn = 0 if applied else number % 2
        assert dialects[turn].chosen(exact, kept[turn], applied) == wanted, filters
        sizes[None if wanted is None else len(wanted)] += 1
    assert len(sizes) > 10
    assert sizes[None] < TREES / 3
    assert sizes[0] + sizes[DOCUMENTS] < TREES * 0.6
    assert asked > 50


async def test_what_random_trees_retrieve(held: Held, call: Call) -> None:
    """A retrieval finds exactly the chunks of these documents, by the server's own condition or looked up before."""
    random = Random(24)
    for number in range(RETRIEVED):
        filters = tree(random, depth=1 + number % 3)
        wanted = expected(filters, held.documents)
        if wanted is None and held.retriever(filters)._filtered._filters.as_condition():  # type: ignore[union-attr]
            continue  # the server passes over what it cannot compare
        try:
            nodes = await call(held.retriever(filters), "retrieve", HARBOUR)
        except InvalidRequestError:
            assert wanted is None, filters
        else:
            assert {node.node.ref_doc_id for node in nodes} == wanted, filters


PUSHED = [
    where("author", "==", "Ann"),
    where("author", "in", ["ann", "bob"]),
    where("year", "==", 2024),
    where("year", ">=", 2023),
    where("note", "==", "Bob"),
]


@pytest.mark.parametrize("condition", ["and", "or"])
async def test_what_servers_can_do_is_exact(held: Held, call: Call, condition: str) -> None:
    """Also where the server lets more through: other capitals, a list that has the value."""
    random = Random(3)
    for _ in range(20):
        filters = group(condition, *random.sample(PUSHED, random.randint(1, 2)))
        assert ExactFilter(filters).as_condition() is not None
        wanted = expected(filters, held.documents)
        if wanted is not None:
            nodes = await call(held.retriever(filters), "retrieve", HARBOUR)
            assert {node.node.ref_doc_id for node in nodes} == wanted, filters


@pytest.mark.parametrize(
    "condition",
    [
        where("author", "!=", "Ann"),
        where("author", "nin", ["ann"]),
        where("author", "is_empty", None),
        where("author", "in", ["Ann"]),
        where("author", "==", "7"),
        where("author", "==", "2024-01-31"),
        where("author", "==", "true"),
        where("author", "==", "Émile"),
        where("author", "==", ""),
        where("author.name", "==", "Ann"),
        where("document_name", "==", "Ann"),
        where("author", "text_match", "Ann"),
        where("year", "==", 1),
        where("year", "==", 7.5),
        where("year", ">", 7),
        where("year", "<=", 7),
        where("year", ">=", 1),
        where("year", "==", 2**60),
        where("tags", "contains", "Ann"),
        group("or", where("author", "==", "Ann")),
    ],
)
def test_what_servers_could_cut(condition: Any) -> None:
    """Is not left to them: some engine of theirs would leave out what fits."""
    assert ExactFilter(group("and", where("author", "==", "Ann"), condition)).as_condition() is None
    assert ExactFilter(group("not", where("author", "==", "Ann"))).as_condition() is None


def test_conditions_as_servers_read_them() -> None:
    """Names, operators and values."""
    condition = ExactFilter(group("or", *PUSHED[1:4])).as_condition()
    assert condition == {
        "logic": "or",
        "conditions": [
            {"name": "author", "comparison_operator": "in", "value": ["ann", "bob"]},
            {"name": "year", "comparison_operator": "=", "value": 2024},
            {"name": "year", "comparison_operator": "≥", "value": 2023},
        ],
    }


def library(script: Script, size: int, **options: Any) -> None:
    """Documents d0, d1 …; every tenth is Ann's."""
    people = ("Ann", *["Bob"] * 9)
    documents = {f"d{n}": {"author": people[n % 10], "number": n} for n in range(size)}
    Library(documents, **options).on(script)


ANN = group("and", where("author", "==", "Ann"))
NOT_ANN = group("not", where("author", "==", "Ann"))


async def test_what_it_costs(script: Script, scripted: dict[str, Any], call: Call) -> None:
    """Nothing where the server applies it; looked up: a call for the dataset and one for each hundred documents."""
    library(script, 250)
    nodes = await call(RAGFlowRetriever(["library"], filters=ANN, **scripted), "retrieve", "Why?")
    assert script.calls == ["retrieval"]
    assert [node.metadata["document_id"] for node in nodes[:2]] == ["d240", "d230"]
    assert "author" not in nodes[0].metadata
    script.calls.clear()
    nodes = await call(RAGFlowRetriever(["library"], filters=NOT_ANN, **scripted), "retrieve", "Why?")
    assert script.calls == ["library", *["documents"] * 3, "retrieval"]
    assert [node.metadata["document_id"] for node in nodes[:2]] == ["d249", "d248"]


@pytest.mark.parametrize("version", ["v0.24.0", "v0.25.1", "v0.26.1"])
async def test_older_servers(script: Script, scripted: dict[str, Any], call: Call, version: str) -> None:
    """They filter by the first 10,000 documents, or by lists as texts: it is looked up."""
    library(script, 30)
    script.version = version
    nodes = await call(RAGFlowRetriever(["library"], filters=ANN, **scripted), "retrieve", "Why?")
    assert [node.metadata["document_id"] for node in nodes] == ["d20", "d10", "d0"]
    assert script.calls[-2:] == ["documents", "retrieval"]
    assert "metadata_condition" not in script.bodies[-1]


async def test_a_snapshot(script: Script, scripted: dict[str, Any], call: Call) -> None:
    """What was looked up serves for the stated time, and for no other scope."""
    library(script, 30)
    kept = RAGFlowRetriever(["library"], filters=NOT_ANN, filter_snapshot_age=60, **scripted)
    anew = RAGFlowRetriever(["library"], filters=NOT_ANN, filter_snapshot_age=0.01, **scripted)
    for retriever, lookups in ((kept, 1), (anew, 2)):
        script.calls.clear()
        for _ in range(2):
            await call(retriever, "retrieve", "Why?")
            await asyncio.sleep(0.02)
        assert script.calls.count("documents") == lookups
    script.calls.clear()
    other = kept.with_options(filters=group("not", where("author", "==", "Bob")))
    assert (await call(other, "retrieve", "Why?"))[0].metadata["document_id"] == "d20"
    assert script.calls == ["retrieval"]


@pytest.mark.parametrize(
    ("call", "size", "limit"), [("sync", 12_000, 10), ("async", 40_000, 150)], indirect=["call"]
)
async def test_forty_thousand_documents(
    script: Script, scripted: dict[str, Any], call: Call, size: int, limit: int
) -> None:
    """On a server that looks at 10,000 ids and documents only: the best of all that fit, and nobody else."""
    library(script, size)
    retriever = RAGFlowRetriever(
        ["library"], filters=NOT_ANN, similarity_top_k=limit, max_filter_calls=401, **scripted
    )
    nodes = await call(retriever, "retrieve", "Why?")
    best = [n for n in reversed(range(size)) if n % 10][:limit]
    assert [node.metadata["document_id"] for node in nodes] == [f"d{n}" for n in best]
    assert script.calls.count("documents") == size / 100
    assert max(len(body["document_ids"]) for body in script.bodies) <= 5000


@pytest.mark.parametrize(
    ("call", "options"),
    [("sync", {"listed": 10_000}), ("async", {"listed": 10_000, "total": 10_000})],
    indirect=["call"],
)
async def test_a_server_that_ends_its_lists(
    script: Script, scripted: dict[str, Any], call: Call, options: dict[str, int]
) -> None:
    """With or without saying so: an error with both numbers, and no search."""
    library(script, 12_000, **options)
    retriever = RAGFlowRetriever(["library"], filters=NOT_ANN, max_filter_calls=1000, **scripted)
    with pytest.raises(UnsupportedError, match="lists 10000 of the 12000 documents"):
        await call(retriever, "retrieve", "Why?")
    assert "retrieval" not in script.calls


async def test_beyond_its_cost_it_is_an_error(script: Script, scripted: dict[str, Any], call: Call) -> None:
    """With the measured size, before the calls are made."""
    library(script, 40_000)
    retriever = RAGFlowRetriever(["library"], filters=NOT_ANN, **scripted)
    with pytest.raises(InvalidRequestError, match="40000 documents here take 401 calls; max_filter_calls=50"):
        await call(retriever, "retrieve", "Why?")
    assert script.calls == ["library", "documents"]


async def test_no_document_costs_nothing(script: Script, scripted: dict[str, Any], call: Call) -> None:
    """Where none may be searched nothing is looked up, however many there are."""
    library(script, 40_000)
    retriever = RAGFlowRetriever(["library"], filters=NOT_ANN, document_ids=[], **scripted)
    assert await call(retriever, "retrieve", "Why?") == []
    assert script.calls == []


async def test_whoever_insists_on_the_server(script: Script, scripted: dict[str, Any], call: Call) -> None:
    """Is told where it cannot do it, or did not; and gets what it does well."""
    Library({"d1": {"author": "Ann"}, "d2": {"author": "Bob"}, "d3": {"author": "bob"}}).on(script)
    options: dict[str, Any] = {"filter_mode": "server", **scripted}
    (node,) = await call(RAGFlowRetriever(["library"], filters=ANN, **options), "retrieve", "Why?")
    assert node.metadata["document_id"] == "d1"
    bob = group("and", where("author", "==", "Bob"))
    for filters in (NOT_ANN, bob):
        with pytest.raises(UnsupportedError, match="metadata_condition="):
            await call(RAGFlowRetriever(["library"], filters=filters, **options), "retrieve", "Why?")
    assert "documents" not in script.calls
    strict = RAGFlowRetriever(["library"], filters=bob, **scripted)
    assert [node.metadata["document_id"] for node in await call(strict, "retrieve", "Why?")] == ["d2"]


def test_with_documents_and_a_scope(held: Held) -> None:
    """All are kept to; a snapshot of one scope is not another's."""
    fitting = sorted(expected(ANN, held.documents) or ())
    assert len(fitting) > 2
    other = next(id for id in held.documents if id not in fitting)
    some = held.retriever(ANN, document_ids=[fitting[0], other])
    assert {node.node.ref_doc_id for node in some.retrieve(HARBOUR)} == {fitting[0]}
    assert held.retriever(ANN, document_ids=[]).retrieve(HARBOUR) == []
    seen = iter([fitting[:2], fitting[1:]])
    scoped = held.retriever(NOT_ANN, filter_snapshot_age=60, scope=lambda run: Scope(document_ids=next(seen)))
    assert scoped.retrieve(HARBOUR) == []
    seen = iter([[fitting[0], other], fitting])
    assert {node.node.ref_doc_id for node in scoped.retrieve(HARBOUR)} == {other}
    assert scoped.retrieve(HARBOUR) == []


def test_metadata_of_the_document(held: Held) -> None:
    """Nodes have it if asked for, as the filter sees it."""
    if held.client.server_info().api_version.startswith("0.24"):
        with pytest.raises(UnsupportedError, match="reference_metadata"):
            held.retriever(None, include_document_metadata=True).retrieve(HARBOUR)
        return
    for filters in (None, ANN, NOT_ANN):
        for node in held.retriever(filters, include_document_metadata=True).retrieve(HARBOUR):
            known = held.documents[node.metadata["document_id"]]
            assert node.metadata.get("author") == known.get("author")
        for node in held.retriever(filters).retrieve(HARBOUR):
            assert "author" not in node.metadata


def test_a_filter_without_conditions(held: Held) -> None:
    """Lets everything through, as in LlamaIndex, and costs nothing; also inside another."""
    empty = MetadataFilters(filters=[])
    assert len(held.retriever(empty).retrieve(HARBOUR)) == DOCUMENTS
    assert len(held.retriever(group("and", empty)).retrieve(HARBOUR)) == DOCUMENTS


def test_what_cannot_be_compared(held: Held) -> None:
    """LlamaIndex raises a ``TypeError``: here it is told what was compared with what, of which document."""
    filters = group("or", where("author", ">", 7), where("year", "==", 7))
    with pytest.raises(InvalidRequestError, match=r"author > 7: .* does not compare it with '.*\.txt'"):
        held.retriever(filters).retrieve(HARBOUR)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": group("and", where("page_label", "==", "1"))}, "'page_label' is of a chunk"),
        (
            {"filters": group("and", group("or", where("similarity", ">", 1)))},
            "'similarity' is of a chunk",
        ),
        ({"filters": ANN, "use_kg": True}, "filters= and use_kg=True"),
        ({"filters": ANN, "metadata_condition": {}}, "filters= and metadata_condition="),
        ({"filters": ANN, "filter_mode": "client"}, "filter_mode='client': give 'strict' or 'server'"),
        ({"filters": ANN, "max_filter_calls": 0}, "max_filter_calls=0"),
        ({"filters": ANN, "filter_snapshot_age": -1}, "filter_snapshot_age=-1"),
        ({"filters": {"author": "Ann"}}, "give a MetadataFilters"),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, Any], message: str) -> None:
    """They are refused when the retriever is made."""
    with pytest.raises(ConfigurationError, match=message):
        RAGFlowRetriever(["a"], base_url=":memory:", **arguments)
