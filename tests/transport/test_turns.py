"""``max_concurrency``: how many requests are under way at once, and when one is over."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ragflow_integrations import (
    BusyError,
    ConfigurationError,
    RAGFlow,
    RequestTimeoutError,
    ServerError,
    StreamInterruptedError,
    TransportError,
)

from .acts import EMPTY, END, endless, failing, frame, listed, streamed, uploaded
from .conftest import async_client, sync_client
from .raw_server import Connection, free_port, http, serving, stream_head

pytestmark = pytest.mark.realtime

Run = Callable[..., Any]


def test_no_more_at_once_than_allowed(run: Run) -> None:
    """What is over ``max_concurrency`` waits for its turn, and no more connections are opened than that."""

    def slowly(connection: Connection) -> None:
        time.sleep(0.02)
        connection.send(EMPTY)

    def often(client: Any) -> Any:
        if isinstance(client, RAGFlow):
            with ThreadPoolExecutor(8) as threads:
                return list(threads.map(lambda _: listed(client), range(8)))
        return asyncio.gather(*(listed(client) for _ in range(8)))

    with serving(slowly) as (server, url):
        assert run(url, often, max_concurrency=2) == [[]] * 8
        assert server.connections == 2


def breaking(connection: Connection) -> None:
    connection.send(stream_head() + frame(answer="a"))
    connection.close()


def ending(connection: Connection) -> None:
    connection.send(stream_head() + frame(answer="a") + END)


def sees(kind: type[Exception]) -> Callable[[Any], None]:
    def read(stream: Any) -> None:
        with pytest.raises(kind):
            list(stream)

    return read


@pytest.mark.parametrize(
    ("answer", "leave"),
    [
        (endless, lambda stream: stream.close()),
        (endless, lambda stream: None),  # dropped
        (endless, lambda stream: [next(stream), stream.close()]),
        (endless, sees(RequestTimeoutError)),
        (breaking, sees(StreamInterruptedError)),
        (failing, sees(ServerError)),
        (ending, list),
    ],
    ids=["closed", "dropped", "closed in the middle", "stopped", "broken", "failed", "read"],
)
def test_a_stream_is_a_request_under_way(answer: Any, leave: Callable[[Any], Any]) -> None:
    """It counts until it ends, however it does: until then the next call waits, and then it has its turn."""
    with serving(answer, EMPTY) as (_, url), sync_client(url, max_concurrency=1, timeout=0.5) as client:
        stream = client.chat("c").ask("q", stream=True)
        with pytest.raises(BusyError, match=rf"^no request to {url} could begin for 0.5 s"):
            client.list_datasets()
        leave(stream)
        del stream
        assert client.list_datasets() == []


async def close_it(stream: Any) -> None:
    await stream.aclose()


async def drop_it(stream: Any) -> None:
    await anext(stream)


async def drop_it_unread(stream: Any) -> None:
    pass


async def cancel_it(stream: Any) -> None:
    task = asyncio.create_task(read_on(stream))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def read_on(stream: Any) -> None:
    async for _ in stream:
        pass


async def see_it_break(stream: Any) -> None:
    with pytest.raises((StreamInterruptedError, ServerError, RequestTimeoutError)):
        await read_on(stream)


@pytest.mark.parametrize(
    ("answer", "leave"),
    [
        (endless, close_it),
        (endless, drop_it),
        (endless, drop_it_unread),
        (endless, cancel_it),
        (endless, see_it_break),
        (breaking, see_it_break),
        (failing, see_it_break),
        (ending, read_on),
    ],
)
async def test_an_async_stream_is_a_request_under_way(answer: Any, leave: Callable[[Any], Any]) -> None:
    """So it is in an event loop, where it may be cancelled too."""
    with serving(answer, EMPTY) as (_, url):
        async with async_client(url, max_concurrency=1, timeout=0.5) as client:
            stream = await client.chat("c").ask("q", stream=True)
            with pytest.raises(BusyError):
                await client.list_datasets()
            await leave(stream)
            del stream
            assert await client.list_datasets() == []


@pytest.mark.parametrize("answer", [None, Connection.wait_for_end, http(b"<p>", "500 No"), "refused"])
@pytest.mark.parametrize("act", [listed, uploaded, streamed])
def test_a_failed_call_gives_its_turn_back(run: Run, act: Run, answer: Any) -> None:
    """Whatever happened to it: as many calls as may be under way fail, and the next one is not kept waiting."""

    def fail_often(client: Any) -> Any:
        if isinstance(client, RAGFlow):
            return [failure_of(act, client) for _ in range(3)]
        return afailures(client)

    async def afailures(client: Any) -> list[type]:
        found = []
        for _ in range(3):
            with pytest.raises((TransportError, ServerError)) as caught:
                await act(client)
            found.append(caught.type)
        return found

    with serving(None if answer == "refused" else answer) as (_, url):
        there = f"http://127.0.0.1:{free_port()}" if answer == "refused" else url
        kinds = run(there, fail_often, max_concurrency=1, timeout=0.5, max_retries=0)
    assert BusyError not in kinds


def failure_of(act: Run, client: Any) -> type:
    with pytest.raises((TransportError, ServerError)) as caught:
        act(client)
    return caught.type


async def test_cancelled_calls_give_their_turns_back() -> None:
    """In the queue or under way: all are cancelled, and the next call is answered."""
    with serving(Connection.wait_for_end, EMPTY) as (server, url):
        async with async_client(url, max_concurrency=1, timeout=2) as client:
            tasks = [asyncio.create_task(client.list_datasets()) for _ in range(5)]
            assert await asyncio.to_thread(server.wait_for_request)
            for task in tasks:
                task.cancel()
            assert {type(each) for each in await asyncio.gather(*tasks, return_exceptions=True)} == {
                asyncio.CancelledError
            }
            assert await client.list_datasets() == []


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "8", None])
def test_a_wrong_limit(value: Any) -> None:
    """It is refused when the client is made, with what would be right."""
    with pytest.raises(ConfigurationError, match=rf"^max_concurrency={value!r}: give 1 or more$"):
        sync_client("http://h", max_concurrency=value)


def test_clients_of_one_server_share_its_limit() -> None:
    """Another client, a twin, a derived or an unpickled one: none gets a turn of its own."""
    with serving(endless, EMPTY) as (_, url), sync_client(url, max_concurrency=1, timeout=0.5) as client:
        others = [
            sync_client(url, max_concurrency=1, timeout=0.5),
            client.with_options(timeout=0.6),
            client.as_async().as_sync(),
        ]
        with client.chat("c").ask("q", stream=True) as stream:
            assert next(stream).content == "a"
            for other in others:
                with pytest.raises(BusyError):
                    other.list_datasets()
        assert [other.list_datasets() for other in others] == [[]] * 3
        others[0].close()


def test_pickling_keeps_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is unpickled makes no more requests at once than what was pickled."""
    monkeypatch.setenv("RAGFLOW_API_KEY", "key")
    again = pickle.loads(pickle.dumps(sync_client("http://h", max_concurrency=3)))  # noqa: S301 - our own
    assert again._settings.max_concurrency == 3
