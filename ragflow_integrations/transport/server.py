"""A server as the HTTP library is told of it: addresses, headers, certificates, proxies; its failures as ours.

httpcore carries the requests, which is httpx's own engine. httpx does what is rare, and is imported for that only:
it takes longer to import than the client.
"""

from __future__ import annotations

import re
import ssl
import zlib
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore

from ..config import Settings
from ..errors import (
    ConfigurationError,
    ConnectError,
    InvalidRequestError,
    RequestTimeoutError,
    TransportError,
)
from ..protocol.encoding import encode
from ..protocol.wire import Request
from .exposed import warn_if_exposed
from .network import AsyncNetwork, Network
from .pool import AsyncPool, Pool
from .upload import Upload

__all__ = ["FAILURES", "Server"]

FAILURES = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.ConnectionNotAvailable,  # another thread has closed it in this moment
    zlib.error,
)
"""What the libraries raise when an exchange fails."""

_KEPT = 5.0  # seconds that a connection is kept idle: servers end theirs after as many, or more
_LONGEST = 1 << 16  # bytes of an address
_PLAIN = re.compile(r"(https?)://([\w.-]+)(?::(\d+))?([\w/-]*)", re.ASCII)  # what nothing is to be escaped in
_PORTS = {"http": 80, "https": 443}


class Server:
    """What all requests to it have in common, made once."""

    def __init__(self, settings: Settings) -> None:
        self.base_url, self.at_once = settings.base_url, settings.max_concurrency
        self._settings = settings
        self._address = _base(settings.base_url)
        needed = self._address.scheme == b"https" or isinstance(settings.verify, str)
        self.certificates = _certificates(settings.verify) if needed else None
        self._proxy = _proxy(settings.proxy)
        # no accept-encoding: unpacking costs more than a network nearby; who is far away gives it in headers=
        headers = {
            "host": self._address.netloc,
            "user-agent": "ragflow-integrations",
            **settings.headers,
        }
        if settings.api_key is not None:
            headers["authorization"] = f"Bearer {settings.api_key.get_secret_value()}"
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    def pool(self) -> Pool:
        """A new one for this process."""
        proxy = self._way()
        maker = httpcore.ConnectionPool(
            self.certificates, proxy, keepalive_expiry=_KEPT, network_backend=Network()
        )
        return Pool(maker, self._address.url(b"/").origin)

    def async_pool(self) -> AsyncPool:
        """A new one for the running event loop."""
        proxy = self._way()
        maker = httpcore.AsyncConnectionPool(
            self.certificates, proxy, keepalive_expiry=_KEPT, network_backend=AsyncNetwork()
        )
        return AsyncPool(maker, self._address.url(b"/").origin)

    def _way(self) -> httpcore.Proxy | None:
        warn_if_exposed(self._settings)
        return self._proxy or _proxy_of_environment(self.base_url)

    def built(self, request: Request, timeout: float | None, upload: Upload | None) -> httpcore.Request:
        """The request as it goes out; raises ``InvalidRequestError`` for what does not fit into JSON."""
        content_type, body = encode(request)
        headers, length = self._headers.copy(), len(body)
        if upload is not None:
            content_type, length = upload.content_type, upload.length
        if content_type is not None:
            headers.append((b"content-type", content_type.encode()))
        if length or request.method != "GET":
            headers.append((b"content-length", b"%d" % length))
        return httpcore.Request(
            request.method,
            self._url(request),
            headers=headers,
            content=body if upload is None else upload,
            extensions={"timeout": {"connect": timeout, "read": timeout, "write": timeout}},
        )

    def _url(self, request: Request) -> httpcore.URL:
        try:
            target = _taken_apart(self.base_url + request.path).target
        except ValueError as error:
            raise _no_address(request, str(error)) from None
        if request.query:
            target += b"?" + urlencode(request.query).encode()
        if len(target) > _LONGEST:
            raise _no_address(request, "it is too long")
        return self._address.url(target)

    def failure(
        self, error: Exception, request: Request, broken_off: type[TransportError] = TransportError
    ) -> TransportError:
        """One of ``FAILURES`` as ours, without its chain: the frames in it hold the key."""
        error.__traceback__ = error.__cause__ = error.__context__ = None
        match error:
            case httpcore.ConnectError() | httpcore.ConnectTimeout():
                return ConnectError(
                    f"no RAGFlow server answers at {self.base_url} ({_reason(error)}); "
                    "is it running, and is base_url right?"
                )
            case httpcore.TimeoutException():
                return RequestTimeoutError(
                    f"{self.base_url} did not answer {_what(request)} in time; a larger timeout= allows more"
                )
        return broken_off(f"{_what(request)} at {self.base_url} broke off: {_reason(error)}")


class _Address(NamedTuple):
    scheme: bytes
    host: bytes
    port: int | None  # None: that of the scheme
    target: bytes

    @property
    def netloc(self) -> str:
        host = self.host.decode("ascii")
        host = f"[{host}]" if ":" in host else host
        return host if self.port is None else f"{host}:{self.port}"

    def url(self, target: bytes) -> httpcore.URL:
        return httpcore.URL(scheme=self.scheme, host=self.host, port=self.port, target=target)


def _base(base_url: str) -> _Address:
    try:
        return _taken_apart(base_url)
    except ValueError as error:
        raise ConfigurationError(f"base_url={base_url!r}: not a usable address ({error})") from None


@lru_cache(maxsize=256)
def _taken_apart(address: str) -> _Address:
    """Raises ``ValueError`` for what is no address. Kept, since this may cost as much as sending a request."""
    if plain := _PLAIN.fullmatch(address):
        scheme, host, port, target = plain.groups()
        other = int(port) if port and int(port) != _PORTS[scheme] else None
        return _Address(scheme.encode(), host.lower().encode(), other, (target or "/").encode())
    import httpx

    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise ValueError(str(error)) from None
    return _Address(url.raw_scheme, url.raw_host, url.port, url.raw_path)


def _no_address(request: Request, reason: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"an argument does not fit into an address: {reason}", method=request.method, path=request.path
    )


def _what(request: Request) -> str:
    return f"{request.method} {request.path}"


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


@cache
def _certificates(verify: bool | str) -> ssl.SSLContext:
    """Those to trust, read once: it takes longer than a hundred calls."""
    if isinstance(verify, bool):
        import httpx

        return httpx.create_ssl_context(verify=verify)
    try:
        folder = Path(verify).is_dir()
        return ssl.create_default_context(
            capath=verify if folder else None, cafile=None if folder else verify
        )
    except OSError as error:
        raise ConfigurationError(
            f"verify={verify!r}: give a file or folder of CA certificates ({error})"
        ) from error


def _proxy(url: str | None) -> httpcore.Proxy | None:
    if url is None:
        return None
    import httpx

    try:
        proxy = httpx.Proxy(url)
    except (ValueError, httpx.InvalidURL):  # its text repeats the address, which may hold a password
        raise ConfigurationError(
            "proxy: give 'http://host:port' or 'https://host:port', with 'user:password@' if it asks"
        ) from None
    if proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigurationError("proxy: for one with socks5, pip install socksio")
    address = httpcore.URL(
        scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=b"/"
    )
    return httpcore.Proxy(address, proxy.raw_auth)


def _proxy_of_environment(base_url: str) -> httpcore.Proxy | None:
    """What ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` say."""
    place, proxies = urlsplit(base_url), getproxies()
    url = proxies.get(place.scheme) or proxies.get("all")
    if not url or proxy_bypass(place.hostname or ""):
        return None
    return _proxy(url if "://" in url else f"http://{url}")
