"""Uploads to ``/datasets/{id}/documents``, and what the names of files have to be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, BinaryIO, Literal

from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.responses import Response

from ..documents import kind_of
from .call import Call, Routes
from .documents import check_length, exists, raw
from .envelope import ARGUMENT, AUTHENTICATION, SERVER, UNSET, Fail, answered, python_errors

__all__ = ["ROUTES", "add_uploads", "parts", "uploaded", "uploads"]

Row = dict[str, Any]

_NO_SUPPORT = "This type of file has not been supported yet!"
_IN_UPLOADS = {
    *("chunk_method", "content_hash", "created_by", "dataset_id", "id", "location", "name", "parser_config"),
    *("pipeline_id", "run", "size", "source_type", "suffix", "thumbnail", "type"),
}
_IN_EMPTY = {
    *_IN_UPLOADS - {"thumbnail"},
    *("chunk_count", "process_duration", "progress", "progress_msg", "status", "token_count"),
}


def upload(call: Call) -> Response:
    """``POST …/documents``: each part named ``file``; those that can be read are kept even if others are refused."""
    identifier = call.path["dataset_id"]
    if call.engine.get_dataset(identifier) is None:
        if call.engine.is_foreign_dataset(identifier):
            raise Fail("no authorization", AUTHENTICATION)
        raise Fail(f"Can't find the dataset with ID {identifier}!")
    kind = (call.query.get("type") or "local").lower()
    if kind == "empty":
        return _add_empty(call)
    if kind == "web":
        raise _refused_page(call)
    if kind != "local":
        raise Fail('`type` must be one of "local", "web", or "empty".', ARGUMENT)
    added, refused = add_uploads(call, uploads(call), _columns(call))
    as_stored = call.query.get("return_raw_files", "false").lower() == "true"
    documents = [uploaded(row) for row in added]
    if as_stored:
        documents = [raw({key: value for key, value in row.items() if key != "run"}) for row in documents]
    if refused:
        raise Fail("\n".join(refused), SERVER, data=documents or UNSET)
    return answered(documents)


def uploaded(row: Row) -> Row:
    """A document as its upload shows it."""
    return {key: value for key, value in row.items() if key in _IN_UPLOADS}


def parts(call: Call) -> list[tuple[str, BinaryIO]]:
    """The parts named ``file`` of a form, each with the name that it has for its file, which may be empty."""
    found = call.form.getlist("file") if call.form is not None else []
    return [(each.filename or "", each.file) for each in found if isinstance(each, UploadFile)]


def uploads(call: Call) -> list[tuple[str, BinaryIO]]:
    """The files of a multipart body, by their names; ``Fail`` 101 if there is none or one has no good name."""
    found = parts(call)
    if not found:
        raise Fail("No file part!", ARGUMENT)
    for name, _ in found:
        if not name:
            raise Fail("No file selected!", ARGUMENT)
        check_length(name)
    return found


def add_uploads(
    call: Call, files: Iterable[tuple[str, BinaryIO]], parser_config: Mapping[str, Any] = MappingProxyType({})
) -> tuple[list[Row], list[str]]:
    """Add the files to the dataset of the path: the new documents, and a line for each file that is refused."""
    folder = _folder(call.texts().get("parent_path", ""))
    added, refused = [], []
    for name, file in files:
        if kind_of(name) == "other":
            refused.append(f"{name}: {_NO_SUPPORT}")
        else:
            settings: Row = {"folder": folder, "parser_config": parser_config}
            added.append(call.engine.add_document(call.path["dataset_id"], name, file.read(), **settings))
    return added, refused


class _Columns(BaseModel):
    table_column_mode: Literal["auto", "manual"] | None = None
    table_column_roles: dict[str, Literal["indexing", "metadata", "both"]] | None = None


def _columns(call: Call) -> Row:
    """How the columns of tables are read, by the form's ``parser_config``; RAGFlow passes anything else in it over."""
    try:
        return _Columns.model_validate_json(call.texts().get("parser_config", "{}")).model_dump(
            exclude_unset=True
        )
    except ValidationError:
        return {}


def _add_empty(call: Call) -> Response:
    with python_errors():
        name = (call.json().get("name") or "").strip()
    if not name:
        raise Fail("File name can't be empty.", ARGUMENT)
    check_length(name)
    if exists(call, name=name):
        raise Fail("Duplicated document name in the same dataset.")
    row = call.engine.add_document(call.path["dataset_id"], name, None)
    return answered({key: value for key, value in row.items() if key in _IN_EMPTY})


def _refused_page(call: Call) -> Fail:
    """What is wrong with a page of the web; if nothing is, that the local engine fetches none."""
    given = call.texts()
    for field in ("name", "url"):
        if not given.get(field, "").strip():
            return Fail(f'Lack of "{field}"', ARGUMENT)
    check_length(given["name"].strip())
    if not re.match(r"https?://[^/\s]+", given["url"]):
        return Fail("The URL format is invalid", ARGUMENT)
    return Fail(
        "the local engine fetches nothing over the network; a RAGFlow server takes uploads of type web"
    )


def _folder(path: str) -> str:
    """A ``parent_path`` as RAGFlow keeps it: letters, digits, ``_-/``, and no way out."""
    parts = (part for part in path.strip().replace("\\", "/").split("/") if part not in ("", ".", ".."))
    return re.sub(r"[^A-Za-z0-9_\-/]", "", "/".join(parts))


ROUTES: Routes = {"/datasets/{dataset_id}/documents": {"POST": upload}}
