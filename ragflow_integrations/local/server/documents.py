"""``/datasets/{id}/documents``: upload, list, download, update, delete."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any, BinaryIO
from urllib.parse import quote

from starlette.datastructures import UploadFile
from starlette.responses import Response

from ..documents import Filters
from ..parse import SUFFIXES
from . import datasets, metadata
from .call import Call, Routes
from .envelope import ARGUMENT, DATA, SERVER, UNSET, Fail, answered, not_there_yet, succeeded
from .parser_config import settings_of
from .validation import DeleteDocuments, UpdateDocument, validated

__all__ = ["ROUTES", "delete", "detail", "download", "list_", "of_dataset", "update", "upload"]

Row = dict[str, Any]

_LONGEST_NAME = 255
_RUNS = {"0": "UNSTART", "1": "RUNNING", "2": "CANCEL", "3": "DONE", "4": "FAIL", "5": "SCHEDULE"}
_TYPES = ("pdf", "doc", "visual", "aural", "virtual", "folder", "other")
# what RAGFlow parses besides: the refusal then says that a server can
_ELSEWHERE = re.compile(
    "pdf|docx?|pptx?|xlsx?|csv|jsonl?|ldjson|xml|yml|ini|sql|epub|rtf|eml|msg|wps|hlp|pages|numbers|key|mdx"
    "|py|js|ts|java|c|cpp|h|cs|php|go|sh|kt|wav|flac|ape|alac|wv|mp3|aac|ogg|opus|jpe?g|png|tif|gif|bmp|svg|webp|avif"
    "|ico|mpe?g|avi|rmvb|mov|wmv|mp4|mkv"
)
_MIME = {
    "html": "text/html",
    "htm": "text/html",
    "md": "text/markdown",
    "markdown": "text/markdown",
    "txt": "text/plain",
}

_IN_UPLOADS = {
    *("chunk_method", "content_hash", "created_by", "dataset_id", "id", "location", "name", "parser_config"),
    *("pipeline_id", "run", "size", "source_type", "suffix", "thumbnail", "type"),
}


def upload(call: Call) -> Response:
    """``POST …/documents``: each part named ``file``; those that can be read are kept even if others are refused."""
    identifier = call.path["dataset_id"]
    datasets.owned(call, f"Can't find the dataset with ID {identifier}!")
    _check_upload_kind(call)
    uploads = _uploads(call)
    refused = {name: reason for name, _ in uploads if (reason := _refusal(name))}
    added = [
        call.engine.add_document(identifier, name, file.read())
        for name, file in uploads
        if name not in refused
    ]
    shown = [{key: value for key, value in row.items() if key in _IN_UPLOADS} for row in added]
    if refused:
        message = "\n".join(f"{name}: {reason}" for name, reason in refused.items())
        raise Fail(message, SERVER, data=shown or UNSET)
    return answered(shown)


def list_(call: Call) -> Response:
    """``GET …/documents``: an unknown id or name is an error."""
    identifier = call.path["dataset_id"]
    datasets.owned(call, f"You don't own the dataset {identifier}. ")
    rows, total = call.engine.list_documents(identifier, **_filters(call))
    if total == 0:
        _check_exists(call, id=call.query.get("id"))
        _check_exists(call, name=call.query.get("name"))
    low, high = (_milliseconds(call, name) for name in ("create_time_from", "create_time_to"))
    # RAGFlow looks at the time after it has cut the page, so that total does not count it
    docs = [_listed(row) for row in rows if low <= row["create_time"] <= (high or math.inf)]
    return succeeded({"total": total, "docs": docs})


def download(call: Call) -> Response:
    """``GET …/documents/{id}`` and ``GET /documents/{id}``: the file itself."""
    row = _accessible(call)
    data = call.engine.read_document(row["id"])
    if not data:
        raise Fail("This file is empty.")
    disposition = f"attachment; filename*=UTF-8''{quote(row['name'])}"
    if row["name"].isascii() and '"' not in row["name"] and row["name"].isprintable():
        disposition = f'attachment; filename="{row["name"]}"'
    return Response(
        data,
        media_type=_MIME.get(row["suffix"], "application/octet-stream"),
        headers={"Content-Disposition": disposition},
    )


def update(call: Call) -> Response:
    """``PATCH …/documents/{id}`` (or ``PUT``)."""
    given = call.json()
    if "name" in given and given["name"] is None:
        raise Fail("Field: <name> - Message: <Input should be a valid string> - Value: <None>")
    datasets.owned(call, "you don't own the dataset")
    row = of_dataset(call, "the dataset doesn't own the document")
    wanted = validated(UpdateDocument, given, DATA)
    _check_unchanged(wanted, row)
    sent = wanted.model_fields_set
    if "name" in sent:
        _check_new_name(row, wanted.name)
    if (wanted.chunk_method or "naive") != "naive":
        raise not_there_yet(f"`chunk_method` {wanted.chunk_method}")
    if wanted.pipeline_id:
        raise not_there_yet("`pipeline_id`")
    fields = wanted.model_dump(include=sent & {"name", "meta_fields", "enabled"})
    if wanted.parser_config is not None:
        fields["parser_config"] = settings_of(wanted.parser_config)
    fields = {key: value for key, value in fields.items() if value is not None}
    return answered(detail(call.engine.update_document(row["id"], fields) if fields else row))


def delete(call: Call) -> Response:
    """``DELETE …/documents``: all of the ids or none; ids or ``delete_all`` must be given."""
    wanted = validated(DeleteDocuments, call.strict_json())
    identifier = call.path["dataset_id"]
    datasets.owned(call, f"You don't own the dataset {identifier}. ")
    if not wanted.ids and not wanted.delete_all:
        raise Fail(f"should either provide doc ids or set delete_all(true), dataset: {identifier}. ")
    if wanted.ids and wanted.delete_all:
        raise Fail(f"should not provide both doc ids and delete_all(true), dataset: {identifier}. ")
    return answered({"deleted": call.engine.delete_documents(identifier, wanted.ids or None)})


def of_dataset(call: Call, message: str, identifier: str | None = None) -> Row:
    """The document of the path (or ``identifier``) if it is in the dataset of the path; else ``Fail`` 102."""
    row = call.engine.get_document(identifier or call.path["document_id"])
    if row is None or row["dataset_id"] != call.path["dataset_id"]:
        raise Fail(message)
    return row


def detail(row: Row) -> Row:
    """A document as update and the chunk list show it."""
    return {key: value for key, value in row.items() if key != "meta_fields"}


def _listed(row: Row) -> Row:
    shown = {key: value for key, value in row.items() if key != "content_hash"}
    return {**shown, "nickname": datasets.NICKNAME, "pipeline_name": None}


def _check_upload_kind(call: Call) -> None:
    kind = (call.query.get("type") or "local").lower()
    if kind in ("web", "empty"):
        raise not_there_yet(f"uploads of type {kind}")
    if kind != "local":
        raise Fail('`type` must be one of "local", "web", or "empty".', ARGUMENT)
    for name in ("parent_path", "parser_config"):
        if call.form is not None and call.form.get(name):
            raise not_there_yet(f"`{name}` in uploads")
    if call.query.get("return_raw_files", "false").lower() == "true":
        raise not_there_yet("`return_raw_files`")


def _uploads(call: Call) -> list[tuple[str, BinaryIO]]:
    parts = call.form.getlist("file") if call.form is not None else []
    uploads = [(part.filename or "", part.file) for part in parts if isinstance(part, UploadFile)]
    if not uploads:
        raise Fail("No file part!", ARGUMENT)
    for name, _ in uploads:
        if not name:
            raise Fail("No file selected!", ARGUMENT)
        _check_length(name)
    return uploads


def _check_length(name: str) -> None:
    if len(name.encode("utf-8", "surrogatepass")) > _LONGEST_NAME:
        raise Fail(f"File name must be {_LONGEST_NAME} bytes or less.", ARGUMENT)


def _refusal(name: str) -> str | None:
    suffix = PurePath(name).suffix.removeprefix(".").lower()
    if suffix in SUFFIXES:
        return None
    if _ELSEWHERE.fullmatch(suffix):
        return f"the local engine does not read .{suffix} files yet; a RAGFlow server reads them"
    return "This type of file has not been supported yet!"


def _filters(call: Call) -> Filters:
    if call.query.get("type"):
        raise not_there_yet("`type` as a filter of documents")
    identifier, ids = call.query.get("id") or None, call.ids("ids")
    if identifier and ids:
        raise Fail(f"Should not provide both 'id':{identifier} and 'ids'{ids}")
    fitting, without_metadata = metadata.document_ids(call, call.path["dataset_id"])
    return {
        **call.page(),
        **call.order(),
        "id": identifier,
        "name": call.query.get("name") or None,
        "keywords": call.query.get("keywords") or None,
        "run": _runs(call),
        "suffix": call.query.getlist("suffix") or None,
        "types": _types(call),
        "ids": ids or (None if identifier else fitting),  # as on RAGFlow, ids win over metadata
        "without_metadata": without_metadata,
    }


def _runs(call: Call) -> list[str] | None:
    names = [f"{name}{brackets}" for name in ("run", "run_status") for brackets in ("", "[]")]
    given = [value.strip() for name in names for value in call.query.getlist(name) if value.strip()]
    runs = [_RUNS.get(value, value.upper()) for value in given]
    _check_known(
        (each for each, run in zip(given, runs, strict=True) if run not in _RUNS.values()), "run status"
    )
    return runs or None


def _types(call: Call) -> list[str] | None:
    given = call.query.getlist("types")
    unknown = [each for each in given if each not in _TYPES]
    if unknown:
        raise Fail(f"Invalid filter conditions: {', '.join(unknown)} type{'s' if len(unknown) > 1 else ''}")
    return given or None


def _check_known(unknown: Iterable[str], what: str) -> None:
    listed = ", ".join(unknown)
    if listed:
        raise Fail(f"Invalid filter {what} conditions: {listed}")


def _check_exists(call: Call, *, id: str | None = None, name: str | None = None) -> None:
    """Raise if the dataset has no document of this id or name at all, whatever the other filters."""
    if not (id or name):
        return
    _, total = call.engine.list_documents(
        call.path["dataset_id"], page=1, page_size=1, orderby="create_time", desc=True, id=id, name=name
    )
    if not total:
        raise Fail(f"you don't own the document {id or name}")


def _milliseconds(call: Call, name: str) -> int:
    text = call.query.get(name) or "0"
    try:
        return int(text)
    except ValueError:
        raise Fail(f"`{name}` should be milliseconds since 1970, got {text!r}", ARGUMENT) from None


def _accessible(call: Call) -> Row:
    row = call.engine.get_document(call.path["document_id"])
    if row is None or row["dataset_id"] != call.path.get("dataset_id", row["dataset_id"]):
        raise Fail("document not found")
    return row


def _check_unchanged(wanted: UpdateDocument, row: Row) -> None:
    for name in ("chunk_count", "token_count", "progress"):
        value = getattr(wanted, name)
        if value is not None and not math.isclose(value, row[name]):
            raise Fail(f"can't change `{name}`")


def _check_new_name(row: Row, name: str) -> None:
    _check_length(name)
    if PurePath(name.lower()).suffix != PurePath(row["name"].lower()).suffix:
        raise Fail("The extension of file can't be changed", ARGUMENT)


ROUTES: Routes = {
    "/datasets/{dataset_id}/documents": {"POST": upload, "GET": list_, "DELETE": delete},
    "/datasets/{dataset_id}/documents/{document_id}": {"GET": download, "PATCH": update, "PUT": update},
    "/documents/{document_id}": {"GET": download},
}
