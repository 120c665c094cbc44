"""The server itself: which version it is, how that is found out and when, and whether it is well."""

from __future__ import annotations

import logging

import pytest

from ragflow_integrations import (
    AsyncDataSet,
    AsyncRAGFlow,
    ConfigurationError,
    NotFoundError,
    UnsupportedError,
)
from ragflow_integrations.models import DataSetFields
from ragflow_integrations.protocol.envelope import payload
from ragflow_integrations.protocol.wire import Call, Request
from tests.client.conftest import Place
from tests.protocol.recorded import recorded
from tests.recordings.replay import Replay
from tests.transport.raw_server import Received, http, serving

KEY = "ragflow-key"
CHATS = {"code": 0, "data": {"chats": [], "total": 0}}
NOT_FOUND = http({"code": 404, "message": "Not Found", "data": None}, status="404 NOT FOUND")


def target(received: Received) -> str:
    """The path that was asked for."""
    return received.line.split(" ")[1].partition("?")[0]


async def test_of_v024(replay_v024: Replay) -> None:
    """Its version is at the old place, its health as well; a call it lacks names the version that has it."""
    async with AsyncRAGFlow(KEY, replay_v024.url) as client:
        info = await client.server_info()
        assert (info.version, info.api_version) == ("v0.24.0", "0.24.0")
        assert (await client.health()).ok
        with pytest.raises(
            UnsupportedError, match=r"needs RAGFlow v0\.25\.1 or later; this server is v0\.24\.0"
        ):
            await AsyncDataSet._of(client, DataSetFields(id="d")).tags()


async def test_of_v027(replay_v027: Replay) -> None:
    """One question is enough."""
    async with AsyncRAGFlow(KEY, replay_v027.url) as client:
        assert (await client.server_info()).api_version == "0.27.0"
        assert (await client.health()).status == "ok"
    assert len(replay_v027.served) == 2


async def test_of_the_local_engine(place: Place) -> None:
    """It says which version's API it has."""
    async with AsyncRAGFlow(place.api_key, place.base_url) as client:
        assert (await client.server_info()).api_version == "0.27.0"
        assert (await client.health()).ok


async def test_asked_once_and_only_if_it_matters() -> None:
    """Calls that all versions take alike don't ask; the first that differs does, for the twin as well."""
    version, listed = http({"code": 0, "data": "v0.27.0"}), http({"code": 0, "data": []})
    gone = http({"code": 102, "message": "lacks permission for dataset 'd'"})
    with serving(listed, version, gone, gone) as (server, url):
        async with AsyncRAGFlow(KEY, url) as client:
            await client.list_datasets()
            for each in (client, client.with_options(timeout=5)):
                with pytest.raises(NotFoundError):
                    await each.get_dataset("d")
    assert [target(one) for one in server.requests] == [
        "/api/v1/datasets",
        "/api/v1/system/version",
        "/api/v1/datasets/d",
        "/api/v1/datasets/d",
    ]


async def test_a_version_without_a_number() -> None:
    """A server that calls itself ``nightly`` is told by how it lists chats."""
    with serving(http({"code": 0, "data": "nightly"}), http(CHATS)) as (_, url):
        async with AsyncRAGFlow(KEY, url) as client:
            info = await client.server_info()
    assert (info.version, info.api_version) == ("nightly", "0.27.0")


async def test_a_server_that_does_not_tell() -> None:
    """Neither route is there: told by its behaviour."""
    with serving(NOT_FOUND, NOT_FOUND, http({"code": 0, "data": []})) as (_, url):
        async with AsyncRAGFlow(KEY, url) as client:
            info = await client.server_info()
    assert (info.version, info.api_version) == ("", "0.24.0")


