"""Chat assistants and their sessions within a scope.

A chat is within it if all its datasets are. Of its sessions only those are that were made through this client: the
history of another may hold, and bring into an answer, what is outside.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...errors import NotFoundError
from ...models import ChatFields, Page, SessionFields
from ...scope import Scope
from .. import chats as chat_calls
from ..bulk import in_batches
from ..wire import Call, Flow, ask
from .guard import Guarded, check, check_chunks, cut, ids_of, known, missing, queried, told

__all__ = [
    "create_session",
    "delete_sessions",
    "fetched",
    "get",
    "get_session",
    "list_sessions",
    "listing",
    "update_session",
]


def fetched(scope: Scope, chat_id: str) -> Flow[ChatFields]:
    """The chat as it is now; not known unless it is within the scope."""
    try:
        chat = yield from chat_calls.get(chat_id)
    except NotFoundError:
        raise missing("chat", chat_id) from None
    known("chat", chat_id, _is_within(scope, chat))
    return chat


def get(guard: Guarded, call: Call[Any]) -> Flow[Any]:
    """By its id, which stands in the path, or on servers before v0.25 in the query."""
    identifier = {**queried(call.request), **ids_of(call.request)}
    chat_id = identifier.get("chat_id") or identifier["id"]
    try:
        found = yield from ask(call)
    except NotFoundError:
        found = []
    rows = found if isinstance(found, list) else [found]
    known("chat", chat_id, [row.id for row in rows if _is_within(guard.scope, row)] == [chat_id])
    return found


def listing(guard: Guarded, call: Call[Page[ChatFields]]) -> Flow[Page[ChatFields]]:
    """Those within the scope."""
    return (yield from cut(call, lambda chat: _is_within(guard.scope, chat)))


def create_session(guard: Guarded, call: Call[SessionFields]) -> Flow[SessionFields]:
    """The client may ask in it, read it and delete it later."""
    chat_id = ids_of(call.request)["chat_id"]
    yield from fetched(guard.scope, chat_id)
    session = yield from ask(call)
    _check_session(guard.scope, session)
    guard.sessions[session.id] = chat_id
    return session


def get_session(guard: Guarded, call: Call[Any]) -> Flow[Any]:
    """One that was made through this client."""
    identifier = {**queried(call.request), **ids_of(call.request)}
    session_id = identifier.get("session_id") or identifier["id"]
    known("session", session_id, session_id in guard.sessions)
    found = yield from ask(call)
    for session in found if isinstance(found, list) else [found]:
        if session is not None:  # v0.24 answers nothing to a change
            known("session", session_id, session.id == session_id)
            _check_session(guard.scope, session)
    return found


def list_sessions(guard: Guarded, call: Call[Page[SessionFields]]) -> Flow[Page[SessionFields]]:
    """Those that were made through this client."""
    yield from fetched(guard.scope, ids_of(call.request)["chat_id"])
    page = yield from cut(call, lambda session: session.id in guard.sessions)
    for session in page:
        _check_session(guard.scope, session)
    return Page(list(page))  # servers give no total


def update_session(guard: Guarded, call: Call[Any]) -> Flow[Any]:
    """Rename one that was made through this client."""
    return (yield from get_session(guard, call))


def delete_sessions(guard: Guarded, call: Call[None]) -> Flow[None]:
    """Those that were made through this client; of all only these."""
    chat_id, body = ids_of(call.request)["chat_id"], call.request.body
    own = [session_id for session_id, chat in list(guard.sessions.items()) if chat == chat_id]
    ids = own if body.get("delete_all") else body["ids"]
    for session_id in ids:
        known("session", session_id, session_id in own)
    yield from in_batches(ids, lambda batch: Call(replace(call.request, body={"ids": batch}), call.read))
    for session_id in ids:
        guard.sessions.pop(session_id, None)


def _check_session(scope: Scope, session: SessionFields) -> None:
    """Others may have asked in it: what its answers rest on is checked as that of an answer is.

    Within a scope with metadata nothing is asked in a session, so there can be nothing.
    """
    for message in session.messages:
        check(not (scope.metadata and message.reference))
        check_chunks(scope, message.reference)
        message.doc_aggs = told(message.doc_aggs, message.reference)


def _is_within(scope: Scope, chat: ChatFields) -> bool:
    return all(scope.has_dataset(dataset_id) for dataset_id in chat.dataset_ids)
