"""Chat assistants and their sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import apsw

from . import store
from .fields import dated, dumped, loaded, merged, new_id, now_ms
from .problems import Missing, Refused
from .store import Paging, Row, conditions, row

__all__ = [
    "EMPTY_RESPONSE",
    "LLM_ID",
    "Filters",
    "append_turn",
    "create",
    "create_session",
    "delete",
    "delete_sessions",
    "get",
    "get_session",
    "listed",
    "listed_sessions",
    "update",
    "update_session",
]

LLM_ID = "extractive@Builtin"
EMPTY_RESPONSE = "Sorry! No relevant content was found in the knowledge base!"
_ORDER = ("create_time", "update_time", "name")
_OWNED = "chat_id IN (SELECT id FROM chat WHERE tenant_id = ?)"
_PROMPT: Row = {
    "system": "Answer from these excerpts only; say so when they do not hold the answer.\n\n{knowledge}",
    "prologue": "Hi! I'm your assistant. What can I do for you?",
    "parameters": [{"key": "knowledge", "optional": False}],
    "empty_response": EMPTY_RESPONSE,
    "quote": True,
    "tts": False,
    "refine_multiturn": True,
}
_DATE = {"key": "date", "optional": True}
_DEFAULTS: Row = {
    "description": "A helpful Assistant",
    "icon": "",
    "language": "English",
    "llm_id": LLM_ID,
    "llm_setting": {},
    "prompt_type": "simple",
    "prompt_config": _PROMPT,
    "meta_data_filter": {},
    "similarity_threshold": 0.1,
    "vector_similarity_weight": 0.3,
    "top_n": 6,
    "top_k": 1024,
    "do_refer": "1",
    "rerank_id": "",
}


def create(db: apsw.Connection, tenant_id: str, fields: Mapping[str, Any]) -> Row:
    """A new chat on datasets that have chunks; a name that is taken is refused."""
    if _is_taken(db, tenant_id, fields["name"]):
        raise Refused("duplicated chat name in creating chat")
    dataset_ids = fields.get("dataset_ids") or []
    _check_datasets(db, tenant_id, dataset_ids)
    given = {key: fields[key] for key in _DEFAULTS if fields.get(key) is not None}
    settings = _with_date(
        {**_DEFAULTS, **given, "prompt_config": {**_PROMPT, **given.get("prompt_config", {})}}
    )
    identifier, now = new_id(), now_ms()
    db.execute(
        "INSERT INTO chat(id, tenant_id, name, dataset_ids_json, settings_json, create_time, update_time)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (identifier, tenant_id, fields["name"], dumped(dataset_ids), dumped(settings), now, now),
    )
    return get(db, tenant_id, identifier)


def get(db: apsw.Connection, tenant_id: str, identifier: str) -> Row:
    """One chat; ``Missing`` if there is none with this id."""
    found = row(db, "SELECT * FROM chat WHERE id = ? AND tenant_id = ?", (identifier, tenant_id))
    if found is None:
        raise Missing(f"Chat({identifier}) not found.")
    return _wire(db, found)


class Filters(Paging, total=False):
    """What a list of chats or sessions can be narrowed to; ``keywords`` (chats) is a part of the name."""

    id: str | None
    name: str | None
    keywords: str | None


def listed(db: apsw.Connection, tenant_id: str, **filters: Unpack[Filters]) -> tuple[list[Row], int]:
    """One page of the chats that fit, and how many fit."""
    tests = {
        "tenant_id = ?": tenant_id,
        "id = ?": filters.get("id"),
        "instr(lower(name), lower(?))": filters.get("keywords") or None,
        "name = ?": filters.get("name"),
    }
    found, total = store.listed(db, "chat", tests, filters, _ORDER)
    return [_wire(db, each) for each in found], total


def update(db: apsw.Connection, tenant_id: str, identifier: str, fields: Mapping[str, Any]) -> Row:
    """Change a chat; the values replace the old ones."""
    old = get(db, tenant_id, identifier)
    name = fields.get("name") or old["name"]
    if _is_taken(db, tenant_id, name, besides=identifier):
        raise Refused("duplicated chat name")
    dataset_ids = (fields["dataset_ids"] or []) if "dataset_ids" in fields else old["dataset_ids"]
    _check_datasets(db, tenant_id, [each for each in dataset_ids if each not in old["dataset_ids"]])
    settings = {key: fields.get(key, old[key]) for key in _DEFAULTS}
    db.execute(
        "UPDATE chat SET name = ?, dataset_ids_json = ?, settings_json = ?, update_time = ? WHERE id = ?",
        (name, dumped(dataset_ids), dumped(_with_date(settings)), now_ms(), identifier),
    )
    return get(db, tenant_id, identifier)


def delete(db: apsw.Connection, tenant_id: str, ids: Sequence[str] | None) -> int:
    """Delete these chats (None: all) with their sessions and say how many went; unknown ids are passed over."""
    where, bindings = conditions({"tenant_id = ?": tenant_id, "id IN": ids})
    db.execute(f"DELETE FROM chat{where}", bindings)
    return db.changes()


def create_session(db: apsw.Connection, tenant_id: str, chat: Row, name: str) -> Row:
    """A new session, opened by the chat's prologue."""
    identifier, now = new_id(), now_ms()
    opening = [{"role": "assistant", "content": chat["prompt_config"].get("prologue", "")}]
    db.execute(
        "INSERT INTO session(id, chat_id, name, messages_json, create_time, update_time)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (identifier, chat["id"], name, dumped(opening), now, now),
    )
    return get_session(db, tenant_id, identifier)


