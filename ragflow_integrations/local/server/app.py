"""The ASGI application: routes, keys, and every error as RAGFlow words it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ..problems import Problem
from .auth import Gate, OpenGate
from .call import Body, Call, Handler, Query
from .dialect import Dialect, Look, names_first
from .envelope import EXCEPTION, JSON, Fail, not_there_yet, told
from .guard import MAX_FIELDS, MAX_FILES, Guard, names_of
from .openapi import document
from .threads import in_thread
from .v027 import V027

if TYPE_CHECKING:
    from ..engine import Engine

__all__ = ["build_app", "dialect_of", "served"]

_FROM_STRANGERS = 1024 * 1024  # bytes of a body
_VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_SENT = "ragflow_integrations.sent_path"


def build_app(
    engine: Engine, *, with_keys: bool = True, api_version: str = "0.27", host: str | None = None
) -> ASGIApp:
    """The local engine's HTTP API as an ASGI application; it answers as RAGFlow of ``api_version``.

    Callers must send a key that the engine knows as ``Authorization: Bearer …``; without ``with_keys``, for use
    in-process, every call is let through as the owner's. ``host`` is the address that it is served on: on loopback
    it answers to loopback's names only. The engine stays the caller's: the application neither opens nor closes
    it, and needs no lifespan events.
    """
    dialect, gate = dialect_of(api_version), Gate if with_keys else OpenGate
    routes = [
        Route(path, _Endpoint(gate(engine, dialect, wanted), verbs, dialect.looking_first(path)))
        for wanted, table in dialect.tables().items()
        for path, verbs in table.items()
    ]
    routes += [
        Route("/openapi.json", _Openapi(dialect), methods=["GET"]),
        *_absent(dialect, gate(engine, dialect, "api")),
    ]
    routes.sort(key=lambda route: names_first(route.path))
    app = Starlette(routes=routes, exception_handlers={404: _not_found})
    app.router.redirect_slashes = False
    return Guard(_Slashes(app), None if host is None else names_of(host))


def dialect_of(api_version: str) -> Dialect:
    """How a RAGFlow of this version answers: 0.27, or 0.24, which is imported for those only who ask for it."""
    if api_version == "0.27":
        return V027
    if api_version == "0.24":
        from .v024 import V024

        return V024
    raise ValueError(f"api_version={api_version!r}: give '0.27' or '0.24'")


def served(api_version: str = "0.27") -> frozenset[tuple[str, str]]:
    """All that is answered, as ``(method, path)`` with names where ids go; the documentation lists it."""
    dialect = dialect_of(api_version)
    answered = (
        (method, path, handler)
        for table in dialect.tables().values()
        for path, verbs in table.items()
        for method, handler in verbs.items()
    )
    return frozenset((method, path) for method, path, handler in answered if handler not in dialect.refusing)


def _absent(dialect: Dialect, gate: Gate) -> Iterator[Route]:
    """Routes for what the engine has nothing of, which say so."""
    for path, feature in dialect.absent().items():
        verbs = dict.fromkeys(_VERBS, partial(_refuse, feature))
        yield from (Route(full, _Endpoint(gate, verbs)) for full in (path, path + "/{rest:path}"))


def _refuse(feature: str, call: Call) -> Response:
    raise not_there_yet(feature)


class _Slashes:
    """RAGFlow passes over a slash at the end of a path, and takes two in a row, as an empty id makes them, for one.

    Where the path with one is served by this method, it sends the caller there.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = re.sub("/{2,}", "/", scope["path"].rstrip("/") or "/")
            scope = {**scope, "path": path, _SENT: scope["path"]}
        await self._app(scope, receive, send)


class _Openapi:
    """``GET /openapi.json``, for everybody: what is served, made once."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._made: JSON | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._made is None:
            self._made = JSON(await run_in_threadpool(document, self._dialect))
        await self._made(scope, receive, send)


class _Endpoint:
    """One path: reads the request in the event loop, runs the handler, which may block, in a thread of its own path.

    Who has no key for it is told first what ``look`` finds wrong with the body.
    """

    def __init__(self, gate: Gate, verbs: Mapping[str, Handler], look: Look | None = None) -> None:
        self._gate = gate
        self._verbs = verbs
        self._look = look

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return
        except Fail as fail:
            response = fail.response()
        except Exception as error:  # noqa: BLE001 - whatever fails is answered
            what = f"{request.method} {request.url.path}"
            response = (await run_in_threadpool(_failure, error, what)).response()
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        handler = self._verbs.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            raise Fail("<MethodNotAllowed '405: Method Not Allowed'>", EXCEPTION, data=None)
        if "//" in request.scope[_SENT]:
            return _elsewhere(request)
        async with AsyncExitStack() as stack:
            try:
                tenant = await self._gate.tenant(request.url.path, request.headers)
            except Fail:
                if self._look is not None and _is_small(request):
                    await run_in_threadpool(self._look, await _body(request, stack))
                raise
            body = await _body(request, stack)
            query = Query(request.query_params.multi_items())
            call = Call(body.content_type, body.body, body.form, tenant, request.path_params, query)
            return await in_thread(self, partial(handler, call))


def _failure(error: Exception, what: str) -> Fail:
    """The answer to ``what`` if it fails otherwise; what nobody expects is code 100, and logged."""
    if isinstance(error, Problem):
        return Fail(str(error))
    if isinstance(error, HTTPException):  # a form that is none
        return Fail(f"<BadRequest '400: Bad Request'> {error.detail}", EXCEPTION, data=None)
    return Fail(told(error, what), EXCEPTION, data=None)


def _elsewhere(request: Request) -> Response:
    """Sends the caller to the path without its empty parts."""
    query = request.scope["query_string"].decode("latin-1")
    where = quote(request.scope["path"]) + (f"?{query}" if query else "")
    return Response(status_code=308, headers={"Location": where})


def _is_small(request: Request) -> bool:
    """Whether a body is read although nobody knows who sends it: announced, not long, and without files."""
    announced = request.headers.get("content-length", "0")
    unknown = "transfer-encoding" in request.headers or not announced.isdecimal()
    return not unknown and int(announced) <= _FROM_STRANGERS and not _has_form(request)


async def _body(request: Request, stack: AsyncExitStack) -> Body:
    """The body, whose files are open as long as the stack."""
    content_type = request.headers.get("content-type")
    if not _has_form(request):
        return Body(content_type, await request.body(), None)
    try:
        form = await stack.enter_async_context(request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS))
        for name, value in form.multi_items():
            # some charsets have half surrogate pairs, which no answer can hold
            (name + (value if isinstance(value, str) else value.filename or "")).encode()
    except UnicodeError as error:
        raise HTTPException(400, f"The form is not in the charset that it names: {error}") from None
    return Body(content_type, b"", form)


def _has_form(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("multipart/form-data", "application/x-www-form-urlencoded")


async def _not_found(request: Request, error: Exception) -> Response:
    # HTTPException is what Starlette's router raises; nothing of ours does
    assert isinstance(error, HTTPException)
    path = request.scope[_SENT]
    return JSON({"code": 404, "data": None, "error": "Not Found", "message": f"Not Found: {path}"}, 404)
