"""A RAGFlow server that says what a test tells it to say: answers that no local engine would give."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


@dataclass
class Script:
    """What to answer, and what was asked.

    ``pieces`` are the deltas; the pieces between ``<think>`` and ``</think>`` are reasoning. With ``endless`` the
    deltas are repeated until the caller hangs up, which sets ``hung_up``. ``pages`` are what retrieval finds,
    whatever its filter; ``documents`` are the metadata of a dataset's documents, by their ids. ``calls`` are all
    but those for the version. Retrievals and questions wait at the ``barrier``.
    """

    base_url: str
    pieces: list[str] = field(default_factory=list)
    pages: list[list[dict[str, Any]]] = field(default_factory=list)
    chunks: list[dict[str, Any]] = field(default_factory=list)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    barrier: asyncio.Barrier | None = None
    version: str = "v0.27.0"
    calls: list[str] = field(default_factory=list)
    endless: bool = False
    error_after: int | None = None
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)

    @property
    def reference(self) -> dict[str, Any]:
        return {"total": len(self.chunks), "chunks": self.chunks, "doc_aggs": []}

    async def answer(self, request: Request) -> Response:
        """``POST /api/v1/chat/completions``."""
        body = await request.json()
        self.bodies.append(body)
        self.keys.append(request.headers["authorization"].removeprefix("Bearer "))
        if self.barrier is not None:
            await self.barrier.wait()
        if body["stream"]:
            return StreamingResponse(self._frames(), media_type="text/event-stream")
        data = {"answer": "".join(self.pieces), "reference": self.reference, "id": "m1", "chat_id": "c1"}
        return JSONResponse({"code": 0, "message": "success", "data": data})

    async def retrieval(self, request: Request) -> Response:
        """``POST /api/v1/retrieval``."""
        body = await request.json()
        self.calls.append("retrieval")
        self.bodies.append(body)
        if self.barrier is not None:
            await self.barrier.wait()
        found = dict(enumerate(self.pages, 1)).get(body["page"], [])
        return JSONResponse({"code": 0, "data": {"total": len(found), "chunks": found, "doc_aggs": []}})

    async def dataset(self, request: Request) -> Response:
        """``GET /api/v1/datasets/{id}``, and with ``?id=`` as a list."""
        self.calls.append("dataset")
        one = {"id": request.path_params.get("id") or request.query_params["id"], "name": "handbook"}
        return JSONResponse({"code": 0, "data": one if "id" in request.path_params else [one]})

    async def listing(self, request: Request) -> Response:
        """``GET /api/v1/datasets/{id}/documents``, page by page."""
        page, size = (int(request.query_params[name]) for name in ("page", "page_size"))
        self.calls.append("documents")
        rows = [{"id": id, "name": id, "meta_fields": held} for id, held in self.documents.items()]
        docs = rows[(page - 1) * size : page * size]
        return JSONResponse({"code": 0, "data": {"total": len(rows), "docs": docs}})

    def told_version(self, request: Request) -> Response:
        """``GET /api/v1/system/version``."""
        return JSONResponse({"code": 0, "data": self.version})

    async def _frames(self) -> AsyncIterator[str]:
        try:
            for number, piece in enumerate(self.pieces):
                if number == self.error_after:
                    yield frame({"answer": "**ERROR**: boom", "reference": []}, code=500, message="boom")
                    yield frame(True)
                    return
                yield frame(self._delta(piece))
            while self.endless:
                await asyncio.sleep(0.01)
                yield frame(self._delta("more "))
            yield frame(
                {"answer": "", "reference": self.reference, "final": True, "id": "m1", "chat_id": "c1"}
            )
            yield frame(True)
        except asyncio.CancelledError:
            self.hung_up.set()
            raise

    def _delta(self, piece: str) -> dict[str, Any]:
        marks = {"<think>": "start_to_think", "</think>": "end_to_think"}
        mark = {marks[piece]: True} if piece in marks else {}
        text = "" if mark else piece
        return {
            "answer": text,
            "reference": {"chunks": []},
            "final": False,
            "id": "m1",
            "chat_id": "c1",
            **mark,
        }


def frame(data: Any, code: int = 0, message: str = "") -> str:
    """One frame of a stream."""
    return f"data:{json.dumps({'code': code, 'message': message, 'data': data})}\n\n"


@contextmanager
def running_script() -> Iterator[Script]:
    """The server, from a thread, while the block runs."""
    listener = socket.create_server(("127.0.0.1", 0))
    script = Script(f"http://127.0.0.1:{listener.getsockname()[1]}")
    routes = [
        Route("/api/v1/chat/completions", script.answer, methods=["POST"]),
        Route("/api/v1/retrieval", script.retrieval, methods=["POST"]),
        Route("/api/v1/system/version", script.told_version),
        Route("/v1/system/version", script.told_version),
        Route("/api/v1/datasets", script.dataset),
        Route("/api/v1/datasets/{id}", script.dataset),
        Route("/api/v1/datasets/{id}/documents", script.listing),
    ]
    app = Starlette(routes=routes)
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        yield script
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
