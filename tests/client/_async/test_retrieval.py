"""Retrieval: what comes first, and what each argument does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ragflow_integrations import AsyncDataSet, AsyncRAGFlow, InvalidRequestError, NotFoundError
from tests.client.conftest import Place

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
    """Dataset ids first and the question by name or second: the same search."""
    expected = await client.retrieve(QUESTION, [facts.id])
    assert await client.retrieve([facts.id], QUESTION) == expected  # type: ignore[arg-type]
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
        ({"top_k": 0}, InvalidRequestError, "`top_k` must be greater than 0"),
    ],
)
async def test_bad_arguments(
    client: AsyncRAGFlow, facts: AsyncDataSet, arguments: dict[str, Any], kind: type[Exception], said: str
) -> None:
    """Each is an error that says what was given and what would be right."""
    with pytest.raises(kind, match=said):
        await client.retrieve(**{"question": QUESTION, "dataset_ids": [facts.id], **arguments})
