"""Chunks of a document: add, list, look at, change, switch off, delete."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ragflow_integrations import (
    AsyncChunk,
    AsyncDataSet,
    AsyncDocument,
    AsyncRAGFlow,
    InvalidRequestError,
    NotFoundError,
    PageBox,
    PartialError,
    UnsupportedError,
)
from ragflow_integrations.models import ChunkFields, DocumentFields
from tests.client._async.conftest import Connect
from tests.client.conftest import FILES, Place
from tests.protocol.recorded import recorded
from tests.recordings.replay import Replay
from tests.transport.raw_server import http, serving

PNG = base64.b64decode("iVBORw0KGgo=")


@pytest.fixture
async def document(facts: AsyncDataSet) -> AsyncDocument:
    """The one about Atlantis, with its only chunk."""
    return (await facts.list_documents(name="atlantis.txt"))[0]


@pytest.fixture
async def old(replay_v024: Replay, connect: Connect) -> AsyncDocument:
    """A document of a real v0.24.0."""
    fields = recorded("v0.24", "doc.list.done").body["data"]["docs"][0]
    return AsyncDocument._of(connect(replay_v024.url), DocumentFields.model_validate(fields))


async def test_add_and_list(client: AsyncRAGFlow, facts: AsyncDataSet, document: AsyncDocument) -> None:
    """Added ones are listed and searchable at once; the same content is the same chunk."""
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
    assert page.document is not None
    assert (page.document.id, page.document.chunk_count) == (document.id, 3)  # each adding counts
    assert [chunk.id for chunk in await document.list_chunks(id=added.id)] == [added.id]
    assert [chunk.id for chunk in await document.list_chunks("okapis")] == [added.id]
    assert (await client.retrieve("okapis", [facts.id]))[0].id == added.id


async def test_get(document: AsyncDocument, facts: AsyncDataSet) -> None:
    """One by its id; another document's is unknown here."""
    (first,) = await document.list_chunks()
    again = await document.get_chunk(first.id)
    assert (again.id, again.content, again.document_id) == (first.id, first.content, document.id)
    other = (await facts.list_documents(name="tea.mdx"))[0]
    for place, wrong in ((document, "0" * 16), (other, first.id)):
        with pytest.raises(NotFoundError, match=wrong):
            await place.get_chunk(wrong)
    with pytest.raises(InvalidRequestError, match="id='a/b'"):
        await document.get_chunk("a/b")


async def test_update(client: AsyncRAGFlow, facts: AsyncDataSet, document: AsyncDocument) -> None:
    """What was sent holds, on the server and in the object, which is returned; the search follows."""
    chunk = await document.add_chunk("Okapis are shy.")
    changed = await chunk.update({"content": "Tapirs are bold.", "important_keywords": ["tapir"]})
    assert changed is chunk
    assert (chunk.content, chunk.important_keywords) == ("Tapirs are bold.", ["tapir"])
    again = await document.get_chunk(chunk.id)
    assert (again.content, again.important_keywords) == ("Tapirs are bold.", ["tapir"])
    found = (await client.retrieve("bold tapirs", [facts.id]))[0]
    assert found.id == chunk.id
    await found.update({"available": False})
    assert not found.available
    assert chunk.id not in [each.id for each in await client.retrieve("bold tapirs", [facts.id])]


async def test_switch(client: AsyncRAGFlow, facts: AsyncDataSet, document: AsyncDocument) -> None:
    """Many at once out of the search and back in; a listing can ask for either; no ids, no request."""
    ids = [(await document.add_chunk(f"Okapi number {number}.")).id for number in range(3)]
    await document.switch_chunks(ids[:2], False)
    await document.switch_chunks([], True)
    assert {chunk.id for chunk in await document.list_chunks(available=False)} == set(ids[:2])
    assert ids[2] in {chunk.id for chunk in await document.list_chunks(available=True)}
    found = {chunk.id for chunk in await client.retrieve("okapi", [facts.id], similarity_threshold=0)}
    assert not found & set(ids[:2])
    await document.switch_chunks(ids[:2], True)
    assert await document.list_chunks(available=False) == []


async def test_iterate(document: AsyncDocument) -> None:
    """All of them, also when there are more than a page, or those with a word."""
    added = {(await document.add_chunk(f"Okapi number {number}.")).id for number in range(102)}
    (first,) = {chunk.id async for chunk in document.iter_chunks()} - added
    assert [chunk.id async for chunk in document.iter_chunks("Poseidonia")] == [first]
    assert {chunk.id async for chunk in document.iter_chunks(available=True)} == added | {first}


