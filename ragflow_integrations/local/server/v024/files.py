"""``/file/…`` as v0.24 has it: codes like HTTP's, and each tenant's files its own, which they are not there."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from starlette.responses import Response

from ...problems import Problem
from .. import files
from ..call import COLUMNS, Call, Routes
from ..documents import check_length
from ..envelope import EXCEPTION, NOT_FOUND, Fail, failed, python_errors, succeeded
from ..uploads import parts
from .paging import page_of

__all__ = ["ROUTES"]

Row = dict[str, Any]

_BAD_REQUEST = 400
_CONFLICT = 409
_ORDERS = COLUMNS | {name: name for name in ("name", "size", "type")}
_GONE = "File or Folder not found!"


def upload(call: Call) -> Response:
    """``POST /file/upload``: each part named ``file``."""
    found = parts(call)
    if not found:
        raise Fail("No file part!", _BAD_REQUEST, data=False)
    if not all(name for name, _ in found):
        raise Fail("No selected file!", _BAD_REQUEST, data=False)
    folder = _folder(
        call, call.texts().get("parent_id", ""), Fail("Can't find this folder!", NOT_FOUND, data=False)
    )
    return succeeded([files.new_file(call, folder, name, file) for name, file in found])


def create(call: Call) -> Response:
    """``POST /file/create``: a folder, if ``type`` is just that; else a file without contents."""
    given = call.json()
    name = _text(given, "name")
    check_length(name)
    folder = _folder(
        call, given.get("parent_id"), Fail("Parent Folder Doesn't Exist!", _BAD_REQUEST, data=False)
    )
    try:
        made = call.engine.create_folder(
            folder, name, "folder" if given.get("type") == "folder" else "virtual"
        )
    except Problem as problem:
        raise Fail(str(problem), _CONFLICT, data=False) from None
    return succeeded(files.made(made))


def list_(call: Call) -> Response:
    """``GET /file/list``: one page of a folder."""
    page = page_of(call, 15)
    folder = _folder(call, call.query.get("parent_id"), _missing("Folder not found!"))
    found, total = call.engine.list_files(
        folder,
        **page,
        orderby=call.sorted_by("File", _ORDERS),
        desc=call.query.get("desc", "true").lower() != "false",
        keywords=call.query.get("keywords"),
    )
    return succeeded({"files": found, "parent_folder": _parent(call, folder), "total": total})


def root(call: Call) -> Response:
    """``GET /file/root_folder``."""
    return succeeded({"root_folder": call.engine.root_folder()})


def parent(call: Call) -> Response:
    """``GET /file/parent_folder``: the folder that ``file_id`` is in, which v0.24 itself fails at."""
    return succeeded({"parent_folder": _parent(call, _asked(call, "Folder not found!")["id"])})


def ancestors(call: Call) -> Response:
    """``GET /file/all_parent_folder``: ``file_id``, the folder that it is in, and so on."""
    return succeeded({"parent_folders": call.engine.file_ancestors(_asked(call, "Folder not found!")["id"])})


def delete(call: Call) -> Response:
    """``POST /file/rm``: all of ``file_ids``, or nothing if one is not there."""
    ids = _ids(call.json(), "file_ids")
    for each in ids:
        _known(call, each, _GONE)
    for each in ids:
        _known(call, each, _GONE)  # not if it was named before
        call.engine.delete_file(each)
    return succeeded(True)


def rename(call: Call) -> Response:
    """``POST /file/rename``: ``file_id`` and its new ``name``."""
    given = call.json()
    row = _known(call, _id(given, "file_id"), "File not found!")
    name = _text(given, "name")
    check_length(name)
    suffixes = {PurePosixPath(each.lower()).suffix for each in (name, row["name"])}
    if row["type"] != "folder" and len(suffixes) > 1:
        raise Fail("The extension of file can't be changed", _BAD_REQUEST, data=False)
    try:
        call.engine.move_files([row["id"]], None, name)
    except Problem as problem:
        raise Fail(str(problem), _CONFLICT, data=False) from None
    return succeeded(True)


def download(call: Call) -> Response:
    """``GET /file/get/{id}``: the file itself."""
    row = _known(call, call.path["file_id"], "Document not found!")
    suffix = PurePosixPath(row["name"]).suffix[1:]
    family = "image" if row["type"] == "visual" else "application"
    kind = f"{family}/{suffix}" if suffix.isalnum() and suffix.isascii() else "text/html; charset=utf-8"
    headers = {"Content-Type": kind, "X-Content-Type-Options": "nosniff"}
    data = call.engine.read_file(row["id"])
    if not data:
        raise failed(AssertionError("please specify doc_id"))
    return Response(data, headers=headers)


def move(call: Call) -> Response:
    """``POST /file/mv``: ``src_file_ids`` into the folder ``dest_file_id``."""
    given = call.json()
    ids, folder = _ids(given, "src_file_ids"), _id(given, "dest_file_id")
    _check_all(call, ids)
    _known(call, folder, "Parent Folder not found!")
    call.engine.move_files(ids, folder, None)
    return succeeded(True)


def convert(call: Call) -> Response:
    """``POST /file/convert``: ``file_ids`` become documents of ``kb_ids``, in place of those that they were."""
    given = call.json()
    dataset_ids, ids = _ids(given, "kb_ids"), _ids(given, "file_ids")
    _check_all(call, ids)
    wanted = {"kb_ids": dataset_ids, "file_ids": ids}
    try:
        return succeeded(files.linked(call, wanted, NOT_FOUND, replace=True))
    except Fail as fail:
        raise Fail(str(fail), fail.body["code"], data=None) from None


def _missing(message: str) -> Fail:
    return Fail(message, NOT_FOUND, data=None)


def _known(call: Call, identifier: str, message: str) -> Row:
    row = call.engine.get_file(identifier)
    if row is None:
        raise _missing(message)
    return row


def _check_all(call: Call, ids: list[str]) -> None:
    """``Fail`` 100 that names the first id that is none."""
    for each in ids:
        if call.engine.get_file(each) is None:
            raise failed(KeyError(each))


def _asked(call: Call, message: str) -> Row:
    return _known(call, call.query.get("file_id", ""), message)


def _parent(call: Call, identifier: str) -> Row:
    return _known(call, _known(call, identifier, "File not found!")["parent_id"], "File not found!")


def _folder(call: Call, identifier: Any, otherwise: Fail) -> str:
    root_id = call.engine.root_folder()["id"]
    row = call.engine.get_file(str(identifier or root_id))
    if row is None:
        raise otherwise
    return str(row["id"])


def _text(given: Row, name: str) -> str:
    with python_errors():
        value = given[name]
    if not isinstance(value, str) or not value:
        raise Fail(f"`{name}` should be a text, got {value!r}", EXCEPTION, data=None)
    return value


def _id(given: Row, name: str) -> str:
    """An id of a body; what is no text is nobody's."""
    with python_errors():
        return str(given[name])


def _ids(given: Row, name: str) -> list[str]:
    with python_errors():
        return [str(each) for each in given[name]]


ROUTES: Routes = {
    "/file/all_parent_folder": {"GET": ancestors},
    "/file/convert": {"POST": convert},
    "/file/create": {"POST": create},
    "/file/get/{file_id}": {"GET": download},
    "/file/list": {"GET": list_},
    "/file/mv": {"POST": move},
    "/file/parent_folder": {"GET": parent},
    "/file/rename": {"POST": rename},
    "/file/rm": {"POST": delete},
    "/file/root_folder": {"GET": root},
    "/file/upload": {"POST": upload},
}
