"""``/datasets/{id}/documents/{id}/chunks``: add, list, delete."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.responses import Response

from . import datasets, documents
from .call import Call, without_repeats
from .envelope import EXCEPTION, Fail, answered, not_there_yet

__all__ = ["add", "delete", "list_"]

Row = dict[str, Any]


def add(call: Call) -> Response:
    """``POST …/chunks``: the chunk is searchable when this returns."""
    document = _document(call)
    given = call.json()
    content = given.get("content")
    if content is None or (isinstance(content, str) and not content.strip()):
        raise Fail("`content` is required")
    if not isinstance(content, str):
        raise Fail(f"`content` should be a string, got {content!r}", EXCEPTION, data=None)
    keywords, questions = (_strings(given, name) for name in ("important_keywords", "questions"))
    for name in ("tag_kwd", "tag_feas", "image_base64"):
        if given.get(name):
            raise not_there_yet(f"`{name}` of chunks")
    row = call.engine.add_chunk(document["id"], content, important_keywords=keywords, questions=questions)
    return answered({"chunk": _added(row)})


def list_(call: Call) -> Response:
    """``GET …/chunks``."""
    document = _document(call)
    if call.query.get("chunk_ids") or "available" in call.query:
        raise not_there_yet("`chunk_ids` and `available` as filters of chunks")
    wanted = call.query.get("id") or None
    keywords = call.query.get("keywords") or None
    rows, total = call.engine.list_chunks(document["id"], **call.page(), keywords=keywords, id=wanted)
    if wanted and not rows:
        raise Fail(f"Chunk not found: {document['dataset_id']}/{wanted}")
    chunks = [{key: value for key, value in row.items() if key != "create_timestamp"} for row in rows]
    if wanted:
        chunks = [{**chunk, "tag_feas": {}} for chunk in chunks]
    return answered({"total": total, "chunks": chunks, "doc": documents.detail(document)})


def delete(call: Call) -> Response:
    """``DELETE …/chunks``: nothing without ids or ``delete_all``."""
    document = _document(call)
    given = call.json()
    wanted = given.get("chunk_ids")
    if not wanted:
        if given.get("delete_all") is True:
            call.engine.delete_chunks(document["id"], None)
        return answered()
    ids, repeated = without_repeats(wanted, "chunk")
    deleted = call.engine.delete_chunks(document["id"], ids)
    if deleted != len(ids):
        raise Fail(f"rm_chunk deleted chunks {deleted}, expect {len(ids)}")
    return answered({"success_count": deleted, "errors": repeated}) if repeated else answered()


def _document(call: Call) -> Row:
    datasets.owned(call, f"You don't own the dataset {call.path['dataset_id']}.")
    return documents.of_dataset(call, f"you don't own the document {call.path['document_id']}")


def _strings(given: Row, name: str) -> list[str]:
    value = given.get(name, [])
    if not isinstance(value, list):
        raise Fail(f"`{name}` is required to be a list")
    if not all(isinstance(each, str) for each in value):
        raise Fail(f"`{name}` must be a list of strings")
    return value


def _added(row: Row) -> Row:
    names = ("id", "content", "document_id", "dataset_id", "important_keywords", "questions", "doc_type_kwd")
    made = datetime.fromtimestamp(row["create_timestamp"]).astimezone()
    shown = {name: row[name] for name in names}
    return {**shown, "create_time": f"{made:%Y-%m-%d %H:%M:%S}", "create_timestamp": row["create_timestamp"]}
