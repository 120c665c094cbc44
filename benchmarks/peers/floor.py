"""What no Python client can beat by much: prepared bytes into a socket, the answer's JSON into dicts."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import orjson

from benchmarks.fixtures import DATASET_ID, DOCUMENTS

from . import KEY, PAGE_SIZE, QUESTION, Read

__all__ = ["Client"]

_PIECE = 1 << 18


class Client:
    """One connection, no checks."""

    def __init__(self, base_url: str) -> None:
        address = urlsplit(base_url)
        self._socket = socket.create_connection((address.hostname, address.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = {"question": QUESTION, "dataset_ids": [DATASET_ID]}
        self._retrieval = _request("POST", "retrieval", body)
        self._pages = [
            _request("GET", f"datasets/{DATASET_ID}/documents?page={page}&page_size={PAGE_SIZE}")
            for page in range(1, DOCUMENTS // PAGE_SIZE + 1)
        ]

    def retrieve(self) -> Read:
        chunks = self._data(self._retrieval)["chunks"]
        return len(chunks), sum(len(chunk["content"]) for chunk in chunks)

    def list_documents(self, pages: str) -> Read:
        documents = [document for page in self._pages[: int(pages)] for document in self._data(page)["docs"]]
        return len(documents), sum(len(document["name"]) for document in documents)

    def stream_delta(self) -> Read:
        return 1, len("".join(self._answers("delta")))

    def stream_cumulative(self) -> Read:
        *_, last = self._answers("cumulative")
        return 1, len(last)

    def first_piece(self) -> float:
        """Seconds until the first piece of an answer was there."""
        began = time.perf_counter()
        answers = self._answers("paced")
        next(answers)
        seconds = time.perf_counter() - began
        for _ in answers:
            pass
        return seconds

    def _data(self, request: bytes) -> Any:
        head, body = self._sent(request)
        length = re.search(rb"content-length: (\d+)", head)
        assert length is not None
        missing = int(length[1]) - len(body)
        pieces = [body]
        while missing > 0:
            pieces.append(self._socket.recv(_PIECE))
            missing -= len(pieces[-1])
        return orjson.loads(b"".join(pieces))["data"]

    def _answers(self, chat: str) -> Iterator[str]:
        request = _request("POST", f"chats/{chat}/completions", {"question": QUESTION, "stream": True})
        for event in _unchunked(self._socket, self._sent(request)[1]):
            data = orjson.loads(event.removeprefix(b"data:"))["data"]
            if data is not True:
                yield data["answer"]

    def _sent(self, request: bytes) -> tuple[bytes, bytes]:
        """The answer's head, and what came with it of the body."""
        self._socket.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._socket.recv(_PIECE)
        head, _, body = received.partition(b"\r\n\r\n")
        return head, body


def _request(method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _unchunked(connection: socket.socket, received: bytes) -> Iterator[bytes]:
    """The chunks of a chunked body, each of which is an event here."""
    start = 0
    while True:
        line = received.find(b"\r\n", start)
        size = int(received[start:line], 16) if line >= 0 else -1
        if size < 0 or len(received) < line + 4 + size:
            received, start = received[start:] + connection.recv(_PIECE), 0
        elif size == 0:
            return
        else:
            yield received[line + 2 : line + 2 + size]
            start = line + 4 + size
