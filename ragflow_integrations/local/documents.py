"""Documents: the files of a dataset, their settings and the state of their parsing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, TypedDict, Unpack

import apsw

from . import blobs, chunks, renaming, store
from .fields import dated, dumped, free_name, loaded, merged, new_id, now_ms
from .metadata import Filter, changed, matching, normalised, values_of
from .metadata_sql import may_fit
from .problems import Missing, Refused
from .store import Paging, Row, conditions, row, rows, scalar

__all__ = [
    "Filters",
    "Narrowed",
    "add",
    "delete",
    "facets",
    "fitting",
    "get",
    "kind_of",
    "listed",
    "metadata",
    "method_of",
    "read",
    "reset",
    "size",
    "update",
    "update_metadata",
]

_ORDER = (
    "create_time",
    "update_time",
    "name",
    "size",
    "run",
    "progress",
    "chunk_count",
    "token_count",
    "suffix",
    "id",
)
_NONE = "{}"  # metadata, as stored
_OWNED = "dataset_id IN (SELECT id FROM dataset WHERE tenant_id = ?)"
_DOC = (
    "msg eml doc docx ppt pptx yml xml htm html json jsonl ldjson csv txt ini xls xlsx wps rtf hlp pages numbers key"
    " md mdx py js java c cpp h php go ts sh cs kt sql epub markdown tsv ods odt"
)
_AURAL = "wav flac ape alac wavpack wv mp3 aac ogg vorbis opus"
_VISUAL = (
    "jpg jpeg png tif gif bmp pcx tga exif fpx svg psd cdr pcd dxf ufo eps ai raw wmf webp avif apng icon ico"
    " mpg mpeg avi rm rmvb mov wmv asf dat asx wvx mpe mpa mp4 mkv"
)
_KINDS = {"pdf": "pdf"} | {
    suffix: kind
    for kind, suffixes in (("doc", _DOC), ("aural", _AURAL), ("visual", _VISUAL))
    for suffix in suffixes.split()
}
_OWN_METHOD = {"visual": "picture", "aural": "audio"}
_OWN_METHOD_OF = dict.fromkeys(("ppt", "pptx", "pages"), "presentation") | dict.fromkeys(
    ("msg", "eml"), "email"
)


def kind_of(name: str) -> str:
    """What RAGFlow takes a file for by its name: ``pdf doc visual aural``, or ``other``, which it refuses."""
    return _KINDS.get(_suffix(name).lower(), "other")


def method_of(name: str, default: str) -> str:
    """The chunk method of a new document: some kinds of files have their own, whatever the dataset's is."""
    return _OWN_METHOD.get(kind_of(name)) or _OWN_METHOD_OF.get(_suffix(name)) or default


def add(
    db: apsw.Connection,
    tenant_id: str,
    dataset: Row,
    name: str,
    data: bytes | None,
    *,
    folder: str = "",
    parser_config: Mapping[str, Any] = MappingProxyType({}),
) -> Row:
    """A new document, not parsed yet; a name that is taken becomes ``stem(1).suffix``.

    Without ``data`` it is virtual: it has no file. ``folder`` only shows in its ``location``; ``parser_config`` goes
    over the dataset's.
    """
    name = free_name(name, lambda name: _is_taken(db, dataset["id"], name))
    contents = data or b""
    values = {
        "id": new_id(),
        "dataset_id": dataset["id"],
        "name": name,
        "location": "" if data is None else _free_location(db, dataset["id"], folder, name),
        "suffix": _suffix(name),
        "type": "virtual" if data is None else kind_of(name),
        "size": len(contents),
        "content_hash": "" if data is None else blake2b(contents, digest_size=16).hexdigest(),
        "sha256": blobs.store(db, contents),
        "chunk_method": dataset["chunk_method"] if data is None else method_of(name, dataset["chunk_method"]),
        "parser_config_json": dumped({**dataset["parser_config"], **parser_config}),
        "create_time": now_ms(),
    }
    return _inserted(db, tenant_id, values)


def _inserted(db: apsw.Connection, tenant_id: str, values: Row) -> Row:
    values["update_time"] = values["create_time"]
    db.execute(
        f"INSERT INTO document({', '.join(values)}) VALUES ({', '.join(f':{key}' for key in values)})", values
    )
    db.execute(
        "UPDATE dataset SET document_count = document_count + 1, update_time = ? WHERE id = ?",
        (values["create_time"], values["dataset_id"]),
    )
    return get(db, tenant_id, values["id"])


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.removeprefix(".")


