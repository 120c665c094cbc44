"""Chat assistants and their sessions: ``/api/v1/chats``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..models import ChatFields, Page, SessionFields
from .checks import check_id, check_page, check_text, check_update
from .envelope import payload
from .reading import model, models, nothing, unexpected
from .wire import Call, Request, Response, query

__all__ = [
    "create",
    "create_session",
    "delete",
    "delete_sessions",
    "get",
    "listing",
    "sessions",
    "update",
]

_PATH = "/api/v1/chats"


def create(fields: Mapping[str, Any]) -> Call[ChatFields]:
    """``POST /chats`` with v0.25+ names; fields that are ``None`` are left to the server's defaults."""
    check_text("name", fields.get("name"))
    body = {name: value for name, value in fields.items() if value is not None}
    return Call(Request("POST", _PATH, body=body), model(ChatFields))


def get(chat_id: str) -> Call[ChatFields]:
    """``GET /chats/{id}``."""
    return Call(Request("GET", f"{_PATH}/{check_id('chat_id', chat_id)}"), model(ChatFields))


def update(chat_id: str, fields: Mapping[str, Any]) -> Call[ChatFields]:
    """``PATCH /chats/{id}``: only what is sent changes; ``llm_setting`` and ``prompt_config`` are merged."""
    path = f"{_PATH}/{check_id('chat_id', chat_id)}"
    return Call(Request("PATCH", path, body=check_update(fields), idempotent=True), model(ChatFields))


def delete(ids: Sequence[str] | None) -> Call[None]:
    """``DELETE /chats``; ``None`` deletes all."""
    return Call(Request("DELETE", _PATH, body=_deletion(ids)), nothing)


def listing(
    *, page: int, page_size: int, orderby: str, desc: bool, id: str | None, name: str | None
) -> Call[Page[ChatFields]]:
    """``GET /chats``; an unknown ``id`` or ``name`` gives an empty page."""
    check_page(page, page_size)
    params = query(page=page, page_size=page_size, orderby=orderby, desc=desc, id=id, name=name)
    return Call(Request("GET", _PATH, params), _page)


def create_session(chat_id: str, name: str) -> Call[SessionFields]:
    """``POST /chats/{id}/sessions``."""
    body = {"name": check_text("name", name)}
    return Call(Request("POST", _sessions(chat_id), body=body), model(SessionFields))


def sessions(
    chat_id: str, *, page: int, page_size: int, orderby: str, desc: bool, id: str | None, name: str | None
) -> Call[Page[SessionFields]]:
    """``GET /chats/{id}/sessions``; the server gives no total."""
    check_page(page, page_size)
    params = query(page=page, page_size=page_size, orderby=orderby, desc=desc, id=id, name=name)
    return Call(Request("GET", _sessions(chat_id), params), _session_page)


def delete_sessions(chat_id: str, ids: Sequence[str] | None) -> Call[None]:
    """``DELETE /chats/{id}/sessions``; ``None`` deletes all of the chat."""
    return Call(Request("DELETE", _sessions(chat_id), body=_deletion(ids)), nothing)


def _sessions(chat_id: str) -> str:
    return f"{_PATH}/{check_id('chat_id', chat_id)}/sessions"


def _deletion(ids: Sequence[str] | None) -> dict[str, Any]:
    return {"delete_all": True} if ids is None else {"ids": list(ids)}


def _page(request: Request, response: Response) -> Page[ChatFields]:
    data = payload(request, response)
    if not isinstance(data, dict):
        raise unexpected(request, "data is no object with chats and total")
    return Page(models(ChatFields, data.get("chats"), request), data.get("total"))


def _session_page(request: Request, response: Response) -> Page[SessionFields]:
    return Page(models(SessionFields, payload(request, response), request))
