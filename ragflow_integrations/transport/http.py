"""HTTP: the only file that imports the HTTP library.

Connections are pooled per client; a client for event loops has a pool per running loop, closed when that
loop ends. The API key is put on here and goes to ``base_url``'s own origin only, since redirects are not
followed.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from ..config import Settings
from ..errors import (
    BusyError,
    ConfigurationError,
    ConnectError,
    RequestTimeoutError,
    StreamInterruptedError,
    TransportError,
)
from ..protocol.encoding import encode
from ..protocol.wire import Request, Response

__all__ = ["AsyncHTTPTransport", "HTTPTransport"]


class HTTPTransport:
    """Requests to one server over a pool of connections; safe to share between threads and after a fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._options = _options(settings)
        self._lock = threading.Lock()
        self._clients: dict[int, httpx.Client] = {}  # by process: a forked child leaves its parent's alone

    def send(self, request: Request, *, timeout: float | None) -> Response:
        """One exchange, read whole."""
        client = self._pool()
        with _our_errors(self._settings, request):
            answer = client.send(_built(client, request, self._settings, timeout))
        return Response(answer.status_code, _headers(answer), answer.content)

    def open(self, request: Request, *, timeout: float | None) -> _HTTPStream:
        """One exchange whose answer is read as it arrives."""
        client = self._pool()
        with _our_errors(self._settings, request):
            answer = client.send(_built(client, request, self._settings, timeout), stream=True)
        return _HTTPStream(self, self._settings, request, answer)

    def close(self) -> None:
        """Close the pooled connections; a later request opens new ones."""
        with self._lock:
            client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()

    def _pool(self) -> httpx.Client:
        with self._lock:
            client = self._clients.get(os.getpid())
            if client is None:
                client = self._clients[os.getpid()] = httpx.Client(**self._options)
                weakref.finalize(self, client.close).atexit = False
            return client


