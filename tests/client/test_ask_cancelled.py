"""A question that is cancelled while a server is at work on it: the connection ends and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import nullcontext

import anyio
import pytest

from ragflow_integrations import AsyncRAGFlow
from tests.transport.raw_server import Connection, RawServer, chunk, http, serving, stream_head

SESSION = http({"code": 0, "data": {"id": "temporary", "messages": []}})
GONE = http({"code": 0, "data": True})
DELTA = b'data:{"code": 0, "data": {"answer": "Half", "final": false}}\n\n'


class Stalling:
    """Begins an answer with these bytes and never goes on."""

    def __init__(self, begin: bytes = b"") -> None:
        self._begin = begin
        self.left_alone = False

    def __call__(self, connection: Connection) -> None:
        connection.send(self._begin)
        self.left_alone = connection.wait_for_end()


def server_of(stalling: Stalling) -> Iterator[tuple[RawServer, str, Stalling]]:
    with serving(SESSION, stalling, GONE) as (server, url):
        yield server, url, stalling


@pytest.fixture
def silent() -> Iterator[tuple[RawServer, str, Stalling]]:
    """A v0.24 that makes a session and then says nothing."""
    yield from server_of(Stalling())


@pytest.fixture
def stuck() -> Iterator[tuple[RawServer, str, Stalling]]:
    """A v0.24 that says half an answer."""
    yield from server_of(Stalling(stream_head() + chunk(DELTA)))


async def cancelled(task: asyncio.Task[None], server: RawServer, requests: int) -> None:
    for _ in range(requests):
        assert await asyncio.to_thread(server.wait_for_request)
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def check_clean(server: RawServer, stalling: Stalling) -> None:
    assert [received.line.split(" ")[0] for received in server.requests] == ["POST", "POST", "DELETE"]
    assert json.loads(server.requests[-1].body) == {"ids": ["temporary"]}
    assert server.wait_for_ends(server.connections)
    assert stalling.left_alone


@pytest.mark.parametrize("stream", [False, True])
async def test_before_the_answer(silent: tuple[RawServer, str, Stalling], stream: bool) -> None:
    """Whole or streamed, the session made for the question is deleted; other connections go on being used."""
    server, url, stalling = silent

    async def ask() -> None:
        await client.chat("c").ask("q", stream)  # type: ignore[call-overload]

    async with AsyncRAGFlow("key", url, server_version="0.24") as client:
        await cancelled(asyncio.create_task(ask()), server, 2)
    check_clean(server, stalling)


async def test_in_the_answer(stuck: tuple[RawServer, str, Stalling]) -> None:
    """The same in the middle of a stream, without closing it."""
    server, url, stalling = stuck
    texts: list[str] = []

    async def ask() -> None:
        async for message in await client.chat("c").ask("q", stream=True):
            texts.append(message.content)

    async with AsyncRAGFlow("key", url, server_version="0.24") as client:
        await cancelled(asyncio.create_task(ask()), server, 2)
    assert texts == ["Half"]
    check_clean(server, stalling)


@pytest.mark.parametrize("stream", [False, True])
async def test_before_the_answer_in_a_scope(silent: tuple[RawServer, str, Stalling], stream: bool) -> None:
    """Where a web framework cancels a scope of anyio's, in which every further await fails, all the same is done."""
    server, url, stalling = silent
    async with AsyncRAGFlow("key", url, server_version="0.24") as client:
        with anyio.move_on_after(0.3) as scope:
            await client.chat("c").ask("q", stream)  # type: ignore[call-overload]
    assert scope.cancelled_caught
    check_clean(server, stalling)


@pytest.mark.parametrize("with_block", [False, True])
async def test_in_the_answer_in_a_scope(stuck: tuple[RawServer, str, Stalling], with_block: bool) -> None:
    """The same in the middle of a stream, with and without its block."""
    server, url, stalling = stuck
    async with AsyncRAGFlow("key", url, server_version="0.24") as client:
        with anyio.move_on_after(0.3) as scope:
            stream = await client.chat("c").ask("q", stream=True)
            async with stream if with_block else nullcontext():
                async for _ in stream:
                    pass
    assert scope.cancelled_caught
    check_clean(server, stalling)


@pytest.mark.parametrize("stream", [False, True])
async def test_cancelled_again(silent: tuple[RawServer, str, Stalling], stream: bool) -> None:
    """A second cancel, before the deletion has even been sent, ends the waiting and not the deletion."""
    server, url, stalling = silent

    async def ask() -> None:
        await client.chat("c").ask("q", stream)  # type: ignore[call-overload]

    async with AsyncRAGFlow("key", url, server_version="0.24") as client:
        task = asyncio.create_task(ask())
        for _ in range(2):
            assert await asyncio.to_thread(server.wait_for_request)
        await asyncio.sleep(0.05)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        assert task.cancelled()
        assert await asyncio.to_thread(server.wait_for_request)
        await asyncio.sleep(0.1)
    check_clean(server, stalling)
