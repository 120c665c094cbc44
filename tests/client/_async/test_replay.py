"""The client against the bytes that a real RAGFlow v0.27.0 sent, asked what that server was asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ragflow_integrations import (
    APIError,
    AsyncChat,
    AsyncDataSet,
    AsyncDocument,
    AsyncRAGFlow,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PartialError,
)
from ragflow_integrations.models import DataSetFields, DocumentFields
from tests.client._async.conftest import Connect
from tests.client.conftest import Replaying
from tests.protocol.recorded import recorded

DATASET = "9551a658e57d11f1bec502fc00000001"
DOCUMENT = "955b3150e57d11f19f7102fc00000001"
CHAT = "255f4354e57e11f1bec502fc00000001"
SESSION = "25de68a0e57e11f1bec502fc00000001"


def data_of(name: str) -> Any:
    return recorded("v0.27", name).body["data"]


def dataset_of(client: AsyncRAGFlow, id: str = DATASET) -> AsyncDataSet:
    return AsyncDataSet._of(client, DataSetFields(id=id))


def document_of(client: AsyncRAGFlow) -> AsyncDocument:
    return AsyncDocument._of(client, DocumentFields(id=DOCUMENT, dataset_id=DATASET))


async def test_datasets(replaying: Replaying, connect: Connect) -> None:
    """Created, listed with the total, fetched, changed and deleted."""
    id = data_of("ds.get")["id"]
    names = ("ds.create.full", "ds.list.page", "ds.get", "ds.update.name", "ds.delete.ok")
    server, url = replaying(*names)
    client = connect(url, server_version="0.27")
    made = await client.create_dataset(**recorded("v0.27", "ds.create.full").request_body)
    assert made.id == data_of("ds.create.full")["id"]
    page = await client.list_datasets(page=1, page_size=2)
    assert page.total == recorded("v0.27", "ds.list.page").body["total_datasets"]
    assert [each.id for each in page] == [each["id"] for each in data_of("ds.list.page")]
    dataset = await client.get_dataset(id)
    assert (dataset.id, dataset.chunk_method) == (id, "naive")
    assert (await dataset.update({"name": "x"})).name == data_of("ds.update.name")["name"]
    await client.delete_datasets(ids=[id])
    assert json.loads(server.requests[0].body) == recorded("v0.27", "ds.create.full").request_body
    assert json.loads(server.requests[-1].body) == {"ids": [id]}


async def test_documents(replaying: Replaying, connect: Connect) -> None:
    """Uploaded, listed, downloaded, changed and deleted."""
    names = ("doc.upload.two", "doc.list.done", "doc.download", "doc.update.meta", "doc.delete.ok")
    server, url = replaying(*names)
    client = connect(url, server_version="0.27")
    dataset = dataset_of(client)
    files = recorded("v0.27", "doc.upload.two").request_body["multipart"]
    uploaded = await dataset.upload_documents(
        [{"display_name": file["filename"], "blob": file["content"].encode()} for file in files]
    )
    assert [(each.name, each.size, each.run) for each in uploaded] == [
        ("a.txt", 111, "UNSTART"),
        ("b.md", len(files[1]["content"].encode()), "UNSTART"),
    ]
    (done,) = await dataset.list_documents(id=DOCUMENT)
    assert (done.run, done.chunk_count, done.progress, done.finished) == ("DONE", 1, 1.0, True)
    assert await done.download() == files[0]["content"].encode()
    await done.update(recorded("v0.27", "doc.update.meta").request_body)
    assert done.meta_fields == {"author": "Ann", "year": 2024, "tags": ["x", "y"]}
    await dataset.delete_documents([DOCUMENT])
    assert all(file["content"].encode() in server.requests[0].body for file in files)


async def test_parsing(replaying: Replaying, connect: Connect) -> None:
    """Started, looked at while it runs, and at its end."""
    server, url = replaying("parse.ok", "doc.list.while_running", "doc.list.done")
    client = connect(url, server_version="0.27")
    fractions: list[float] = []
    results = await dataset_of(client).parse_documents(
        [DOCUMENT], progress=lambda state: fractions.append(state.fraction), interval=0.01
    )
    assert results == [(DOCUMENT, "DONE", 1, 20)]
    assert fractions[0] < 1.0 == fractions[-1]
    assert json.loads(server.requests[0].body) == {"document_ids": [DOCUMENT]}


async def test_chunks(replaying: Replaying, connect: Connect) -> None:
    """Listed, added and deleted."""
    _, url = replaying("chunk.list", "chunk.add", "chunk.delete.ok")
    client = connect(url, server_version="0.27")
    document = document_of(client)
    page = await document.list_chunks()
    assert (page[0].document_name, page[0].available, page.total) == ("a.txt", True, 1)
    added = await document.add_chunk(**recorded("v0.27", "chunk.add").request_body)
    assert (added.content, added.important_keywords) == ("Zebras live in Africa.", ["zebra"])
    await document.delete_chunks([added.id])


async def test_retrieval(replaying: Replaying, connect: Connect) -> None:
    """Hits with scores and documents, nothing found, and no match of a condition."""
    server, url = replaying("ret.ok", "ret.no_match", "ret.meta_cond_miss")
    client = connect(url, server_version="0.27")
    found = await client.retrieve("capital of Atlantis", [DATASET])
    for chunk, row in zip(found, data_of("ret.ok")["chunks"], strict=True):
        assert (chunk.id, chunk.similarity) == (row["id"], row["similarity"])
        assert chunk.document_name == row["document_keyword"]
    assert [each.document_name for each in found.doc_aggs] == [
        each["doc_name"] for each in data_of("ret.ok")["doc_aggs"]
    ]
    assert found.total == data_of("ret.ok")["total"]
    assert await client.retrieve("q", [DATASET]) == []
    condition = recorded("v0.27", "ret.meta_cond_miss").request_body["metadata_condition"]
    missed = await client.retrieve("q", [DATASET], metadata_condition=condition)
    assert (missed, missed.total, missed.doc_aggs) == ([], 0, [])
    body = json.loads(server.requests[0].body)
    assert body == {"question": "capital of Atlantis", "dataset_ids": [DATASET], "page": 1, "page_size": 30}


async def test_chats(replaying: Replaying, connect: Connect) -> None:
    """Created, fetched, listed and changed."""
    names = ("chat.create", "chat.get", "chat.list", "chat.update.PATCH.name", "chat.list.name_missing")
    _, url = replaying(*names)
    client = connect(url, server_version="0.27")
    made = await client.create_chat(**recorded("v0.27", "chat.create").request_body)
    assert (made.id, made.top_n, made.similarity_threshold) == (CHAT, 6, 0.1)
    chat = await client.get_chat(CHAT)
    assert isinstance(chat, AsyncChat)
    page = await client.list_chats()
    assert page.total == data_of("chat.list")["total"]
    assert (await chat.update({"name": "x"})).name == data_of("chat.update.PATCH.name")["name"]
    assert await client.list_chats(name="zz") == []


async def test_sessions(replaying: Replaying, connect: Connect) -> None:
    """Created and listed; each can be asked."""
    server, url = replaying("sess.create", "sess.list", "comp.new.nostream")
    client = connect(url, server_version="0.27")
    chat = client.chat(CHAT)
    session = await chat.create_session("s1")
    assert [message.content for message in session.messages] == ["Servus"]
    page = await chat.list_sessions()
    assert [each.id for each in page] == [each["id"] for each in data_of("sess.list")]
    message = await page[-1].ask("What is the capital of Atlantis?")
    assert message.content == data_of("comp.new.nostream")["answer"]
    assert message.reference[0].document_name == "atlantis.txt"
    asked = json.loads(server.requests[-1].body)
    assert (asked["chat_id"], asked["session_id"], asked["stream"]) == (CHAT, page[-1].id, False)


async def test_streams(replaying: Replaying, connect: Connect) -> None:
    """An answer with a reference, one of a chat without datasets, and the text for nothing found."""
    _, url = replaying("comp.new.stream", "comp.nods.stream", "comp.empty_response.stream")
    client = connect(url, server_version="0.27")
    texts = []
    for _ in range(3):
        stream = await client.session(CHAT, SESSION).ask("What is the capital of Atlantis?", stream=True)
        messages = [message.model_copy() async for message in stream]
        assert "".join(message.content for message in messages) == messages[-1].full_content
        texts.append((messages[-1].full_content[-21:], len(messages[-1].reference)))
    assert texts == [("is Poseidonia [ID:0].", 1), ("lantis is Poseidonia.", 0), ("Sorry nothing", 0)]


async def test_refused_streams(replaying: Replaying, connect: Connect) -> None:
    """What a real server answers instead of a stream is the error it is."""
    _, url = replaying("comp.err.bad_chat.stream", "comp.err.bad_session.stream")
    client = connect(url, server_version="0.27")
    for _ in range(2):
        with pytest.raises(NotFoundError, match="no authorization|Session not found"):
            await client.chat(CHAT).ask("q", stream=True)


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        (
            "doc.upload.unsupported_ext",
            InvalidRequestError,
            "a.xyz: This type of file has not been supported yet",
        ),
        (
            "doc.upload.missing_ds",
            NotFoundError,
            "Can't find the dataset with ID 0{32}. The id or name is unknown",
        ),
        ("parse.missing", NotFoundError, "Documents not found"),
        ("parse.running_again", ConflictError, "currently being processed"),
        ("stop.not_running", ConflictError, "not started or already completed"),
        ("chat.create.dup", ConflictError, "duplicated chat name"),
        ("chat.create.ds_empty_doc", ConflictError, "doesn't own parsed file"),
        ("chat.delete.partial", PartialError, "not found"),
    ],
)
async def test_refused(
    replaying: Replaying, connect: Connect, name: str, kind: type[APIError], said: str
) -> None:
    """Real refusals are typed, with the server's words and code."""
    _, url = replaying(name)
    client = connect(url, server_version="0.27")
    with pytest.raises(kind, match=said) as caught:
        await call_like(client, name)
    assert caught.value.code == recorded("v0.27", name).body["code"]


async def call_like(client: AsyncRAGFlow, name: str) -> object:
    exchange = recorded("v0.27", name)
    dataset = dataset_of(client, exchange.path.split("/")[4] if exchange.path.count("/") > 3 else DATASET)
    match name.partition(".")[0], exchange.method:
        case "doc", "POST":
            return await dataset.upload_documents([{"display_name": "a.xyz", "blob": b"x"}])
        case "parse", "POST":
            return await dataset.async_parse_documents([DOCUMENT])
        case "stop", "DELETE":
            return await dataset.async_cancel_parse_documents([DOCUMENT])
        case "chat", "POST":
            return await client.create_chat("n")
    return await client.delete_chats(["a", "b"])