async def test_delete(document: AsyncDocument) -> None:
    """As everywhere: what is named, all if that is said, nothing by an empty list, an error without a word."""
    added = await document.add_chunk("Okapis are shy.")
    other = await document.add_chunk("Tapirs are bold.")
    await document.delete_chunks([added.id])
    await document.delete_chunks(chunk_ids=[other.id])  # as the reference spells it
    with pytest.raises(InvalidRequestError, match="ids, chunk_ids: give one of them"):
        await document.delete_chunks(ids=[], chunk_ids=None)
    await document.delete_chunks(ids=[])
    await document.delete_chunks(chunk_ids=[])
    with pytest.raises(InvalidRequestError, match="say what to delete"):
        await document.delete_chunks()
    with pytest.raises(NotFoundError, match="rm_chunk deleted chunks 0, expect 1"):
        await document.delete_chunks([added.id])
    assert (await document.list_chunks()).total == 1
    await document.delete_chunks(delete_all=True)
    assert await document.list_chunks() == []


async def test_delete_more_than_a_hundred(document: AsyncDocument) -> None:
    """They go in several requests; a failure tells which were deleted before."""
    ids = [(await document.add_chunk(f"Okapi number {number}.")).id for number in range(101)]
    with pytest.raises(PartialError, match="expect 2") as caught:
        await document.delete_chunks([*ids, "0" * 16])
    assert caught.value.data["done"] == ids[:100]
    assert (await document.list_chunks()).total == 1


async def test_delete_all_as_v024_speaks(document: AsyncDocument, place: Place, connect: Connect) -> None:
    """Without ``delete_all`` on the server the chunks are listed first, and no empty list of ids goes out."""
    if place.base_url == ":memory:":
        return
    client = connect(place.base_url, place.api_key, server_version="0.24")
    same = AsyncDocument._of(client, DocumentFields(id=document.id, dataset_id=document.dataset_id))
    await document.add_chunk("Okapis are shy.")
    await same.delete_chunks(delete_all=True)
    assert await document.list_chunks() == []
    await same.delete_chunks(ids=None)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({}, "name at least one field"),
        ({"text": "x"}, "servers ignore 'text'; these can be changed: content, important_keywords"),
        ({"content": " "}, "content=' '"),
        ({"questions": "why"}, "questions='why': give a list of texts"),
        ({"important_keywords": [1]}, r"important_keywords=\[1\]: give a list of texts"),
        ({"available": 1}, "available=1: give True or False"),
        ({"positions": [[1, 2]]}, r"each \[page, left, right, top, bottom\]"),
        ({"positions": None}, "positions=None: give a list of boxes"),
        ({"positions": ["abcde"]}, r"positions=\['abcde'\]: give a list of boxes"),
        ({"tag_feas": ["t"]}, r"tag_feas=\['t'\]: give a dict"),
        ({"image_base64": "zz"}, "image_base64='zz': give an image as bytes, or in base64"),
    ],
)
async def test_updates_that_cannot_be(connect: Connect, message: dict[str, Any], said: str) -> None:
    """Each is refused before anything is sent: the address is nobody's."""
    chunk = AsyncChunk._of(
        connect("http://127.0.0.1:9"), ChunkFields(id="c", dataset_id="d", document_id="x")
    )
    with pytest.raises(InvalidRequestError, match=said):
        await chunk.update(message)


async def test_boxes() -> None:
    """Positions are typed boxes on pages; for a text without pages servers send the chunk's own number."""
    chunk = ChunkFields(positions=[[3, 10, 90.5, 20, 40], [4, 10, 90, 0, 15]])
    assert chunk.boxes == [PageBox(3, 10, 90.5, 20, 40), PageBox(page=4, left=10, right=90, top=0, bottom=15)]
    assert chunk.page == 3
    for positions in ([], [[5, 5, 5, 5, 5]], [["a", 1, 2, 3, 4]], [None], [[1, 2]]):
        plain = ChunkFields(positions=positions)
        assert (plain.boxes, plain.page) == ([], None)


@pytest.mark.parametrize(
    ("version", "path"),
    [("0.27", "/api/v1/documents/images/d-c"), ("0.24", "/v1/document/image/d-c")],
)
async def test_image(connect: Connect, version: str, path: str) -> None:
    """The picture with its content type, where this version has it."""
    with serving(http(PNG, content_type="image/JPEG")) as (server, url):
        client = connect(url, server_version=version)
        chunk = AsyncChunk._of(client, ChunkFields(id="c", image_id="d-c"))
        picture = await chunk.image()
        assert server.requests[0].line.split(" ")[1] == path
    assert (picture, picture.content_type) == (PNG, "image/jpeg")


