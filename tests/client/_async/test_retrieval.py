"""Retrieval: what comes first, and what each argument does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ragflow_integrations import (
    AsyncDataSet,
    AsyncRAGFlow,
    InvalidRequestError,
    NotFoundError,
    UnsupportedError,
)
from tests.client._async.conftest import Connect
from tests.client.conftest import Place
from tests.protocol.recorded import recorded
from tests.recordings.replay import Replay
from tests.transport.raw_server import http, serving

QUESTION = "What is the capital of Atlantis?"


@pytest.fixture
async def client(library: Place) -> AsyncIterator[AsyncRAGFlow]:
    """A client of the knowledge base that all tests share: they only read."""
    async with AsyncRAGFlow(library.api_key, library.base_url) as client:
        yield client


@pytest.fixture
async def facts(client: AsyncRAGFlow) -> AsyncDataSet:
    """Its dataset about Atlantis, zebras and tea."""
    return (await client.list_datasets(name="facts"))[0]


async def test_the_best_comes_first(client: AsyncRAGFlow, facts: AsyncDataSet) -> None:
    """A plain question with the server's defaults finds its document, scored as the server documents it."""
    found = await client.retrieve(QUESTION, [facts.id])
    best = found[0]
    assert (best.document_name, best.dataset_id) == ("atlantis.txt", facts.id)
    assert "Poseidonia" in best.content
    assert best.term_similarity is not None
    assert best.vector_similarity is not None
    assert best.similarity == pytest.approx(0.7 * best.term_similarity + 0.3 * best.vector_similarity)
    assert [chunk.similarity for chunk in found] == sorted((c.similarity or 0 for c in found), reverse=True)
    assert found.total == len(found)
    assert found.doc_aggs[0].document_name == "atlantis.txt"
    assert sum(each.count for each in found.doc_aggs) == len(found)


async def test_a_weight(client: AsyncRAGFlow, facts: AsyncDataSet) -> None:
    """It says how much the vector counts; the threshold what is left out."""
    for weight in (0.0, 0.5, 1.0):
        options: dict[str, Any] = {"vector_similarity_weight": weight, "similarity_threshold": 0.0}
        for chunk in await client.retrieve(QUESTION, [facts.id], **options):
            assert chunk.term_similarity is not None
            assert chunk.vector_similarity is not None
            mixed = (1 - weight) * chunk.term_similarity + weight * chunk.vector_similarity
            assert chunk.similarity == pytest.approx(mixed)
    everything = await client.retrieve(QUESTION, [facts.id], similarity_threshold=0.0)
    best = everything[0].similarity
    assert best is not None
    assert (
        len(everything)
        > len(await client.retrieve(QUESTION, [facts.id], similarity_threshold=best - 0.001))
        == 1
    )
    assert await client.retrieve(QUESTION, [facts.id], similarity_threshold=0.999) == []


async def test_pages(client: AsyncRAGFlow, facts: AsyncDataSet) -> None:
    """Pages of one give what one page gives."""
    options: dict[str, Any] = {"similarity_threshold": 0.0}
    whole = await client.retrieve("zebras tea Atlantis", [facts.id], **options)
    singly = [
        await client.retrieve("zebras tea Atlantis", [facts.id], page=n, page_size=1, **options)
        for n in (1, 2)
    ]
    assert len(whole) >= 2
    assert [page[0].id for page in singly] == [chunk.id for chunk in whole[:2]]


async def test_some_documents(client: AsyncRAGFlow, facts: AsyncDataSet) -> None:
    """``document_ids`` narrows: ``None`` all, a list those, ``[]`` nothing."""
    zebras = (await facts.list_documents(name="zebras.md"))[0].id
    options: dict[str, Any] = {"similarity_threshold": 0.0}
    found = await client.retrieve("Atlantis zebras", [facts.id], [zebras], **options)
    assert {chunk.document_id for chunk in found} == {zebras}
    assert await client.retrieve("Atlantis zebras", [facts.id], [], **options) == []
    both = await client.retrieve("Atlantis zebras", [facts.id], None, **options)
    assert len({chunk.document_id for chunk in both}) >= 2