class AsyncHTTPTransport:
    """Requests to one server from any number of event loops, a pool each."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._options = _options(settings)
        self._pools: dict[asyncio.AbstractEventLoop, _LoopPool] = {}
        weakref.finalize(self, _close_forgotten, self._pools).atexit = False

    async def send(self, request: Request, *, timeout: float | None) -> Response:
        """One exchange, read whole."""
        client = await self._pool()
        with _our_errors(self._settings, request):
            answer = await client.send(_built(client, request, self._settings, timeout))
        return Response(answer.status_code, _headers(answer), answer.content)

    async def open(self, request: Request, *, timeout: float | None) -> _AsyncHTTPStream:
        """One exchange whose answer is read as it arrives."""
        client = await self._pool()
        with _our_errors(self._settings, request):
            answer = await client.send(_built(client, request, self._settings, timeout), stream=True)
        return _AsyncHTTPStream(self, self._settings, request, answer)

    async def aclose(self) -> None:
        """Close the running loop's connections; those of other loops are closed with their loops."""
        pool = self._pools.get(asyncio.get_running_loop())
        if pool is not None:
            await pool.closer.aclose()

    async def _pool(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            _forget_ended(self._pools)
            client = httpx.AsyncClient(**self._options)
            pool = self._pools[loop] = _LoopPool(client, _close_with_loop(client, self._pools))
            await anext(pool.closer)
        return pool.client


class _LoopPool(NamedTuple):
    client: httpx.AsyncClient
    closer: AsyncGenerator[None, None]


async def _close_with_loop(
    client: httpx.AsyncClient, pools: dict[asyncio.AbstractEventLoop, _LoopPool]
) -> AsyncGenerator[None, None]:
    """Once started, ended by its event loop: ``asyncio.run`` closes every async generator before the loop."""
    loop = asyncio.get_running_loop()
    # Kept until the loop ends it: collected at the loop's very end it would leave its connections open.
    _closers[loop, id(client)] = pools[loop].closer
    try:
        yield
    finally:
        del _closers[loop, id(client)]
        pools.pop(loop, None)
        await client.aclose()


_closers: dict[tuple[asyncio.AbstractEventLoop, int], AsyncGenerator[None, None]] = {}


def _close_forgotten(pools: dict[asyncio.AbstractEventLoop, _LoopPool]) -> None:
    """Close the pools of a client that was dropped without ``aclose()``, each in its loop, if that still runs."""
    for loop, pool in list(pools.items()):
        _call_in(loop, pool.closer.aclose)
    _forget_ended(pools)


def _forget_ended(pools: dict[asyncio.AbstractEventLoop, _LoopPool]) -> None:
    """Let go of pools whose loop was closed without ending its generators, as plain ``loop.close()`` does."""
    for loop in list(pools):  # a copy, since other threads add theirs meanwhile
        pool = pools.pop(loop, None) if loop.is_closed() else None
        if pool is not None:
            _closers.pop((loop, id(pool.client)), None)


def _call_in(loop: asyncio.AbstractEventLoop, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a closing in the loop that the connections belong to, from any thread, if that loop still runs."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(lambda: loop.create_task(close()))


class _HTTPStream:
    def __init__(self, owner: object, settings: Settings, request: Request, answer: httpx.Response) -> None:
        self._owner = owner  # a transport that nobody holds any more closes its connections
        self._settings, self._request, self._answer = settings, request, answer
        self.status, self.headers = answer.status_code, _headers(answer)
        weakref.finalize(self, answer.close).atexit = False  # for one that is dropped before it was read

    def __iter__(self) -> Iterator[bytes]:
        with _our_errors(self._settings, self._request, StreamInterruptedError):
            yield from self._answer.iter_bytes()

    def close(self) -> None:
        self._answer.close()


class _AsyncHTTPStream:
    def __init__(self, owner: object, settings: Settings, request: Request, answer: httpx.Response) -> None:
        self._owner = owner  # a transport that nobody holds any more closes its connections
        self._settings, self._request, self._answer = settings, request, answer
        self.status, self.headers = answer.status_code, _headers(answer)
        weakref.finalize(self, _close_unread, asyncio.get_running_loop(), answer).atexit = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _our_errors(self._settings, self._request, StreamInterruptedError):
            async for piece in self._answer.aiter_bytes():
                yield piece

    async def aclose(self) -> None:
        await self._answer.aclose()


def _close_unread(loop: asyncio.AbstractEventLoop, answer: httpx.Response) -> None:
    """For a stream that is dropped before it was read."""
    if not answer.is_closed:
        _call_in(loop, answer.aclose)


def _options(settings: Settings) -> dict[str, Any]:
    try:
        proxy = None if settings.proxy is None else httpx.Proxy(settings.proxy)
    except (ValueError, httpx.InvalidURL):  # its text repeats the address, which may hold a password
        raise ConfigurationError(
            "proxy: give 'http://host:port' or 'https://host:port', with 'user:password@' if it asks"
        ) from None
    return {
        "verify": _verification(settings.verify),
        "proxy": proxy,
        "follow_redirects": False,
        "limits": httpx.Limits(max_connections=100, max_keepalive_connections=20),
    }


@cache
def _verification(verify: bool | str) -> ssl.SSLContext | bool:
    """The certificates to trust, read once: it takes longer than a call does."""
    if verify is False:
        return False
    if verify is True:
        return httpx.create_ssl_context()
    try:
        folder = Path(verify).is_dir()
        return ssl.create_default_context(
            capath=verify if folder else None, cafile=None if folder else verify
        )
    except OSError as error:
        raise ConfigurationError(
            f"verify={verify!r}: give a file or folder of CA certificates ({error})"
        ) from error


def _built(
    client: httpx.Client | httpx.AsyncClient, request: Request, settings: Settings, timeout: float | None
) -> httpx.Request:
    content_type, body = encode(request)
    headers = {"user-agent": "ragflow-integrations", **settings.headers}
    if content_type is not None:
        headers["content-type"] = content_type
    if settings.api_key is not None:
        headers["authorization"] = f"Bearer {settings.api_key.get_secret_value()}"
    return client.build_request(
        request.method,
        settings.base_url + request.path,
        params=list(request.query) or None,
        content=body or None,
        headers=headers,
        timeout=timeout,
    )


def _headers(answer: httpx.Response) -> Mapping[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


@contextmanager
def _our_errors(
    settings: Settings, request: Request, broken_off: type[TransportError] = TransportError
) -> Generator[None, None, None]:
    """The HTTP library's exceptions as ours, without their chain: it holds the request and so the key."""
    try:
        yield
    except httpx.HTTPError as error:
        with suppress(RuntimeError):  # an exception without a request
            error.request.headers.pop("authorization", None)
        raise _as_ours(error, settings.base_url, f"{request.method} {request.path}", broken_off) from None
    except httpx.InvalidURL as error:
        raise TransportError(
            f"{request.path} at {settings.base_url}: not a usable address ({error})"
        ) from None


def _as_ours(
    error: httpx.HTTPError, base_url: str, what: str, broken_off: type[TransportError]
) -> TransportError:
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return ConnectError(
                f"no RAGFlow server answers at {base_url} ({_reason(error)}); is it running, and is base_url right?"
            )
        case httpx.PoolTimeout():
            return BusyError(
                f"{what}: all connections to {base_url} were in use all the time; make fewer calls at once"
            )
        case httpx.TimeoutException():
            return RequestTimeoutError(
                f"{base_url} did not answer {what} in time; a larger timeout= allows more"
            )
    return broken_off(f"{what} at {base_url} broke off: {_reason(error)}")


def _reason(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
