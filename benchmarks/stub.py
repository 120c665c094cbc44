"""A server of canned bytes on loopback, in a process of its own, so that only the client's work is measured.

``/__stats`` tells what it has seen: requests, bytes of request bodies and answers, connections.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs
from urllib.request import urlopen

from . import fixtures

__all__ = ["Stats", "serving", "stats"]

PAUSE = 0.002
"""Seconds between the first piece of the ``paced`` chat's answer and the rest of it."""

LARGE = 1_000_000
"""Bytes from which on a body is not kept."""


@dataclass
class Stats:
    """What the stub has seen; ``received`` and ``sent`` are bytes."""

    requests: int = 0
    received: int = 0
    sent: int = 0
    connections: int = 0


@dataclass(frozen=True)
class Answer:
    """Bytes to send at once, and what follows them after a pause."""

    now: bytes
    later: bytes = b""


Route = Callable[[dict[str, str], dict[str, list[str]], bytes], Answer]


@contextmanager
def serving() -> Iterator[str]:
    """The address of a stub, which ends with the block."""
    command = [sys.executable, "-m", "benchmarks.stub"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def stats(base_url: str) -> Stats:
    """What the stub has seen until now; asking counts as nothing."""
    with urlopen(f"{base_url}/__stats") as answer:
        return Stats(**json.load(answer))


class Connection(asyncio.Protocol):
    """One client's connection; bodies are kept, except those of uploads, which are counted and dropped."""

    def __init__(self, seen: Stats) -> None:
        self._seen = seen
        self._head = b""
        self._body = bytearray()
        self._length = self._missing = 0  # bytes of the body, and how many are still to come
        self._kept = True
        self._counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._head:
            self._body += data
            head, found, rest = bytes(self._body).partition(b"\r\n\r\n")
            if not found:
                return
            self._begin(head)
            data = rest
        self._missing -= len(data)
        if self._kept:
            self._body += data
        if self._missing <= 0:
            self._finish()

    def _begin(self, head: bytes) -> None:
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        self._head, self._length = head, int(length[1]) if length else 0
        self._missing, self._kept = self._length, self._length < LARGE
        self._body.clear()

    def _finish(self) -> None:
        method, target, _ = self._head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        if target == "/__stats":
            self._transport.write(_whole(json.dumps(asdict(self._seen)).encode()).now)
        else:
            self._count()
            self._reply(answer_to(method, target, bytes(self._body)))
        self._head = b""
        self._body.clear()

    def _count(self) -> None:
        self._seen.connections += not self._counted
        self._counted = True
        self._seen.requests += 1
        self._seen.received += self._length

    def _reply(self, answer: Answer) -> None:
        self._seen.sent += len(answer.now) + len(answer.later)
        self._transport.write(answer.now)
        if answer.later:
            asyncio.get_running_loop().call_later(PAUSE, self._transport.write, answer.later)


def answer_to(method: str, target: str, body: bytes) -> Answer:
    """The answer to one request, as the routes below have it."""
    path, _, query = target.partition("?")
    for pattern, route in ROUTES.items():
        if match := re.fullmatch(pattern, f"{method} {path}"):
            return route(match.groupdict(), parse_qs(query), body)
    return _whole(fixtures.not_found(path), "404 NOT FOUND")


@cache
def _retrieved() -> Answer:
    return _whole(fixtures.retrieval())


@cache
def _page(page: str, page_size: str) -> Answer:
    return _whole(fixtures.documents(int(page), int(page_size)))


@cache
def _stream(chat: str) -> Answer:
    """All pieces in one burst, or the first one alone if the chat is called ``paced``."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    frames = [*fixtures.frames("cumulative" if chat == "cumulative" else "delta"), b""]
    chunks = [f"{len(frame):x}\r\n".encode() + frame + b"\r\n" for frame in frames]
    first = 1 if chat == "paced" else len(chunks)
    return Answer(head + b"".join(chunks[:first]), b"".join(chunks[first:]))


def _whole(body: bytes, status: str = "200 OK") -> Answer:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return Answer(head.encode() + body)


DOCUMENTS = "/api/v1/datasets/[^/]+/documents"
ROUTES: dict[str, Route] = {
    "POST /api/v1/retrieval": lambda *_: _retrieved(),
    "GET /api/v1/datasets": lambda *_: _whole(fixtures.success([fixtures.dataset()], total_datasets=1)),
    f"GET {DOCUMENTS}": lambda path, query, body: _page(query["page"][0], query["page_size"][0]),
    f"POST {DOCUMENTS}": lambda *_: _whole(fixtures.uploaded()),
    "POST /api/v1/chats/(?P<chat>[^/]+)/completions": lambda path, *_: _stream(path["chat"]),
    "POST /api/v1/chat/completions": lambda path, query, body: _stream(json.loads(body)["chat_id"]),
    "GET /api/v1/system/version": lambda *_: _whole(fixtures.success("v0.27.0")),
}
"""By method and path: what answers, given the path's named groups, the query and the body."""


async def _serve() -> None:
    seen = Stats()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(seen), "127.0.0.1", backlog=200
    )
    host, port = server.sockets[0].getsockname()
    sys.stdout.write(f"http://{host}:{port}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
