"""Search applications: a name and a configuration to ask datasets with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import apsw

from . import store
from .fields import dated, dumped, free_name, loaded, new_id, now_ms
from .problems import Missing, Refused
from .store import Paging, Row, row

__all__ = ["Filters", "create", "delete", "get", "listed", "update"]

_ORDER = ("create_time", "update_time", "name", "id")
_DEFAULTS: Row = {"avatar": None, "description": ""}
_CONFIG: Row = {
    "kb_ids": [],
    "doc_ids": [],
    "similarity_threshold": 0.2,
    "vector_similarity_weight": 0.3,
    "use_kg": False,
    "rerank_id": "",
    "top_k": 1024,
    "summary": False,
    "chat_id": "",
    "llm_setting": {
        "temperature": 0.1,
        "top_p": 0.3,
        "frequency_penalty": 0.7,
        "presence_penalty": 0.4,
        "temperature_enabled": True,
        "top_p_enabled": True,
        "frequency_penalty_enabled": True,
        "presence_penalty_enabled": True,
    },
    "chat_settingcross_languages": [],
    "highlight": False,
    "keyword": False,
    "web_search": False,
    "related_search": False,
    "query_mindmap": False,
}


def create(db: apsw.Connection, tenant_id: str, fields: Mapping[str, Any]) -> Row:
    """A new search (``name`` at least); a name that is taken becomes ``name(1)``."""
    identifier, now = new_id(), now_ms()
    settings = {key: fields.get(key, default) for key, default in _DEFAULTS.items()}
    settings["search_config"] = fields.get("search_config") or _CONFIG
    name = free_name(fields["name"], lambda name: _is_taken(db, tenant_id, name))
    db.execute(
        "INSERT INTO search(id, tenant_id, name, settings_json, create_time, update_time) VALUES (?, ?, ?, ?, ?, ?)",
        (identifier, tenant_id, name, dumped(settings), now, now),
    )
    return get(db, tenant_id, identifier)


def get(db: apsw.Connection, tenant_id: str, identifier: str) -> Row:
    """One search; ``Missing`` if the tenant has none with this id."""
    found = row(db, "SELECT * FROM search WHERE id = ? AND tenant_id = ?", (identifier, tenant_id))
    if found is None:
        raise Missing(f"Cannot find search {identifier}")
    return _wire(found)


class Filters(Paging, total=False):
    """What a list of searches can be narrowed to; ``keywords`` is a part of the name."""

    keywords: str | None


def listed(db: apsw.Connection, tenant_id: str, **filters: Unpack[Filters]) -> tuple[list[Row], int]:
    """One page of searches, and how many fit."""
    tests = {"tenant_id = ?": tenant_id, "instr(lower(name), lower(?))": filters.get("keywords") or None}
    found, total = store.listed(db, "search", tests, filters, _ORDER)
    return [_wire(each) for each in found], total


def update(db: apsw.Connection, tenant_id: str, identifier: str, fields: Mapping[str, Any]) -> Row:
    """Change a search; ``search_config`` is merged into the old one, other values replace."""
    old = get(db, tenant_id, identifier)
    if _is_taken(db, tenant_id, fields["name"], besides=identifier):
        raise Refused("Duplicated search name.")
    settings = {key: fields.get(key, old[key]) for key in _DEFAULTS}
    settings["search_config"] = {**old["search_config"], **fields["search_config"]}
    db.execute(
        "UPDATE search SET name = ?, settings_json = ?, update_time = ? WHERE id = ?",
        (fields["name"], dumped(settings), now_ms(), identifier),
    )
    return get(db, tenant_id, identifier)


def delete(db: apsw.Connection, tenant_id: str, identifier: str) -> None:
    """Delete a search; ``Missing`` if the tenant has none with this id."""
    get(db, tenant_id, identifier)
    db.execute("DELETE FROM search WHERE id = ?", (identifier,))


def _is_taken(db: apsw.Connection, tenant_id: str, name: str, *, besides: str = "") -> bool:
    sql = "SELECT 1 FROM search WHERE tenant_id = ? AND name = ? AND id <> ?"
    return row(db, sql, (tenant_id, name, besides)) is not None


def _wire(stored: Row) -> Row:
    search = loaded(stored)
    settings = search.pop("settings")
    return dated({**search, **settings, "created_by": search["tenant_id"], "status": "1"})
