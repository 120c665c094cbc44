"""A RAGFlow server on loopback that says what a test tells it to: answers that no local engine would give."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

KEY = "ragflow-a-key-that-must-not-leak"
RETRIEVAL = "/api/v1/retrieval"
COMPLETIONS = "/api/v1/chat/completions"
Answer = Callable[[dict[str, Any]], "dict[str, Any] | Iterable[str]"]


@dataclass
class Script:
    """Answers by path: an object becomes the envelope's ``data``, an iterable of frames a stream.

    An answer to ``GET`` is by ``"GET /path"`` and is told the query. ``bodies`` are the requests' bodies in order,
    ``calls`` the last parts of the paths that were asked, all but the version's;
    ``hung_up`` is set when a stream's caller went away.
    """

    base_url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    version: str = "v0.27.0"
    calls: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)


def frame(data: Any, code: int = 0, message: str = "") -> str:
    """One frame of a streamed answer."""
    return f"data:{json.dumps({'code': code, 'message': message, 'data': data})}\n\n"


def streamed(pieces: Iterable[str], chunks: Iterable[dict[str, Any]] = ()) -> Iterator[str]:
    """The frames of an answer: its deltas, the reference, the end."""
    for piece in pieces:
        yield frame({"answer": piece, "reference": {"chunks": []}, "final": False})
    yield frame({"answer": "", "reference": {"chunks": list(chunks)}, "final": True})
    yield frame(True)


def chunk(number: int, similarity: float = 0.5, **fields: Any) -> dict[str, Any]:
    """A chunk as ``POST /retrieval`` sends it."""
    return {
        "id": f"chunk{number}",
        "content": f"Text {number}.",
        "document_id": f"document{number}",
        "document_keyword": f"{number}.txt",
        "dataset_id": "dataset",
        "similarity": similarity,
        **fields,
    }


def found(chunks: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """``data`` of a retrieval."""
    listed = list(chunks)
    return {"total": len(listed), "chunks": listed, "doc_aggs": []}


@contextmanager
def running_script() -> Iterator[Script]:
    """The server, from a thread, while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.script = Script(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.script  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        script: Script = self.server.script  # type: ignore[attr-defined]
        asked = urlsplit(self.path)
        data: Any = script.version
        if not asked.path.endswith("/system/version"):
            script.calls.append(asked.path.rpartition("/")[2])
            data = script.answers[f"GET {asked.path}"](dict(parse_qsl(asked.query)))
        self._send("application/json", [json.dumps({"code": 0, "data": data})])

    def do_POST(self) -> None:
        script: Script = self.server.script  # type: ignore[attr-defined]
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        script.bodies.append(body)
        script.calls.append(self.path.rpartition("/")[2])
        answer = script.answers[self.path](body)
        if isinstance(answer, dict):
            self._send("application/json", [json.dumps({"code": 0, "data": answer})])
            return
        try:
            self._send("text/event-stream", answer)
        except (BrokenPipeError, ConnectionResetError):
            script.hung_up.set()

    def _send(self, content_type: str, pieces: Iterable[str]) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """The test's output is the test's."""
