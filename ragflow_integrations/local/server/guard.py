"""What is turned away before anything else looks at it: foreign hosts and origins, and what is too much.

A page in a browser can make it send requests to loopback, under a name of the page's own. A server on loopback
therefore answers only to loopback's names, and no server answers pages of other origins.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .envelope import Fail

__all__ = ["MAX_BODY", "MAX_FIELDS", "MAX_FILES", "MAX_UPLOAD", "Guard", "names_of"]

MAX_BODY = 32 * 1024 * 1024
MAX_UPLOAD = 512 * 1024 * 1024
MAX_FILES = 1000
MAX_FIELDS = 100
_MAX_QUERY = 32 * 1024
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def names_of(host: str) -> frozenset[str] | None:
    """The names that a server bound to ``host`` answers to; None means any: others can reach it anyway."""
    return frozenset({host.lower(), *_LOOPBACK}) if _is_loopback(host) else None


class Guard:
    """An ASGI application behind the checks; ``names`` are those of ``names_of``."""

    def __init__(self, app: ASGIApp, names: Collection[str] | None) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal.response()(scope, receive, send)
            return
        await self._app(scope, _counted(receive, _limit(headers)), send)

    def _refusal(self, scope: Scope, headers: Headers) -> Fail | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._names is not None and _name(host) not in self._names:
            return _refused(
                403, f"this server is not {host!r}: ask for it by one of {', '.join(sorted(self._names))}"
            )
        if origin is not None and _place(origin) != host.lower():
            return _refused(403, f"pages of {origin} may not use this server")
        if len(scope["query_string"]) > _MAX_QUERY:
            return _refused(414, f"the query is longer than {_MAX_QUERY} bytes")
        announced = headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > _limit(headers):
            return _too_large(_limit(headers))
        return None


def _counted(receive: Receive, limit: int) -> Receive:
    """``receive`` that stops as soon as more than ``limit`` bytes have come, whatever was announced."""
    arrived = 0

    async def counted() -> Message:
        nonlocal arrived
        message = await receive()
        arrived += len(message.get("body", b""))
        if arrived > limit:
            raise _too_large(limit)
        return message

    return counted


def _limit(headers: Headers) -> int:
    return MAX_UPLOAD if headers.get("content-type", "").lower().startswith("multipart/") else MAX_BODY


def _too_large(limit: int) -> Fail:
    return _refused(413, f"the body is larger than {limit // 1024**2} MiB")


def _refused(status: int, message: str) -> Fail:
    return Fail(message, status, data=None, status=status)


def _place(origin: str) -> str:
    """The host of an ``Origin`` header, with its port; empty if it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _name(host: str) -> str:
    """A ``Host`` header without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