async def test_an_upgraded_server() -> None:
    """A route that is gone makes the client ask again, so that a long-lived one survives an upgrade."""
    old, new = (http({"code": 0, "data": f"v{version}"}) for version in ("0.27.0", "0.24.0"))
    rows = http({"code": 0, "data": [{"id": "d", "name": "one"}]})
    with serving(old, NOT_FOUND, new, rows) as (_, url):
        async with AsyncRAGFlow(KEY, url) as client:
            with pytest.raises(NotFoundError, match="no such route"):
                await client.get_dataset("d")
            assert (await client.get_dataset("d")).name == "one"


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_server_that_was_set_back(streamed: bool) -> None:
    """v0.24 says with HTTP 200 that it has not the verb of later versions: asked again, also after a stream."""
    old, new = (http({"code": 0, "data": f"v{version}"}) for version in ("0.27.0", "0.24.0"))
    refused = http(recorded("v0.24", "chat.get").body) if not streamed else NOT_FOUND
    rows = http({"code": 0, "data": [{"id": "c", "name": "one"}]})
    with serving(old, refused, new, rows) as (_, url):
        async with AsyncRAGFlow(KEY, url) as client:
            with pytest.raises(NotFoundError, match="no such route"):
                await (client.chat("c").ask("Eels?") if streamed else client.get_chat("c"))
            assert (await client.get_chat("c")).name == "one"


async def test_what_the_engine_of_this_process_lacks() -> None:
    """There it is known who answers: it is no matter of the address, and RAGFlow is the way."""
    lacking = Request("GET", "/api/v1/no/such", operation="RAGFlow.no_such", route="/api/v1/no/such")
    async with AsyncRAGFlow.local() as client:
        with pytest.raises(
            UnsupportedError, match=r"RAGFlow.no_such: the local engine does not have GET /api"
        ):
            await client._send(Call(lacking, payload))
        with pytest.raises(NotFoundError):  # of what it has, the same code says something else
            await client.get_dataset("0" * 32)


async def test_the_question_has_its_route(caplog: pytest.LogCaptureFixture) -> None:
    """It can be told in the log from other calls."""
    with serving(NOT_FOUND, NOT_FOUND, http(CHATS)) as (_, url), caplog.at_level(logging.DEBUG):
        async with AsyncRAGFlow(KEY, url) as client:
            await client.server_info()
    lines = [
        each.getMessage().partition(":")[0] for each in caplog.records if each.name == "ragflow_integrations"
    ]
    assert lines == ["GET /api/v1/system/version", "GET /v1/system/version", "GET /api/v1/chats"]


async def test_a_pinned_version() -> None:
    """``server_version`` is taken at its word, also after pickling."""
    rows = http({"code": 0, "data": [{"id": "d", "name": "one"}]})
    with serving(rows) as (server, url):
        async with AsyncRAGFlow(KEY, url, server_version="0.24.0") as client:
            assert (await client.get_dataset("d")).name == "one"
            assert client.with_options(max_retries=0).__getstate__()["server_version"] == "0.24.0"
    assert [target(one) for one in server.requests] == ["/api/v1/datasets"]


@pytest.mark.parametrize("version", ["new", "0", "0.27.0.1", ""])
def test_a_wrong_version(version: str) -> None:
    """It is refused with how it would be right."""
    with pytest.raises(ConfigurationError, match=r"give it as '0\.24\.0'"):
        AsyncRAGFlow(KEY, "http://localhost", server_version=version)


async def test_options(place: Place) -> None:
    """Other options over the same connections; closing such a client leaves the first one open."""
    async with AsyncRAGFlow(place.api_key, place.base_url) as client:
        dataset = await client.create_dataset("one")
        async with client.with_options(timeout=7.5, max_retries=0) as other:
            assert (other._settings.timeout, other._settings.max_retries) == (7.5, 0)
            assert [each.id for each in await other.list_datasets()] == [dataset.id]
            assert other.as_sync()._settings.timeout == other.as_async()._settings.timeout == 7.5
            assert other in (other.as_sync().as_async(), other.as_async().as_sync())
        assert len(await client.list_datasets()) == 1
        assert client._settings.timeout == 60


@pytest.mark.parametrize(
    "options", [{"timeout": 0}, {"timeout": "x"}, {"max_retries": -1}, {"max_retries": 1.5}]
)
async def test_wrong_options(place: Place, options: dict[str, float]) -> None:
    """They are refused by name and value."""
    async with AsyncRAGFlow(place.api_key, place.base_url) as client:
        with pytest.raises(ConfigurationError, match=next(iter(options))):
            client.with_options(**options)  # type: ignore[arg-type]
