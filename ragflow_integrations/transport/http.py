"""HTTP: the only file that imports the HTTP library.

Connections are pooled per client; a client for event loops has a pool per running loop, closed when that
loop ends. The API key is put on here and goes to ``base_url``'s own origin only, since redirects are not
followed. What all requests have in common is prepared once, and the library's transports are used without
its client, which would keep cookies between the requests of different users.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from ..config import Settings
from ..errors import (
    ConfigurationError,
    ConnectError,
    InvalidRequestError,
    RequestTimeoutError,
    StreamInterruptedError,
    TransportError,
)
from ..protocol.encoding import encode
from ..protocol.wire import Request, Response
from .exposed import warn_if_exposed
from .limit import Limit, limit_of
from .loops import PerLoop, call_in
from .upload import Upload
from .whole import WholeAnswer

__all__ = ["AsyncHTTPTransport", "HTTPTransport"]


class HTTPTransport:
    """Requests to one server over a pool of connections; safe to share between threads and after a fork."""

    def __init__(self, settings: Settings) -> None:
        self._server = _Server(settings)
        self._lock = threading.Lock()
        self._pools: dict[int, _Pool] = {}  # by process: a forked child leaves its parent's alone

    def send(self, request: Request, *, timeout: float | None) -> Response:
        """One exchange, read whole."""
        pool = self._pools.get(os.getpid()) or self._new_pool()
        built = self._server.built(request, timeout, Upload(request) if request.files else None)
        pool.limit.acquire(self._server.at_once, timeout)
        try:
            return _read(pool.http.handle_request(built), request, timeout)
        except httpx.HTTPError as error:
            raise self._server.failure(error, request) from None
        finally:
            pool.limit.release()

    def open(self, request: Request, *, timeout: float | None) -> _HTTPStream:
        """One exchange whose answer is read as it arrives."""
        pool = self._pools.get(os.getpid()) or self._new_pool()
        built = self._server.built(request, timeout, Upload(request) if request.files else None)
        pool.limit.acquire(self._server.at_once, timeout)
        stream = None
        try:
            stream = _HTTPStream(self, request, pool.http.handle_request(built), pool.limit)
        except httpx.HTTPError as error:
            raise self._server.failure(error, request) from None
        finally:
            if stream is None:
                pool.limit.release()
        return stream

    def close(self) -> None:
        """Close the pooled connections; a later request opens new ones."""
        with self._lock:
            pool = self._pools.pop(os.getpid(), None)
        if pool is not None:
            pool.http.close()

    def _new_pool(self) -> _Pool:
        with self._lock:
            pool = self._pools.get(os.getpid())
            if pool is None:
                http = httpx.HTTPTransport(**self._server.options())
                pool = self._pools[os.getpid()] = _Pool(http, limit_of(self._server.base_url))
                weakref.finalize(self, http.close).atexit = False
            return pool


class _Pool(NamedTuple):
    http: httpx.HTTPTransport
    limit: Limit


class AsyncHTTPTransport:
    """Requests to one server from any number of event loops, a pool each."""

    def __init__(self, settings: Settings) -> None:
        self._server = _Server(settings)
        self._pools: PerLoop[_AsyncPool] = PerLoop(self)

    async def send(self, request: Request, *, timeout: float | None) -> Response:
        """One exchange, read whole."""
        pool = self._pools.get() or await self._new_pool()
        upload = await Upload.measured(request) if request.files else None
        built = self._server.built(request, timeout, upload)
        await pool.limit.acquire_async(self._server.at_once, timeout)
        try:
            return await _aread(await pool.http.handle_async_request(built), request, timeout)
        except httpx.HTTPError as error:
            raise self._server.failure(error, request) from None
        finally:
            pool.limit.release()

    async def open(self, request: Request, *, timeout: float | None) -> _AsyncHTTPStream:
        """One exchange whose answer is read as it arrives."""
        pool = self._pools.get() or await self._new_pool()
        upload = await Upload.measured(request) if request.files else None
        built = self._server.built(request, timeout, upload)
        await pool.limit.acquire_async(self._server.at_once, timeout)
        stream = None
        try:
            answer = await pool.http.handle_async_request(built)
            stream = _AsyncHTTPStream(self, request, answer, pool.limit)
        except httpx.HTTPError as error:
            raise self._server.failure(error, request) from None
        finally:
            if stream is None:
                pool.limit.release()
        return stream

    async def aclose(self) -> None:
        """Close the running loop's connections; those of other loops are closed with their loops."""
        await self._pools.aclose()

    async def _new_pool(self) -> _AsyncPool:
        http = httpx.AsyncHTTPTransport(**self._server.options())
        return await self._pools.keep(_AsyncPool(http, limit_of(self._server.base_url)), http.aclose)


