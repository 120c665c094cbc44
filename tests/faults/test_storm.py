"""Two hundred callers at once against a server that answers one request at a time."""

from __future__ import annotations

import asyncio
import re
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from ragflow_integrations import AsyncRAGFlow, BusyError, RAGFlow, RequestTimeoutError
from ragflow_integrations.transport.limit import Limit, limit_of
from tests.transport.raw_server import Connection, RawServer, http, serving

pytestmark = pytest.mark.realtime

CALLERS = 200
AT_ONCE = 4
ANSWER_TAKES = 0.04  # seconds, each after the other
TIMEOUT = 2.0  # a quarter of what all answers take together
MEMORY = 6 * 1024 * 1024
OPTIONS: dict[str, Any] = {"timeout": TIMEOUT, "max_retries": 0, "max_concurrency": AT_ONCE}
EMPTY = http({"code": 0, "data": [], "total_datasets": 0})


@contextmanager
def slow_server() -> Iterator[tuple[RawServer, str, Limit]]:
    turn = threading.Lock()

    def answer(connection: Connection) -> None:
        with turn:
            time.sleep(ANSWER_TAKES)
            connection.send(EMPTY)

    with serving(answer) as (server, url):
        yield server, url, limit_of(url)


def pages_asked(server: RawServer) -> list[int]:
    return [int(found[1]) for each in server.requests if (found := re.search(r"page=(\d+)", each.line))]


async def test_tasks() -> None:
    """All are answered with a timeout far below the whole time: in order, over few connections, in little memory."""
    with slow_server() as (server, url, limit):
        async with AsyncRAGFlow("key", url, **OPTIONS) as client:
            await client.list_datasets(page=CALLERS + 1)  # what is made once
            server.requests.clear()
            tracemalloc.start()
            try:
                calls = [client.list_datasets(page=page) for page in range(1, CALLERS + 1)]
                assert await asyncio.gather(*calls) == [[]] * CALLERS
                _, most = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        order = pages_asked(server)
        assert sorted(order) == list(range(1, CALLERS + 1))
        # those under way at the same time may overtake each other
        assert max(abs(page - place) for place, page in enumerate(order, 1)) < 2 * AT_ONCE
        assert server.connections <= AT_ONCE
        assert most < MEMORY
        assert (limit.in_use, limit.waiting) == (0, 0)


def test_threads() -> None:
    """So do threads."""
    with (
        slow_server() as (server, url, limit),
        RAGFlow("key", url, **OPTIONS) as client,
        ThreadPoolExecutor(CALLERS) as threads,
    ):
        calls = [threads.submit(client.list_datasets, page=page) for page in range(1, CALLERS + 1)]
        assert [each.result() for each in calls] == [[]] * CALLERS
        assert sorted(pages_asked(server)) == list(range(1, CALLERS + 1))
        assert server.connections <= AT_ONCE
        assert (limit.in_use, limit.waiting) == (0, 0)


def test_clients_threads_and_loops_share_the_limit() -> None:
    """Sync and async clients of one server together open no more connections than one of them may."""
    with slow_server() as (_, url, limit), ThreadPoolExecutor(8) as threads:

        def by_threads(_: int) -> int:
            with RAGFlow("key", url, **OPTIONS) as client:
                return sum(client.list_datasets() == [] for _ in range(5))

        def by_loop(_: int) -> int:
            async def main() -> int:
                async with AsyncRAGFlow("key", url, **OPTIONS) as client:
                    return len(await asyncio.gather(*(client.list_datasets() for _ in range(5))))

            return asyncio.run(main())

        done = [threads.submit(by_threads, number) for number in range(4)]
        done += [threads.submit(by_loop, number) for number in range(4)]
        most = 0
        while not all(each.done() for each in done):
            most = max(most, limit.in_use)
            time.sleep(0.001)
        assert [each.result() for each in done] == [5] * 8
        assert most == AT_ONCE
        assert (limit.in_use, limit.waiting) == (0, 0)


def silence(connection: Connection) -> None:
    connection.wait_for_end()


@pytest.mark.parametrize("kind", [RAGFlow, AsyncRAGFlow])
def test_a_server_that_stands_still(kind: Callable[..., Any]) -> None:
    """Those under way time out; those behind them get their turn, or are told that it is busy; nothing is left."""
    with serving(silence) as (server, url), ThreadPoolExecutor(12) as threads:
        client, limit = kind("key", url, **{**OPTIONS, "timeout": 1}), limit_of(url)

        def call(_: int) -> Any:
            called = client.list_datasets()
            return asyncio.run(called) if asyncio.iscoroutine(called) else called

        began = time.monotonic()
        errors = [each.exception() for each in [threads.submit(call, number) for number in range(12)]]
        assert {type(each) for each in errors} <= {RequestTimeoutError, BusyError}
        assert time.monotonic() - began < 30
        assert (limit.in_use, limit.waiting) == (0, 0)
        assert server.connections <= 12
