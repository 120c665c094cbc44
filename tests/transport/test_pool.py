"""Connections that are kept: which one a request gets, and which ones end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ragflow_integrations import RAGFlow
from ragflow_integrations.transport import server as settings

from .acts import DATASET, EMPTY, created, listed
from .conftest import async_client, sync_client
from .raw_server import Connection, http, serving

pytestmark = pytest.mark.realtime

Run = Callable[..., Any]


def test_a_connection_that_the_server_has_ended(run: Run) -> None:
    """It is not used again, so that even a POST goes out well; also while the event loop had no time to see it."""

    def once(connection: Connection) -> None:
        connection.send(DATASET)
        connection.close()
        ended.set()

    def both(client: Any) -> Any:
        if isinstance(client, RAGFlow):
            return [created(client), ended.wait(5) and created(client)]
        return await_both(client)

    async def await_both(client: Any) -> Any:
        return [await created(client), ended.wait(5) and await created(client)]

    ended = threading.Event()
    with serving(once) as (server, url):
        assert [dataset.id for dataset in run(url, both)] == ["d1", "d1"]
        assert server.connections == 2


def test_bytes_after_an_answer(run: Run) -> None:
    """What a server sends after an answer without a body is not taken for its next one."""
    forged = http({"code": 0, "data": [{"id": "forged", "name": "x"}], "total_datasets": 1})

    def twice(client: Any) -> Any:
        if isinstance(client, RAGFlow):
            return [failed(client), listed(client)]
        return await_twice(client)

    def failed(client: Any) -> None:
        with pytest.raises(Exception, match="the answer is empty"):
            listed(client)

    async def await_twice(client: Any) -> Any:
        with pytest.raises(Exception, match="the answer is empty"):
            await listed(client)
        return [None, await listed(client)]

    nothing = http(b"", "204 No Content").replace(b"content-length: 0\r\n", b"")
    with serving(nothing + forged, EMPTY) as (server, url):
        assert run(url, twice) == [None, []]
        assert server.connections == 2


def meeting(count: int) -> Callable[[Connection], None]:
    """An answer that waits until so many requests are there, the first time."""
    barrier = threading.Barrier(count)

    def answer(connection: Connection) -> None:
        if not met.is_set():
            barrier.wait(5)
            met.set()
        connection.send(EMPTY)

    met = threading.Event()
    return answer


def test_what_a_burst_has_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection that was used last is used first; the others end when they were idle for long."""
    monkeypatch.setattr(settings, "_KEPT", 1.0)
    with serving(meeting(4)) as (server, url), sync_client(url) as client:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: client.list_datasets(), range(4)))
        for _ in range(30):
            client.list_datasets()
            time.sleep(0.05)
        assert server.wait_for_ends(3)
        client.list_datasets()
        assert server.connections == 4


async def test_what_an_async_burst_has_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is in an event loop."""
    monkeypatch.setattr(settings, "_KEPT", 1.0)
    with serving(meeting(4)) as (server, url):
        async with async_client(url) as client:
            await asyncio.gather(*(client.list_datasets() for _ in range(4)))
            for _ in range(30):
                await client.list_datasets()
                await asyncio.sleep(0.05)
            assert await asyncio.to_thread(server.wait_for_ends, 3)
            await client.list_datasets()
            assert server.connections == 4
