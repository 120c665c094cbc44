"""The server itself: which version it is, and whether it is well."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidRequestError, NotFoundError, ServerError, UnsupportedError
from ..models import Health, ServerInfo
from .envelope import envelope, payload
from .reading import models, unexpected
from .versions import NEWEST, OLDEST, OPERATIONS, Version, to
from .wire import Call, Flow, Request, Response, ask, query

__all__ = ["health", "server_info"]

# how versions say that they have no such route
_GONE = (NotFoundError, InvalidRequestError, ServerError, UnsupportedError)


def server_info() -> Flow[ServerInfo]:
    """What the server calls itself, newest route first; by its behaviour where it does not tell.

    ``GET /api/v1/system/version`` is there from v0.25, ``/v1/system/version`` takes a key from v0.23.
    """
    for route in OPERATIONS["RAGFlow.server_info"]:
        request = Request(route.method, route.path, operation="RAGFlow.server_info", route=route.path)
        try:
            name = yield from ask(Call(request, _name))
        except _GONE:
            continue
        version = Version.parse(name)
        if version is None:  # "nightly", a commit
            version = yield from _by_behaviour()
        return ServerInfo(version=name, api_version=str(version).removeprefix("v"))
    version = yield from _by_behaviour()
    return ServerInfo(version="", api_version=str(version).removeprefix("v"))


def health() -> Flow[Health]:
    """``GET /system/healthz``; an unwell server answers HTTP 500 with the same fields."""
    return (yield from to("RAGFlow.health", _health))


def _by_behaviour() -> Flow[Version]:
    """Chats are listed in an object from v0.25 on."""
    path = "/api/v1/chats"
    asked = Request("GET", path, query(page_size=1), operation="RAGFlow.server_info", route=path)
    data = yield from ask(Call(asked, payload))
    return OLDEST if isinstance(data, list) else NEWEST


def _name(request: Request, response: Response) -> str:
    data = envelope(request, response).get("data")
    if not isinstance(data, str):
        raise unexpected(request, "data is no version")
    return data


def _health(request: Request, response: Response) -> Health:
    try:
        body: Any = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or "status" not in body:
        payload(request, response)  # raises for an error answer
        raise unexpected(request, "neither a state of health nor an error")
    return models(Health, [body], request)[0]
