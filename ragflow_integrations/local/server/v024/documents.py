"""``/datasets/{id}/documents`` as v0.24 has them: PUT, checks by hand, and deletes that wipe when nothing is named."""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import Any

from starlette.responses import Response

from ...documents import Filters
from ...fields import given_json
from ...metadata import matching
from ...parser_defaults import v024
from .. import documents, uploads
from ..call import COLUMNS, Call, Routes, without_repeats
from ..envelope import ARGUMENT, EXCEPTION, SERVER, Fail, answered, failed, python_errors
from ..media import attached
from ..metadata import filter_of
from .paging import page_of

__all__ = ["BOT_ROUTES", "ROUTES"]

Row = dict[str, Any]

_METHODS = frozenset(
    "naive manual qa table paper book laws presentation picture one knowledge_graph email tag".split()
)
_ORDERS = {
    **COLUMNS,
    **{name: name for name in ("name", "size", "run", "progress", "suffix")},
    "chunk_num": "chunk_count",
    "token_num": "token_count",
}
_IN_LISTS = {"title": None}


def upload(call: Call) -> Response:
    """``POST …/documents``: each part named ``file``, whatever the query says."""
    files = uploads.uploads(call)
    identifier = call.path["dataset_id"]
    if call.engine.get_dataset(identifier) is None:
        raise failed(LookupError(f"Can't find the dataset with ID {identifier}!"))
    added, refused = uploads.add_uploads(call, files)
    if refused:
        raise Fail("\n".join(refused), SERVER)
    return answered([uploads.uploaded(row) for row in map(_shown, added)])


def list_(call: Call) -> Response:
    """``GET …/documents``: an unknown id or name is an error."""
    identifier = call.path["dataset_id"]
    _check_owner(call, f"You don't own the dataset {identifier}. ")
    for name in ("id", "name"):
        _check_there(call, name, call.query.get(name))
    low, high = (call.number(name, 0) for name in ("create_time_from", "create_time_to"))
    rows, total = call.engine.list_documents(identifier, **_filters(call))
    # as on RAGFlow the time is looked at after the page is cut, so that total does not count it
    docs = [_shown(row) | _IN_LISTS for row in rows if low <= row["create_time"] <= (high or math.inf)]
    return answered({"total": total, "docs": docs})


def download(call: Call) -> Response:
    """``GET …/documents/{id}``: the file itself."""
    _check_owner(call, f"You do not own the dataset {call.path['dataset_id']}.")
    row = documents.of_dataset(call, f"The dataset not own the document {call.path['document_id']}.")
    return _file(call, row)


def embedded_download(call: Call) -> Response:
    """``GET /documents/{id}`` with an embed key: the same."""
    row = call.engine.get_document(call.path["document_id"])
    if row is None:
        raise Fail(f"The dataset not own the document {call.path['document_id']}.")
    return _file(call, row)


def update(call: Call) -> Response:
    """``PUT …/documents/{id}``; unknown keys are ignored."""
    given = call.json()
    _check_owner(call, "You don't own the dataset.")
    row = documents.of_dataset(call, "The dataset doesn't own the document.")
    for name in ("chunk_count", "token_count", "progress"):
        if name in given and given[name] != row[name]:
            raise Fail(f"Can't change `{name}`.")
    fields = _changes(row, given)
    if fields:
        row = call.engine.update_document(row["id"], fields)
    return answered(documents.detail(_shown(row)))


def delete(call: Call) -> Response:
    """``DELETE …/documents``: those of the ids that are there; without ids all of them."""
    identifier = call.path["dataset_id"]
    _check_owner(call, f"You don't own the dataset {identifier}. ")
    ids = call.json().get("ids")
    if not ids:
        call.engine.delete_documents(identifier, None)
        return answered()
    wanted, repeated = without_repeats(ids, "document")
    known = [each for each in wanted if _is_there(call, each)]
    call.engine.delete_documents(identifier, known)
    missing = [each for each in wanted if each not in known]
    if missing:
        raise Fail(f"Documents not found: {missing}")
    return answered({"success_count": len(known), "errors": repeated}) if repeated else answered()


