"""Chunks as v0.24 has them: no single ones to get, no switch, no tags or images; deletes that wipe."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from .. import datasets, documents
from ..call import Call, Routes, without_repeats
from ..chunks import added, change, chunk_of, joinable, listed, text_of, trimmed
from ..envelope import NOT_FOUND, Fail, answered, failed
from .paging import page_of

__all__ = ["ROUTES"]

Row = dict[str, Any]

_LATER = {"create_timestamp", "doc_type_kwd", "tag_feas", "tag_kwd"}


def add(call: Call) -> Response:
    """``POST …/chunks``."""
    document = _document(call)
    given = call.json()
    if not str(given.get("content", "")).strip():
        raise Fail("`content` is required")
    keywords, questions = (
        listed(given, name, "is required to") for name in ("important_keywords", "questions")
    )
    row = call.engine.add_chunk(
        document["id"],
        text_of(given["content"]),
        important_keywords=joinable(keywords),
        questions=trimmed(joinable(questions)),
    )
    return answered({"chunk": added(row)})


def list_(call: Call) -> Response:
    """``GET …/chunks``."""
    document = _document(call)
    paging = page_of(call)
    wanted = call.query.get("id") or None
    rows, total = call.engine.list_chunks(
        document["id"],
        page=paging["page"],
        page_size=paging["page_size"] or _ALL,
        keywords=call.query.get("keywords") or None,
        id=wanted,
    )
    if wanted and not rows:
        raise Fail(f"Chunk not found: {document['dataset_id']}/{wanted}", NOT_FOUND)
    chunks = [_without(row, _LATER) for row in rows]
    return answered(
        {"total": total, "chunks": chunks, "doc": _without(documents.detail(document), {"content_hash"})}
    )


def update(call: Call) -> Response:
    """``PUT …/chunks/{id}``: a text may become empty here."""
    missing = f"Can't find this chunk {call.path['chunk_id']}"
    if call.engine.get_chunk(call.path["chunk_id"]) is None:
        raise Fail(missing)
    document = _document(call)
    row = chunk_of(call, document, missing)
    given = call.json()
    fields: Row = {}
    if given.get("content") is not None:
        fields["content"] = given["content"]
    change(call, document, row, given, fields, {})
    return answered()


def delete(call: Call) -> Response:
    """``DELETE …/chunks``: without ``chunk_ids`` all of the document's, and for an empty list as well."""
    _check_owner(call)
    identifier = call.path["document_id"]
    document = call.engine.get_document(identifier)
    if document is None or document["dataset_id"] != call.path["dataset_id"]:
        raise failed(LookupError(f"Can't find the document with ID {identifier}!"))
    given = call.json()
    ids, repeated = without_repeats(given.get("chunk_ids", []), "chunk")
    deleted = call.engine.delete_chunks(identifier, ids or None)
    if ids and deleted != len(ids):
        raise Fail(f"rm_chunk deleted chunks {deleted}, expect {len(ids)}")
    return answered({"success_count": deleted, "errors": repeated}) if repeated else answered()


def _without(row: Row, names: set[str]) -> Row:
    return {key: value for key, value in row.items() if key not in names}


def _document(call: Call) -> Row:
    _check_owner(call)
    return documents.of_dataset(call, f"You don't own the document {call.path['document_id']}.")


def _check_owner(call: Call) -> None:
    datasets.owned(call, f"You don't own the dataset {call.path['dataset_id']}.")


_ALL = 10_000
_CHUNKS = "/datasets/{dataset_id}/documents/{document_id}/chunks"
ROUTES: Routes = {
    _CHUNKS: {"POST": add, "GET": list_, "DELETE": delete},
    _CHUNKS + "/{chunk_id}": {"PUT": update},
}
