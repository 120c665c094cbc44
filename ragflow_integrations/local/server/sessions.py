"""``/chats/{id}/sessions``: conversations with a chat."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from . import chats
from .call import Call, Routes, without_repeats
from .envelope import ARGUMENT, Fail, failed, succeeded

__all__ = [
    "ROUTES",
    "check_fields",
    "create",
    "delete",
    "delete_message",
    "get",
    "is_in",
    "list_",
    "owned",
    "rate_message",
    "update",
]

Row = dict[str, Any]

# what clients send back with a session they have read, and RAGFlow passes over
_FIXED = {"id", "dialog_id", "chat_id", "user_id", "create_time", "create_date", "update_time", "update_date"}


def create(call: Call) -> Response:
    """``POST …/sessions``."""
    chat = chats.owned(call)
    return succeeded(call.engine.create_session(chat["id"], _name(call.json().get("name", "New session"))))


def list_(call: Call) -> Response:
    """``GET …/sessions``."""
    chat = chats.owned(call)
    page, order = call.page(), call.order(data=None)
    wanted = {key: call.query.get(key) or None for key in ("id", "name", "user_id")}
    return succeeded(call.engine.list_sessions(chat["id"], **page, **order, **wanted))


def get(call: Call) -> Response:
    """``GET …/sessions/{id}``."""
    chat = chats.owned(call)
    return succeeded({**owned(call, chat, call.path["session_id"]), "avatar": chat["icon"]})


def update(call: Call) -> Response:
    """``PATCH …/sessions/{id}`` (or ``PUT``): only the name can change."""
    session, given = _session_and_body(call)
    if "message" in given or "messages" in given:
        raise Fail("`messages` cannot be changed")
    if "reference" in given:
        raise Fail("`reference` cannot be changed")
    fields = {} if given.get("name") is None else {"name": _name(given["name"])}
    check_fields(given, _FIXED | {"name"})
    return succeeded(call.engine.update_session(session["id"], fields))


def delete(call: Call) -> Response:
    """``DELETE …/sessions``: nothing without ids or ``delete_all``."""
    chat, given = chats.owned(call), _deletion(call)
    wanted = given.get("ids")
    if not wanted:
        if given.get("delete_all") is not True:
            return succeeded({})
        return succeeded(True if call.engine.delete_sessions(chat["id"], None) else {})
    ids, errors = without_repeats(wanted, "session")
    known = [each for each in ids if is_in(call, chat, each)]
    errors = [f"The chat doesn't own the session {each}" for each in ids if each not in known] + errors
    if not known:
        raise Fail("; ".join(errors))
    deleted = call.engine.delete_sessions(chat["id"], known)
    return chats.partly_deleted(deleted, errors, "sessions") if errors else succeeded(True)


def delete_message(call: Call) -> Response:
    """``DELETE …/messages/{id}``: a question and its answer; an unknown id is passed over."""
    session = _session(call, chats.owned(call))
    return succeeded(call.engine.delete_message(session["id"], call.path["message_id"]))


def rate_message(call: Call) -> Response:
    """``PUT …/messages/{id}/feedback``: whether an answer was good; an unknown id is passed over."""
    session, given = _session_and_body(call)
    if not isinstance(given.get("thumbup"), bool):
        raise Fail("thumbup must be a boolean")
    comment = given.get("feedback")
    return succeeded(
        call.engine.rate_message(
            session["id"], call.path["message_id"], good=given["thumbup"], comment=comment
        )
    )


def owned(call: Call, chat: Row, identifier: Any) -> Row:
    """The session with this id; ``Fail`` 102 if there is none, or if it belongs to another chat."""
    session = call.engine.get_session(identifier) if isinstance(identifier, str) else None
    if session is None:
        raise Fail("Session not found!")
    if session["chat_id"] != chat["id"]:
        raise Fail("Session does not belong to this chat!")
    return session


def is_in(call: Call, chat: Row, identifier: Any) -> bool:
    """Whether a chat has a session with this id."""
    session = call.engine.get_session(identifier) if isinstance(identifier, str) else None
    return session is not None and session["chat_id"] == chat["id"]


def check_fields(given: Row, known: set[str]) -> None:
    """``Fail`` 100 for a field that a session does not have."""
    for name in given:
        if name not in known:
            raise failed(ValueError(f'Unrecognized field name: "{name}"'))


def _session_and_body(call: Call) -> tuple[Row, Row]:
    """The session of the path and the body; a wrong body is told before an unknown session, as on RAGFlow."""
    chat, given = chats.owned(call), call.json()
    return _session(call, chat), given


def _session(call: Call, chat: Row) -> Row:
    """The session of the path, of this chat."""
    session = call.engine.get_session(call.path["session_id"])
    if session is None or session["chat_id"] != chat["id"]:
        raise Fail("Session not found!")
    return session


def _deletion(call: Call) -> Row:
    try:
        return call.json()
    except Fail as fail:
        if "BadRequest" in fail.body["message"]:
            message = "Malformed JSON syntax: Missing commas/brackets or invalid encoding"
            raise Fail(message, ARGUMENT, data=None) from None
        raise


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise Fail("`name` can not be empty")
    return name.strip()[: chats.LONGEST_NAME]


_SESSIONS = "/chats/{chat_id}/sessions"
_MESSAGE = _SESSIONS + "/{session_id}/messages/{message_id}"
ROUTES: Routes = {
    _SESSIONS: {"POST": create, "GET": list_, "DELETE": delete},
    _SESSIONS + "/{session_id}": {"GET": get, "PATCH": update, "PUT": update},
    _MESSAGE: {"DELETE": delete_message},
    _MESSAGE + "/feedback": {"PUT": rate_message},
}