def _shown(row: Row) -> Row:
    return {key: value for key, value in row.items() if key != "content_hash"}


def _file(call: Call, row: Row) -> Response:
    data = call.engine.read_document(row["id"])
    if not data:
        raise Fail("This file is empty.")
    return attached(row["name"], data, "application/octet-stream")


def _check_owner(call: Call, message: str) -> None:
    if call.engine.get_dataset(call.path["dataset_id"]) is None:
        raise Fail(message)


def _is_there(call: Call, identifier: str) -> bool:
    row = call.engine.get_document(identifier)
    return row is not None and row["dataset_id"] == call.path["dataset_id"]


def _check_there(call: Call, what: str, wanted: str | None) -> None:
    if not wanted:
        return
    _, total = call.engine.list_documents(
        call.path["dataset_id"],
        page=1,
        page_size=1,
        orderby="create_time",
        desc=True,
        id=wanted if what == "id" else None,
        name=wanted if what == "name" else None,
    )
    if not total:
        raise Fail(f"You don't own the document {wanted}.")


def _filters(call: Call) -> Filters:
    return {
        **page_of(call),
        "orderby": call.sorted_by("Document", _ORDERS),
        "desc": call.query.get("desc", "true").strip().lower() != "false",
        "id": call.query.get("id") or None,
        "name": call.query.get("name") or None,
        "keywords": call.query.get("keywords") or None,
        "suffix": call.query.getlist("suffix") or None,
        "run": [documents.RUNS.get(each, each) for each in call.query.getlist("run")] or None,
        "types": None,
        "ids": _fitting(call),
        "without_metadata": False,
    }


def _fitting(call: Call) -> list[str] | None:
    """The documents that fit the query's ``metadata_condition``; None without one that states any conditions."""
    text = call.query.get("metadata_condition")
    try:
        condition = given_json(text) if text else None
    except ValueError:
        raise Fail("metadata_condition must be valid JSON.") from None
    wanted = filter_of(condition or {})
    if not wanted.conditions:
        return None
    return matching(call.engine.metadata([call.path["dataset_id"]]), wanted)


def _changes(row: Row, given: Row) -> Row:
    """What the body asks for, checked; nothing is changed if a part of it is wrong."""
    fields: Row = {}
    if "meta_fields" in given:
        if not isinstance(given["meta_fields"], dict):
            raise Fail("meta_fields must be a dictionary")
        fields["meta_fields"] = given["meta_fields"]
    if "name" in given and given["name"] != row["name"]:
        fields["name"] = _new_name(row, given["name"])
    if given.get("parser_config"):
        if not isinstance(given["parser_config"], dict):
            raise Fail("`parser_config` should be an object", EXCEPTION, data=None)
        fields["parser_config"] = given["parser_config"]
    if "chunk_method" in given:
        fields |= _new_method(row, given["chunk_method"], fields)
    if "enabled" in given:
        with python_errors():
            fields["enabled"] = int(given["enabled"])
    return fields


def _new_name(row: Row, name: Any) -> str:
    with python_errors():
        documents.check_length(name)
    if PurePath(name.lower()).suffix != PurePath(row["name"].lower()).suffix:
        raise Fail("The extension of file can't be changed", ARGUMENT)
    return str(name)


def _new_method(row: Row, method: Any, fields: Row) -> Row:
    with python_errors():
        known = method in _METHODS
    if not known:
        raise Fail(f"`chunk_method` {method} doesn't exist")
    documents.check_method(row, method)
    return {"chunk_method": method, "parser_config": fields.get("parser_config") or v024(method)}


ROUTES: Routes = {
    "/datasets/{dataset_id}/documents": {"POST": upload, "GET": list_, "DELETE": delete},
    "/datasets/{dataset_id}/documents/{document_id}": {"GET": download, "PUT": update},
}
BOT_ROUTES: Routes = {"/documents/{document_id}": {"GET": embedded_download}}
