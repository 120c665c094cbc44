"""What goes out on a connection, and when."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings
from typing import Any

import httpcore
import pytest

from ragflow_integrations.transport.network import AsyncNetwork, Stream

LARGE = b"x" * (1 << 17)


class Wire(httpcore.NetworkStream):
    """Notes what is sent, and answers; ``broken`` takes nothing any more."""

    def __init__(self, broken: bool = False) -> None:
        self.sent: list[bytes] = []
        self.broken = broken

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self.broken:
            raise httpcore.WriteError("broken pipe")
        self.sent.append(buffer)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return b"HTTP/1.1 413 Too Large\r\n\r\n"

    def close(self) -> None:
        """There is nothing."""


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ([b"head", b"body", b""], [b"headbody"]),
        ([b"head"], [b"head"]),
        ([b"head", LARGE, b"rest", b"end"], [b"head", LARGE, b"restend"]),
        ([b"y" * 60_000, b"z" * 60_000], [b"y" * 60_000, b"z" * 60_000]),
    ],
)
def test_a_request_goes_out_when_its_answer_is_awaited(written: list[bytes], sent: list[bytes]) -> None:
    """Small pieces together, large ones at once and uncopied, everything in its order, and each once."""
    wire = Wire()
    stream = Stream(wire)
    for piece in written:
        stream.write(piece)
    stream.read(1)
    stream.read(1)
    assert wire.sent == sent


def test_an_answer_before_the_request_was_read() -> None:
    """A server that closes to the sender may have said why."""
    stream = Stream(Wire(broken=True))
    stream.write(b"head")
    assert stream.read(1).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("written", [[b"head", b"body", b""], [b"head", LARGE, b"rest", b"end"]])
async def test_in_an_event_loop(written: list[bytes]) -> None:
    """All of it arrives in its order, and nothing before the answer is awaited that fits together."""
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in filter(None, written):
            await arrived.put(await reader.readexactly(len(piece)))
        writer.write(b"HTTP/1.1 204 No\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        stream: Any = await AsyncNetwork().connect_tcp("127.0.0.1", server.sockets[0].getsockname()[1])
        for piece in written:
            await stream.write(piece)
        await asyncio.sleep(0.05)
        assert arrived.empty() or LARGE in written
        assert (await stream.read(1)).startswith(b"HTTP/1.1 204")
        await stream.aclose()
    assert [arrived.get_nowait() for _ in filter(None, written)] == list(filter(None, written))


async def test_a_connection_that_is_given_up() -> None:
    """At whichever moment: its socket is closed, and not left to the garbage collector."""
    with socket.create_server(("127.0.0.1", 0)) as server, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        for turns in range(10):
            connecting = asyncio.create_task(AsyncNetwork().connect_tcp(*server.getsockname()))
            for _ in range(turns):
                await asyncio.sleep(0)
            if connecting.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await connecting
            else:
                await (await connecting).aclose()
        gc.collect()
    assert [str(each.message) for each in told] == []