def _free_location(db: apsw.Connection, dataset_id: str, folder: str, name: str) -> str:
    """As RAGFlow does it: a place that an earlier file of the dataset has taken gets underlines at its end."""
    location = f"{folder}/{name}" if folder else name
    taken = "SELECT 1 FROM document WHERE dataset_id = ? AND location = ?"
    while row(db, taken, (dataset_id, location)):
        location += "_"
    return location


def get(db: apsw.Connection, tenant_id: str, document_id: str) -> Row:
    """One document; ``Missing`` if there is none with this id."""
    found = row(db, f"SELECT * FROM document WHERE id = ? AND {_OWNED}", (document_id, tenant_id))
    if found is None:
        raise Missing(f"you don't own the document {document_id}")
    return _wire(found, tenant_id)


def size(db: apsw.Connection, dataset_id: str) -> int:
    """The bytes of all files of a dataset."""
    return int(scalar(db, "SELECT coalesce(sum(size), 0) FROM document WHERE dataset_id = ?", (dataset_id,)))


def read(db: apsw.Connection, tenant_id: str, document_id: str) -> bytes:
    """The file's bytes."""
    found = row(db, f"SELECT sha256 FROM document WHERE id = ? AND {_OWNED}", (document_id, tenant_id))
    if found is None:
        raise Missing("document not found")
    return blobs.read(db, found["sha256"])


class Narrowed(TypedDict, total=False):
    """What documents can be narrowed to; ``keywords`` is a part of the name."""

    id: str | None
    name: str | None
    keywords: str | None
    run: Sequence[str] | None
    suffix: Sequence[str] | None
    types: Sequence[str] | None
    ids: Sequence[str] | None
    without_metadata: bool


class Filters(Paging, Narrowed):
    """Which part of which documents."""


def listed(
    db: apsw.Connection, tenant_id: str, dataset_id: str, **filters: Unpack[Filters]
) -> tuple[list[Row], int]:
    """One page of the documents of a dataset that fit, and how many fit."""
    found, total = store.listed(db, "document", _tests(tenant_id, dataset_id, filters), filters, _ORDER)
    return [_wire(each, tenant_id) for each in found], total


def facets(db: apsw.Connection, tenant_id: str, dataset_id: str, filters: Narrowed) -> tuple[Row, int]:
    """How often each ``suffix``, ``run`` and value of metadata is among the documents that fit, and how many fit."""
    where, bindings = conditions(_tests(tenant_id, dataset_id, filters))
    found = rows(db, f"SELECT suffix, run, meta_fields_json FROM document{where}", bindings)
    counted = {key: dict(Counter(each[key] for each in found)) for key in ("suffix", "run")}
    return {**counted, "metadata": values_of(json.loads(each["meta_fields_json"]) for each in found)}, len(
        found
    )


def _tests(tenant_id: str, dataset_id: str, filters: Narrowed) -> Row:
    return {
        "dataset_id = ?": dataset_id,
        _OWNED: tenant_id,
        "id = ?": filters.get("id"),
        "name = ?": filters.get("name"),
        "instr(lower(name), lower(?))": filters.get("keywords") or None,
        "run IN": filters.get("run"),
        "suffix IN": filters.get("suffix"),
        "type IN": filters.get("types"),
        "id IN": filters.get("ids"),
        "meta_fields_json = ?": _NONE if filters.get("without_metadata") else None,
    }


def update(db: apsw.Connection, tenant_id: str, document_id: str, fields: Mapping[str, Any]) -> Row:
    """Change ``name``, ``meta_fields`` (replaced), ``parser_config`` (merged), ``chunk_method``, ``enabled``.

    Another ``chunk_method`` takes the chunks: the document is to be parsed again.
    With another name ``renaming.follow`` is to be called afterwards.
    """
    old = get(db, tenant_id, document_id)
    new = {key: fields.get(key, old[key]) for key in ("name", "meta_fields", "chunk_method")}
    metadata = normalised(new["meta_fields"])
    config = merged(old["parser_config"], fields.get("parser_config") or {})
    if _is_taken(db, old["dataset_id"], new["name"], besides=document_id):
        raise Refused("Duplicated document name in the same dataset.")
    db.execute(
        "UPDATE document SET name = ?, meta_fields_json = ?, chunk_method = ?, parser_config_json = ?,"
        " update_time = ? WHERE id = ?",
        (new["name"], dumped(metadata), new["chunk_method"], dumped(config), now_ms(), document_id),
    )
    if new["name"] != old["name"]:
        renaming.mark(db, document_id, old["name"], new["name"])
    if new["chunk_method"] != old["chunk_method"]:
        reset(db, old)
    if "enabled" in fields:
        _switch(db, old, bool(fields["enabled"]))
    return get(db, tenant_id, document_id)


