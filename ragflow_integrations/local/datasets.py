"""Datasets: settings, defaults of RAGFlow v0.27, counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import apsw

from . import blobs, index, parser_defaults, store
from .embed import Embedder
from .fields import dated, dumped, free_name, loaded, merged, new_id, now_ms
from .models import Models
from .parser_defaults import ParserDefaults
from .problems import Missing, Refused
from .store import Paging, Row, row

__all__ = [
    "Kept",
    "check_owner",
    "create",
    "delete",
    "embedder",
    "get",
    "is_foreign",
    "listed",
    "update",
]

Kept = tuple[str, int]
"""What a dataset keeps of the embedder that made its vectors: name and dimensions."""

_ORDER = ("create_time", "update_time", "name")

_DEFAULTS: Row = {
    "avatar": None,
    "language": "English",
    "description": None,
    "permission": "me",
    "chunk_method": "naive",
    "pipeline_id": None,
    "pagerank": 0,
    "similarity_threshold": 0.2,
    "vector_similarity_weight": 0.3,
}
_TASKS = [
    "graphrag",
    "raptor",
    "mindmap",
    "session_essence",
    "session_graph",
    "skill",
    "structure_graph",
    "structure_mindmap",
    "structure",
    "timeline",
    "wiki",
]
_NEVER_RUN: Row = {f"{task}_{what}": None for task in _TASKS for what in ("task_id", "task_finish_at")}
_OWN = ("id", "name", "document_count", "chunk_count", "token_num", "create_time", "update_time")


def create(
    db: apsw.Connection,
    tenant_id: str,
    kept: Kept,
    fields: Mapping[str, Any],
    llm_id: str,
    defaults: ParserDefaults = parser_defaults.v027,
) -> Row:
    """A new dataset (``name`` and ``embedding_model`` at least); a name that is taken becomes ``name(1)``.

    ``kept`` is of the embedder that the model's name stands for; ``parser_config`` goes over the ``defaults``, and
    names the model ``llm_id``.
    """
    settings = dict(_DEFAULTS)
    settings |= {key: value for key, value in fields.items() if key != "name" and value is not None}
    config = merged(defaults(settings["chunk_method"]), fields.get("parser_config") or {})
    settings["parser_config"] = config | {"llm_id": llm_id}
    dataset_id, now = new_id(), now_ms()
    name = free_name(fields["name"], lambda name: _is_taken(db, tenant_id, name))
    db.execute(
        "INSERT INTO dataset(id, tenant_id, name, settings_json, embedder, dimensions, create_time, update_time)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (dataset_id, tenant_id, name, dumped(settings), *kept, now, now),
    )
    return get(db, tenant_id, dataset_id)


def get(db: apsw.Connection, tenant_id: str, dataset_id: str) -> Row:
    """One dataset; ``Missing`` if there is none with this id."""
    found = row(db, "SELECT * FROM dataset WHERE id = ? AND tenant_id = ?", (dataset_id, tenant_id))
    if found is None:
        raise Missing(f"You don't own the dataset {dataset_id}.")
    return _wire(found)


def check_owner(db: apsw.Connection, tenant_id: str, dataset_ids: Sequence[str]) -> None:
    """``Missing`` names the first of these datasets that is not the tenant's."""
    for dataset_id in dataset_ids:
        if not row(db, "SELECT 1 FROM dataset WHERE id = ? AND tenant_id = ?", (dataset_id, tenant_id)):
            raise Missing(f"You don't own the dataset {dataset_id}.")


def is_foreign(db: apsw.Connection, tenant_id: str, dataset_id: str) -> bool:
    """Whether there is such a dataset, but another tenant's."""
    sql = "SELECT 1 FROM dataset WHERE id = ? AND tenant_id <> ?"
    return row(db, sql, (dataset_id, tenant_id)) is not None


def embedder(db: apsw.Connection, dataset_id: str, models: Models) -> Embedder:
    """What makes a dataset's vectors; ``Refused`` if the engine has no such model, for they are never mixed."""
    found = row(db, "SELECT name, embedder, dimensions FROM dataset WHERE id = ?", (dataset_id,))
    if found is None:
        raise Missing(f"You don't own the dataset {dataset_id}.")
    keeper = models.keeper(found["embedder"], found["dimensions"])
    if keeper is None:
        own = models.embedder()
        raise Refused(
            f"the dataset '{found['name']}' was made with the embedder {found['embedder']} "
            f"({found['dimensions']} dimensions); this engine runs {own.name} ({own.dimensions}); "
            "open it with the former"
        )
    return keeper


