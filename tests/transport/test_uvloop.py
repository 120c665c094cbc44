"""Event loops of uvloop, which some servers run their programs in: nothing of ours needs it, and it is rarely there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from .acts import EMPTY, END, frame, listed, streamed, uploaded
from .conftest import async_client
from .raw_server import CERTIFICATE, http, serving, stream_head

uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed: pip install uvloop, not on Windows")

UPLOADED = http({"code": 0, "data": [{"id": "e", "name": "a.txt"}]})
STREAM = stream_head() + frame(answer="a") + frame(answer="b") + END


def large(client: Any) -> Any:
    return uploaded(client, b"x" * 3_000_000)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    ("answer", "act", "size"), [(EMPTY, listed, 0), (STREAM, streamed, 3), (UPLOADED, large, 1)]
)
def test_what_is_done_in_its_loop(answer: bytes, act: Callable[[Any], Any], size: int, tls: bool) -> None:
    """Calls, streams and uploads go well one after the other, on one connection."""

    async def main(url: str) -> list[Any]:
        async with async_client(url, verify=str(CERTIFICATE) if tls else True) as client:
            return [len(await act(client)) for _ in range(5)]

    with (
        serving(answer, tls=tls) as (server, url),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop,
    ):
        assert loop.run(main(url)) == [size] * 5
        assert server.connections == 1


def test_one_client_in_two_of_its_loops() -> None:
    """What the first has left is no matter to the second."""
    with serving(EMPTY) as (server, url):
        client = async_client(url)
        for _ in range(2):
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
                assert loop.run(listed(client)) == []
        assert server.wait_for_ends(2)
