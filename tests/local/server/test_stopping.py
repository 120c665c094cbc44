"""Stopping what was just started: small files are parsed at once here, and on a server they are not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.server import build_app
from tests.local.server.api import Api, Json

TOO_LATE = {
    "0.27": "Can't stop parsing document that has not started or already completed",
    "0.24": "Can't stop parsing document with progress at 0 or 1",
}


@pytest.fixture(params=["0.27", "0.24"])
async def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def called(version: str) -> AsyncIterator[Api]:
    """The application as one of the versions."""
    engine = await asyncio.to_thread(Engine, ":memory:")
    called = Api(engine)
    transport = httpx.ASGITransport(build_app(engine, with_keys=False, api_version=version))
    called.http = httpx.AsyncClient(transport=transport, base_url="http://local/api/v1")
    yield called
    await called.http.aclose()
    await asyncio.to_thread(engine.close)


async def ended(api: Api, document: str) -> None:
    """Its parsing has ended, and nobody has been told."""
    deadline = time.monotonic() + 120
    while (await asyncio.to_thread(api.engine.find_document, document) or {})["run"] == "RUNNING":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.002)


async def listed(api: Api, dataset: str) -> list[Json]:
    return list((await api("GET", f"/datasets/{dataset}/documents"))["data"]["docs"])


async def test_a_stop_right_after_the_start(called: Api) -> None:
    """Nobody has been shown that they are done: all are stopped, without chunks, and can be started again."""
    dataset = await called.dataset()
    ids = [await called.document(dataset, f"{number}.txt") for number in range(3)]
    ids.append(await called.document(dataset, "broken.pdf", "no PDF"))
    chunks = f"/datasets/{dataset}/chunks"
    assert (await called("POST", chunks, {"document_ids": ids}))["code"] == 0
    for each in ids:
        await ended(called, each)
    assert await called("DELETE", chunks, {"document_ids": ids}) == {"code": 0}
    for document in await listed(called, dataset):
        assert (document["run"], document["progress"], document["chunk_count"]) == ("CANCEL", 0.0, 0)
        assert document["progress_msg"].endswith("Task stopped by user.")
    assert (await called("GET", "/datasets"))["data"][0]["chunk_count"] == 0
    assert (await called("POST", chunks, {"document_ids": ids[:1]}))["code"] == 0
    await ended(called, ids[0])
    assert (await called("GET", f"/datasets/{dataset}/documents", params={"id": ids[0]}))["data"]["docs"][0][
        "run"
    ] == "DONE"


async def test_what_was_shown_as_done_stays(called: Api, version: str) -> None:
    """Once somebody has seen it done, a stop comes too late, in the version's words, and takes nothing."""
    dataset = await called.dataset()
    document = await called.document(dataset)
    chunks = f"/datasets/{dataset}/chunks"
    await called("POST", chunks, {"document_ids": [document]})
    await ended(called, document)
    assert [each["run"] for each in await listed(called, dataset)] == ["DONE"]
    answer = await called("DELETE", chunks, {"document_ids": [document]})
    assert (answer["code"], answer["message"]) == (102, TOO_LATE[version])
    (shown,) = await listed(called, dataset)
    assert (shown["run"], shown["chunk_count"] > 0) == ("DONE", True)


async def test_up_to_one_that_is_unknown(called: Api) -> None:
    """As on servers the documents before it are stopped, those after it are not."""
    dataset = await called.dataset()
    ids = [await called.document(dataset, f"{number}.txt") for number in range(2)]
    chunks = f"/datasets/{dataset}/chunks"
    await called("POST", chunks, {"document_ids": ids})
    for each in ids:
        await ended(called, each)
    answer = await called("DELETE", chunks, {"document_ids": [ids[0], "nobody", ids[1]]})
    assert answer["code"] == 102
    assert "own the document nobody" in answer["message"]
    assert {each["id"]: each["run"] for each in await listed(called, dataset)} == {
        ids[0]: "CANCEL",
        ids[1]: "DONE",
    }
