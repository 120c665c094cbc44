"""Documents and their chunks: upload, parse, look at, change, delete."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest

from ragflow_integrations import (
    AsyncDataSet,
    AsyncDocument,
    AsyncRAGFlow,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    ParseProgress,
    PartialError,
    ServerError,
    UnsupportedError,
)
from ragflow_integrations._compat import asleep
from ragflow_integrations.models import DataSetFields, DocumentFields
from tests.client._async.conftest import Connect
from tests.client.conftest import FILES, LIGHT, Place
from tests.protocol.recorded import recorded
from tests.recordings.replay import Replay
from tests.transport.raw_server import http, serving

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


async def test_upload_of_a_web_page(connect: Connect) -> None:
    """The server is told address and name, and its document is handed out; before v0.25.1 there is no such call."""
    page = b'{"code": 0, "data": {"id": "d1", "name": "news.pdf", "dataset_id": "x", "run": "UNSTART"}}'
    with serving(http(page)) as (server, url):
        dataset = AsyncDataSet._of(connect(url, server_version="0.27"), DataSetFields(id="x"))
        document = await dataset.upload_url("https://example.com/news?a=b", "news")
        (sent,) = server.requests
    assert (document.id, document.name, document.run) == ("d1", "news.pdf", "UNSTART")
    assert sent.line.startswith("POST /api/v1/datasets/x/documents?type=web ")
    for field, value in (("name", "news"), ("url", "https://example.com/news?a=b")):
        assert f'name="{field}"\r\n\r\n{value}\r\n'.encode() in sent.body
    old = AsyncDataSet._of(connect("http://127.0.0.1:9", server_version="0.24"), DataSetFields(id="x"))
    with pytest.raises(UnsupportedError, match="0.25.1"):
        await old.upload_url("https://example.com", "news")


async def test_a_web_page_that_is_none(client: AsyncRAGFlow) -> None:
    """What is no address of a page is refused before it is sent; the local engine says that it fetches none."""
    dataset = await client.create_dataset("n")
    for wrong in ("file:///etc/passwd", "example.com", "https://", " ", ""):
        with pytest.raises(InvalidRequestError, match="url="):
            await dataset.upload_url(wrong, "news")
    with pytest.raises(InvalidRequestError, match="name="):
        await dataset.upload_url("https://example.com", "")
    with pytest.raises(InvalidRequestError, match="fetches nothing over the network"):
        await dataset.upload_url("https://example.com", "news")


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
    assert [each.name for each in await facts.list_documents(orderby="name", desc=False)] == sorted(LIGHT)


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
    """An empty file fails, which is a result and says why; the others of the call are parsed and searchable."""
    dataset = await client.create_dataset("n")
    files = {"good.txt": b"Zebras live in Africa.", "empty.txt": b"", "blank.md": b" \n\n "}
    documents = await dataset.upload_documents(
        [{"display_name": n, "blob": blob} for n, blob in files.items()]
    )
    ids = [document.id for document in documents]
    results = await dataset.parse_documents(ids)
    assert [(one, run, chunks) for one, run, chunks, _ in results] == [
        (ids[0], "DONE", 1),
        (ids[1], "FAIL", 0),
        (ids[2], "FAIL", 0),
    ]
    found = await client.retrieve("Where do zebras live?", [dataset.id])
    assert [chunk.document_name for chunk in found] == ["good.txt"]
    failed = await document_of(dataset, "empty.txt")
    assert (failed.run, failed.progress) == ("FAIL", -1)
    assert "The file 'empty.txt' is empty." in (failed.progress_msg or "")


async def test_unknown_documents(facts: AsyncDataSet) -> None:
    """To parse one is an error, as is to wait for it; the known ones are parsed all the same."""
    document = await document_of(facts)
    with pytest.raises(NotFoundError, match=MISSING):
        await facts.parse_documents([document.id, MISSING])
    while not (document := await document_of(facts)).finished:
        await asleep(0.02)
    assert document.run == "DONE"


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


async def test_every_filter(facts: AsyncDataSet) -> None:
    """By ids, endings, kinds, time and metadata; each alone and the fitting ones together."""
    documents = {document.name: document for document in await facts.list_documents()}
    tea, zebras = documents["tea.mdx"], documents["zebras.md"]
    await tea.update({"meta_fields": {"author": "Ann", "year": 2024}})
    await zebras.update({"meta_fields": {"author": "Bob", "year": 2020}})
    latest = max(document.create_time or 0 for document in documents.values())
    ann = {"conditions": [{"name": "author", "comparison_operator": "is", "value": "Ann"}]}
    recent = {"conditions": [{"name": "year", "comparison_operator": ">", "value": 2019}]}
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({"ids": [tea.id, zebras.id]}, {"tea.mdx", "zebras.md"}),
        ({"suffix": ["md", "mdx"]}, {"tea.mdx", "zebras.md"}),
        ({"types": ["doc"]}, set(LIGHT)),
        ({"create_time_from": latest + 1}, set()),
        ({"create_time_from": 0, "create_time_to": latest}, set(LIGHT)),
        ({"metadata_condition": ann}, {"tea.mdx"}),
        ({"metadata_condition": recent, "suffix": ["md"]}, {"zebras.md"}),
        ({"metadata": {"author": ["Ann", "Bob"]}}, {"tea.mdx", "zebras.md"}),
        ({"metadata": {"author": "Bob"}, "run": ["DONE"]}, {"zebras.md"}),
        ({"return_empty_metadata": True}, {"atlantis.txt"}),
    ]
    for filters, names in cases:
        assert {document.name for document in await facts.list_documents(**filters)} == names, filters


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"page": 0}, "page=0: give a whole number from 1"),
        ({"orderby": "size"}, "orderby='size': give one of create_time, update_time, name"),
        ({"desc": 1}, "desc=1: give True or False"),
        ({"ids": []}, r"ids=\[\]: give at least one id"),
        ({"ids": ["a"], "id": "b"}, "id, ids: give one of them"),
        ({"run": ["done"]}, "run='done': give one of UNSTART, RUNNING, CANCEL, DONE, FAIL"),
        ({"suffix": "pdf"}, "suffix='pdf': give a list of texts"),
        ({"create_time_from": 1_700_000_000}, "give milliseconds since 1970, these are seconds"),
        ({"metadata_condition": {}}, r"metadata_condition\['conditions'\]=None"),
        ({"metadata": {"author": 1}}, r"metadata\['author'\]=1: give a list of texts"),
        ({"ids": ["a"], "metadata": {"author": "Ann"}}, "with ids servers ignore metadata"),
        ({"return_empty_metadata": 1}, "return_empty_metadata=1: give True or False"),
        ({"id": ""}, "id='': give an id as text"),
        ({"name": ""}, "name='': give a text that is not empty"),
        ({"keywords": 5}, "keywords=5: give a text"),
        ({"run": []}, r"run=\[\]: give at least one text"),
        ({"suffix": []}, r"suffix=\[\]: give at least one text"),
        ({"types": [""]}, "types='': give a text that is not empty"),
        ({"metadata": {"author": []}}, r"metadata\['author'\]=\[\]: give at least one text"),
        ({"metadata": {"author": ["Ann", " "]}}, r"metadata\['author'\]=' ': give a text"),
        ({"metadata": {"empty_metadata": "1"}}, "give return_empty_metadata=True instead"),
    ],
)
async def test_filters_that_cannot_be(client: AsyncRAGFlow, filters: dict[str, Any], said: str) -> None:
    """Each is refused before anything is sent, with its name and what would be right."""
    dataset = await client.create_dataset("n")
    with pytest.raises(InvalidRequestError, match=said):
        await dataset.list_documents(**filters)


async def test_iterate(client: AsyncRAGFlow) -> None:
    """All documents, also when there are more than a page, with the filters of a listing."""
    dataset = await client.create_dataset("n")
    files = [{"display_name": f"{number:03}.txt", "blob": b"x"} for number in range(103)]
    await dataset.upload_documents(files)
    names = [document.name async for document in dataset.iter_documents(orderby="name", desc=False)]
    assert names == [file["display_name"] for file in files]
    assert [document.name async for document in dataset.iter_documents("01", suffix=["txt"])] == sorted(
        (name for name in names if "01" in name), reverse=True
    )
    await dataset.delete_documents([document.id async for document in dataset.iter_documents()])
    assert [document async for document in dataset.iter_documents()] == []


async def test_the_name_that_the_reference_uses(facts: AsyncDataSet) -> None:
    """``display_name`` is ``name``; ``enabled`` may be a truth value."""
    document = await document_of(facts)
    await document.update({"display_name": "island.txt", "enabled": False})
    assert (await document_of(facts, "island.txt")).status == "0"


UPDATES_THAT_CANNOT_BE: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name=''"),
    ({"title": "x"}, "servers ignore 'title'; these can be changed: name, display_name, meta_fields"),
    ({"chunk_method": None}, "chunk_method=None: give a text"),
    ({"enabled": 2}, "enabled=2: give a whole number from 0 to 1"),
    ({"meta_fields": "x"}, "meta_fields='x': give a dict"),
    ({"meta_fields": {1: "x"}}, "meta_fields key=1: give a text"),
    (
        {"meta_fields": {"a": {"b": 1}}},
        r"meta_fields\['a'\]=.*: give a text, a number, or a list of these",
    ),
    (
        {"parser_config": {"chunk_token_num": 4096}},
        "chunk_token_num=4096: give a whole number from 1 to 2048",
    ),
]


async def test_updates_that_cannot_be(facts: AsyncDataSet) -> None:
    """Each is refused before anything is sent."""
    document = await document_of(facts)
    for message, said in UPDATES_THAT_CANNOT_BE:
        with pytest.raises(InvalidRequestError, match=said):
            await document.update(message)


async def test_delete_more_than_a_hundred(client: AsyncRAGFlow) -> None:
    """They go in several requests; if a later one fails, the error has what was deleted before."""
    dataset = await client.create_dataset("n")
    files = [{"display_name": f"{number}.txt", "blob": b"x"} for number in range(120)]
    ids = [document.id for document in await dataset.upload_documents(files)]
    with pytest.raises(PartialError, match=MISSING) as caught:
        await dataset.delete_documents([*ids[:110], MISSING])
    assert caught.value.data["done"] == ids[:100]
    assert (await dataset.list_documents()).total == 20


async def test_as_v024_speaks(client: AsyncRAGFlow, connect: Connect, place: Place) -> None:
    """A server of v0.24 has no ``delete_all``: everything is listed first, and no empty list of ids goes out."""
    dataset = await client.create_dataset("n")
    await dataset.upload_documents([{"display_name": f"{n}.txt", "blob": b"x"} for n in range(3)])
    if place.base_url == ":memory:":
        return
    old = connect(place.base_url, place.api_key, server_version="0.24")
    known = await old.get_dataset(dataset.id)
    with pytest.raises(
        UnsupportedError, match=r"types=….* needs RAGFlow v0.25.0 or later; this server is v0.24"
    ):
        await known.list_documents(types=["doc"])
    (document, *_) = await known.list_documents()
    with pytest.raises(UnsupportedError, match=r"pipeline_id=….* needs RAGFlow v0.25.1 or later"):
        await document.update({"pipeline_id": "0" * 32})
    await known.delete_documents(delete_all=True)
    assert (await dataset.list_documents()).total == 0
    await known.delete_documents(delete_all=True)


async def test_a_real_v024(connect: Connect, replay_v024: Replay) -> None:
    """Recorded answers of v0.24.0: listing, looking up, changing by PUT, downloading, and what it has not."""
    setup = recorded("v0.24", "setup.ds").body["data"]
    client = connect(replay_v024.url)
    dataset = AsyncDataSet._of(client, DataSetFields(id=setup["id"]))
    uploaded = await dataset.upload_documents(
        [
            {"display_name": each["filename"], "blob": each["content"].encode()}
            for each in recorded("v0.24", "doc.upload.two").request_body["multipart"]
        ]
    )
    assert [document.run for document in uploaded] == ["UNSTART", "UNSTART"]
    document = (await dataset.list_documents(id=uploaded[0].id))[0]
    assert (document.name, document.dataset_id) == ("a.txt", dataset.id)
    assert (await dataset.list_documents(keywords="b."))[0].name == "b.md"
    metadata = {"author": "Ann", "year": 2024, "tags": ["x", "y"]}
    assert (await document.update({"meta_fields": metadata})).meta_fields == metadata
    assert (await document.update({"display_name": "aa.txt"})).name == "aa.txt"
    assert (await document.download()).startswith(b"The capital of Atlantis")
    for call in (document.preview, dataset.get_auto_metadata, dataset.tags):
        with pytest.raises(
            UnsupportedError, match=r"needs RAGFlow v0.25.[12] or later; this server is v0.24.0"
        ):
            await call()
    with pytest.raises(NotFoundError, match="own the document"):
        await dataset.async_cancel_parse_documents([MISSING])


async def test_a_real_v027(connect: Connect, replay_v027: Replay) -> None:
    """Recorded answers of v0.27.0: a file with its type, and documents by their metadata."""
    document = recorded("v0.27", "doc.list.metadata_hit").body["data"]["docs"][0]
    client = connect(replay_v027.url)
    dataset = AsyncDataSet._of(client, DataSetFields(id=document["dataset_id"]))
    ann = {"name": "author", "comparison_operator": "is", "value": "Ann"}
    (found,) = await dataset.list_documents(metadata_condition={"logic": "and", "conditions": [ann]})
    assert found.meta_fields == document["meta_fields"] == {"author": "Ann", "tags": ["x", "y"], "year": 2024}
    file = await found.preview()
    assert (file[:11], file.content_type) == (b"The capital", "text/plain")
    assert await found.download() == file
    with pytest.raises(NotFoundError, match=r"the document 'a.*txt' has no thumbnail"):
        await found.thumbnail()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"The capital", "text/plain"),
        (b"%PDF-1.7", "application/pdf"),
        (b'{"title": "Atlantis"}', "application/json"),
        (b'{"broken', "application/json"),
    ],
)
async def test_a_preview_without_a_disposition(connect: Connect, body: bytes, kind: str) -> None:
    """Servers until v0.26.3 send a file as it is, with its type only."""
    with serving(http(body, **{"content-type": f"{kind}; charset=utf-8"})) as (_, url):
        document = AsyncDocument._of(connect(url, server_version="0.26.1"), DocumentFields(id="x"))
        file = await document.preview()
    assert (file, file.content_type) == (body, kind)


@pytest.mark.parametrize(
    ("body", "kind", "error", "said"),
    [
        (
            b'{"code": 102, "message": "Document not found!"}',
            "application/json",
            NotFoundError,
            "Document not found",
        ),
        (b"<html>Login</html>", "text/html", ServerError, "not JSON but text/html"),
        (b"bad gateway", "text/plain", ServerError, "not JSON but text/plain"),
    ],
)
async def test_no_preview(
    connect: Connect, body: bytes, kind: str, error: type[Exception], said: str
) -> None:
    """An error, a web page, or what a proxy says instead: no file."""
    status = "502 Bad Gateway" if body == b"bad gateway" else "200 OK"
    with serving(http(body, status, **{"content-type": kind})) as (_, url):
        client = connect(url, server_version="0.26.1", max_retries=0)
        with pytest.raises(error, match=said):
            await AsyncDocument._of(client, DocumentFields(id="x")).preview()


PNG = base64.b64decode("iVBORw0KGgo=")


@pytest.mark.parametrize(
    ("version", "source", "path"),
    [
        (
            "0.27",
            "/api/v1/documents/images/d1-thumbnail_x.png",
            "/api/v1/documents/images/d1-thumbnail_x.png",
        ),
        ("0.24", "/v1/document/image/d1-thumbnail_x.png", "/v1/document/image/d1-thumbnail_x.png"),
        ("0.24", "thumbnail_x.png", "/v1/document/image/d1-thumbnail_x.png"),
        ("0.27", "data:image/png;base64,iVBORw0KGgo=", None),
    ],
)
async def test_thumbnail(connect: Connect, version: str, source: str, path: str | None) -> None:
    """The picture comes from where the server says; one that was sent along needs no request."""
    with serving(http(PNG, content_type="image/PNG; x=y")) as (server, url):
        client = connect(url, server_version=version)
        fields = DocumentFields.model_validate({"id": "x", "dataset_id": "d1", "thumbnail": source})
        picture = await AsyncDocument._of(client, fields).thumbnail()
        asked = [received.line.split(" ")[1] for received in server.requests]
    assert (picture, picture.content_type) == (PNG, "image/png")
    assert asked == ([] if path is None else [path])
    assert copy.deepcopy(picture).content_type == "image/png"


async def test_no_thumbnail(connect: Connect) -> None:
    """A missing picture is an error answer, although the status is 200."""
    answer = {"code": 102, "message": "Image not found."}
    with serving(http(answer)) as (_, url):
        client = connect(url, server_version="0.27")
        fields = DocumentFields(id="x", dataset_id="d1", thumbnail_source="/api/v1/documents/images/d1-t.png")
        with pytest.raises(NotFoundError, match=r"Image not found\."):
            await AsyncDocument._of(client, fields).thumbnail()
