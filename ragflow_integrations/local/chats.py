"""Chat assistants: settings over datasets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Unpack

import apsw

from . import store
from .fields import dated, dumped, loaded, new_id, now_ms
from .problems import Missing, Refused, Taken
from .store import Paging, Row, conditions, row

__all__ = [
    "EMPTY_RESPONSE",
    "Filters",
    "check_datasets",
    "create",
    "delete",
    "get",
    "listed",
    "update",
]

EMPTY_RESPONSE = "Sorry! No relevant content was found in the knowledge base!"
_ORDER = ("create_time", "update_time", "name", "id")
_PROMPT: Row = {
    # word by word as recorded, like the other defaults: clients compare them
    "system": "You are an intelligent assistant. Please summarize the content of the dataset to answer the question. "
    "Please list the data in the dataset and answer in detail. When all dataset content is irrelevant to the question, "
    'your answer must include the sentence "The answer you are looking for is not found in the dataset!" Answers need '
    "to consider chat history.\n"
    "      Here is the knowledge base:\n      {knowledge}\n      The above is the knowledge base.",
    "prologue": "Hi! I'm your assistant. What can I do for you?",
    "parameters": [{"key": "knowledge", "optional": False}],
    "empty_response": EMPTY_RESPONSE,
    "quote": True,
    "tts": False,
    "refine_multiturn": True,
}
_DEFAULTS: Row = {
    "description": "A helpful Assistant",
    "icon": "",
    "language": "English",
    "llm_id": "",
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


def create(
    db: apsw.Connection,
    tenant_id: str,
    fields: Mapping[str, Any],
    check: Callable[[Row], None] | None = None,
) -> Row:
    """A new chat on datasets that have chunks; ``Taken`` if another has the name.

    What is not in ``fields`` is as RAGFlow v0.27 has it, also inside ``prompt_config``, where an empty ``system``
    counts as none. ``check`` is given the settings before they are written, and raises what is wrong with them.
    """
    dataset_ids = fields.get("dataset_ids") or []
    check_datasets(db, tenant_id, dataset_ids)
    if _is_taken(db, tenant_id, fields["name"]):
        raise Taken(f"there is a chat {fields['name']} already")
    settings = {**_DEFAULTS, **{key: fields[key] for key in _DEFAULTS if key in fields}}
    settings["prompt_config"] = {**_PROMPT, **settings["prompt_config"]}
    settings["prompt_config"]["system"] = settings["prompt_config"]["system"] or _PROMPT["system"]
    if check is not None:
        check(settings)
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
    """What a list of chats can be narrowed to; ``keywords`` is a part of the name."""

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


def update(
    db: apsw.Connection,
    tenant_id: str,
    identifier: str,
    fields: Mapping[str, Any],
    *,
    merged: Collection[str] = (),
    check: Callable[[Row], None] | None = None,
) -> Row:
    """Change a chat; ``Taken`` if another has the new name.

    The values replace the old ones, except for the objects named in ``merged``, which are laid over them. ``check``
    is given the changed chat before anything is written, and raises what is wrong with it.
    """
    old = get(db, tenant_id, identifier)
    laid_over = {key: {**(old[key] or {}), **fields[key]} for key in merged if key in fields}
    new = {**old, **fields, **laid_over}
    if _is_taken(db, tenant_id, new["name"], besides=identifier):
        raise Taken(f"there is a chat {new['name']} already")
    check_datasets(db, tenant_id, fields.get("dataset_ids", ()))
    if check is not None:
        check(new)
    settings = {key: new[key] for key in _DEFAULTS}
    db.execute(
        "UPDATE chat SET name = ?, dataset_ids_json = ?, settings_json = ?, update_time = ? WHERE id = ?",
        (new["name"], dumped(new["dataset_ids"]), dumped(settings), now_ms(), identifier),
    )
    return get(db, tenant_id, identifier)


def delete(db: apsw.Connection, tenant_id: str, ids: Sequence[str] | None) -> int:
    """Delete these chats (None: all) with their sessions and say how many went; unknown ids are passed over."""
    where, bindings = conditions({"tenant_id = ?": tenant_id, "id IN": ids})
    db.execute(f"DELETE FROM chat{where}", bindings)
    return db.changes()


def check_datasets(db: apsw.Connection, tenant_id: str, dataset_ids: Sequence[str]) -> None:
    """Raise unless a chat can be on these datasets: they are the tenant's, have chunks, and one kind of vectors."""
    sql = (
        "SELECT chunk_count, embedder, dimensions, settings_json FROM dataset WHERE id = ? AND tenant_id = ?"
    )
    kinds: dict[tuple[str, int], str] = {}
    for identifier in dataset_ids:
        found = row(db, sql, (identifier, tenant_id))
        if found is None:
            raise Missing(f"You don't own the dataset {identifier}")
        if not found["chunk_count"]:
            raise Refused(f"The dataset {identifier} doesn't own parsed file")
        kinds[found["embedder"], found["dimensions"]] = loaded(found)["settings"]["embedding_model"]
    if len(kinds) > 1:
        raise Refused(f"Datasets use different embedding models: {list(kinds.values())}")


def _is_taken(db: apsw.Connection, tenant_id: str, name: str, *, besides: str = "") -> bool:
    sql = "SELECT 1 FROM chat WHERE tenant_id = ? AND name = ? AND id <> ?"
    return row(db, sql, (tenant_id, name, besides)) is not None


def _wire(db: apsw.Connection, stored: Row) -> Row:
    chat = loaded(stored)
    ids = chat.pop("dataset_ids")
    found = [row(db, "SELECT id, name FROM dataset WHERE id = ?", (each,)) for each in ids]
    datasets = [each for each in found if each is not None]
    owner = {"tenant_llm_id": None, "tenant_rerank_id": None, "status": "1"}
    settings = chat.pop("settings")
    named = {
        "dataset_ids": [each["id"] for each in datasets],
        "kb_names": [each["name"] for each in datasets],
    }
    return dated({**chat, **settings, **owner, **named})
