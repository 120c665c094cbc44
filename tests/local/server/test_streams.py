"""Streams: each frame leaves as it is made, and a client that goes away ends the work."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message

from ragflow_integrations.local.server.sse import EventStream, frame


class Source:
    """A generator of frames that makes the next one only when told to, and says when it was closed."""

    def __init__(self) -> None:
        self.go_on = threading.Semaphore(0)
        self.waiting = threading.Event()
        self.closed = threading.Event()

    def frames(self) -> Generator[str, None, None]:
        try:
            for number in range(100):
                self.waiting.set()
                assert self.go_on.acquire(timeout=20)
                yield frame({"number": number})
        finally:
            self.closed.set()


def _app(source: Source) -> Starlette:
    async def stream(request: Request) -> Response:
        return EventStream(source.frames())

    return Starlette(routes=[Route("/", stream)])


@contextmanager
def _served(app: Starlette) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None, ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def test_frames_leave_as_they_are_made() -> None:
    """The client has the first frame before the second one exists, in RAGFlow's framing."""
    source = Source()
    with _served(_app(source)) as url, httpx.stream("GET", url, timeout=20) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        received = response.iter_text()
        source.go_on.release()
        assert next(received) == 'data:{"number": 0}\n\n'
        source.go_on.release()
        assert next(received) == 'data:{"number": 1}\n\n'
        source.go_on.release(100)
        assert "".join(received).endswith('data:{"number": 99}\n\n')


def test_client_that_goes_away_ends_the_work() -> None:
    """After a disconnect the generator is closed, long before it would have come to its end."""
    source = Source()
    with _served(_app(source)) as url:
        with httpx.stream("GET", url, timeout=20) as response:
            source.go_on.release()
            next(response.iter_text())
        made = 1
        while made < 99 and not source.closed.wait(timeout=0.05):
            source.go_on.release()  # what is being made when the client goes is finished first
            made += 1
        assert made < 99, "all frames were made, though nobody was there"


async def test_cancelled_call_ends_the_work() -> None:
    """In-process: cancelling the call while a frame is being made closes the generator once that is done."""
    source = Source()
    gone = asyncio.Event()

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        return

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    call = asyncio.create_task(_app(source)(scope, receive, send))
    await asyncio.to_thread(source.waiting.wait, 10)
    call.cancel()
    asyncio.get_running_loop().call_later(0.1, source.go_on.release)
    with pytest.raises(asyncio.CancelledError):
        await call
    assert source.closed.is_set()
