"""``/files``: folders, uploads, downloads, moving, linking to datasets; and the older ``/file/…`` paths."""

from __future__ import annotations

from typing import Annotated, Any, BinaryIO, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from starlette.responses import Response

from ..problems import Missing
from .call import COLUMNS, MAX_IDS, Call, Routes, accepts
from .documents import check_length
from .envelope import ARGUMENT, DATA, Fail, answered, python_errors, succeeded
from .media import typed
from .parser_config import Strict
from .uploads import parts
from .validation import PageSize, validated

__all__ = ["ROUTES", "entry", "linked", "made", "new_file"]

Row = dict[str, Any]

_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
_TIMES = ("create_time", "create_date", "update_time", "update_date")
_NO_ACCESS = "no authorization"


class CreateFolder(Strict):
    """Body of ``POST /files`` that is no form."""

    name: _Name
    parent_id: str | None = None
    type: str | None = None


class DeleteFiles(Strict):
    """Body of ``DELETE /files``."""

    ids: Annotated[list[str], Field(min_length=1)]


class MoveFiles(Strict):
    """Body of ``POST /files/move``."""

    src_file_ids: Annotated[list[str], Field(min_length=1)]
    dest_file_id: str | None = None
    new_name: _Name | None = None

    @model_validator(mode="after")
    def _has_a_wish(self) -> Self:
        if not self.dest_file_id and not self.new_name:
            raise ValueError("At least one of dest_file_id or new_name must be provided")
        if self.new_name and len(self.src_file_ids) > 1:
            raise ValueError("new_name can only be used with a single file")
        return self


class ListFiles(BaseModel):
    """Query of ``GET /files``."""

    model_config = ConfigDict(extra="forbid")

    parent_id: str | None = None
    keywords: str = ""
    page: Annotated[int, Field(ge=1)] = 1
    page_size: PageSize = 15
    orderby: str = "create_time"
    desc: bool = True


@accepts(body=CreateFolder)
def add(call: Call) -> Response:
    """``POST /files``: files of a form, each part named ``file``; or a new folder."""
    if "multipart/form-data" not in (call.content_type or ""):
        return _create(call)
    found = parts(call)
    if not found:
        raise Fail("No file part!", ARGUMENT)
    if not all(name for name, _ in found):
        raise Fail("No file selected!", ARGUMENT)
    folder = _folder(call, call.texts().get("parent_id", ""), "Can't find this folder!")
    return answered([new_file(call, folder, name, file) for name, file in found])


@accepts(query=ListFiles)
def list_(call: Call) -> Response:
    """``GET /files``: one page of a folder; keywords are looked for in its subfolders as well."""
    query = validated(ListFiles, dict(call.query))
    folder = _folder(call, query.parent_id, "Folder not found!")
    found, total = call.engine.list_files(
        folder,
        page=query.page,
        page_size=query.page_size,
        orderby=COLUMNS.get(query.orderby, query.orderby),
        desc=query.desc,
        keywords=query.keywords,
        deep=True,
    )
    parent = entry(call, entry(call, folder, "Folder not found!")["parent_id"], "File not found!")
    return answered({"files": found, "parent_folder": parent, "total": total})


def download(call: Call) -> Response:
    """``GET /files/{id}``: the file itself."""
    row = entry(call, call.path["file_id"], "document not found")
    data = call.engine.read_file(row["id"])
    if not data:
        raise Fail("This file is empty.")
    return typed(row["name"], data)


def parent(call: Call) -> Response:
    """``GET /files/{id}/parent``: the folder that it is in."""
    row = entry(call, _file_id(call), "Folder not found!")
    return answered({"parent_folder": entry(call, row["parent_id"], "Folder not found!")})


def ancestors(call: Call) -> Response:
    """``GET /files/{id}/ancestors``: itself, the folder that it is in, and so on."""
    row = entry(call, _file_id(call), "Folder not found!")
    return answered({"parent_folders": call.engine.file_ancestors(row["id"])})


@accepts(body=DeleteFiles)
def delete(call: Call) -> Response:
    """``DELETE /files``: folders with all that is in them; what is unknown is told, the others go."""
    wanted = validated(DeleteFiles, call.strict_json())
    gone, errors = 0, []
    for each in wanted.ids:
        try:
            gone += call.engine.delete_file(each)
        except Missing:
            foreign = call.engine.is_foreign_file(each)
            errors.append(
                f"No authorization for file {each}" if foreign else f"File or Folder not found: {each}"
            )
    if errors:
        how = f"Partially deleted {gone} files" if gone else "Deleted files failed"
        raise Fail(f"{how} with {len(errors)} errors", data={"success_count": gone, "errors": errors})
    return answered({"success_count": gone})