async def test_several_datasets(client: AsyncRAGFlow, facts: AsyncDataSet) -> None:
    """They are searched as one."""
    other = await client.create_dataset("other")
    (document,) = await other.upload_documents(
        [{"display_name": "a.txt", "blob": b"Atlantis sank long ago."}]
    )
    await other.parse_documents([document.id], interval=0.05)
    found = await client.retrieve("Atlantis", [facts.id, other.id], similarity_threshold=0.0)
    assert {chunk.dataset_id for chunk in found} == {facts.id, other.id}
    await client.delete_datasets([other.id])


async def test_highlight(client: AsyncRAGFlow, facts: AsyncDataSet) -> None:
    """Only who asks for it gets it."""
    assert (await client.retrieve(QUESTION, [facts.id]))[0].highlight is None
    marked = (await client.retrieve(QUESTION, [facts.id], highlight=True))[0].highlight
    assert marked is not None
    assert "<em>" in marked


async def test_top_k(client: AsyncRAGFlow, facts: AsyncDataSet) -> None:
    """The pool of candidates limits what can come out."""
    assert (
        len(await client.retrieve("zebras Atlantis tea", [facts.id], top_k=1, similarity_threshold=0.0)) == 1
    )


async def test_the_order_of_the_official_sdk(client: AsyncRAGFlow, facts: AsyncDataSet) -> None:
    """Dataset ids first and the question last, second or by name: the same search."""
    expected = await client.retrieve(QUESTION, [facts.id])
    assert await client.retrieve([facts.id], QUESTION) == expected
    assert await client.retrieve([facts.id], None, QUESTION) == expected
    some = await client.retrieve(QUESTION, [facts.id], [expected[0].document_id], 1, 2)
    assert await client.retrieve([facts.id], [expected[0].document_id], QUESTION, 1, 2) == some
    assert await client.retrieve(question=QUESTION, dataset_ids=[facts.id]) == expected


