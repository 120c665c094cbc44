"""The local engine in this process: the same server application, called without a socket.

Requests run on one background event loop of the process, never in the caller's, and their answers are
handed over piece by piece as the application makes them.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import queue
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from ..errors import (
    ConfigurationError,
    RAGFlowError,
    RequestTimeoutError,
    StreamInterruptedError,
    TransportError,
)
from ..protocol.encoding import encode
from ..protocol.versions import Version
from ..protocol.wire import Request, Response
from .upload import Upload

__all__ = ["AsyncLocalTransport", "LocalApp", "LocalTransport"]

_App = Callable[..., Awaitable[None]]
_Item = tuple[int, Mapping[str, str]] | bytes | BaseException | None
"""What an exchange delivers: status and headers, pieces of the body, then ``None`` or what went wrong."""


class LocalApp:
    """One engine and its application, opened at the first request and closed by the client that owns it.

    It answers as RAGFlow ``api_version``, 0.27 or 0.24; ``models`` are the arguments of ``RAGFlow.local`` about them.
    """

    def __init__(self, path: str, api_version: str = "0.27") -> None:
        missing = [name for name in ("apsw", "numpy", "starlette") if importlib.util.find_spec(name) is None]
        if missing:
            raise ConfigurationError(
                f"the local engine needs {', '.join(missing)}: pip install 'ragflow-integrations[local]'"
            )
        self.path = (
            path if path == ":memory:" else str(Path(path).expanduser().resolve())
        )  # kept when the process moves
        self.models: Mapping[str, Any] = {}
        self._api_version = _dialect(api_version)
        self._lock = threading.Lock()
        self._engine: Any = None
        self._app: _App | None = None
        self._pid = os.getpid()
        self._closed = False

    def close(self) -> None:
        """Close the engine; blocks until it is closed. Does nothing the second time."""
        with self._lock:
            self._closed = True
            engine, self._engine, self._app = self._engine, None, None
        if engine is not None and self._pid == os.getpid():
            engine.close()

    @property
    def ready(self) -> _App | None:
        """The application if it is open: without the change of threads that opening it takes."""
        return self._app if self._pid == os.getpid() else None

    def app(self) -> _App:
        """The application; opens the engine, so it blocks the first time."""
        with self._lock:
            self._check_open()
            if self._pid != os.getpid():  # a forked child opens the folder for itself
                self._engine, self._app, self._pid = None, None, os.getpid()
            if self._app is None:
                self._app = self._opened()
            return self._app

    def _check_open(self) -> None:
        if self._closed:
            raise ConfigurationError(
                f"the local engine {self.path!r} was closed with the client that opened it; make a new one"
            )
        if self._pid != os.getpid() and self.path == ":memory:":
            raise ConfigurationError(
                "an engine in memory does not survive a fork; give RAGFlow.local() a folder"
            )

    def _opened(self) -> _App:
        from ..local.engine import open_engine
        from ..local.models import Choice
        from ..local.problems import Problem
        from ..local.server.app import build_app

        try:
            self._engine = open_engine(self.path, Choice(**self.models))
        except (Problem, OSError) as problem:
            raise ConfigurationError(f"the local engine cannot be opened: {problem}") from problem
        return build_app(self._engine, with_keys=False, api_version=self._api_version)


def _dialect(version: str) -> str:
    found = Version.parse(version)
    if found is None or found[:2] not in ((0, 27), (0, 24)):
        raise ConfigurationError(f"the local engine answers as RAGFlow 0.27 or 0.24, not as {version}")
    return f"{found.major}.{found.minor}"


class LocalTransport:
    """Requests to the engine of this process, from any thread."""

    def __init__(self, app: LocalApp, *, owner: bool = True) -> None:
        self._app = app
        self._owner = owner

    def send(self, request: Request, *, timeout: float | None) -> Response:
        """One exchange, read whole."""
        stream = self.open(request, timeout=timeout)
        return Response(stream.status, stream.headers, b"".join(stream))

    def open(self, request: Request, *, timeout: float | None) -> _LocalStream:
        """One exchange whose answer is read as it arrives."""
        return _LocalStream(self._app, request, timeout)

    def close(self) -> None:
        """Close the engine, if this belongs to the client that opened it."""
        if self._owner:
            self._app.close()


class AsyncLocalTransport:
    """Requests to the engine of this process, from any event loop."""

    def __init__(self, app: LocalApp, *, owner: bool = True) -> None:
        self._app = app
        self._owner = owner

    async def send(self, request: Request, *, timeout: float | None) -> Response:
        """One exchange, read whole."""
        stream = await self.open(request, timeout=timeout)
        return Response(stream.status, stream.headers, b"".join([piece async for piece in stream]))

    async def open(self, request: Request, *, timeout: float | None) -> _AsyncLocalStream:
        """One exchange whose answer is read as it arrives."""
        stream = _AsyncLocalStream(self._app, request, timeout)
        await stream.start()
        return stream

    async def aclose(self) -> None:
        """Close the engine, if this belongs to the client that opened it."""
        if self._owner:
            await asyncio.to_thread(self._app.close)


class _LocalStream:
    def __init__(self, app: LocalApp, request: Request, timeout: float | None) -> None:
        self._items: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._request, self._timeout = request, timeout
        self._work = _background().submit(_exchange(app, request, self._items.put))
        self.status, self.headers = _started(self._next())

    def __iter__(self) -> Iterator[bytes]:
        try:
            while (item := self._next()) is not None:
                yield _piece(item)
        finally:
            self.close()

    def close(self) -> None:
        self._work.cancel()

    def _next(self) -> _Item:
        try:
            return self._items.get(timeout=self._timeout)
        except queue.Empty:
            self.close()
            raise _too_slow(self._request, self._timeout) from None


class _AsyncLocalStream:
    status: int
    headers: Mapping[str, str]

    def __init__(self, app: LocalApp, request: Request, timeout: float | None) -> None:
        self._items: asyncio.Queue[_Item] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._request, self._timeout = request, timeout
        self._work = _background().submit(_exchange(app, request, self._deliver))

    async def start(self) -> None:
        self.status, self.headers = _started(await self._next())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while (item := await self._next()) is not None:
                yield _piece(item)
        finally:
            self._work.cancel()

    async def aclose(self) -> None:
        self._work.cancel()

    def _deliver(self, item: _Item) -> None:
        with suppress(RuntimeError):  # the caller's loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._items.put_nowait, item)

    async def _next(self) -> _Item:
        try:
            return await asyncio.wait_for(self._items.get(), self._timeout)
        except TimeoutError:
            self._work.cancel()
            raise _too_slow(self._request, self._timeout) from None
        except asyncio.CancelledError:
            self._work.cancel()
            raise


def _started(item: _Item) -> tuple[int, Mapping[str, str]]:
    if isinstance(item, BaseException):
        raise item
    if not isinstance(item, tuple):
        raise TransportError("the local engine ended without an answer")
    return item


def _piece(item: _Item) -> bytes:
    if isinstance(item, BaseException):
        raise item
    assert isinstance(item, bytes)
    return item


def _too_slow(request: Request, timeout: float | None) -> RequestTimeoutError:
    return RequestTimeoutError(
        f"the local engine did not answer {request.method} {request.path} within {timeout} s"
    )


async def _exchange(local: LocalApp, request: Request, deliver: Callable[[_Item], None]) -> None:
    """One ASGI exchange on the background loop."""
    failure: type[TransportError] = TransportError
    try:
        app = await _app_of(local)
        upload = await Upload.measured(request) if request.files else None
        content_type, body = encode(request) if upload is None else (upload.content_type, b"")
        messages = _messages(upload, body)

        async def receive() -> Mapping[str, Any]:
            try:
                message = await anext(messages, None)
            except RAGFlowError as error:  # what the application makes of it is no answer
                deliver(error)
                raise
            if message is None:  # nobody disconnects here: breaking off cancels this exchange
                message = await asyncio.get_running_loop().create_future()
            return message

        async def send(message: MutableMapping[str, Any]) -> None:
            nonlocal failure
            if message["type"] == "http.response.start":
                failure = StreamInterruptedError
                headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
                deliver((message["status"], headers))
            elif message.get("body"):
                deliver(bytes(message["body"]))

        await app(_scope(request, content_type), receive, send)
        deliver(None)
    except asyncio.CancelledError:
        deliver(None)
        raise
    except RAGFlowError as error:
        deliver(error)
    except Exception as error:  # noqa: BLE001 - whatever the application raises reaches the caller
        told = failure(f"the local engine failed at {request.method} {request.path}: {error!r}")
        told.__cause__ = error
        deliver(told)


async def _app_of(local: LocalApp) -> _App:
    app = local.ready
    return await asyncio.to_thread(local.app) if app is None else app


async def _messages(upload: Upload | None, last: bytes) -> AsyncIterator[Mapping[str, Any]]:
    """The body as the application is given it."""
    if upload is not None:
        async for piece in upload:
            yield {"type": "http.request", "body": piece, "more_body": True}
    yield {"type": "http.request", "body": last, "more_body": False}


def _scope(request: Request, content_type: str | None) -> dict[str, Any]:
    headers = [(b"host", b"local")]
    if content_type is not None:
        headers.append((b"content-type", content_type.encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.path,
        "raw_path": quote(request.path, safe="/:").encode(),
        "query_string": urlencode(request.query).encode(),
        "root_path": "",
        "headers": headers,
        "server": ("local", 80),
        "client": ("local", 0),
        "state": {},
    }


class _Background:
    """One event loop in one daemon thread, for every engine of the process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="ragflow-local", daemon=True).start()

    def submit(self, work: Any) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)


_lock = threading.Lock()
_running: _Background | None = None


def _background() -> _Background:
    """The background loop; a forked child makes its own."""
    global _running
    with _lock:
        if _running is None or _running.pid != os.getpid():
            _running = _Background()
        return _running
