"""``/datasets/{id}/documents/{id}/chunks``: add, list, get, update, switch, delete."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.responses import Response

from . import datasets, documents
from .call import Call, Routes, without_repeats
from .envelope import EXCEPTION, Fail, answered, not_there_yet

__all__ = ["ROUTES", "add", "delete", "get", "list_", "switch", "update"]

Row = dict[str, Any]

_LISTS = ("important_keywords", "questions")
_NOT_HERE = ("tag_kwd", "tag_feas", "image_base64")
_IN_INDEX = {
    "id": "id",
    "content_with_weight": "content",
    "doc_id": "document_id",
    "docnm_kwd": "docnm_kwd",
    "kb_id": "dataset_id",
    "important_kwd": "important_keywords",
    "question_kwd": "questions",
    "tag_kwd": "tag_kwd",
    "img_id": "image_id",
    "position_int": "positions",
    "create_timestamp_flt": "create_timestamp",
}


def add(call: Call) -> Response:
    """``POST …/chunks``: the chunk is searchable when this returns."""
    document = _document(call)
    given = call.json()
    content = _content(given)
    keywords, questions = (_strings(given, name, "is required to") for name in _LISTS)
    _check_supported(given)
    row = call.engine.add_chunk(document["id"], content, important_keywords=keywords, questions=questions)
    return answered({"chunk": _added(row)})


def list_(call: Call) -> Response:
    """``GET …/chunks``."""
    document = _document(call)
    wanted = call.query.get("id") or None
    rows, total = call.engine.list_chunks(
        document["id"],
        **call.page(),
        keywords=call.query.get("keywords") or None,
        id=wanted,
        ids=call.ids("chunk_ids"),
        available=call.query["available"] == "true" if "available" in call.query else None,
    )
    if wanted and not rows:
        raise Fail(f"Chunk not found: {document['dataset_id']}/{wanted}")
    chunks = [{key: value for key, value in row.items() if key != "create_timestamp"} for row in rows]
    if wanted:
        chunks = [{**chunk, "tag_feas": {}} for chunk in chunks]
    return answered({"total": total, "chunks": chunks, "doc": documents.detail(document)})


def get(call: Call) -> Response:
    """``GET …/chunks/{id}``: under the names that RAGFlow's index has for a chunk's fields."""
    row = _chunk(call, _document(call), "Chunk not found!")
    raw = {raw: row[name] for raw, name in _IN_INDEX.items()}
    return answered({**raw, "available_int": int(row["available"]), "create_time": _made(row)})


def update(call: Call) -> Response:
    """``PATCH …/chunks/{id}`` (or ``PUT``): the chunk keeps its id, and is searchable as it is now on return."""
    document = _document(call)
    row = _chunk(call, document, f"Can't find this chunk {call.path['chunk_id']}")
    given = call.json()
    fields: Row = {name: _strings(given, name, "should") for name in _LISTS if name in given}
    if given.get("content") is not None:
        fields["content"] = _content(given)
    if "available" in given:
        fields["available"] = _flag(given, "available")
    if not isinstance(given.get("positions", []), list):
        raise Fail("`positions` should be a list")
    if given.get("positions", row["positions"]) != row["positions"]:
        raise not_there_yet("other `positions` of chunks")
    _check_supported(given)
    if fields:
        call.engine.update_chunk(row["id"], fields)
    return answered()


def switch(call: Call) -> Response:
    """``PATCH …/chunks``: let the search find chunks, or not; all of them or none."""
    datasets.owned(call, f"You don't own the dataset {call.path['dataset_id']}.")
    given = call.json()
    if not given.get("chunk_ids"):
        raise Fail("`chunk_ids` is required.")
    if "available_int" not in given and "available" not in given:
        raise Fail("`available_int` or `available` is required.")
    available = _flag(given, "available_int" if "available_int" in given else "available")
    document = documents.of_dataset(call, "document not found")
    ids, _ = without_repeats(given["chunk_ids"], "chunk")
    call.engine.switch_chunks(document["id"], ids, available)
    return answered(True)


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


def _chunk(call: Call, document: Row, message: str) -> Row:
    """The chunk of the path if it is in this document; else ``Fail`` 102."""
    row = call.engine.get_chunk(call.path["chunk_id"])
    if row is None or row["document_id"] != document["id"]:
        raise Fail(message)
    return row


def _content(given: Row) -> str:
    content = given.get("content")
    if content is None or (isinstance(content, str) and not content.strip()):
        raise Fail("`content` is required")
    if not isinstance(content, str):
        raise Fail(f"`content` should be a string, got {content!r}", EXCEPTION, data=None)
    return content


def _flag(given: Row, name: str) -> bool:
    try:
        return int(given[name]) != 0
    except (TypeError, ValueError):
        raise Fail(f"`{name}` should be true or false, got {given[name]!r}", EXCEPTION, data=None) from None


def _check_supported(given: Row) -> None:
    for name in _NOT_HERE:
        if given.get(name):
            raise not_there_yet(f"`{name}` of chunks")


def _strings(given: Row, name: str, must: str) -> list[str]:
    value = given.get(name, [])
    if not isinstance(value, list):
        raise Fail(f"`{name}` {must} be a list")
    if not all(isinstance(each, str) for each in value):
        raise Fail(f"`{name}` must be a list of strings")
    return value


def _added(row: Row) -> Row:
    names = ("id", "content", "document_id", "dataset_id", "important_keywords", "questions", "doc_type_kwd")
    shown = {name: row[name] for name in names}
    return {**shown, "create_time": _made(row), "create_timestamp": row["create_timestamp"]}


def _made(row: Row) -> str:
    return f"{datetime.fromtimestamp(row['create_timestamp']).astimezone():%Y-%m-%d %H:%M:%S}"


_CHUNKS = "/datasets/{dataset_id}/documents/{document_id}/chunks"
ROUTES: Routes = {
    _CHUNKS: {"POST": add, "GET": list_, "PATCH": switch, "DELETE": delete},
    _CHUNKS + "/{chunk_id}": {"GET": get, "PATCH": update, "PUT": update},
}
