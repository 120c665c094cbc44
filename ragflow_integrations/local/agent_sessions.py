"""Conversations with agents; each keeps the agent's DSL with the state in which it was left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import apsw

from . import store
from .fields import dated, dumped, loaded, new_id, now_ms
from .problems import Missing
from .store import Paging, Row, conditions, row, rows

__all__ = ["Filters", "append", "create", "delete", "get", "ids", "listed", "names"]

_ORDER = ("create_time", "update_time", "id")
_OWNED = "agent_id IN (SELECT id FROM agent WHERE tenant_id = ?)"
_SETTINGS: Row = {
    "name": None,
    "exp_user_id": None,
    "source": "agent",
    "version_title": None,
    "round": 0,
    "errors": None,
}


def create(
    db: apsw.Connection,
    tenant_id: str,
    agent_id: str,
    *,
    user_id: str,
    messages: Sequence[Row],
    dsl: Row | str,
    **settings: Any,
) -> Row:
    """A new session; ``settings`` are ``name exp_user_id source version_title``."""
    identifier, now = new_id(), now_ms()
    db.execute(
        "INSERT INTO agent_session VALUES (?, ?, ?, ?, ?, '[]', ?, ?, ?)",
        (
            identifier,
            agent_id,
            user_id,
            dumped({**_SETTINGS, **settings}),
            dumped(list(messages)),
            dumped(dsl),
            now,
            now,
        ),
    )
    return get(db, tenant_id, identifier)


def get(db: apsw.Connection, tenant_id: str, identifier: str) -> Row:
    """One session; ``Missing`` if none of the tenant's agents has it."""
    found = row(db, f"SELECT * FROM agent_session WHERE id = ? AND {_OWNED}", (identifier, tenant_id))
    if found is None:
        raise Missing("Session not found!")
    return _wire(found)


class Filters(Paging, total=False):
    """What a list of sessions can be narrowed to; dates are in milliseconds, ``keywords`` stand in what was said."""

    id: str | None
    user_id: str | None
    keywords: str | None
    from_time: int | None
    to_time: int | None


def listed(db: apsw.Connection, agent_id: str, **filters: Unpack[Filters]) -> tuple[list[Row], int]:
    """One page of an agent's sessions, and how many fit."""
    when = "update_time" if filters["orderby"].startswith("update_") else "create_time"
    tests = {
        "agent_id = ?": agent_id,
        "id = ?": filters.get("id") or None,
        "user_id = ?": filters.get("user_id") or None,
        "instr(lower(id || coalesce(settings_json ->> 'name', '') || messages_json), lower(?))": (
            filters.get("keywords") or None
        ),
        f"{when} >= ?": filters.get("from_time"),
        f"{when} <= ?": filters.get("to_time"),
    }
    found, total = store.listed(db, "agent_session", tests, filters, _ORDER)
    return [_wire(each) for each in found], total


def names(db: apsw.Connection, agent_id: str, exp_user_id: str) -> list[Row]:
    """Ids and names of somebody's sessions, newest first."""
    sql = (
        "SELECT id, settings_json ->> 'name' AS name FROM agent_session WHERE agent_id = ?"
        " AND settings_json ->> 'exp_user_id' = ? ORDER BY create_time DESC, rowid DESC"
    )
    return rows(db, sql, (agent_id, exp_user_id))


def ids(db: apsw.Connection, agent_id: str) -> list[str]:
    """The ids of all sessions of an agent."""
    return [each for (each,) in db.execute("SELECT id FROM agent_session WHERE agent_id = ?", (agent_id,))]


def append(
    db: apsw.Connection,
    identifier: str,
    messages: Sequence[Row],
    *,
    reference: Row | None = None,
    dsl: Row | str | None = None,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Add messages; with a ``reference`` a turn is complete. Nothing happens if the session is gone by now."""
    found = row(db, "SELECT * FROM agent_session WHERE id = ?", (identifier,))
    if found is None:
        return
    old = loaded(found)
    complete = reference is not None
    settings = {**old["settings"], **(changes or {}), "round": old["settings"]["round"] + complete}
    db.execute(
        "UPDATE agent_session SET messages_json = ?, reference_json = ?, settings_json = ?, dsl_json = ?,"
        " update_time = ? WHERE id = ?",
        (
            dumped([*old["messages"], *messages]),
            dumped([*old["reference"], reference] if complete else old["reference"]),
            dumped(settings),
            dumped(old["dsl"] if dsl is None else dsl),
            now_ms(),
            identifier,
        ),
    )


def delete(db: apsw.Connection, agent_id: str, wanted: Sequence[str]) -> list[str]:
    """Delete these sessions of an agent; which of them there were."""
    where, bindings = conditions({"agent_id = ?": agent_id, "id IN": wanted})
    found = [each for (each,) in db.execute(f"SELECT id FROM agent_session{where}", bindings)]
    db.execute(f"DELETE FROM agent_session{where}", bindings)
    return found


def _wire(stored: Row) -> Row:
    session = loaded(stored)
    settings, messages = session.pop("settings"), session.pop("messages")
    fixed = {"duration": 0.0, "thumb_up": 0, "tokens": 0}
    agent_id = session.pop("agent_id")
    return dated({**session, **settings, **fixed, "dialog_id": agent_id, "message": messages})