class _AsyncPool(NamedTuple):
    http: httpx.AsyncHTTPTransport
    limit: Limit


def _read(answer: httpx.Response, request: Request, timeout: float | None) -> Response:
    headers, stream = _headers(answer), cast("httpx.SyncByteStream", answer.stream)
    whole = WholeAnswer(request, answer.status_code, headers, timeout)
    try:
        for piece in answer.iter_bytes() if "content-encoding" in headers else stream:
            if not whole.add(piece):
                break
    finally:
        stream.close()
    return whole.response()


async def _aread(answer: httpx.Response, request: Request, timeout: float | None) -> Response:
    headers, stream = _headers(answer), cast("httpx.AsyncByteStream", answer.stream)
    whole = WholeAnswer(request, answer.status_code, headers, timeout)
    try:
        async for piece in answer.aiter_bytes() if "content-encoding" in headers else stream:
            if not whole.add(piece):
                break
    finally:
        await stream.aclose()
    return whole.response()


class _HTTPStream:
    def __init__(self, owner: HTTPTransport, request: Request, answer: httpx.Response, limit: Limit) -> None:
        self._owner = owner  # a transport that nobody holds any more closes its connections
        self._request, self._answer = request, answer
        self.status, self.headers = answer.status_code, _headers(answer)
        self._end = weakref.finalize(self, _end, answer.stream, limit)  # runs once, also if this is dropped
        self._end.atexit = False

    def __iter__(self) -> Iterator[bytes]:
        answer: Any = self._answer
        try:
            yield from answer.iter_bytes() if "content-encoding" in self.headers else answer.stream
        except httpx.HTTPError as error:
            raise self._owner._server.failure(error, self._request, StreamInterruptedError) from None
        finally:
            self.close()

    def close(self) -> None:
        self._end()


def _end(stream: Any, limit: Limit) -> None:
    try:
        stream.close()
    finally:
        limit.release()


class _AsyncHTTPStream:
    def __init__(
        self, owner: AsyncHTTPTransport, request: Request, answer: httpx.Response, limit: Limit
    ) -> None:
        self._owner = owner  # a transport that nobody holds any more closes its connections
        self._request, self._answer, self._limit = request, answer, limit
        self.status, self.headers = answer.status_code, _headers(answer)
        loop = asyncio.get_running_loop()
        self._dropped = weakref.finalize(self, _end_in, loop, answer.stream, limit)
        self._dropped.atexit = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        answer: Any = self._answer
        try:
            async for piece in answer.aiter_bytes() if "content-encoding" in self.headers else answer.stream:
                yield piece
        except httpx.HTTPError as error:
            raise self._owner._server.failure(error, self._request, StreamInterruptedError) from None
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        if self._dropped.detach() is None:
            return  # closed before
        stream: Any = self._answer.stream
        try:
            await stream.aclose()
        finally:
            self._limit.release()


def _end_in(loop: asyncio.AbstractEventLoop, stream: Any, limit: Limit) -> None:
    """For a stream that is dropped before it was read."""
    call_in(loop, stream.aclose)
    limit.release()