async def test_other_languages(client: AsyncRAGFlow, facts: AsyncDataSet) -> None:
    """Umlauts are words, too."""
    assert (await client.retrieve("Wie lange zieht grüner Tee?", [facts.id]))[0].document_name == "tea.html"


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        ({"question": ""}, InvalidRequestError, "question=''"),
        ({"question": " \n"}, InvalidRequestError, "give a text that is not empty"),
        ({"dataset_ids": []}, InvalidRequestError, r"dataset_ids=\[\]: give at least one id"),
        ({"dataset_ids": None}, InvalidRequestError, r"dataset_ids=\[\]: give at least one id"),
        ({"dataset_ids": "d"}, InvalidRequestError, "dataset_ids='d': give a list of ids"),
        ({"dataset_ids": ["0" * 32]}, NotFoundError, "own the dataset 0{32}. The id or name is unknown"),
        ({"document_ids": ["0" * 32]}, NotFoundError, "0{32}"),
        ({"page_size": 0}, InvalidRequestError, "page_size=0: give a whole number from 1 to 100"),
        ({"page_size": 101}, InvalidRequestError, "page_size=101"),
        ({"page": 0}, InvalidRequestError, "page=0"),
        (
            {"similarity_threshold": 1.1},
            InvalidRequestError,
            "similarity_threshold=1.1: give a number from 0 to 1",
        ),
        (
            {"vector_similarity_weight": -0.1},
            InvalidRequestError,
            "vector_similarity_weight=-0.1: give a number",
        ),
        ({"similarity_threshold": "0.2"}, InvalidRequestError, "similarity_threshold='0.2': give a number"),
        ({"keyword": "yes"}, InvalidRequestError, "keyword='yes': give True or False"),
        ({"highlight": 1}, InvalidRequestError, "highlight=1: give True or False"),
        ({"rerank_id": ""}, InvalidRequestError, "rerank_id=''"),
        (
            {"cross_languages": "German"},
            InvalidRequestError,
            "cross_languages='German': give a list of texts",
        ),
        ({"reference_metadata": {"all": True}}, InvalidRequestError, "reference_metadata=.*: give True, or"),
        ({"reference_metadata": {"fields": "a"}}, InvalidRequestError, r"reference_metadata\['fields'\]='a'"),
        ({"limit": 0}, InvalidRequestError, "limit=0: give a whole number from 1"),
        ({"limit": 5, "page": 2}, InvalidRequestError, "give either limit or a page"),
        ({"top_k": True}, InvalidRequestError, "top_k=True"),
        ({"top_k": 0}, InvalidRequestError, "top_k=0: give a whole number from 1"),
    ],
)
async def test_bad_arguments(
    client: AsyncRAGFlow, facts: AsyncDataSet, arguments: dict[str, Any], kind: type[Exception], said: str
) -> None:
    """Each is an error that says what was given and what would be right."""
    with pytest.raises(kind, match=said):
        await client.retrieve(**{"question": QUESTION, "dataset_ids": [facts.id], **arguments})


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("author", "metadata_condition='author': give {'logic'"),
        ({}, r"metadata_condition\['conditions'\]=None: give a list of at least one condition"),
        (
            {"conditions": [{}]},
            r"\['conditions'\]\[0\]\['comparison_operator'\]=None: give one of is, =, not is",
        ),
        ({"conditions": ["a"]}, r"\['conditions'\]\[0\]='a': give {'name', 'comparison_operator', 'value'}"),
        (
            {"conditions": [{"name": "a", "comparison_operator": "is"}]},
            r"\[0\]: give a 'value' to compare with",
        ),
        ({"conditions": [{"comparison_operator": "empty"}]}, r"\[0\]\['name'\]=None"),
        ({"logic": "xor", "conditions": [{}]}, r"\['logic'\]='xor': give one of and, or"),
    ],
)
async def test_conditions_that_cannot_be(client: AsyncRAGFlow, condition: Any, said: str) -> None:
    """Servers crash on some of them and find nothing with others: each is refused before it is sent."""
    with pytest.raises(InvalidRequestError, match=said):
        await client.retrieve(QUESTION, ["d"], metadata_condition=condition)


async def test_a_condition_or_documents(client: AsyncRAGFlow, facts: AsyncDataSet) -> None:
    """Not both: servers would search the documents whatever the condition says."""
    condition = {"conditions": [{"name": "author", "comparison_operator": "not empty"}]}
    for documents in (["x"], []):
        with pytest.raises(InvalidRequestError, match="servers ignore the condition"):
            await client.retrieve(QUESTION, [facts.id], documents, metadata_condition=condition)


async def test_metadata(client: AsyncRAGFlow) -> None:
    """A condition finds by the documents' metadata, numbers as numbers; chunks bring theirs along if asked."""
    dataset = await client.create_dataset("tagged")
    documents = await dataset.upload_documents(
        [{"display_name": f"{year}.txt", "blob": f"Atlantis in {year}.".encode()} for year in (2019, 2024)]
    )
    for document, year in zip(documents, (2019, 2024), strict=True):
        await document.update({"meta_fields": {"year": year, "author": "Ann"}})
    await dataset.parse_documents([document.id for document in documents])
    recent = {"conditions": [{"name": "year", "comparison_operator": ">", "value": 2020}]}
    (found,) = await client.retrieve(
        "Atlantis",
        [dataset.id],
        similarity_threshold=0,
        metadata_condition=recent,
        reference_metadata={"fields": ["year"]},
    )
    assert (found.document_name, found.document_metadata) == ("2024.txt", {"year": 2024})
    both = await client.retrieve("Atlantis", [dataset.id], similarity_threshold=0, reference_metadata=True)
    assert [chunk.document_metadata for chunk in both if chunk.document_name == "2019.txt"] == [
        {"year": 2019, "author": "Ann"}
    ]
    assert (await client.retrieve("Atlantis", [dataset.id]))[0].document_metadata is None
    await client.delete_datasets([dataset.id])


