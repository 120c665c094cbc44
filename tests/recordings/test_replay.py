"""The replay server answers what was recorded, and nothing else."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import httpx
import pytest

from ragflow_integrations import AsyncRAGFlow, AuthenticationError, RAGFlow, ServerError
from tests.protocol.recorded import FOLDER, OWNER, VERSIONS, Exchange, all_recorded, exchanges, recorded
from tests.recordings.replay import Replay, replay

SECRET = re.compile(
    r"ragflow-(?!WRONGKEY)[\w-]{12,}|\bsk-\w{8,}|\beyJ[\w-]{10,}|\w@(?!example\.com)[\w-]+\.\w+"
)

KEY = {"authorization": "Bearer key"}


def test_how_many_there_are() -> None:
    """All that was recorded of both versions, but for two streams that were not kept."""
    counts = {version: len(exchanges(version)) for version in VERSIONS}
    assert counts == {"v0.24": 888, "v0.27": 771}


def test_no_secrets_in_the_recordings() -> None:
    """No key, no token, and no address outside example.com is in the files."""
    for path in FOLDER.glob("*/*.jsonl"):
        assert SECRET.findall(path.read_text("utf-8")) == [], path
    assert SECRET.findall("ragflow-Zk3NzY4YjA0 bob@host.org sk-abcdefgh1") != []


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_recorded_is_served(version: str) -> None:
    """Sent again in their order, all requests get exactly the recorded answers."""
    with replay(version) as server, httpx.Client(base_url=server.url) as client:
        for exchange in exchanges(version):
            if exchange.broken_off or cannot_be_sent(exchange):
                continue
            response = client.send(request_of(client, exchange))
            assert (response.status_code, response.content) == (exchange.status, exchange.sent), exchange.name
    assert len(server.served) > 750


def cannot_be_sent(exchange: Exchange) -> bool:
    """Whether its body is no JSON, or has a file without a name."""
    return isinstance(exchange.request_body, str) or exchange.name == "doc.upload.empty_name"


def request_of(client: httpx.Client, exchange: Exchange) -> httpx.Request:
    headers = {"authorization": exchange.authorization} if exchange.authorization else {}
    body = exchange.request_body
    content: dict[str, Any] = (
        {} if body is None else {"content": body if isinstance(body, str) else json.dumps(body)}
    )
    if isinstance(body, dict) and "multipart" in body:
        parts = [(part["field"], (part["filename"], part["content"].encode())) for part in body["multipart"]]
        content = {"files": parts, "data": body["form"]}
    params = {
        name: each if isinstance(each, list) else str(each)
        for name, each in exchange.query.items()
        if each is not None
    }
    return client.build_request(exchange.method, exchange.path, params=params, headers=headers, **content)


async def test_our_client(replay_v027: Replay) -> None:
    """What a client spells out and the recorded caller left to the server makes no difference; the version is known."""
    async with AsyncRAGFlow("key", replay_v027.url) as client:
        page = await client.list_datasets(page=2, page_size=3)
        await client.get_dataset(recorded("v0.27", "ds.get").body["data"]["id"])
    assert [each.id for each in page] == [
        each["id"] for each in recorded("v0.27", "ds.list.page").body["data"]
    ]
    assert [name for name in replay_v027.served if name != "system.version"] == ["ds.list.page", "ds.get"]


def test_equal_requests_get_their_answers_in_order() -> None:
    """One request that was answered differently at different times: in that order, the last again and again."""
    path = recorded("v0.27", "doc.list").path
    asked = [
        each
        for each in exchanges("v0.27")
        if (each.method, each.path, each.query, each.authorization) == ("GET", path, {}, OWNER)
    ]
    with replay("v0.27") as server:
        got = [httpx.get(f"{server.url}{path}", headers=KEY).content for _ in range(len(asked) + 2)]
    assert got == [*(each.sent for each in asked), asked[-1].sent, asked[-1].sent]
    assert len(asked) > 1


@pytest.mark.parametrize("cut", [None, 1, 7])
@pytest.mark.parametrize("name", ["comp.new.stream", "oai.stream"])
def test_streams_in_pieces(name: str, cut: int | None) -> None:
    """The bytes are the recorded ones, the pieces as long as asked for, the header there twice."""
    exchange = recorded("v0.27", name)
    with (
        replay("v0.27", names=[name], cut=cut) as server,
        httpx.Client(base_url=server.url) as client,
        client.stream("POST", exchange.path, json=exchange.request_body, headers=KEY) as response,
    ):
        pieces = list(response.iter_raw())
    assert b"".join(pieces) == exchange.sent
    assert {len(piece) for piece in pieces[:-1]} == (set() if cut is None else {cut})
    assert len(response.headers.get_list("content-type")) == 2


def test_a_stream_that_was_broken_off() -> None:
    """The connection ends in the middle, as it did."""
    exchange = recorded("v0.24", "ac.bad_llm.stream")
    with replay("v0.24", names=[exchange.name]) as server, pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"{server.url}{exchange.path}", json=exchange.request_body, headers=KEY)


def test_keys() -> None:
    """The client's key is the owner's; the other keys of the recordings are who they were."""
    bad = recorded("v0.27", "auth.bad_key")
    with replay("v0.27", names=[bad.name]) as server, RAGFlow("ragflow-WRONGKEY", server.url) as client:
        with pytest.raises(AuthenticationError) as caught:
            client.list_datasets()
        assert caught.value.message.count(bad.body["message"].rstrip("!")) == 1


def test_what_was_never_recorded() -> None:
    """It is an error with the nearest recordings and how they differ, and fails the block also if that is caught."""
    with (
        pytest.raises(
            AssertionError, match=r"(?s)never recorded: GET /api/v1/datasets; .*query\.page_size: '17' was"
        ),
        replay("v0.27", "02_datasets") as server,
        RAGFlow("key", server.url) as client,
        pytest.raises(ServerError, match="never recorded: GET /api/v1/datasets"),
    ):
        client.list_datasets(page_size=17)


def test_a_failure_is_explained() -> None:
    """When something else fails the block, what was never recorded is noted on it."""
    with (
        pytest.raises(ServerError) as caught,
        replay("v0.27", "02_datasets") as server,
        RAGFlow("key", server.url) as client,
    ):
        client.list_datasets(page_size=17)
    assert caught.value.__notes__[0].startswith("never recorded")


def test_a_name_that_nobody_asked_for() -> None:
    """``names`` are promises: each must be recorded, and be asked for."""
    with pytest.raises(AssertionError, match="never asked for: ds.get"), replay("v0.27", names=["ds.get"]):
        pass
    with pytest.raises(LookupError, match="ds.gat"), replay("v0.27", names=["ds.gat"]):
        pass
    with pytest.raises(LookupError, match="v0.27"):
        exchanges("v0.26")


def test_names_used_twice() -> None:
    """Every exchange of a name is there; the first is what the name stands for."""
    twice = {name for name, count in Counter(each.name for each in exchanges("v0.27")).items() if count > 1}
    assert "ds.metadata.summary" in twice
    for name in twice:
        first, *others = all_recorded("v0.27", name)
        assert recorded("v0.27", name) is first
        assert others