def reset(db: apsw.Connection, document: Row) -> None:
    """Take the chunks of a document, which is as if it had never been parsed; its job ends."""
    chunks.delete_of(db, document["dataset_id"], [document["id"]])
    db.execute("DELETE FROM job WHERE document_id = ?", (document["id"],))
    db.execute(
        "UPDATE document SET run = 'UNSTART', progress = 0.0, progress_msg = '' WHERE id = ?",
        (document["id"],),
    )


def metadata(
    db: apsw.Connection, dataset_ids: Sequence[str], ids: Sequence[str] | None = None
) -> dict[str, Row]:
    """``{id: meta_fields}`` of the documents of these datasets (or of these ones among them) that have some."""
    where, bindings = conditions({"dataset_id IN": dataset_ids, "id IN": ids, "meta_fields_json <> ?": _NONE})
    found = db.execute(f"SELECT id, meta_fields_json FROM document{where}", bindings)
    return {identifier: json.loads(text) for identifier, text in found}


def fitting(db: apsw.Connection, dataset_ids: Sequence[str], wanted: Filter) -> list[str]:
    """The ids of the documents of these datasets that a filter fits."""
    test, bindings = may_fit(wanted)
    where, first = conditions({"dataset_id IN": dataset_ids})
    found = db.execute(f"SELECT id, meta_fields_json FROM document{where} AND {test}", [*first, *bindings])
    return matching({identifier: json.loads(text) for identifier, text in found}, wanted)


def update_metadata(
    db: apsw.Connection,
    dataset_id: str,
    ids: Sequence[str],
    updates: Sequence[Mapping[str, Any]],
    deletes: Sequence[Mapping[str, Any]],
) -> int:
    """Apply ``updates`` and ``deletes`` (``metadata.changed``) to documents of a dataset; how many have changed."""
    where, bindings = conditions({"dataset_id = ?": dataset_id, "id IN": ids})
    stored = dict(db.execute(f"SELECT id, meta_fields_json FROM document{where}", bindings))
    different = []
    for identifier, text in stored.items():
        new = changed(json.loads(text), updates, deletes)
        if dumped(new) != text:
            different.append((dumped(normalised(new)), identifier))
    db.executemany("UPDATE document SET meta_fields_json = ? WHERE id = ?", different)
    return len(different)


def delete(db: apsw.Connection, dataset_id: str, ids: Sequence[str] | None) -> int:
    """Delete these documents of a dataset (None: all) and say how many went.

    ``Missing`` names those that are unknown; then none goes.
    """
    known = dict(db.execute("SELECT id, sha256 FROM document WHERE dataset_id = ?", (dataset_id,)))
    chosen = list(known if ids is None else dict.fromkeys(ids))
    unknown = [each for each in chosen if each not in known]
    if unknown:
        raise Missing(
            f"These documents do not belong to dataset {dataset_id} or Document not found: "
            + ", ".join(unknown)
        )
    chunks.delete_of(db, dataset_id, chosen)
    db.executemany("DELETE FROM document WHERE id = ?", [(each,) for each in chosen])
    db.execute(
        "UPDATE dataset SET document_count = document_count - ?, update_time = ? WHERE id = ?",
        (len(chosen), now_ms(), dataset_id),
    )
    blobs.drop_unused(db, [known[document_id] for document_id in chosen])
    return len(chosen)


def _switch(db: apsw.Connection, document: Row, on: bool) -> None:
    if (document["status"] == "1") == on:
        return
    db.execute("UPDATE document SET status = ? WHERE id = ?", ("1" if on else "0", document["id"]))
    chunks.switch(db, document, None, on)


def _is_taken(db: apsw.Connection, dataset_id: str, name: str, *, besides: str = "") -> bool:
    sql = "SELECT 1 FROM document WHERE dataset_id = ? AND name = ? AND id <> ?"
    return row(db, sql, (dataset_id, name, besides)) is not None


def _wire(stored: Row, tenant_id: str) -> Row:
    decoded = loaded(stored)
    del decoded["sha256"]
    fixed = {"created_by": tenant_id, "pipeline_id": None, "source_type": "local", "thumbnail": ""}
    return dated(decoded | fixed)
