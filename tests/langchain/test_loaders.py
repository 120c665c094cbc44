"""The loaders: every chunk, document and file, lazily, sync and async alike."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from pydantic import ValidationError

from langchain_ragflow import RAGFlowBlobLoader, RAGFlowFilter, RAGFlowLoader, RAGFlowRetriever
from ragflow_integrations import InvalidRequestError, NotFoundError, RAGFlow
from tests.langchain.conftest import SHIPS, TEXTS, KnowledgeBase
from tests.langchain.scripted import Script
from tests.langchain.test_scope import scope


async def loaded(loader: RAGFlowLoader) -> list[Document]:
    """What all ways of loading give."""
    found = [one async for one in loader.alazy_load()]
    assert await loader.aload() == found
    assert await asyncio.to_thread(loader.load) == found
    return found


async def blobs(loader: RAGFlowBlobLoader) -> list[Blob]:
    """What both ways of loading give."""
    found = [one async for one in loader.ayield_blobs()]
    again = await asyncio.to_thread(lambda: list(loader.yield_blobs()))
    assert [one.model_dump() for one in again] == [one.model_dump() for one in found]
    return found


async def test_chunks(kb: KnowledgeBase) -> None:
    """All of them over more than a page, in the documents' order, as a retriever would give them."""
    both = RAGFlowLoader(client=kb.client, dataset_ids=[kb.ships_id, kb.dataset_id])
    found = await loaded(both)
    numbers = [f"Ship number {n} " in one.page_content for n, one in enumerate(found[:SHIPS])]
    assert numbers == [True] * SHIPS
    assert {one.metadata["source"] for one in found[SHIPS:]} == set(TEXTS)
    by_id = {one.id: one for one in found}
    retriever = RAGFlowRetriever(client=kb.client, dataset_ids=[kb.dataset_id])
    for one in await retriever.ainvoke("harbour"):
        same = by_id[one.id]
        assert same.page_content == one.page_content
        for name in ("source", "dataset_id", "document_id", "document_name", "chunk_id", "positions"):
            assert same.metadata[name] == one.metadata[name]


async def test_documents(kb: KnowledgeBase) -> None:
    """One for each, with the text of its chunks."""
    loader = RAGFlowLoader(client=kb.client, dataset_names=["handbook"], mode="documents")
    found = {one.metadata["source"]: one for one in await loaded(loader)}
    assert {name: one.page_content for name, one in found.items()} == TEXTS
    assert {name: one.id for name, one in found.items()} == kb.documents
    assert found["boats.txt"].metadata["run"] == "DONE"
    (ships,) = await RAGFlowLoader(client=kb.client, dataset_names=["ships"], mode="documents").aload()
    assert ships.metadata["chunk_count"] == ships.page_content.count("Ship number") == SHIPS


def test_it_is_lazy(script: Script, scripted: RAGFlow) -> None:
    """A page of documents is asked for when the one before it is used up."""
    script.documents = {f"d{n}": {} for n in range(150)}
    listed = RAGFlowLoader(client=scripted, dataset_ids=["d"])._listed()
    assert script.calls == []
    for _ in range(100):
        next(listed)
    assert script.calls == ["dataset", "documents"]
    assert len(list(listed)) == 50
    assert script.calls == ["dataset", "documents", "documents"]


async def test_which_documents(kb: KnowledgeBase) -> None:
    """Those that are named, in that order; an unknown one is an error, so is one of another dataset."""
    ids = [kb.documents["lamps.txt"], kb.documents["boats.txt"]]
    loader = RAGFlowLoader(client=kb.client, dataset_ids=[kb.ships_id, kb.dataset_id], document_ids=ids)
    assert [one.metadata["source"] for one in await loaded(loader)] == ["lamps.txt", "boats.txt"]
    for elsewhere in (["0" * 32], ids):
        with pytest.raises(NotFoundError):
            await RAGFlowLoader(client=kb.client, dataset_names=["ships"], document_ids=elsewhere).aload()
    with pytest.raises(InvalidRequestError, match="no dataset"):
        await RAGFlowLoader(client=kb.client).aload()


@pytest.fixture
def years() -> Iterator[dict[str, Any]]:
    """The fields for a dataset of documents with metadata, the last of which is not parsed."""
    with RAGFlow.local() as client:
        dataset = client.create_dataset("years")
        for year in ("2024", "2025"):
            dataset.upload(f"Year {year}.".encode(), name=f"{year}.txt", meta_fields={"year": year})
        dataset.upload(b"Not parsed.", name="raw.txt", parse=False)
        yield {"client": client, "dataset_ids": [dataset.id]}


async def test_a_filter_and_metadata(years: dict[str, Any]) -> None:
    """Filters in filters, exact; the document's metadata comes with each chunk and file."""
    wanted = RAGFlowFilter(conditions=[RAGFlowFilter.where("year", ">", 2024)])
    (chunk,) = await loaded(RAGFlowLoader(**years, filter=wanted))
    (blob,) = await blobs(RAGFlowBlobLoader(**years, filter=wanted.model_dump()))
    assert chunk.page_content.strip() == blob.as_string() == "Year 2025."
    assert chunk.metadata["document_metadata"] == blob.metadata["document_metadata"] == {"year": "2025"}


async def test_what_is_not_parsed(years: dict[str, Any]) -> None:
    """It has no chunk; as a document it is empty and says why."""
    assert {one.metadata["source"] for one in await loaded(RAGFlowLoader(**years))} == {
        "2024.txt",
        "2025.txt",
    }
    raw = (await loaded(RAGFlowLoader(**years, mode="documents")))[-1]
    assert (raw.page_content, raw.metadata["run"]) == ("", "UNSTART")


class Lines(BaseBlobParser):
    """A parser of one's own."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        yield Document(page_content=blob.as_string(), metadata=blob.metadata)


async def test_originals(kb: KnowledgeBase) -> None:
    """The bytes that were uploaded, their type and what is known of them; a parser takes them."""
    found = await blobs(RAGFlowBlobLoader(client=kb.client, dataset_names=["handbook"]))
    assert {one.source: one.as_string() for one in found} == TEXTS
    assert {one.mimetype for one in found} == {"text/plain"}
    parsed = [each for one in found for each in Lines().lazy_parse(one)]
    assert {one.metadata["document_id"] for one in parsed} == set(kb.documents.values())


async def test_a_scope(kb: KnowledgeBase) -> None:
    """What is outside of it is not loaded, also by its id."""
    fields: Any = {"client": kb.client, "scope": scope(kb, "boats.txt")}
    assert {one.metadata["source"] for one in await loaded(RAGFlowLoader(**fields))} == {"boats.txt"}
    assert [one.source for one in await blobs(RAGFlowBlobLoader(**fields))] == ["boats.txt"]
    with pytest.raises(NotFoundError):
        await RAGFlowLoader(**fields, document_ids=[kb.documents["lamps.txt"]]).aload()


@pytest.mark.parametrize("kind", [RAGFlowLoader, RAGFlowBlobLoader])
def test_typos_are_refused(kb: KnowledgeBase, kind: Any) -> None:
    """By name."""
    with pytest.raises(ValidationError, match="datasets"):
        kind(client=kb.client, datasets=["handbook"])