class _Server:
    """A server as the HTTP library is told of it: what all requests have in common, made once."""

    def __init__(self, settings: Settings) -> None:
        self.base_url, self.at_once = settings.base_url, settings.max_concurrency
        self._settings = settings
        encrypted = settings.base_url.startswith("https:")
        self._verify = _verification(settings.verify, encrypted)
        self._proxy = _proxy(settings.proxy)
        # no accept-encoding: unpacking costs more than a network nearby; who is far away gives it in headers=
        headers = {"host": _host(settings.base_url), "user-agent": "ragflow-integrations", **settings.headers}
        if settings.api_key is not None:
            headers["authorization"] = f"Bearer {settings.api_key.get_secret_value()}"
        self._headers = httpx.Headers(headers)
        self._json_headers = httpx.Headers({**headers, "content-type": "application/json"})

    def options(self) -> dict[str, Any]:
        """Of a new pool; the limit of requests is ours, not the pool's."""
        warn_if_exposed(self._settings)
        return {
            "verify": self._verify,
            "proxy": self._proxy or _proxy_of_environment(self.base_url),
            "limits": httpx.Limits(max_connections=None, max_keepalive_connections=self.at_once),
        }

    def built(self, request: Request, timeout: float | None, upload: Upload | None) -> httpx.Request:
        """The request as it goes out; raises ``InvalidRequestError`` for what does not fit into JSON."""
        content_type, body = encode(request)
        built = httpx.Request(
            request.method,
            self._address(request),
            headers=self._headers if content_type is None else self._json_headers,
            stream=httpx.ByteStream(body) if upload is None else _Streamed(upload),
            extensions={"timeout": {"connect": timeout, "read": timeout, "write": timeout, "pool": timeout}},
        )
        if upload is not None:
            built.headers["content-type"] = upload.content_type
            built.headers["content-length"] = str(upload.length)
        elif body or request.method != "GET":
            built.headers["content-length"] = str(len(body))
        return built

    def _address(self, request: Request) -> httpx.URL:
        try:
            return _address(self.base_url + request.path, request.query)
        except httpx.InvalidURL as error:
            raise InvalidRequestError(
                f"an argument does not fit into an address: {error}", method=request.method, path=request.path
            ) from None

    def failure(
        self, error: httpx.HTTPError, request: Request, broken_off: type[TransportError] = TransportError
    ) -> TransportError:
        """The HTTP library's exception as ours, without its chain: the frames in it hold the key."""
        error.__traceback__ = error.__cause__ = error.__context__ = None
        match error:
            case httpx.ConnectError() | httpx.ConnectTimeout():
                return ConnectError(
                    f"no RAGFlow server answers at {self.base_url} ({_reason(error)}); "
                    "is it running, and is base_url right?"
                )
            case httpx.TimeoutException():
                return RequestTimeoutError(
                    f"{self.base_url} did not answer {_what(request)} in time; a larger timeout= allows more"
                )
        return broken_off(f"{_what(request)} at {self.base_url} broke off: {_reason(error)}")


class _Streamed(httpx.SyncByteStream, httpx.AsyncByteStream):
    """An upload as the HTTP library takes it."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._upload)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._upload)


def _host(base_url: str) -> str:
    try:
        return httpx.URL(base_url).netloc.decode("ascii")
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"base_url={base_url!r}: not a usable address ({error})") from None


@lru_cache(maxsize=256)
def _address(url: str, query: tuple[tuple[str, str], ...]) -> httpx.URL:
    """Kept, since taking one apart costs as much as sending a request."""
    return httpx.URL(url, params=query) if query else httpx.URL(url)


def _headers(answer: httpx.Response) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): str(value, "utf-8", "replace") for name, value in answer.headers.raw
    }


def _what(request: Request) -> str:
    return f"{request.method} {request.path}"


def _reason(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__


@cache
def _verification(verify: bool | str, encrypted: bool) -> ssl.SSLContext | bool:
    """The certificates to trust, read once and only for https: it takes longer than a hundred calls."""
    if verify is False or (verify is True and not encrypted):
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


def _proxy(url: str | None) -> httpx.Proxy | None:
    try:
        return None if url is None else httpx.Proxy(url)
    except (ValueError, httpx.InvalidURL):  # its text repeats the address, which may hold a password
        raise ConfigurationError(
            "proxy: give 'http://host:port' or 'https://host:port', with 'user:password@' if it asks"
        ) from None


def _proxy_of_environment(base_url: str) -> httpx.Proxy | None:
    """What ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` say."""
    place, proxies = urlsplit(base_url), getproxies()
    url = proxies.get(place.scheme) or proxies.get("all")
    if not url or proxy_bypass(place.hostname or ""):
        return None
    return _proxy(url if "://" in url else f"http://{url}")
