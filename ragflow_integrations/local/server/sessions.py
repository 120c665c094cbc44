"""``/chats/{id}/sessions``: conversations with a chat."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from . import chats
from .call import Call, Routes, without_repeats
from .envelope import EXCEPTION, Fail, succeeded

__all__ = ["ROUTES", "create", "delete", "get", "list_", "owned", "update"]

Row = dict[str, Any]

_LONGEST_NAME = 255
# what clients send back with a session they have read, and RAGFlow passes over
_FIXED = {"id", "dialog_id", "chat_id", "user_id"}


def create(call: Call) -> Response:
    """``POST …/sessions``."""
    chat = chats.owned(call)
    return succeeded(call.engine.create_session(chat["id"], _name(call.json().get("name", "New session"))))


def list_(call: Call) -> Response:
    """``GET …/sessions``."""
    chat = chats.owned(call)
    identifier, name = call.query.get("id") or None, call.query.get("name") or None
    if call.query.get("user_id", call.engine.tenant_id) != call.engine.tenant_id:
        return succeeded([])  # a session belongs to the key's owner, whatever was sent when it was made
    rows = call.engine.list_sessions(
        chat["id"], **call.page(), **call.order(data=None), id=identifier, name=name
    )
    return succeeded(rows)


def get(call: Call) -> Response:
    """``GET …/sessions/{id}``."""
    chat = chats.owned(call)
    return succeeded({**owned(call, chat, call.path["session_id"]), "avatar": chat["icon"]})


def update(call: Call) -> Response:
    """``PATCH …/sessions/{id}`` (or ``PUT``): only the name can change."""
    chat = chats.owned(call)
    given = call.json()
    session = call.engine.get_session(call.path["session_id"])
    if session is None or session["chat_id"] != chat["id"]:
        raise Fail("Session not found!")
    if "message" in given or "messages" in given:
        raise Fail("`messages` cannot be changed")
    if "reference" in given:
        raise Fail("`reference` cannot be changed")
    unknown = given.keys() - _FIXED - {"name"}
    if unknown:
        raise Fail(
            f"unknown field of a session: {', '.join(sorted(unknown))}; only `name` can be changed",
            EXCEPTION,
            data=None,
        )
    fields = {} if given.get("name") is None else {"name": _name(given["name"])}
    return succeeded(call.engine.update_session(session["id"], fields))


def delete(call: Call) -> Response:
    """``DELETE …/sessions``: nothing without ids or ``delete_all``."""
    chat = chats.owned(call)
    given = call.json()
    wanted = given.get("ids")
    if not wanted:
        if given.get("delete_all") is not True:
            return succeeded({})
        return succeeded(True if call.engine.delete_sessions(chat["id"], None) else {})
    ids, errors = without_repeats(wanted, "session")
    known = [each for each in ids if _is_in(call, chat, each)]
    errors = [f"The chat doesn't own the session {each}" for each in ids if each not in known] + errors
    if not known:
        raise Fail("; ".join(errors))
    deleted = call.engine.delete_sessions(chat["id"], known)
    return chats.partly_deleted(deleted, errors, "sessions") if errors else succeeded(True)


def owned(call: Call, chat: Row, identifier: str) -> Row:
    """The session with this id; ``Fail`` 102 if there is none, or if it belongs to another chat."""
    session = call.engine.get_session(identifier)
    if session is None:
        raise Fail("Session not found!")
    if session["chat_id"] != chat["id"]:
        raise Fail("Session does not belong to this chat!")
    return session


def _is_in(call: Call, chat: Row, identifier: str) -> bool:
    session = call.engine.get_session(identifier)
    return session is not None and session["chat_id"] == chat["id"]


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise Fail("`name` can not be empty")
    return name.strip()[:_LONGEST_NAME]


_SESSIONS = "/chats/{chat_id}/sessions"
ROUTES: Routes = {
    _SESSIONS: {"POST": create, "GET": list_, "DELETE": delete},
    _SESSIONS + "/{session_id}": {"GET": get, "PATCH": update, "PUT": update},
}
