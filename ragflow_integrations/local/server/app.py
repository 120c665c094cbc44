"""The ASGI application: routes, key check, and every error as RAGFlow words it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ..problems import Problem
from . import (
    chats,
    chunks,
    completions,
    datasets,
    documents,
    metadata,
    openai,
    parsing,
    retrieval,
    sessions,
    system,
)
from .auth import check_key
from .call import Call
from .envelope import EXCEPTION, JSON, Fail

if TYPE_CHECKING:
    from ..engine import Engine

__all__ = ["build_app", "served"]

Handler = Callable[[Call], Response]

_log = logging.getLogger(__name__)

_DATASET = "/datasets/{dataset_id}"
_DOCUMENT = _DATASET + "/documents/{document_id}"
_CHAT = "/chats/{chat_id}"
_SESSION = _CHAT + "/sessions/{session_id}"

_ROUTES: dict[str, dict[str, Handler]] = {
    "/datasets": {"POST": datasets.create, "GET": datasets.list_, "DELETE": datasets.delete},
    _DATASET: {"GET": datasets.get, "PUT": datasets.update},
    _DATASET + "/documents": {"POST": documents.upload, "GET": documents.list_, "DELETE": documents.delete},
    _DATASET + "/documents/parse": {"POST": parsing.parse},
    _DATASET + "/documents/stop": {"POST": parsing.stop},
    _DATASET + "/chunks": {"POST": parsing.start_chunking, "DELETE": parsing.stop_chunking},
    _DATASET + "/documents/metadatas": {"PATCH": metadata.patch},
    _DATASET + "/metadata/summary": {"GET": metadata.summarize},
    _DATASET + "/metadata/update": {"POST": metadata.update},
    _DOCUMENT: {"GET": documents.download, "PATCH": documents.update, "PUT": documents.update},
    _DOCUMENT + "/chunks": {
        "POST": chunks.add,
        "GET": chunks.list_,
        "PATCH": chunks.switch,
        "DELETE": chunks.delete,
    },
    _DOCUMENT + "/chunks/{chunk_id}": {"GET": chunks.get, "PATCH": chunks.update, "PUT": chunks.update},
    "/documents/{document_id}": {"GET": documents.download},
    "/retrieval": {"POST": retrieval.retrieve},
    "/chats": {"POST": chats.create, "GET": chats.list_, "DELETE": chats.delete},
    _CHAT: {"GET": chats.get, "PUT": chats.replace, "PATCH": chats.patch, "DELETE": chats.delete_one},
    _CHAT + "/sessions": {"POST": sessions.create, "GET": sessions.list_, "DELETE": sessions.delete},
    _SESSION: {"GET": sessions.get, "PATCH": sessions.update, "PUT": sessions.update},
    "/chat/completions": {"POST": completions.complete},
    _CHAT + "/completions": {"POST": completions.complete},
    "/openai/{chat_id}/chat/completions": {"POST": openai.complete},
    "/chats_openai/{chat_id}/chat/completions": {"POST": openai.complete},
    "/chat/recommendation": {"POST": completions.related_questions},
    "/sessions/related_questions": {"POST": completions.related_questions},
    "/system/status": {"GET": system.status},
}
_REFUSING: frozenset[Handler] = frozenset({completions.related_questions})  # these say that they need a model
_WITHOUT_KEY: dict[str, dict[str, Handler]] = {
    "/api/v1/system/ping": {"GET": system.ping},
    "/api/v1/system/version": {"GET": system.version},
    "/api/v1/system/healthz": {"GET": system.healthz},
    "/v1/system/healthz": {"GET": system.healthz},
}


def build_app(engine: Engine, *, api_key: str | None) -> ASGIApp:
    """The local engine's HTTP API as an ASGI application; it answers as RAGFlow v0.27.0.

    ``api_key`` is what callers must send as ``Authorization: Bearer …``; ``None`` means in-process use, where
    every call is let through. The engine stays the caller's: the application neither opens nor closes it, and
    needs no lifespan events.
    """
    routes = [Route(f"/api/v1{path}", _Endpoint(engine, verbs, api_key)) for path, verbs in _ROUTES.items()]
    routes += [Route(path, _Endpoint(engine, verbs, None)) for path, verbs in _WITHOUT_KEY.items()]
    app = Starlette(routes=routes, exception_handlers={404: _not_found})
    app.router.redirect_slashes = False
    return _TrailingSlash(app)


def served() -> frozenset[tuple[str, str]]:
    """All that is answered, as ``(method, path)`` with names where ids go; the documentation lists it."""
    routes = {**{f"/api/v1{path}": verbs for path, verbs in _ROUTES.items()}, **_WITHOUT_KEY}
    answered = (
        (method, path, handler) for path, verbs in routes.items() for method, handler in verbs.items()
    )
    return frozenset((method, path) for method, path, handler in answered if handler not in _REFUSING)


class _TrailingSlash:
    """RAGFlow answers a path with a slash at its end as the one without."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self._app(scope, receive, send)


class _Endpoint:
    """One path: reads the request in the event loop, runs the handler, which may block, in a thread."""

    def __init__(self, engine: Engine, verbs: Mapping[str, Handler], api_key: str | None) -> None:
        self._engine = engine
        self._verbs = verbs
        self._api_key = api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except Fail as fail:
            response = fail.response()
        except HTTPException as error:  # a multipart body that is none
            response = Fail(
                f"<BadRequest '400: Bad Request'> {error.detail}", EXCEPTION, data=None
            ).response()
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        handler = self._verbs.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            raise Fail("<MethodNotAllowed '405: Method Not Allowed'>", EXCEPTION, data=None)
        check_key(request.headers, self._api_key)
        async with AsyncExitStack() as stack:
            form = await stack.enter_async_context(request.form()) if _has_form(request) else None
            body = b"" if form is not None else await request.body()
            content_type = request.headers.get("content-type")
            call = Call(self._engine, request.path_params, request.query_params, content_type, body, form)
            return await run_in_threadpool(_answer, handler, call, f"{request.method} {request.url.path}")


def _answer(handler: Handler, call: Call, what: str) -> Response:
    try:
        return handler(call)
    except Fail as fail:
        return fail.response()
    except Problem as problem:
        return Fail(str(problem)).response()
    except Exception as error:  # noqa: BLE001 - whatever fails is answered, as code 100
        _log.exception("%s failed", what)
        return Fail(repr(error), EXCEPTION, data=None).response()


def _has_form(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("multipart/form-data", "application/x-www-form-urlencoded")


async def _not_found(request: Request, error: Exception) -> Response:
    # HTTPException is what Starlette's router raises; nothing of ours does
    assert isinstance(error, HTTPException)
    path = request.url.path
    return JSON({"code": 404, "data": None, "error": "Not Found", "message": f"Not Found: {path}"}, 404)