class Filters(Paging, total=False):
    """What a list of datasets can be narrowed to; ``keywords`` is a part of the name."""

    id: str | None
    name: str | None
    ids: Sequence[str] | None
    keywords: str | None
    chunk_method: str | None


def listed(db: apsw.Connection, tenant_id: str, **filters: Unpack[Filters]) -> tuple[list[Row], int]:
    """One page of the datasets that fit, and how many fit."""
    tests = {
        "tenant_id = ?": tenant_id,
        "id = ?": filters.get("id"),
        "name = ?": filters.get("name"),
        "id IN": filters.get("ids"),
        "instr(lower(name), lower(?))": filters.get("keywords") or None,
        "settings_json ->> 'chunk_method' = ?": filters.get("chunk_method"),
    }
    found, total = store.listed(db, "dataset", tests, filters, _ORDER)
    return [_wire(each) for each in found], total


def update(
    db: apsw.Connection,
    tenant_id: str,
    dataset_id: str,
    fields: Mapping[str, Any],
    kept: Kept | None = None,
    defaults: ParserDefaults = parser_defaults.v027,
) -> Row:
    """Change settings; ``parser_config`` is merged into the old one, other values replace.

    ``kept`` is of the embedder that a new ``embedding_model`` stands for. A new ``chunk_method`` without a
    ``parser_config`` brings its ``defaults``.
    """
    old = get(db, tenant_id, dataset_id)
    if kept is not None:
        _keep(db, old, fields["embedding_model"], kept)
    name = fields.get("name") or old["name"]
    if _is_taken(db, tenant_id, name, besides=dataset_id):
        raise Refused(f"Dataset name '{name}' already exists")
    settings = {key: fields.get(key, old[key]) for key in (*_DEFAULTS, "embedding_model", "parser_config")}
    if fields.get("parser_config"):
        settings["parser_config"] = merged(old["parser_config"], fields["parser_config"])
    elif settings["chunk_method"] != old["chunk_method"]:
        settings["parser_config"] = defaults(settings["chunk_method"])
    db.execute(
        "UPDATE dataset SET name = ?, settings_json = ?, update_time = ? WHERE id = ?",
        (name, dumped(settings), now_ms(), dataset_id),
    )
    return get(db, tenant_id, dataset_id)


def delete(db: apsw.Connection, tenant_id: str, ids: Sequence[str] | None) -> list[str]:
    """Delete these datasets (None: all) with all that is in them, and say which went.

    ``Missing`` names those that are unknown; then none goes.
    """
    known = dict(db.execute("SELECT id, NULL FROM dataset WHERE tenant_id = ?", (tenant_id,)))
    chosen = list(known if ids is None else dict.fromkeys(ids))
    unknown = [each for each in chosen if each not in known]
    if unknown:
        raise Missing(f"no such dataset: {', '.join(unknown)}")
    for dataset_id in chosen:
        files = [
            key for (key,) in db.execute("SELECT sha256 FROM document WHERE dataset_id = ?", (dataset_id,))
        ]
        index.remove_dataset(db, dataset_id)
        db.execute("DELETE FROM dataset WHERE id = ?", (dataset_id,))
        blobs.drop_unused(db, files)
    return chosen


def _keep(db: apsw.Connection, dataset: Row, model: str, kept: Kept) -> None:
    """Have another embedder make the dataset's vectors; ``Refused`` if it has some of the old one.

    The name that it has already changes nothing that is there, even if it stands for another embedder by now.
    """
    db.execute(
        "UPDATE dataset SET embedder = ?1, dimensions = ?2"
        " WHERE id = ?3 AND chunk_count = 0 AND (embedder, dimensions) <> (?1, ?2)",
        (*kept, dataset["id"]),
    )
    sql = "SELECT 1 FROM dataset WHERE id = ? AND embedder = ? AND dimensions = ?"
    if model != dataset["embedding_model"] and not row(db, sql, (dataset["id"], *kept)):
        raise Refused(
            f"When chunk_num ({dataset['chunk_count']}) > 0, embedding_model must remain {dataset['embedding_model']}, "
            f"since {model} makes other vectors"
        )


def _is_taken(db: apsw.Connection, tenant_id: str, name: str, *, besides: str = "") -> bool:
    sql = "SELECT 1 FROM dataset WHERE tenant_id = ? AND name = ? AND id <> ?"
    return row(db, sql, (tenant_id, name, besides)) is not None


def _wire(stored: Row) -> Row:
    decoded, tenant_id = loaded(stored), stored["tenant_id"]
    own = {key: decoded[key] for key in _OWN}
    owner = {"tenant_id": tenant_id, "created_by": tenant_id, "tenant_embd_id": None, "status": "1"}
    return dated({**own, **decoded["settings"], **owner, **_NEVER_RUN})
