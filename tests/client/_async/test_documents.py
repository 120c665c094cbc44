"""Documents and their chunks: upload, parse, look at, change, delete."""

from __future__ import annotations

import pytest

from ragflow_integrations import (
    AsyncDataSet,
    AsyncDocument,
    AsyncRAGFlow,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    ParseFailedError,
    ParseProgress,
    PartialError,
)
from ragflow_integrations._compat import asleep
from tests.client.conftest import FILES

MISSING = "00000000000000000000000000000000"


async def document_of(dataset: AsyncDataSet, name: str = "atlantis.txt") -> AsyncDocument:
    return (await dataset.list_documents(name=name))[0]


async def test_upload(client: AsyncRAGFlow) -> None:
    """Files are stored as they are, under their names, and wait to be parsed."""
    dataset = await client.create_dataset("n")
    blob = bytes(range(256)) * 10
    (one, two) = await dataset.upload_documents(
        [{"display_name": "Über uns.txt", "blob": blob}, {"name": "Über uns.txt", "blob": bytearray(b"x")}]
    )
    assert (one.name, one.size, one.run, one.dataset_id) == ("Über uns.txt", 2560, "UNSTART", dataset.id)
    assert (two.name, two.size) == ("Über uns(1).txt", 1)
    assert await one.download() == blob
    assert await two.download() == b"x"


async def test_a_file_that_is_json(client: AsyncRAGFlow) -> None:
    """A file whose content looks like an error answer is a file all the same."""
    dataset = await client.create_dataset("n")
    blob = b'{"code": 102, "message": "not an error"}'
    (document,) = await dataset.upload_documents([{"display_name": "a.json.txt", "blob": blob}])
    assert await document.download() == blob


async def test_list(facts: AsyncDataSet) -> None:
    """Pages with a total, by name, id, a part of the name, and state."""
    page = await facts.list_documents(page_size=2)
    assert (len(page), page.total) == (2, 3)
    document = await document_of(facts)
    assert [each.id for each in await facts.list_documents(id=document.id)] == [document.id]
    assert [each.name for each in await facts.list_documents(keywords="ZEBRA")] == ["zebras.md"]
    assert len(await facts.list_documents(run=["DONE"])) == 3
    assert await facts.list_documents(run=["FAIL", "RUNNING"]) == []
    assert [each.name for each in await facts.list_documents(orderby="name", desc=False)] == sorted(FILES)


async def test_parse_with_progress(client: AsyncRAGFlow) -> None:
    """The callback sees how far it is, up to the end; the result counts chunks and tokens."""
    dataset = await client.create_dataset("n")
    documents = await dataset.upload_documents(
        [{"display_name": n, "blob": blob} for n, blob in FILES.items()]
    )
    told: list[ParseProgress] = []
    ids = [document.id for document in documents]
    results = await dataset.parse_documents(ids, progress=told.append, interval=0.05)
    assert [(one, run) for one, run, _, _ in results] == [(one, "DONE") for one in ids]
    assert all(chunks >= 1 and tokens > 3 for _, _, chunks, tokens in results)
    assert (told[-1].finished, told[-1].total, told[-1].fraction) == (3, 3, 1.0)
    fresh = await client.get_dataset(dataset.id)
    assert (fresh.document_count, fresh.chunk_count) == (3, sum(chunks for _, _, chunks, _ in results))


async def test_parse_without_waiting(facts: AsyncDataSet) -> None:
    """``async_parse_documents`` only queues; stopping what does not run is a conflict."""
    document = await document_of(facts)
    with pytest.raises(ConflictError, match="not started or already completed"):
        await facts.async_cancel_parse_documents([document.id])
    await facts.async_parse_documents([document.id])
    while not (document := await document_of(facts)).finished:
        await asleep(0.02)
    assert (document.run, document.chunk_count) == ("DONE", 1)


async def test_what_cannot_be_parsed(client: AsyncRAGFlow) -> None:
    """An empty file fails with its reason; the others of the call are parsed and searchable."""
    dataset = await client.create_dataset("n")
    files = {"good.txt": b"Zebras live in Africa.", "empty.txt": b"", "blank.md": b" \n\n "}
    documents = await dataset.upload_documents(
        [{"display_name": n, "blob": blob} for n, blob in files.items()]
    )
    with pytest.raises(
        ParseFailedError, match=r"^2 document\(s\) could not be parsed: empty.txt: "
    ) as caught:
        await dataset.parse_documents([document.id for document in documents], interval=0.05)
    assert caught.value.failures == [
        ("empty.txt", "The file 'empty.txt' is empty."),
        ("blank.md", "The file 'blank.md' holds no text."),
    ]
    assert [(run, chunks) for _, run, chunks, _ in caught.value.results] == [
        ("DONE", 1),
        ("FAIL", 0),
        ("FAIL", 0),
    ]
    found = await client.retrieve("Where do zebras live?", [dataset.id])
    assert [chunk.document_name for chunk in found] == ["good.txt"]
    failed = await document_of(dataset, "empty.txt")
    assert (failed.run, failed.progress) == ("FAIL", -1)
    assert failed.progress_msg


