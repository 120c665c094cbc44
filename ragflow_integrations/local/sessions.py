"""Sessions of chats: conversations that are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import apsw

from . import store
from .fields import dated, dumped, loaded, new_id, now_ms
from .problems import Missing
from .store import Paging, Row, conditions, row

__all__ = [
    "Filters",
    "append",
    "create",
    "delete",
    "delete_message",
    "get",
    "listed",
    "rate",
    "update",
]

_ORDER = ("create_time", "update_time", "name", "id")
_OWNED = "chat_id IN (SELECT id FROM chat WHERE tenant_id = ?)"


class Filters(Paging, total=False):
    """What a list of sessions can be narrowed to."""

    id: str | None
    name: str | None
    user_id: str | None


def create(
    db: apsw.Connection,
    tenant_id: str,
    chat: Row,
    name: str,
    *,
    user_id: str | None = None,
    embedded: bool = False,
) -> Row:
    """A new session, opened by the chat's prologue. It is the tenant's, or its user's if ``user_id`` is given."""
    identifier, now = new_id(), now_ms()
    owner = tenant_id if user_id is None else user_id
    opening = [{"role": "assistant", "content": chat["prompt_config"].get("prologue", "")}]
    db.execute(
        "INSERT INTO session(id, chat_id, name, messages_json, user_id, embedded, create_time, update_time)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (identifier, chat["id"], name, dumped(opening), owner, embedded, now, now),
    )
    return get(db, tenant_id, identifier, embedded=embedded)


def get(db: apsw.Connection, tenant_id: str, identifier: str, *, embedded: bool = False) -> Row:
    """One session; ``Missing`` if there is none with this id among those made with embed keys, or else the others."""
    sql = f"SELECT * FROM session WHERE id = ? AND embedded = ? AND {_OWNED}"
    found = row(db, sql, (identifier, embedded, tenant_id))
    if found is None:
        raise Missing("Session not found!")
    return _wire(found)


def listed(db: apsw.Connection, tenant_id: str, chat_id: str, **filters: Unpack[Filters]) -> list[Row]:
    """One page of a chat's sessions that fit, without those made with embed keys."""
    tests = {
        "chat_id = ?": chat_id,
        _OWNED: tenant_id,
        "embedded = ?": False,
        "id = ?": filters.get("id"),
        "name = ? COLLATE ANY_CASE": filters.get("name"),
        "user_id = ?": filters.get("user_id"),
    }
    found, _ = store.listed(db, "session", tests, filters, _ORDER)
    return [_wire(each) for each in found]


def update(db: apsw.Connection, tenant_id: str, identifier: str, fields: Mapping[str, Any]) -> Row:
    """Change ``name`` or ``user_id`` of a session."""
    new = {**get(db, tenant_id, identifier), **fields}
    db.execute(
        "UPDATE session SET name = ?, user_id = ?, update_time = ? WHERE id = ?",
        (new["name"], new["user_id"], now_ms(), identifier),
    )
    return get(db, tenant_id, identifier)


def delete(db: apsw.Connection, tenant_id: str, chat_id: str, ids: Sequence[str] | None) -> int:
    """Delete these sessions of a chat (None: all); unknown ids are passed over. Returns how many went."""
    where, bindings = conditions(
        {"chat_id = ?": chat_id, _OWNED: tenant_id, "embedded = ?": False, "id IN": ids}
    )
    db.execute(f"DELETE FROM session{where}", bindings)
    return db.changes()


def append(
    db: apsw.Connection,
    identifier: str,
    messages: Sequence[Row],
    reference: Row,
    *,
    history: Sequence[Row] | None = None,
) -> None:
    """Add the messages of a turn with what its answer refers to; ``history`` takes the place of what was said before.

    Nothing happens if the session is gone by now.
    """
    found = row(db, "SELECT messages_json, reference_json FROM session WHERE id = ?", (identifier,))
    if found is None:
        return
    old = loaded(found)
    before = old["messages"] if history is None else history
    _write(db, identifier, [*before, *messages], [*old["reference"], reference])


def delete_message(db: apsw.Connection, tenant_id: str, identifier: str, message_id: str) -> Row:
    """Take a question with its answer, which have one id, out of a session; nothing happens if there is none such."""
    session = get(db, tenant_id, identifier)
    messages, references = session["messages"], session["reference"]
    places = [place for place, each in enumerate(messages) if each.get("id") == message_id]
    if places:
        answers = [place for place in places if messages[place]["role"] == "assistant"]
        gone = {_answers_before(messages, place) for place in answers}
        messages = [each for each in messages if each.get("id") != message_id]
        references = [each for place, each in enumerate(references) if place not in gone]
        _write(db, identifier, messages, references)
    return get(db, tenant_id, identifier)


def rate(
    db: apsw.Connection, tenant_id: str, identifier: str, message_id: str, *, good: bool, comment: Any
) -> Row:
    """Note on an answer whether it was good; the ``comment`` is kept if it was not. Unknown ids change nothing."""
    session = get(db, tenant_id, identifier)
    messages = session["messages"]
    for each in messages:
        if each.get("id") == message_id and each["role"] == "assistant":
            each["thumbup"] = good
            each.pop("feedback", None)
            if comment and not good:
                each["feedback"] = comment
            _write(db, identifier, messages, session["reference"])
            break
    return get(db, tenant_id, identifier)


def _answers_before(messages: Sequence[Row], place: int) -> int:
    """How many answers to questions come before; the prologue is none."""
    asked, answers = False, 0
    for each in messages[:place]:
        answers += asked and each["role"] == "assistant"
        asked = asked or each["role"] == "user"
    return answers


def _write(db: apsw.Connection, identifier: str, messages: Sequence[Row], references: Sequence[Row]) -> None:
    db.execute(
        "UPDATE session SET messages_json = ?, reference_json = ?, update_time = ? WHERE id = ?",
        (dumped(messages), dumped(references), now_ms(), identifier),
    )


def _wire(stored: Row) -> Row:
    session = dated(loaded(stored))
    del session["embedded"]
    return session
