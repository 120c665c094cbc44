"""A client whose requests are carried by an object of the caller's."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator

import pytest

from ragflow_integrations import AsyncRAGFlow, ConfigurationError
from ragflow_integrations.protocol.wire import Request, Response

FRAMES = [
    b'data:{"code": 0, "data": {"answer": "Yes.", "final": false}}\n\n',
    b'data:{"code": 0, "data": true}\n\n',
]


class AsyncPieces:
    """An answer that arrives in pieces."""

    status = 200

    def __init__(self) -> None:
        self.headers = {"content-type": "text/event-stream"}
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for frame in FRAMES:
            yield frame

    async def aclose(self) -> None:
        self.is_closed = True


class AsyncOwn:
    """Answers by itself, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, float | None]] = []
        self.pieces = AsyncPieces()
        self.is_closed = False

    async def send(self, request: Request, *, timeout: float | None) -> Response:
        self.asked.append((request.method, request.path, timeout))
        return Response(200, {"content-type": "application/json"}, b'{"code": 0, "data": []}')

    async def open(self, request: Request, *, timeout: float | None) -> AsyncPieces:
        self.asked.append((request.method, request.path, timeout))
        return self.pieces

    async def aclose(self) -> None:
        self.is_closed = True


def connected(own: AsyncOwn) -> AsyncRAGFlow:
    return AsyncRAGFlow("key", "http://nowhere.invalid", server_version="0.27", timeout=3, transport=own)


async def test_it_carries_calls_and_streams() -> None:
    """Also those of a derived client, with its timeout; it is closed with the client that it was given to."""
    own = AsyncOwn()
    async with connected(own) as client:
        assert await client.with_options(timeout=5).list_datasets() == []
        pieces = [piece async for piece in await client.chat("c").ask("Is it so?", stream=True)]
        assert pieces[-1].full_content == "Yes."
        assert (own.pieces.is_closed, own.is_closed) == (True, False)
    assert own.is_closed
    assert own.asked == [("GET", "/api/v1/datasets", 5), ("POST", "/api/v1/chat/completions", 3)]


async def test_where_it_cannot_be() -> None:
    """The other client needs another one, a pickle cannot have it, and an engine in this process is its own."""
    client = connected(AsyncOwn())
    other = "as_async" if hasattr(client, "close") else "as_sync"
    for each in (client, client.with_options(timeout=5)):
        with pytest.raises(ConfigurationError, match="has a transport of its own: give"):
            getattr(each, other)()
        with pytest.raises(ConfigurationError, match="cannot be pickled"):
            pickle.dumps(each)
    with pytest.raises(ConfigurationError, match="transport: base_url=':memory:'"):
        AsyncRAGFlow(base_url=":memory:", transport=AsyncOwn())
