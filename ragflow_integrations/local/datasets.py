"""Datasets: settings, defaults of RAGFlow v0.27, counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import apsw

from . import blobs, index, store
from .embed import Embedder
from .fields import dated, dumped, free_name, loaded, merged, new_id, now_ms
from .models import Models
from .problems import Missing, Refused
from .store import Paging, Row, row

__all__ = [
    "Kept",
    "check_owner",
    "create",
    "default_parser_config",
    "delete",
    "embedder",
    "get",
    "listed",
    "update",
]

Kept = tuple[str, int]
"""What a dataset keeps of the embedder that made its vectors: name and dimensions."""

_ORDER = ("create_time", "update_time", "name")

_GRAPHRAG = {
    "batch_chunk_token_size": 4096,
    "build_subgraph_min_timeout_seconds": 600,
    "build_subgraph_timeout_per_chunk_seconds": 300,
    "community_timeout_seconds": 1800,
    "entity_types": ["organization", "person", "geo", "event", "category"],
    "lock_acquire_timeout_seconds": 600,
    "merge_timeout_seconds": 180,
    "method": "light",
    "resolution_timeout_seconds": 1800,
    "retry_attempts": 2,
    "retry_backoff_max_seconds": 60.0,
    "retry_backoff_seconds": 2.0,
    "use_graphrag": False,
}
_RAPTOR = {
    "clustering_ratio": 0.5,
    "clustering_threshold": 0.3,
    "max_cluster": 64,
    "max_token": 512,
    "prompt": "Write a title and a short summary of these paragraphs:\n{cluster_content}",
    "random_seed": 0,
    "use_raptor": False,
}
_ALL_METHODS = {"image_context_size": 0, "llm_id": "", "table_context_size": 0}
_LONG_TEXTS = {**_ALL_METHODS, "graphrag": _GRAPHRAG, "raptor": _RAPTOR}
_NAIVE = {
    **_LONG_TEXTS,
    "auto_keywords": 0,
    "auto_questions": 0,
    "children_delimiter": "",
    "chunk_token_num": 512,
    "delimiter": "\n",
    "html4excel": False,
    "layout_recognize": "DeepDOC",
    "parent_child": {"children_delimiter": "\n", "use_parent_child": False},
    "topn_tags": 3,
}
_WITH_LONG_TEXTS = {"manual", "qa", "paper", "book", "laws", "presentation"}

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


def default_parser_config(chunk_method: str) -> Row:
    """RAGFlow v0.27's ``parser_config`` for a chunk method; summaries and graphs (they need a model) are off."""
    if chunk_method == "naive":
        return merged({}, _NAIVE)
    return merged({}, _LONG_TEXTS if chunk_method in _WITH_LONG_TEXTS else _ALL_METHODS)


def create(db: apsw.Connection, tenant_id: str, kept: Kept, fields: Mapping[str, Any]) -> Row:
    """A new dataset (``name`` and ``embedding_model`` at least); a name that is taken becomes ``name(1)``.

    ``kept`` is of the embedder that the model's name stands for.
    """
    settings = dict(_DEFAULTS)
    settings |= {key: value for key, value in fields.items() if key != "name" and value is not None}
    config = default_parser_config(settings["chunk_method"])
    settings["parser_config"] = merged(config, fields.get("parser_config") or {})
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
    """What a list of datasets can be narrowed to."""

    id: str | None
    name: str | None
    ids: Sequence[str] | None


def listed(db: apsw.Connection, tenant_id: str, **filters: Unpack[Filters]) -> tuple[list[Row], int]:
    """One page of the datasets that fit, and how many fit."""
    named = {"id = ?": filters.get("id"), "name = ?": filters.get("name"), "id IN": filters.get("ids")}
    found, total = store.listed(db, "dataset", {"tenant_id = ?": tenant_id, **named}, filters, _ORDER)
    return [_wire(each) for each in found], total


def update(
    db: apsw.Connection, tenant_id: str, dataset_id: str, fields: Mapping[str, Any], kept: Kept | None = None
) -> Row:
    """Change settings; ``parser_config`` is merged into the old one, other values replace.

    ``kept`` is of the embedder that a new ``embedding_model`` stands for.
    """
    old = get(db, tenant_id, dataset_id)
    if kept is not None:
        _keep(db, old, fields["embedding_model"], kept)
    name = fields.get("name") or old["name"]
    if _is_taken(db, tenant_id, name, besides=dataset_id):
        raise Refused(f"Dataset name '{name}' already exists")
    settings = {key: fields.get(key, old[key]) for key in (*_DEFAULTS, "embedding_model")}
    settings["parser_config"] = merged(_base_config(old, settings), fields.get("parser_config") or {})
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
    """Have another embedder make the dataset's vectors; ``Refused`` if it has some of the old one."""
    db.execute(
        "UPDATE dataset SET embedder = ?1, dimensions = ?2"
        " WHERE id = ?3 AND chunk_count = 0 AND (embedder, dimensions) <> (?1, ?2)",
        (*kept, dataset["id"]),
    )
    if not row(
        db, "SELECT 1 FROM dataset WHERE id = ? AND embedder = ? AND dimensions = ?", (dataset["id"], *kept)
    ):
        raise Refused(
            f"When chunk_num ({dataset['chunk_count']}) > 0, embedding_model must remain {dataset['embedding_model']}, "
            f"since {model} makes other vectors"
        )


def _base_config(old: Row, settings: Row) -> Row:
    if settings["chunk_method"] == old["chunk_method"]:
        return dict(old["parser_config"])
    return default_parser_config(settings["chunk_method"])


def _is_taken(db: apsw.Connection, tenant_id: str, name: str, *, besides: str = "") -> bool:
    sql = "SELECT 1 FROM dataset WHERE tenant_id = ? AND name = ? AND id <> ?"
    return row(db, sql, (tenant_id, name, besides)) is not None


def _wire(stored: Row) -> Row:
    decoded, tenant_id = loaded(stored), stored["tenant_id"]
    own = {key: decoded[key] for key in _OWN}
    owner = {"tenant_id": tenant_id, "created_by": tenant_id, "tenant_embd_id": None, "status": "1"}
    return dated({**own, **decoded["settings"], **owner, **_NEVER_RUN})
