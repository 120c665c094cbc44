"""Agents: their DSL, settings and versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import apsw

from . import store
from .fields import dated, dumped, loaded, new_id, now_ms, seconds
from .problems import Missing, Refused
from .store import Paging, Row, row, rows

__all__ = [
    "NICKNAME",
    "Filters",
    "create",
    "delete",
    "get",
    "listed",
    "released",
    "tag",
    "tags",
    "update",
    "version",
    "version_title",
    "versions",
]

NICKNAME = "local"  # the owner's name, as versions are called after it
LONGEST_TITLE = 255
_ORDER = ("create_time", "update_time", "title", "id")
_DEFAULTS: Row = {
    "avatar": None,
    "description": None,
    "permission": "me",
    "canvas_type": "",
    "canvas_category": "agent_canvas",
    "tags": "",
}
_UNRELEASED = 20  # versions that are kept


def create(db: apsw.Connection, tenant_id: str, fields: Mapping[str, Any], taken: str) -> Row:
    """A new agent (``title dsl``; ``release`` publishes it); ``Refused`` with the text ``taken`` if the title is."""
    settings = _DEFAULTS | {key: fields[key] for key in _DEFAULTS if fields.get(key) is not None}
    title = fields["title"][:LONGEST_TITLE]
    _check_title(db, tenant_id, title, settings["canvas_category"], taken)
    identifier, now = new_id(), now_ms()
    db.execute(
        "INSERT INTO agent(id, tenant_id, title, settings_json, dsl_json, create_time, update_time)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (identifier, tenant_id, title, dumped(settings), dumped(fields["dsl"]), now, now),
    )
    _keep_version(db, identifier, title, fields["dsl"], release=bool(fields.get("release")))
    return get(db, tenant_id, identifier)


def get(db: apsw.Connection, tenant_id: str, identifier: str) -> Row:
    """One agent with its DSL; ``Missing`` if the tenant has none with this id."""
    found = row(db, "SELECT * FROM agent WHERE id = ? AND tenant_id = ?", (identifier, tenant_id))
    if found is None:
        raise Missing("Agent not found.")
    return _wire(db, found)


class Filters(Paging, total=False):
    """What a list of agents can be narrowed to; ``keywords`` is a part of the title or of a tag."""

    id: str | None
    title: str | None
    keywords: str | None
    categories: Sequence[str] | None
    canvas_type: str | None
    tags: Sequence[str] | None


def listed(db: apsw.Connection, tenant_id: str, **filters: Unpack[Filters]) -> tuple[list[Row], int]:
    """One page of agents, and how many fit."""
    wanted, words = filters.get("tags"), filters.get("keywords") or None
    tags = "settings_json ->> 'tags'"
    tests = {
        "tenant_id = ?": tenant_id,
        "id = ?": filters.get("id"),
        "title = ? COLLATE ANY_CASE": filters.get("title"),
        f"instr(lower(title || char(10) || ({tags})), lower(?))": words,
        "settings_json ->> 'canvas_category' IN": filters.get("categories") or None,
        "settings_json ->> 'canvas_type' = ?": filters.get("canvas_type") or None,
        f"EXISTS (SELECT 1 FROM json_each(?) WHERE instr(',' || ({tags}) || ',', ',' || value || ','))": (
            dumped(list(wanted)) if wanted else None
        ),
    }
    found, total = store.listed(db, "agent", tests, filters, _ORDER)
    return [_wire(db, each) for each in found], total


def update(
    db: apsw.Connection, tenant_id: str, identifier: str, fields: Mapping[str, Any], taken: str | None
) -> Row:
    """Change an agent; a new DSL is a new version. ``taken`` None: another agent may have the same title."""
    old = get(db, tenant_id, identifier)
    title = fields["title"][:LONGEST_TITLE] if "title" in fields else old["title"]
    settings = {key: fields.get(key, old[key]) for key in _DEFAULTS}
    if taken is not None and "title" in fields:
        _check_title(db, tenant_id, title, settings["canvas_category"], taken, besides=identifier)
    dsl = fields.get("dsl", old["dsl"])
    db.execute(
        "UPDATE agent SET title = ?, settings_json = ?, dsl_json = ?, update_time = ? WHERE id = ?",
        (title, dumped(settings), dumped(dsl), now_ms(), identifier),
    )
    if "dsl" in fields:
        _keep_version(db, identifier, title, dsl, release=bool(fields.get("release")))
    return get(db, tenant_id, identifier)


def delete(db: apsw.Connection, tenant_id: str, identifier: str) -> None:
    """Delete an agent with its versions and sessions; ``Missing`` if there is none."""
    get(db, tenant_id, identifier)
    db.execute("DELETE FROM agent WHERE id = ?", (identifier,))


def versions(db: apsw.Connection, agent_id: str) -> list[Row]:
    """The versions of an agent without their DSL, those changed last first."""
    sql = "SELECT id, title, release, create_time, update_time FROM agent_version WHERE agent_id = ?"
    found = rows(db, f"{sql} ORDER BY update_time DESC, rowid DESC", (agent_id,))
    return [_version_wire(each, agent_id) for each in found]


def version(db: apsw.Connection, agent_id: str, identifier: str) -> Row:
    """One version with its DSL; ``Missing`` if the agent has none with this id."""
    found = row(db, "SELECT * FROM agent_version WHERE id = ? AND agent_id = ?", (identifier, agent_id))
    if found is None:
        raise Missing("Version not found.")
    plain = loaded(found)
    del plain["agent_id"]
    return {**_version_wire(plain, agent_id), "description": None}


def released(db: apsw.Connection, agent_id: str) -> Row | None:
    """The DSL that was published last, if one was."""
    sql = "SELECT dsl_json FROM agent_version WHERE agent_id = ? AND release ORDER BY create_time DESC, rowid DESC"
    found = row(db, sql, (agent_id,))
    return None if found is None else dict(loaded(found)["dsl"])


def version_title(db: apsw.Connection, agent_id: str, *, release: bool = False) -> str | None:
    """What the newest version is called, or the newest that was published."""
    only = " AND release" if release else ""
    sql = f"SELECT title FROM agent_version WHERE agent_id = ?{only} ORDER BY create_time DESC, rowid DESC"
    found = row(db, sql, (agent_id,))
    return None if found is None else str(found["title"])


def tag(db: apsw.Connection, tenant_id: str, identifier: str, names: str) -> None:
    """Give an agent these tags, separated by commas, in place of its old ones."""
    settings = {key: get(db, tenant_id, identifier)[key] for key in _DEFAULTS} | {"tags": names}
    db.execute("UPDATE agent SET settings_json = ? WHERE id = ?", (dumped(settings), identifier))


def tags(db: apsw.Connection, tenant_id: str, category: str | None) -> list[tuple[str, int]]:
    """All tags and how many agents have each, the most frequent first."""
    sql = (
        "SELECT settings_json ->> 'tags' FROM agent WHERE tenant_id = ?1"
        " AND (?2 IS NULL OR settings_json ->> 'canvas_category' = ?2)"
    )
    counts: dict[str, int] = {}
    for (names,) in db.execute(sql, (tenant_id, category)):
        for name in filter(None, map(str.strip, names.split(","))):
            counts[name] = counts.get(name, 0) + 1
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _check_title(
    db: apsw.Connection, tenant_id: str, title: str, category: str, taken: str, besides: str = ""
) -> None:
    sql = (
        "SELECT 1 FROM agent WHERE tenant_id = ? AND title = ? COLLATE ANY_CASE AND id <> ?"
        " AND settings_json ->> 'canvas_category' = ?"
    )
    if title and row(db, sql, (tenant_id, title, besides, category)) is not None:
        raise Refused(taken)


def _keep_version(db: apsw.Connection, agent_id: str, title: str, dsl: Row, *, release: bool) -> None:
    """Keep a DSL as the newest version; an unchanged one that was not published is that version itself."""
    now = now_ms()
    sql = "SELECT * FROM agent_version WHERE agent_id = ? ORDER BY create_time DESC, rowid DESC"
    latest = row(db, sql, (agent_id,))
    if latest is not None and loaded(latest)["dsl"] == dsl and (release or not latest["release"]):
        db.execute(
            "UPDATE agent_version SET release = ?, update_time = ? WHERE id = ?", (release, now, latest["id"])
        )
    else:
        name = f"{NICKNAME}_{title}_{seconds(now)}"
        db.execute(
            "INSERT INTO agent_version VALUES (?, ?, ?, ?, ?, ?, ?)",
            (new_id(), agent_id, name, release, dumped(dsl), now, now),
        )
    db.execute(
        "DELETE FROM agent_version WHERE id IN (SELECT id FROM agent_version WHERE agent_id = ? AND NOT release"
        " ORDER BY create_time DESC, rowid DESC LIMIT -1 OFFSET ?)",
        (agent_id, _UNRELEASED),
    )


def _version_wire(stored: Row, agent_id: str) -> Row:
    return dated({**stored, "release": bool(stored["release"]), "user_canvas_id": agent_id})


def _wire(db: apsw.Connection, stored: Row) -> Row:
    agent = loaded(stored)
    settings = agent.pop("settings")
    sql = (
        "SELECT max(create_time) AS made, max(update_time) AS changed FROM agent_version"
        " WHERE agent_id = ? AND release"
    )
    published = row(db, sql, (agent["id"],)) or {}
    times = {"release_time": published["made"], "last_publish_time": published["changed"]}
    return dated({**agent, **settings, **times})