async def test_a_file_type_nobody_takes(client: AsyncRAGFlow) -> None:
    """Alone it is refused by name; among others these are kept, and the error holds them."""
    dataset = await client.create_dataset("n")
    with pytest.raises(InvalidRequestError, match="a.exe: This type of file has not been supported yet"):
        await dataset.upload_documents([{"display_name": "a.exe", "blob": b"MZ"}])
    assert await dataset.list_documents() == []
    files = [{"display_name": "a.exe", "blob": b"MZ"}, {"display_name": "b.txt", "blob": b"text"}]
    with pytest.raises(PartialError, match="a.exe") as caught:
        await dataset.upload_documents(files)
    (kept,) = caught.value.data
    assert isinstance(kept, AsyncDocument)
    assert await kept.download() == b"text"
    assert [document.id for document in await dataset.list_documents()] == [kept.id]


async def test_update(facts: AsyncDataSet) -> None:
    """A new name, metadata and parser settings; the object is renewed."""
    document = await document_of(facts)
    await facts.upload_documents([{"display_name": "extra.txt", "blob": b"x"}])
    changed = await document.update({"name": "island.txt", "meta_fields": {"author": "Ann", "year": 2024}})
    assert changed is document
    assert document.name == "island.txt"
    (again,) = await facts.list_documents(id=document.id)
    assert again.name == "island.txt"
    assert again.meta_fields == document.meta_fields == {"author": "Ann", "year": 2024}
    with pytest.raises(InvalidRequestError, match="extension"):
        await document.update({"name": "island.md"})
    with pytest.raises(ConflictError, match="Duplicated document name"):
        await (await document_of(facts, "island.txt")).update({"name": "extra.txt"})


async def test_a_disabled_document_is_not_found(client: AsyncRAGFlow, facts: AsyncDataSet) -> None:
    """``enabled`` takes a document out of the search and back in."""
    document = await document_of(facts)
    await document.update({"enabled": 0})
    found = await client.retrieve("capital of Atlantis", [facts.id])
    assert document.id not in [chunk.document_id for chunk in found]
    await document.update({"enabled": 1})
    found = await client.retrieve("capital of Atlantis", [facts.id])
    assert found[0].document_id == document.id


async def test_delete(client: AsyncRAGFlow, facts: AsyncDataSet) -> None:
    """Those that are named with their chunks, all if that is said, none by an empty list."""
    document = await document_of(facts)
    await facts.delete_documents([document.id])
    await facts.delete_documents(ids=[])
    with pytest.raises(InvalidRequestError, match="say what to delete"):
        await facts.delete_documents()
    assert (await facts.list_documents()).total == 2
    assert document.id not in [chunk.document_id for chunk in await client.retrieve("Atlantis", [facts.id])]
    with pytest.raises(NotFoundError, match="unknown"):
        await document.download()
    with pytest.raises(NotFoundError, match=MISSING):
        await facts.delete_documents([MISSING])
    await facts.delete_documents(ids=None)
    assert (await facts.list_documents()).total == 0


async def test_chunks(client: AsyncRAGFlow, facts: AsyncDataSet) -> None:
    """Added ones are listed and searchable at once; the same content is the same chunk."""
    document = await document_of(facts)
    (first,) = await document.list_chunks()
    assert (first.document_id, first.document_name) == (document.id, "atlantis.txt")
    assert first.content.split() == FILES["atlantis.txt"].decode().split()
    added = await document.add_chunk(
        "Okapis are shy.", important_keywords=["okapi"], questions=["Who is shy?"]
    )
    assert (added.content, added.important_keywords, added.questions) == (
        "Okapis are shy.",
        ["okapi"],
        ["Who is shy?"],
    )
    assert (await document.add_chunk("Okapis are shy.")).id == added.id
    page = await document.list_chunks(page_size=1)
    assert (len(page), page.total) == (1, 2)
    assert [chunk.id for chunk in await document.list_chunks(id=added.id)] == [added.id]
    assert [chunk.id for chunk in await document.list_chunks(keywords="okapis")] == [added.id]
    assert (await client.retrieve("shy okapis", [facts.id]))[0].id == added.id


async def test_delete_chunks(facts: AsyncDataSet) -> None:
    """As everywhere: what is named, all if that is said, nothing by an empty list, an error without a word."""
    document = await document_of(facts)
    added = await document.add_chunk("Okapis are shy.")
    await document.delete_chunks([added.id])
    await document.delete_chunks(ids=[])
    with pytest.raises(InvalidRequestError, match="say what to delete"):
        await document.delete_chunks()
    with pytest.raises(NotFoundError, match="rm_chunk deleted chunks 0, expect 1"):
        await document.delete_chunks([added.id])
    assert (await document.list_chunks()).total == 1
    await document.delete_chunks(delete_all=True)
    assert await document.list_chunks() == []
