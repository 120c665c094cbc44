"""Deleting many, and changing many: what goes out, on servers that take empty ids for everything too."""

from __future__ import annotations

from typing import Any

import pytest

from ragflow_integrations import APIError, ConnectError, NotFoundError, PartialError
from ragflow_integrations.models.metadata import MetadataUpdate
from ragflow_integrations.protocol import chats, chunks, datasets, documents, sessions
from ragflow_integrations.protocol.metadata import change_documents
from ragflow_integrations.protocol.versions import NEWEST, OLDEST, Version
from tests.protocol.driving import Server

DELETES: dict[str, Any] = {
    "datasets": datasets.delete,
    "documents": lambda ids: documents.delete("d", ids),
    "chunks": lambda ids: chunks.delete("d", "x", ids),
    "chats": chats.delete,
    "sessions": lambda ids: sessions.delete("c", ids),
}
LISTED: dict[str, Any] = {
    "documents": lambda rows, total: {"docs": rows, "total": total},
    "chunks": lambda rows, total: {"chunks": rows, "total": total, "doc": None},
}


def listed(kind: str, ids: list[str], total: int) -> Any:
    rows = [{"id": one} for one in ids]
    return LISTED[kind](rows, total) if kind in LISTED else rows


def sent(server: Server) -> list[list[str]]:
    """The ids of each deletion."""
    bodies = [request.body for request in server.requests if request.method == "DELETE"]
    return [body.get("ids", body.get("chunk_ids")) for body in bodies]


@pytest.mark.parametrize("kind", DELETES)
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_nothing_is_not_everything(kind: str, version: Version) -> None:
    """No ids: nothing is sent to any server."""
    server = Server(version=version)
    server.drive(DELETES[kind]([]))
    assert server.requests == []


@pytest.mark.parametrize("kind", DELETES)
def test_everything_of_a_server_without_delete_all(kind: str) -> None:
    """What there is is listed and named, each once though pages repeat it; if there is nothing, nothing is sent."""
    ids = [f"i{number}" for number in range(150)]
    pages = [listed(kind, ids[:100], 150), listed(kind, ids[90:], 150)]
    server = Server([*pages, None, None], version=OLDEST)
    server.drive(DELETES[kind](None))
    assert sent(server) == [ids[:100], ids[100:]]
    empty = Server([listed(kind, [], 0)], version=OLDEST)
    empty.drive(DELETES[kind](None))
    assert [method for method, _ in empty.asked] == ["GET"]


@pytest.mark.parametrize("kind", DELETES)
def test_everything(kind: str) -> None:
    """Servers from v0.25 on are told in one word."""
    server = Server([None])
    server.drive(DELETES[kind](None))
    assert [request.body for request in server.requests] == [{"delete_all": True}]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotFoundError("no i120", code=102), "100 were done before this failed: no i120"),
        (ConnectError("connection lost"), "100 were done before this failed: connection lost"),
    ],
)
def test_a_later_request_fails(error: Exception, said: str) -> None:
    """Whatever went wrong, what was deleted before is said; nothing more is sent."""
    ids = [f"i{number}" for number in range(250)]
    server = Server([None, error])
    with pytest.raises(PartialError, match=said) as caught:
        server.drive(documents.delete("d", ids))
    assert caught.value.data["done"] == ids[:100]
    assert caught.value.__cause__ is error
    assert caught.value.code == (error.code if isinstance(error, APIError) else None)
    assert len(server.requests) == 2


def test_the_first_request_fails() -> None:
    """That is the error as it is: nothing was done."""
    error = ConnectError("no server")
    with pytest.raises(ConnectError) as caught:
        Server([error]).drive(documents.delete("d", ["a"]))
    assert caught.value is error


def test_metadata_of_many() -> None:
    """The counts of all requests are added up; a failure says whose metadata is changed already."""
    ids = [f"i{number}" for number in range(101)]
    changes = [{"key": "a", "value": "b"}]
    counted = [{"matched_docs": 100, "updated": 60}, {"matched_docs": 1, "updated": 1}]
    done = Server([*counted]).drive(change_documents("d", changes, None, ids, None))
    assert done == MetadataUpdate(101, 61)
    with pytest.raises(PartialError) as caught:
        Server([counted[0], ConnectError("lost")]).drive(change_documents("d", changes, None, ids, None))
    assert caught.value.data["done"] == ids[:100]
