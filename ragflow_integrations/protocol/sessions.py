"""A chat's sessions: ``/api/v1/chats/{id}/sessions``.

The server keeps one reference per answer beside the messages; here each answer has its own. v0.24 lists them
with the messages, but one too early: the opener has that of the first answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidRequestError, NotFoundError, UnsupportedError
from ..models import Page, SessionFields
from . import deletion
from .answers import cited
from .bulk import PAGE
from .checks import check_choice, check_flag, check_id, check_page, check_text, check_update
from .envelope import payload
from .reading import models, nothing
from .reasoning import split
from .versions import Since, request, server_version, to
from .wire import Call, Flow, Request, Response, ask, query

__all__ = ["create", "delete", "get", "listing", "update"]

Row = dict[str, Any]


def create(chat_id: str, name: str, user_id: str | None = None) -> Flow[SessionFields]:
    """``POST /chats/{id}/sessions``; only servers up to v0.24 keep a ``user_id``."""
    check_text("name", name)
    if user_id is not None:
        check_text("user_id", user_id)
        yield from _check_users()
    body = {"name": name} if user_id is None else {"name": name, "user_id": user_id}
    return (yield from ask(Call(request("Chat.create_session", chat_id=chat_id, body=body), _session)))


def _check_users() -> Flow[None]:
    version = yield from server_version()
    if version >= Since.SESSIONS_OF_OWNER:
        raise UnsupportedError(
            f"create_session(user_id=…) needs RAGFlow before {Since.SESSIONS_OF_OWNER}; this server is {version}, "
            "where a session belongs to the key's owner"
        )


def get(chat_id: str, session_id: str) -> Flow[SessionFields]:
    """``GET …/sessions/{id}`` from v0.25.1, ``GET …/sessions?id=`` before."""
    check_id("session_id", session_id)
    version = yield from server_version()
    if version >= Since.SINGLE_OBJECTS:
        single = request("Chat.get_session", version, chat_id=chat_id, session_id=session_id)
        return (yield from ask(Call(single, _session)))
    listed = request("Chat.get_session", version, chat_id=chat_id, query=query(id=session_id))
    found = yield from ask(Call(listed, _page))
    if not found:
        raise NotFoundError(f"the chat {chat_id} has no session {session_id}")
    return found[0]


def listing(
    chat_id: str,
    *,
    page: int,
    page_size: int,
    orderby: str = "create_time",
    desc: bool = True,
    id: str | None = None,
    name: str | None = None,
    user_id: str | None = None,
) -> Call[Page[SessionFields]]:
    """``GET …/sessions``; the server gives no total."""
    check_page(page, page_size)
    params = query(
        page=page,
        page_size=page_size,
        orderby=check_choice("orderby", orderby, ("create_time", "update_time", "name")),
        desc=check_flag("desc", desc),
        id=None if id is None else check_id("id", id),
        name=None if name is None else check_text("name", name),
        user_id=None if user_id is None else check_text("user_id", user_id),
    )
    return Call(request("Chat.list_sessions", chat_id=chat_id, query=params), _page)


def update(chat_id: str, session_id: str, fields: Mapping[str, Any]) -> Flow[SessionFields]:
    """``PATCH …/sessions/{id}``; until v0.24 ``PUT``, which answers nothing."""
    body = check_update(fields)
    for name, value in body.items():
        if name != "name":
            raise InvalidRequestError(f"{name}={value!r}: of a session only the name can be changed")
    check_text("name", body["name"])
    version = yield from server_version()
    ids = {"chat_id": chat_id, "session_id": session_id}
    if version >= Since.SINGLE_OBJECTS:
        return (yield from to("Session.update", _session, **ids, body=body, idempotent=True))
    yield from to("Session.update", nothing, **ids, body=body)
    return (yield from get(chat_id, session_id))


def delete(chat_id: str, ids: Sequence[str] | None) -> Flow[None]:
    """``DELETE …/sessions``, a hundred a call; ``None`` deletes all of the chat."""
    return deletion.delete(
        "Chat.delete_sessions",
        ids,
        lambda page: listing(chat_id, page=page, page_size=PAGE),
        chat_id=check_id("chat_id", chat_id),
    )


def _session(request: Request, response: Response) -> SessionFields:
    return models(SessionFields, [_with_references(payload(request, response))], request)[0]


def _page(request: Request, response: Response) -> Page[SessionFields]:
    data = payload(request, response)
    rows = [_with_references(row) for row in data] if isinstance(data, list) else data
    return Page(models(SessionFields, rows, request))


def _with_references(row: Any) -> Any:
    """The session with each answer's reference and reasoning in the answer.

    The last answer has the last reference: a history that a caller sent brought answers without one.
    """
    messages = row.get("messages", row.get("message")) if isinstance(row, dict) else None
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        return row
    messages = [dict(message) for message in messages]
    shifted = [message.pop("reference") for message in messages if "reference" in message]
    session = {name: value for name, value in row.items() if name not in ("message", "reference")}
    stored = row.get("reference")
    references = stored if stored and isinstance(stored, list) else shifted
    answers = _answers(messages)
    for message, reference in zip(reversed(answers), reversed(references), strict=False):
        message |= cited(reference)
    for message in answers:
        if isinstance(message.get("content"), str):
            message["reasoning"], message["content"] = split(message["content"])
    return {**session, "messages": messages}


def _answers(messages: list[Row]) -> list[Row]:
    """The assistant's messages without the opener, which answers nothing."""
    roles = [message.get("role") for message in messages]
    first = roles.index("user") if "user" in roles else len(roles)
    return [message for message in messages[first:] if message.get("role") == "assistant"]
