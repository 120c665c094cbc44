"""Files of the file manager, as real servers answered: v0.24.0 and v0.27.0."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from ragflow_integrations import (
    AsyncRAGFlow,
    InvalidRequestError,
    NotFoundError,
    PartialError,
    UnsupportedError,
)
from tests.protocol.recorded import recorded
from tests.recordings.replay import Replay, replay
from tests.transport.raw_server import http, serving

BOTH = pytest.mark.parametrize("server", [("v0.24", None), ("v0.27", None)], indirect=True)


def only(version: str, *names: str) -> pytest.MarkDecorator:
    """For a test that needs just these recorded answers."""
    return pytest.mark.parametrize("server", [(version, names)], indirect=True)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Replay]:
    """A real server's files, or just some of its answers."""
    version, names = request.param
    with replay(version, "13_files", names=names or ()) as server:
        yield server


@pytest.fixture
async def client(server: Replay) -> AsyncIterator[AsyncRAGFlow]:
    async with AsyncRAGFlow("ragflow-key", server.url, server_version=server.exchanges[0].version) as client:
        yield client


def told(server: Replay, name: str) -> dict[str, object]:
    """A recorded exchange's ``data``."""
    data = recorded(server.exchanges[0].version, name).body["data"]
    return dict(data[0] if isinstance(data, list) else data)


@BOTH
async def test_uploaded_and_downloaded(client: AsyncRAGFlow, server: Replay) -> None:
    """A file of this machine becomes one of the server's, and comes back as it was."""
    (file,) = await client.upload_file(b"file body", name="f.txt")
    assert file.model_dump(include=set(told(server, "file.upload"))) == told(server, "file.upload")
    assert await client.download_file(file.id) == b"file body"


@BOTH
async def test_listed(client: AsyncRAGFlow, server: Replay) -> None:
    """Files and folders, with the number of all."""
    sent = recorded(server.exchanges[0].version, "file.list").body["data"]
    found = await client.list_files()
    assert [each.id for each in found] == [each["id"] for each in sent["files"]]
    assert found.total == sent["total"]
    assert [each.is_folder for each in found] == [each["type"] == "folder" for each in sent["files"]]


@only("v0.27", "file.create_folder")
async def test_a_new_folder(client: AsyncRAGFlow, server: Replay) -> None:
    """``POST /files`` with the type that means a folder."""
    folder = await client.create_folder(str(told(server, "file.create_folder")["name"]))
    assert folder.is_folder


@only("v0.27", "file.delete")
async def test_deleted(client: AsyncRAGFlow, server: Replay) -> None:
    """By their ids; no ids, no call."""
    await client.delete_files([])
    assert server.served == []
    await client.delete_files(recorded("v0.27", "file.delete").request_body["ids"])


@only("v0.24", "file.rename", "file.rename.ext")
async def test_renamed_on_v024(client: AsyncRAGFlow, server: Replay) -> None:
    """There it is a call of its own."""
    id = recorded("v0.24", "file.rename").request_body["file_id"]
    await client.rename_file(id, "g.txt")
    with pytest.raises(InvalidRequestError, match="extension"):
        await client.rename_file(id, "g.md")


@only("v0.24", "file.list.bad_parent", "file.rm.missing", "file.get.gone")
async def test_what_is_not_there(client: AsyncRAGFlow, server: Replay) -> None:
    """An unknown folder, an unknown file to delete (by another verb there) or to download."""
    with pytest.raises(NotFoundError, match="Folder not found"):
        await client.list_files("0" * 32)
    with pytest.raises(NotFoundError, match="File or Folder not found"):
        await client.delete_files(["0" * 32])
    with pytest.raises(NotFoundError, match="Document not found"):
        await client.download_file(recorded("v0.24", "file.get.gone").path.rpartition("/")[2])


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (
            {"success_count": 0, "errors": ["File or Folder not found: a", "No authorization for file b"]},
            NotFoundError,
            "File or Folder not found: a; No authorization for file b",
        ),
        (
            {"success_count": 1, "errors": ["File or Folder not found: a"]},
            PartialError,
            "File or Folder not found: a",
        ),
    ],
)
async def test_deleted_in_part(answer: dict[str, Any], error: type[Exception], said: str) -> None:
    """Servers from v0.26 on count errors in their message; what they are is told instead."""
    body = {"code": 102, "message": "Deleted files failed with 2 errors", "data": answer}
    with serving(http(body)) as (_, url):
        async with AsyncRAGFlow("ragflow-key", url, server_version="0.27") as client:
            with pytest.raises(error, match=said) as caught:
                await client.delete_files(["a", "b"])
    assert caught.value.data == answer  # type: ignore[attr-defined]


async def test_what_servers_keep() -> None:
    """They pass over the folders of datasets: that not all was deleted is said."""
    with serving(http({"code": 0, "data": {"success_count": 1}})) as (_, url):
        async with AsyncRAGFlow("ragflow-key", url, server_version="0.27") as client:
            with pytest.raises(PartialError, match="1 of 2 were not deleted"):
                await client.delete_files(["a", "b"])


async def test_ascending_on_v024() -> None:
    """It would be passed over there; nothing is sent."""
    async with AsyncRAGFlow(
        "ragflow-key", "http://127.0.0.1:9", server_version="0.24", max_retries=0
    ) as client:
        with pytest.raises(UnsupportedError, match=r"list_files\(desc=…\) needs RAGFlow v0\.25"):
            await client.list_files(desc=False)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda client: client.list_files(orderby="id"), "orderby='id': give one of create_time"),
        (lambda client: client.list_files(desc="no"), "desc='no': give True or False"),
        (lambda client: client.list_files(keywords=["a"]), r"keywords=\['a'\]: give a text"),
        (lambda client: client.list_files("a/b"), "parent_id='a/b'"),
        (lambda client: client.list_files(page=0), "page=0"),
        (lambda client: client.create_folder(""), "name=''"),
        (lambda client: client.create_folder("n" * 256), "256 characters; 255 are allowed"),
        (lambda client: client.rename_file("f", "n" * 256), "256 characters; 255 are allowed"),
        (lambda client: client.upload_file(b"x"), "bytes have no name"),
        (lambda client: client.upload_file(b"x", 5, name="a.txt"), "parent_id=5"),
        (lambda client: client.download_file("../a"), "file_id='../a'"),
        (lambda client: client.move_files([], "d"), r"file_ids=\[\]"),
        (lambda client: client.move_files("f", "d"), "file_ids='f': give a list"),
        (lambda client: client.delete_files("f"), "ids='f': give a list"),
        (lambda client: client.link_files(["f"], []), r"dataset_ids=\[\]"),
    ],
)
async def test_what_is_refused(call: Callable[[AsyncRAGFlow], Any], said: str) -> None:
    """By field and value, before anything is sent: there is no server."""
    async with AsyncRAGFlow(
        "ragflow-key", "http://127.0.0.1:9", server_version="0.27", max_retries=0
    ) as client:
        with pytest.raises(InvalidRequestError, match=said):
            await call(client)
