"""A server that speaks OpenAI's API as far as the engine needs it, on a free port of the loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = Any
KEY = "sk-stand-in"


class StandIn:
    """What it was asked, and how it answers: ``answers[path](body)`` gives status, content type and body."""

    def __init__(self) -> None:
        self.base_url = ""
        self.asked: list[tuple[str, Json]] = []
        self.answers: dict[str, Callable[[Json], tuple[int, str, bytes]]] = {
            "/v1/chat/completions": _chat,
            "/v1/embeddings": _embeddings,
            "/v1/rerank": _rerank,
        }

    @property
    def address(self) -> Json:
        return {"base_url": self.base_url, "model": "small", "api_key": KEY}


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """The server, for the length of the block."""
    told = StandIn()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            told.asked.append((self.path, body))
            if self.headers.get("authorization") != f"Bearer {KEY}":
                status, kind, content = 401, "application/json", b'{"error":{"message":"wrong key"}}'
            else:
                status, kind, content = told.answers[self.path](body)
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    told.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def as_json(value: Json, status: int = 200) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(value).encode()


def _chat(body: Json) -> tuple[int, str, bytes]:
    deltas = [
        {"role": "assistant", "reasoning_content": "Let me see."},
        {"content": "STAND-IN says: "},
        {"content": body["messages"][-1]["content"]},
        {},
    ]
    events = [f"data: {json.dumps({'choices': [{'delta': each}]})}\r\n\r\n" for each in deltas]
    return 200, "text/event-stream", "".join([": hello\n\n", *events, "data: [DONE]\n\n"]).encode()


def _embeddings(body: Json) -> tuple[int, str, bytes]:
    rows = [{"index": n, "embedding": [len(text), 1, 0]} for n, text in enumerate(body["input"])]
    return as_json({"data": rows[::-1]})


def _rerank(body: Json) -> tuple[int, str, bytes]:
    rows = [
        {"index": n, "relevance_score": 1.0 if body["query"] in text else 0.0}
        for n, text in enumerate(body["documents"])
    ]
    return as_json({"results": rows[::-1]})