async def test_limit(client: AsyncRAGFlow) -> None:
    """The best so many, each once and best first, in as many requests as it takes."""
    dataset = await client.create_dataset("many")
    (document,) = await dataset.upload_documents([{"display_name": "a.txt", "blob": b"x"}])
    for number in range(130):
        await document.add_chunk(f"Okapi {'shy ' * (number % 7)}number {number}.")
    options: dict[str, Any] = {"similarity_threshold": 0}
    one = await client.retrieve("shy okapi", [dataset.id], page_size=100, **options)
    few = await client.retrieve("shy okapi", [dataset.id], limit=7, **options)
    assert [chunk.similarity for chunk in few] == [chunk.similarity for chunk in one[:7]]
    for limit, number in ((120, 120), (1000, 130)):
        found = await client.retrieve("shy okapi", [dataset.id], limit=limit, **options)
        assert len({chunk.id for chunk in found}) == len(found) == number
        scores = [chunk.similarity for chunk in found]
        assert scores == sorted(scores, reverse=True)  # type: ignore[type-var]
        assert [(each.document_name, each.count) for each in found.doc_aggs] == [("a.txt", number)]
    await client.delete_datasets([dataset.id])


def page_of(*ids: str, **more: Any) -> bytes:
    rows = [
        {"id": one, "document_id": "d", "document_keyword": "a.txt", "similarity": score_of(one)}
        for one in ids
    ]
    return http(
        {"code": 0, "data": {"chunks": [*rows, *more.get("extra", [])], "total": len(ids), "doc_aggs": []}}
    )


def score_of(id: str) -> float:
    return 1 / (1 + int(id[1:]))


async def test_pages_that_overlap(connect: Connect) -> None:
    """A server may repeat a chunk, leave a page short and sort within pages only; a graph's chunk comes once."""
    graph = {"content": "entities", "dataset_id": ["k"], "similarity": 1}
    pages = [
        page_of("c5", "c3", extra=[{**graph, "id": "g1"}]),
        page_of("c3", "c1", extra=[{**graph, "id": "g2"}]),
        page_of(),
    ]
    with serving(*pages) as (server, url):
        found = await connect(url).retrieve("q", ["k"], limit=900)
        bodies = [json.loads(received.body) for received in server.requests]
    assert [chunk.id for chunk in found] == ["g1", "c1", "c3", "c5"]
    assert [(body["page"], body["page_size"]) for body in bodies] == [(1, 100), (2, 100), (3, 100)]
    assert (found.total, found.doc_aggs[0].count) == (4, 3)


async def test_pages_below_the_threshold(connect: Connect) -> None:
    """Short pages say nothing of what follows: it goes on until there are enough, or nothing new."""
    pages = [page_of(*(f"c{n}" for n in range(start, start + 60))) for start in range(0, 240, 60)]
    for limit, answers, best in (
        (120, pages[:2], 120),
        (130, pages[:3], 130),
        (900, [*pages, pages[3]], 240),
    ):
        with serving(*answers) as (server, url):
            found = await connect(url).retrieve("q", ["k"], limit=limit)
            assert len(server.requests) == len(answers)
        assert [chunk.id for chunk in found] == [f"c{n}" for n in range(best)]


async def test_a_real_v024(connect: Connect, replay_v024: Replay) -> None:
    """Recorded answers of v0.24.0; metadata of chunks, which it would pass over, is refused."""
    row = recorded("v0.24", "ret.ok")
    client = connect(replay_v024.url)
    found = await client.retrieve(**row.request_body)
    best = row.body["data"]["chunks"][0]
    assert (found[0].id, found[0].document_name) == (best["id"], best["document_keyword"])
    with pytest.raises(UnsupportedError, match=r"reference_metadata=….* needs RAGFlow v0.26.0 or later"):
        await client.retrieve(**row.request_body, reference_metadata=True)


async def test_a_found_chunk_can_be_used(client: AsyncRAGFlow, facts: AsyncDataSet) -> None:
    """It is a chunk like that of a listing: it can ask the server."""
    best = (await client.retrieve(QUESTION, [facts.id]))[0]
    with pytest.raises(NotFoundError, match="has no image"):
        await best.image()