@accepts(body=MoveFiles)
def move(call: Call) -> Response:
    """``POST /files/move``: into another folder, or under another name, or both."""
    wanted = validated(MoveFiles, call.strict_json())
    ids = wanted.src_file_ids
    none_there = not any(call.engine.get_file(each) or call.engine.is_foreign_file(each) for each in ids)
    for each in ids:
        entry(call, each, "Source files not found!" if none_there else "File or folder not found!")
    if wanted.dest_file_id:
        entry(call, wanted.dest_file_id, "Parent folder not found!")
    call.engine.move_files(ids, wanted.dest_file_id, wanted.new_name)
    return answered(True)


def rename(call: Call) -> Response:
    """``POST /file/rename``: ``file_id`` and its new ``name``."""
    given = call.json()
    identifier, name = str(given.get("file_id")), given.get("name")
    entry(call, identifier, "Source files not found!")
    if not isinstance(name, str) or not name.strip():
        raise Fail(f"`name` should be a text, got {name!r}")
    check_length(name)
    call.engine.move_files([identifier], None, name)
    return succeeded(True)


def link(call: Call) -> Response:
    """``POST /files/link-to-datasets``: ``file_ids`` become documents of ``kb_ids``; ``mode=add`` keeps old ones."""
    given = call.required("file_ids", "kb_ids")
    mode = (call.query.get("mode") or "replace").lower()
    if mode not in ("replace", "add"):
        raise Fail("mode must be 'add' or 'replace'", ARGUMENT, data=None)
    linked(call, given, DATA, replace=mode == "replace")
    return succeeded(True)


def linked(call: Call, given: Row, code: int, *, replace: bool) -> list[Row]:
    """Link the body's ``file_ids`` to its ``kb_ids``; ``Fail`` with this code if one of them is not there."""
    file_ids, dataset_ids = _listed(given, "file_ids"), _listed(given, "kb_ids")
    for each in file_ids:
        entry(call, each, "File not found!", code)
    for each in dataset_ids:
        if call.engine.get_dataset(each) is None:
            raise Fail(
                _NO_ACCESS if call.engine.is_foreign_dataset(each) else "Can't find this dataset!", code
            )
    return call.engine.link_files(file_ids, dataset_ids, replace=replace)


def entry(call: Call, identifier: str, message: str, code: int = DATA) -> Row:
    """A file or folder; ``Fail`` with the message if there is none, and as RAGFlow words it if it is another's."""
    row = call.engine.get_file(identifier)
    if row is None:
        raise Fail(_NO_ACCESS if call.engine.is_foreign_file(identifier) else message, code)
    return row


def new_file(call: Call, folder: str, name: str, file: BinaryIO) -> Row:
    """Keep a file of a form, and show it as its upload does."""
    check_length(name)
    return made(call.engine.add_file(folder, name, file.read()))


def made(row: Row) -> Row:
    """A file as what makes it shows it."""
    return {key: value for key, value in row.items() if key not in _TIMES}


def _create(call: Call) -> Response:
    wanted = validated(CreateFolder, call.strict_json())
    folder = _folder(call, wanted.parent_id, "Parent Folder Doesn't Exist!")
    kind = "folder" if (wanted.type or "").lower() == "folder" else "virtual"
    return answered(made(call.engine.create_folder(folder, wanted.name, kind)))


def _listed(given: Row, name: str) -> list[str]:
    """Ids of a body; what is no text is nobody's id."""
    with python_errors():
        ids = [str(each) for each in given[name]]
    if len(ids) > MAX_IDS:
        raise Fail(f"{name} must contain at most {MAX_IDS} IDs", ARGUMENT)
    return ids


def _folder(call: Call, identifier: str | None, message: str) -> str:
    root = call.engine.root_folder()["id"]
    return str(entry(call, identifier, message)["id"] if identifier else root)


def _file_id(call: Call) -> str:
    """The id of the path, or of the query of the older paths."""
    identifier = call.path.get("file_id") or call.query.get("file_id")
    if not identifier:
        raise Fail("`file_id` query parameter is required")
    return identifier


ROUTES: Routes = {
    "/files": {"POST": add, "GET": list_, "DELETE": delete},
    "/files/move": {"POST": move},
    "/files/link-to-datasets": {"POST": link},
    "/files/{file_id}": {"GET": download},
    "/files/{file_id}/parent": {"GET": parent},
    "/files/{file_id}/ancestors": {"GET": ancestors},
    "/file/all_parent_folder": {"GET": ancestors},
    "/file/convert": {"POST": link},
    "/file/create": {"POST": add},
    "/file/get/{file_id}": {"GET": download},
    "/file/list": {"GET": list_},
    "/file/mv": {"POST": move},
    "/file/parent_folder": {"GET": parent},
    "/file/rename": {"POST": rename},
    "/file/rm": {"POST": delete},
    "/file/root_folder": {"GET": list_},
    "/file/upload": {"POST": add},
}
