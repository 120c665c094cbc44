"""Memories and their settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Required, TypedDict, Unpack

import apsw

from ..fields import dated, dumped, free_name, loaded, new_id, now_ms
from ..problems import Missing, Refused
from ..store import Row, conditions, page_of, row, rows, scalar
from .prompts import system_prompt

__all__ = [
    "LARGEST",
    "LONGEST_NAME",
    "TYPES",
    "Filters",
    "create",
    "delete",
    "get",
    "known",
    "listed",
    "update",
]

TYPES = ("raw", "semantic", "episodic", "procedural")
LONGEST_NAME = 128  # characters
LARGEST = 10 * 2**20  # bytes
_DEFAULTS: Row = {
    "avatar": None,
    "description": None,
    "embd_id": "",
    "llm_id": "",
    "memory_type": [],
    "memory_size": 5 * 2**20,
    "forgetting_policy": "FIFO",
    "permissions": "me",
    "temperature": 0.5,
    "system_prompt": "",
    "user_prompt": None,
}
_FIXED_ONCE_FILLED = ("embd_id", "memory_type")


def create(db: apsw.Connection, tenant_id: str, fields: Mapping[str, Any]) -> Row:
    """A new memory (``name memory_type embd_id llm_id`` at least); a name that is taken becomes ``name(1)``."""
    name = _free_name(db, tenant_id, fields["name"])
    settings = _DEFAULTS | {key: fields[key] for key in _DEFAULTS if key in fields}
    settings["memory_type"] = _in_order(settings["memory_type"])
    settings["system_prompt"] = settings["system_prompt"] or system_prompt(settings["memory_type"])
    identifier, now = new_id(), now_ms()
    db.execute(
        "INSERT INTO memory(id, tenant_id, name, settings_json, create_time, update_time)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (identifier, tenant_id, name, dumped(settings), now, now),
    )
    return get(db, tenant_id, identifier)


def get(db: apsw.Connection, tenant_id: str, identifier: str) -> Row:
    """One memory; ``Missing`` if the tenant has none with this id."""
    found = row(db, "SELECT * FROM memory WHERE id = ? AND tenant_id = ?", (identifier, tenant_id))
    if found is None:
        raise Missing(f"Memory '{identifier}' not found.")
    return _wire(found)


def known(db: apsw.Connection, tenant_id: str, ids: Sequence[str]) -> list[Row]:
    """Those of these memories that the tenant has, each once, in the order asked for."""
    where, bindings = conditions({"tenant_id = ?": tenant_id, "id IN": list(ids)})
    found = {each["id"]: _wire(each) for each in rows(db, f"SELECT * FROM memory{where}", bindings)}
    return [found[each] for each in dict.fromkeys(ids) if each in found]


class Filters(TypedDict, total=False):
    """What a list of memories can be narrowed to; ``keywords`` is a part of the name."""

    page: Required[int]
    page_size: Required[int]
    ids: Sequence[str] | None
    memory_types: Sequence[str] | None
    storage_type: str | None
    keywords: str | None


def listed(db: apsw.Connection, tenant_id: str, **filters: Unpack[Filters]) -> tuple[list[Row], int]:
    """One page of memories, those changed last first, and how many fit; of ``memory_types`` one is enough."""
    kinds = "EXISTS (SELECT 1 FROM json_each(settings_json, '$.memory_type') WHERE value IN ({}))"
    wanted = filters.get("memory_types") or None
    tests = {
        "tenant_id = ?": tenant_id,
        "id IN": filters.get("ids") or None,
        "'table' = ?": filters.get("storage_type") or None,
        "instr(lower(name), lower(?))": filters.get("keywords") or None,
        kinds.format("SELECT value FROM json_each(?)"): None if wanted is None else dumped(list(wanted)),
    }
    where, bindings = conditions(tests)
    total = scalar(db, f"SELECT count(*) FROM memory{where}", bindings)
    cut = page_of(filters["page"], filters["page_size"])
    sql = f"SELECT * FROM memory{where} ORDER BY update_time DESC, rowid DESC{cut}"
    return [_wire(each) for each in rows(db, sql, bindings)], total


def update(db: apsw.Connection, tenant_id: str, identifier: str, fields: Mapping[str, Any]) -> Row:
    """Change a memory; nothing happens if all is so already.

    The models and types of a memory that holds messages cannot be changed (``Refused``), as their vectors could
    not be compared any more. With the types a default ``system_prompt`` changes as well.
    """
    old = get(db, tenant_id, identifier)
    given = {key: fields[key] for key in (*_DEFAULTS, "name") if key in fields}
    if "memory_type" in given:
        given["memory_type"] = _in_order(given["memory_type"])
    changes = {key: value for key, value in given.items() if value != old[key]}
    if not changes:
        return old
    fixed = [key for key in _FIXED_ONCE_FILLED if key in changes]
    if fixed and scalar(db, "SELECT size FROM memory WHERE id = ?", (identifier,)):
        raise Refused(f"Can't update {fixed} when memory isn't empty.")
    if "memory_type" in changes and old["system_prompt"] == system_prompt(old["memory_type"]):
        changes = {"system_prompt": system_prompt(changes["memory_type"]), **changes}
    name = (
        _free_name(db, tenant_id, changes["name"], besides=identifier) if "name" in changes else old["name"]
    )
    settings = {key: changes.get(key, old[key]) for key in _DEFAULTS}
    db.execute(
        "UPDATE memory SET name = ?, settings_json = ?, update_time = ? WHERE id = ?",
        (name, dumped(settings), now_ms(), identifier),
    )
    return get(db, tenant_id, identifier)


def delete(db: apsw.Connection, tenant_id: str, identifier: str) -> None:
    """Delete a memory with its messages; ``Missing`` if the tenant has none with this id."""
    get(db, tenant_id, identifier)
    db.execute(
        "DELETE FROM message_term WHERE rowid IN (SELECT id FROM message WHERE memory_id = ?)", (identifier,)
    )
    db.execute("DELETE FROM memory WHERE id = ?", (identifier,))


def _free_name(db: apsw.Connection, tenant_id: str, name: str, *, besides: str = "") -> str:
    sql = "SELECT 1 FROM memory WHERE tenant_id = ? AND name = ? AND id <> ?"
    free = free_name(name, lambda each: row(db, sql, (tenant_id, each, besides)) is not None)
    if len(free) > LONGEST_NAME:
        raise Refused(f"Memory name {free} exceeds limit of {LONGEST_NAME}.")
    return free


def _in_order(memory_types: Sequence[str]) -> list[str]:
    return [each for each in TYPES if each in memory_types]


def _wire(stored: Row) -> Row:
    memory = loaded(stored)
    settings = memory.pop("settings")
    del memory["size"], memory["embedder"]
    return dated({**memory, **settings, "owner_name": None, "storage_type": "table"})