async def test_an_image_of_what_an_answer_cites(connect: Connect) -> None:
    """A chunk of a reference knows no client: the client makes one of it that does, and leaves it alone."""
    cited = ChunkFields(id="c", document_id="x", dataset_id="d", image_id="d-c", similarity=0.5)
    with serving(http(PNG, content_type="image/jpeg")) as (_, url):
        client = connect(url, server_version="0.27")
        assert await client.chunk(cited).image() == PNG
    assert type(cited) is ChunkFields
    assert client.chunk(cited).model_dump() == cited.model_dump()
    with pytest.raises(InvalidRequestError, match=r"found='c': give a chunk"):
        client.chunk("c")  # type: ignore[arg-type]


async def test_no_image(connect: Connect) -> None:
    """A chunk without one is known before anything is sent."""
    chunk = AsyncChunk._of(connect("http://127.0.0.1:9"), ChunkFields(id="c", image_id=""))
    with pytest.raises(NotFoundError, match="the chunk c has no image"):
        await chunk.image()


async def test_an_image_to_add(connect: Connect) -> None:
    """It goes out in base64, whether given so or as bytes."""
    answer = {"code": 0, "data": {"chunk": {"id": "c", "image_id": "d-c"}}}
    for image in (PNG, base64.b64encode(PNG).decode()):
        with serving(http(answer)) as (server, url):
            client = connect(url, server_version="0.27")
            document = AsyncDocument._of(client, DocumentFields(id="x", dataset_id="d"))
            added = await document.add_chunk("Okapis.", image_base64=image)
            assert json.loads(server.requests[0].body) == {
                "content": "Okapis.",
                "image_base64": "iVBORw0KGgo=",
            }
        assert added.image_id == "d-c"


async def test_a_chunk_of_another_document(connect: Connect) -> None:
    """v0.24 gives it all the same: it is unknown here, to both ways of asking for it."""
    answer = http({"code": 0, "data": {"total": 1, "chunks": [{"id": "c", "document_id": "y"}]}})
    with serving(answer, answer) as (_, url):
        client = connect(url, server_version="0.24")
        document = AsyncDocument._of(client, DocumentFields(id="x", dataset_id="d"))
        with pytest.raises(NotFoundError, match="the document x has no chunk c"):
            await document.list_chunks(id="c")
        with pytest.raises(NotFoundError, match="the document x has no chunk c"):
            await document.get_chunk("c")


async def test_a_real_v024(old: AsyncDocument) -> None:
    """Recorded answers of v0.24.0: list, one by id, add, change by PUT; what it would pass over is refused."""
    page = await old.list_chunks()
    assert page.document is not None
    assert (page.total, page.document.id) == (1, old.id)
    assert (await old.get_chunk(page[0].id)).content == page[0].content
    with pytest.raises(NotFoundError, match="Chunk not found"):
        await old.get_chunk("zz")
    added = await old.add_chunk("Zebras live in Africa.", ["zebra"], ["Where do zebras live?"])
    assert added.id == recorded("v0.24", "chunk.add").body["data"]["chunk"]["id"]
    await added.update({"content": "Zebras live in Africa and zoos."})
    assert added.content == "Zebras live in Africa and zoos."
    await added.update({"available": False})
    refused = r"{}=….* needs RAGFlow v0.2{}.0 or later; this server is v0.24.0"
    with pytest.raises(UnsupportedError, match=refused.format("tag_kwd", 5)):
        await old.add_chunk("x", tag_kwd=["t"])
    with pytest.raises(UnsupportedError, match=refused.format("image_base64", 6)):
        await added.update({"image_base64": PNG})
    with pytest.raises(UnsupportedError, match=refused.format("available", 5)):
        await old.list_chunks(available=True)
    with pytest.raises(UnsupportedError, match="switch_chunks needs RAGFlow v0.25.1"):
        await old.switch_chunks([added.id], True)


async def test_a_real_v027(connect: Connect, replay_v027: Replay) -> None:
    """Recorded answers of v0.27.0: change by PATCH, tags, switching."""
    switched = recorded("v0.27", "chunk.switch.back")
    ids = dict(zip(("dataset_id", "document_id"), switched.path.split("/")[4:7:2], strict=True))
    client = connect(replay_v027.url)
    document = AsyncDocument._of(client, DocumentFields(id=ids["document_id"], dataset_id=ids["dataset_id"]))
    added = await document.add_chunk("q5", tag_kwd=["t"])
    assert added.tag_kwd == ["t"]  # type: ignore[attr-defined]
    chunk = AsyncChunk._of(client, ChunkFields(id=switched.request_body["chunk_ids"][0], **ids))
    await chunk.update({"important_keywords": ["a", "b"]})
    await chunk.update({"available": False})
    await document.switch_chunks([chunk.id], True)
    assert replay_v027.served[-4:] == [
        "chunk.add.tag_kwd",
        "chunk.update.kw",
        "chunk.update.available_false",
        "chunk.switch.back",
    ]
