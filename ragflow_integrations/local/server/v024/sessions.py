"""``/chats/{id}/sessions`` as v0.24 has them: of a user of the caller's, with the references in the messages."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ..call import Call, Routes, without_repeats
from ..chats import LONGEST_NAME
from ..envelope import Fail, answered
from ..sessions import check_fields, is_in
from .chats import deleted, order_of, owned
from .paging import page_of

__all__ = ["ROUTES", "create", "delete", "list_", "update"]

Row = dict[str, Any]

_CITED = ("id", "content", "document_id", "document_name", "dataset_id", "image_id", "positions")
_FIXED = {"id", "dialog_id", "create_time", "create_date", "update_time", "update_date"}


def create(call: Call) -> Response:
    """``POST …/sessions``."""
    given = call.json()
    chat = owned(call, "You do not own the assistant.")
    name = _name(given.get("name", "New session"))
    session = call.engine.create_session(chat["id"], name, user_id=_user(given.get("user_id")))
    del session["reference"]
    return answered(session)


def list_(call: Call) -> Response:
    """``GET …/sessions``."""
    chat = owned(call, f"You don't own the assistant {call.path['chat_id']}.")
    wanted = {key: call.query.get(key) or None for key in ("id", "name", "user_id")}
    page, order = page_of(call), order_of(call, "Conversation")
    rows = call.engine.list_sessions(chat["id"], **order, **page, **wanted)
    return answered([_listed(row) for row in rows])


def update(call: Call) -> Response:
    """``PUT …/sessions/{id}``: ``name`` and ``user_id``."""
    given = call.json()
    session = call.engine.get_session(call.path["session_id"])
    if session is None and call.engine.get_chat(call.path["chat_id"]) is None:
        # a chat that was deleted, or another's: RAGFlow still has its sessions
        raise Fail("You do not own the session")
    if session is None or session["chat_id"] != call.path["chat_id"]:
        raise Fail("Session does not exist")
    if "message" in given or "messages" in given:
        raise Fail("`message` can not be change")
    if "reference" in given:
        raise Fail("`reference` can not be change")
    fields = {key: read(given[key]) for key, read in _CHANGED.items() if key in given}
    check_fields(given, _FIXED | _CHANGED.keys())
    call.engine.update_session(session["id"], fields)
    return answered()


def delete(call: Call) -> Response:
    """``DELETE …/sessions``: without ids all of them."""
    chat = owned(call, "You don't own the chat")
    ids = call.json().get("ids")
    if not ids:
        call.engine.delete_sessions(chat["id"], None)
        return answered()
    wanted, repeats = without_repeats(ids, "session")
    known = [each for each in wanted if is_in(call, chat, each)]
    unknown = [f"The chat doesn't own the session {each}" for each in wanted if each not in known]
    return deleted(call.engine.delete_sessions(chat["id"], known) if known else 0, unknown or repeats)


def _name(value: Any) -> str:
    if not value:
        raise Fail("`name` can not be empty.")
    return str(value)[:LONGEST_NAME]


def _user(value: Any) -> str:
    return "" if value is None else str(value)


_CHANGED = {"name": _name, "user_id": _user}


def _listed(session: Row) -> Row:
    """With v0.24's mistake: what an answer refers to is shown with the one before, the first with the opener."""
    messages, references = session["messages"], list(session.pop("reference"))
    for message in messages:
        if message["role"] != "user" and references:
            chunks = references.pop(0).get("chunks", [])
            message["reference"] = [{key: chunk.get(key) for key in _CITED} for chunk in chunks]
    return session


ROUTES: Routes = {
    "/chats/{chat_id}/sessions": {"POST": create, "GET": list_, "DELETE": delete},
    "/chats/{chat_id}/sessions/{session_id}": {"PUT": update},
}