def get_session(db: apsw.Connection, tenant_id: str, identifier: str) -> Row:
    """One session; ``Missing`` if there is none with this id."""
    found = row(db, f"SELECT * FROM session WHERE id = ? AND {_OWNED}", (identifier, tenant_id))
    if found is None:
        raise Missing("Session not found!")
    return _session_wire(found, tenant_id)


def listed_sessions(
    db: apsw.Connection, tenant_id: str, chat_id: str, **filters: Unpack[Filters]
) -> list[Row]:
    """One page of a chat's sessions that fit."""
    tests = {
        "chat_id = ?": chat_id,
        _OWNED: tenant_id,
        "id = ?": filters.get("id"),
        "name = ?": filters.get("name"),
    }
    found, _ = store.listed(db, "session", tests, filters, _ORDER)
    return [_session_wire(each, tenant_id) for each in found]


def update_session(db: apsw.Connection, tenant_id: str, identifier: str, fields: Mapping[str, Any]) -> Row:
    """Change a session's ``name``."""
    old = get_session(db, tenant_id, identifier)
    db.execute(
        "UPDATE session SET name = ?, update_time = ? WHERE id = ?",
        (fields.get("name") or old["name"], now_ms(), identifier),
    )
    return get_session(db, tenant_id, identifier)


def delete_sessions(db: apsw.Connection, tenant_id: str, chat_id: str, ids: Sequence[str] | None) -> int:
    """Delete these sessions of a chat (None: all); unknown ids are passed over. Returns how many went."""
    where, bindings = conditions({"chat_id = ?": chat_id, _OWNED: tenant_id, "id IN": ids})
    db.execute(f"DELETE FROM session{where}", bindings)
    return db.changes()


def append_turn(db: apsw.Connection, identifier: str, messages: Sequence[Row], reference: Row) -> None:
    """Add a question and its answer with what it refers to; nothing happens if the session is gone by now."""
    found = row(db, "SELECT messages_json, reference_json FROM session WHERE id = ?", (identifier,))
    if found is None:
        return
    old = loaded(found)
    db.execute(
        "UPDATE session SET messages_json = ?, reference_json = ?, update_time = ? WHERE id = ?",
        (dumped([*old["messages"], *messages]), dumped([*old["reference"], reference]), now_ms(), identifier),
    )


def _check_datasets(db: apsw.Connection, tenant_id: str, dataset_ids: Sequence[str]) -> None:
    sql = "SELECT chunk_count FROM dataset WHERE id = ? AND tenant_id = ?"
    for identifier in dataset_ids:
        found = row(db, sql, (identifier, tenant_id))
        if found is None:
            raise Missing(f"You don't own the dataset {identifier}")
        if not found["chunk_count"]:
            raise Refused(f"The dataset {identifier} doesn't own parsed file")


def _with_date(settings: Row) -> Row:
    # RAGFlow v0.27 offers the variable {date} in every chat.
    config = settings["prompt_config"]
    parameters = config.get("parameters") or []
    if any(each.get("key") == "date" for each in parameters):
        return settings
    return merged(settings, {"prompt_config": {"parameters": [*parameters, _DATE]}})


def _is_taken(db: apsw.Connection, tenant_id: str, name: str, *, besides: str = "") -> bool:
    sql = "SELECT 1 FROM chat WHERE tenant_id = ? AND name = ? AND id <> ?"
    return row(db, sql, (tenant_id, name, besides)) is not None


def _wire(db: apsw.Connection, stored: Row) -> Row:
    chat = loaded(stored)
    names = {
        each: name
        for each in chat.pop("dataset_ids")
        for (name,) in db.execute("SELECT name FROM dataset WHERE id = ?", (each,))
    }
    owner = {"tenant_llm_id": None, "tenant_rerank_id": None, "status": "1"}
    settings = chat.pop("settings")
    return dated({**chat, **settings, **owner, "dataset_ids": list(names), "kb_names": list(names.values())})


def _session_wire(stored: Row, tenant_id: str) -> Row:
    return dated(loaded(stored) | {"user_id": tenant_id})
