"""``/datasets/{id}/documents/{id}/chunks``: add, list, get, update, switch, delete."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from starlette.responses import Response

from ..chunks import Extras
from . import datasets, documents
from .call import Call, Routes, without_repeats
from .envelope import Fail, answered, python_errors
from .media import typed

__all__ = [
    "ROUTES",
    "add",
    "added",
    "change",
    "chunk_of",
    "content_of",
    "delete",
    "get",
    "joinable",
    "list_",
    "listed",
    "strings",
    "switch",
    "text_of",
    "trimmed",
    "update",
]

Row = dict[str, Any]

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
_ADDED = "id content document_id dataset_id important_keywords questions".split()
_NOT_LISTED = {"create_timestamp", "tag_feas"}
_PAIR = re.compile(r"[\n\t]")


def add(call: Call) -> Response:
    """``POST …/chunks``: the chunk is searchable when this returns."""
    document = _document(call)
    given = call.json()
    content = content_of(given)
    keywords, questions = (
        strings(given, name, "is required to") for name in ("important_keywords", "questions")
    )
    content = text_of(content)
    extras = _extras(given, "is required to")
    row = call.engine.add_chunk(
        document["id"], content, important_keywords=keywords, questions=trimmed(questions), **extras
    )
    more = {name: row[name] for name in ("tag_kwd",) if name in given}
    more |= {"image_id": row["image_id"]} if row["image_id"] else {}
    return answered({"chunk": {**added(row), "doc_type_kwd": row["doc_type_kwd"], **more}})


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
    hidden = _NOT_LISTED - ({"tag_feas"} if wanted else set())
    chunks = [{key: value for key, value in row.items() if key not in hidden} for row in rows]
    return answered({"total": total, "chunks": chunks, "doc": documents.detail(document)})


def get(call: Call) -> Response:
    """``GET …/chunks/{id}``: under the names that RAGFlow's index has for a chunk's fields."""
    row = chunk_of(call, _document(call), "Chunk not found!")
    raw = {raw: row[name] for raw, name in _IN_INDEX.items()}
    return answered({**raw, "available_int": int(row["available"]), "create_time": _made(row)})


def update(call: Call) -> Response:
    """``PATCH …/chunks/{id}`` (or ``PUT``): the chunk keeps its id, and is searchable as it is now on return."""
    document = _document(call)
    row = chunk_of(call, document, f"Can't find this chunk {call.path['chunk_id']}")
    given = call.json()
    fields: Row = {"content": content_of(given)} if given.get("content") is not None else {}
    change(call, document, row, given, fields, _extras(given, "should"))
    return answered()


def image(call: Call) -> Response:
    """``GET /documents/images/{dataset id}-{chunk id}``: the image of a chunk."""
    dataset_id, _, chunk_id = call.path["image_id"].partition("-")
    row = call.engine.get_chunk(chunk_id)
    data = call.engine.chunk_image(chunk_id) if row and row["dataset_id"] == dataset_id else None
    if data is None:
        raise Fail("Image not found.")
    return typed(f"image.{_kind(data)}", data)


def switch(call: Call) -> Response:
    """``PATCH …/chunks``: let the search find chunks, or not; all of them or none."""
    datasets.owned(call, f"You don't own the dataset {call.path['dataset_id']}.")
    given = call.json()
    if not given.get("chunk_ids"):
        raise Fail("`chunk_ids` is required.")
    if "available_int" not in given and "available" not in given:
        raise Fail("`available_int` or `available` is required.")
    available = _flag(given, "available_int") if "available_int" in given else bool(given["available"])
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


def change(call: Call, document: Row, row: Row, given: Row, fields: Row, extras: Extras) -> None:
    """Change a chunk by ``fields`` and what both versions read alike out of the body, if there is anything."""
    if "content" in fields:
        with python_errors():
            re.search("", fields["content"])
    for name in ("important_keywords", "questions"):
        if name in given:
            fields[name] = joinable(listed(given, name, "should"))
    fields["questions"] = trimmed(fields["questions"]) if "questions" in fields else row["questions"]
    if "available" in given:
        extras["available"] = _flag(given, "available")
    if "positions" in given:
        extras["positions"] = _positions(given["positions"])
    content = str(fields.get("content", row["content"]))
    if (
        document["chunk_method"] == "qa"
        and len([part for part in _PAIR.split(content) if len(part) > 1]) != 2
    ):
        raise Fail("Q&A must be separated by TAB/ENTER key.")
    call.engine.update_chunk(row["id"], fields, **extras)


def chunk_of(call: Call, document: Row, message: str) -> Row:
    """The chunk of the path if it is in this document; else ``Fail`` 102."""
    row = call.engine.get_chunk(call.path["chunk_id"])
    if row is None or row["document_id"] != document["id"]:
        raise Fail(message)
    return row


def content_of(given: Row) -> Any:
    """What is to be the text of a chunk; ``Fail`` 102 if there is nothing."""
    content = given.get("content")
    if content is None or not str(content).strip():
        raise Fail("`content` is required")
    return content


def text_of(content: Any) -> str:
    """The content of a new chunk; ``Fail`` 100 if it is no text."""
    with python_errors():
        return str(content + "")


def listed(given: Row, name: str, must: str) -> list[Any]:
    """A list, empty if it is not there."""
    value = given.get(name, [])
    if not isinstance(value, list):
        raise Fail(f"`{name}` {must} be a list")
    return value


def strings(given: Row, name: str, must: str) -> list[str]:
    """A list of texts, empty if it is not there."""
    value = listed(given, name, must)
    if not all(isinstance(each, str) for each in value):
        raise Fail(f"`{name}` must be a list of strings")
    return value


def joinable(texts: list[Any]) -> list[str]:
    """The list; ``Fail`` 100 if something in it is no text."""
    with python_errors():
        "".join(texts)
    return texts


def trimmed(questions: Sequence[str]) -> list[str]:
    """The questions without blanks around them; one of blanks alone is none."""
    return [each.strip() for each in questions if each.strip()]


def added(row: Row) -> Row:
    """A new chunk as it is answered."""
    shown = {name: row[name] for name in _ADDED}
    return {**shown, "create_time": _made(row), "create_timestamp": row["create_timestamp"]}


def _extras(given: Row, must: str) -> Extras:
    extras: Extras = {}
    if "tag_kwd" in given:
        extras["tags"] = strings(given, "tag_kwd", must)
    if "tag_feas" in given:
        extras["tag_features"] = _features(given["tag_feas"])
    if "image_base64" in given:
        extras["image"] = _image(given["image_base64"])
    return extras


def _features(value: Any) -> dict[str, float]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Fail("`tag_feas` must be an object mapping string tags to finite numeric scores")
    for tag, score in value.items():
        if not tag.strip():
            raise Fail("`tag_feas` keys must be non-empty strings")
        if isinstance(score, bool) or not isinstance(score, int | float) or score <= 0:
            raise Fail("`tag_feas` values must be finite numbers greater than 0")
    with python_errors():
        return {tag.strip(): float(score) for tag, score in value.items()}


def _image(value: Any) -> bytes:
    if not isinstance(value, str) or not value.strip():
        raise Fail("`image_base64` must be a non-empty string")
    try:
        data = base64.b64decode(value, validate=True)
    except ValueError:
        raise Fail("Invalid `image_base64`") from None
    if not data:
        raise Fail("`image_base64` is empty")
    return data


def _kind(data: bytes) -> str:
    """The suffix of an image file by its first bytes, "bin" for what is none that browsers show."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((suffix for suffix, magic in _MAGIC.items() if data.startswith(magic)), "bin")


def _positions(value: Any) -> list[list[int]]:
    if not isinstance(value, list):
        raise Fail("`positions` should be a list")
    for each in value:
        if not (
            isinstance(each, list) and len(each) == 5 and all(isinstance(number, int) for number in each)
        ):
            raise Fail(f"`positions` should be a list of lists of 5 whole numbers, got {each!r}")
    return value


def _flag(given: Row, name: str) -> bool:
    with python_errors():
        return int(given[name]) != 0


def _made(row: Row) -> str:
    return f"{datetime.fromtimestamp(row['create_timestamp']).astimezone():%Y-%m-%d %H:%M:%S}"


_MAGIC = {"png": b"\x89PNG\r\n", "jpg": b"\xff\xd8\xff", "gif": b"GIF8", "bmp": b"BM"}
_CHUNKS = "/datasets/{dataset_id}/documents/{document_id}/chunks"
ROUTES: Routes = {
    _CHUNKS: {"POST": add, "GET": list_, "PATCH": switch, "DELETE": delete},
    _CHUNKS + "/{chunk_id}": {"GET": get, "PATCH": update, "PUT": update},
    "/documents/images/{image_id}": {"GET": image},
}
