"""Files of the server's file manager: ``/api/v1/files``, until v0.24 ``/api/v1/file/…``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import APIError, InvalidRequestError, PartialError
from ..models import FileFields, FilePage
from ..sources import Source
from .checks import check_choice, check_flag, check_id, check_ids, check_page, check_text
from .envelope import error_for, payload
from .reading import model, models, nothing, unexpected
from .versions import Since, request, server_version, supported, to
from .wire import Call, FilePart, Flow, Reader, Request, Response, ask, query, work

__all__ = ["create_folder", "delete", "download", "link", "listing", "move", "rename", "upload"]


_ORDERS = ("create_time", "update_time", "name", "size", "type")
_LONGEST_NAME = 255


def listing(
    *, parent_id: str | None, keywords: str | None, page: int, page_size: int, orderby: str, desc: bool
) -> Flow[FilePage]:
    """``GET /files``: what is in a folder, the root if none is given."""
    check_page(page, page_size)
    parent = None if parent_id is None else check_id("parent_id", parent_id)
    words = None if keywords is None else check_text("keywords", keywords, empty=True) or None
    order = {"orderby": check_choice("orderby", orderby, _ORDERS), "desc": check_flag("desc", desc)}
    params = query(parent_id=parent, keywords=words, page=page, page_size=page_size, **order)
    return _listed(params, {"desc": None if desc else desc})


def upload(gather: Any, parent_id: str | None) -> Flow[list[FileFields]]:
    """``POST /files``, multipart, a file a call; what is done when one fails stays."""
    parent = () if parent_id is None else (_field("parent_id", check_id("parent_id", parent_id)),)
    sources: list[Source] = yield from work(gather)
    version = yield from server_version()
    found: list[FileFields] = []
    for source in sources:
        parts = (FilePart("file", source.name, source.content), *parent)
        found += yield from ask(Call(request("RAGFlow.upload_file", version, files=parts), _uploaded))
    return found


def create_folder(name: str, parent_id: str | None) -> Flow[FileFields]:
    """``POST /files`` with the type ``folder``."""
    body = {"name": _name(name), "type": "folder"}
    if parent_id is not None:
        body["parent_id"] = check_id("parent_id", parent_id)
    return to("RAGFlow.create_folder", model(FileFields), body=body)


def download(file_id: str) -> Flow[bytes]:
    """``GET /files/{id}``."""
    return to("RAGFlow.download_file", _content, file_id=file_id)


def move(file_ids: Sequence[str], folder_id: str) -> Flow[None]:
    """``POST /files/move``."""
    body = {"src_file_ids": check_ids("file_ids", file_ids), "dest_file_id": check_id("folder_id", folder_id)}
    return to("RAGFlow.move_files", nothing, body=body)


def rename(file_id: str, name: str) -> Flow[None]:
    """``POST /files/move`` with a new name, until v0.24 ``POST /file/rename``."""
    new, file = _name(name), check_id("file_id", file_id)
    version = yield from server_version()
    if version >= Since.FILES:
        body: dict[str, Any] = {"src_file_ids": [file], "new_name": new}
    else:
        body = {"file_id": file, "name": new}
    yield from ask(Call(request("RAGFlow.rename_file", version, body=body), nothing))


def delete(ids: Sequence[str]) -> Flow[None]:
    """``DELETE /files``, until v0.24 ``POST /file/rm``; folders with what is in them."""
    listed = check_ids("ids", ids, empty=True)
    if not listed:
        return
    version = yield from server_version()
    body = {"ids" if version >= Since.FILES else "file_ids": listed}
    yield from ask(Call(request("RAGFlow.delete_files", version, body=body), _deleted(len(listed))))


def link(file_ids: Sequence[str], dataset_ids: Sequence[str]) -> Flow[None]:
    """``POST /files/link-to-datasets``; other links of the files stay."""
    body = {"file_ids": check_ids("file_ids", file_ids), "kb_ids": check_ids("dataset_ids", dataset_ids)}
    return to("RAGFlow.link_files", nothing, body=body, query=query(mode="add"))


def _listed(params: Any, order: dict[str, Any]) -> Flow[FilePage]:
    yield from supported("list_files", order, {"desc": Since.FILES})
    return (yield from to("RAGFlow.list_files", _page, query=params))


def _field(name: str, value: str) -> FilePart:
    return FilePart(name, "", value.encode())


def _name(name: Any) -> str:
    if len(check_text("name", name)) > _LONGEST_NAME:
        raise InvalidRequestError(f"name={name!r}: {len(name)} characters; {_LONGEST_NAME} are allowed")
    return str(name)


def _page(request: Request, response: Response) -> FilePage:
    data = payload(request, response)
    if not isinstance(data, dict):
        raise unexpected(request, "data is no object with files and total")
    folder = data.get("parent_folder")
    parent = models(FileFields, [folder], request)[0] if isinstance(folder, dict) else None
    return FilePage(models(FileFields, data.get("files"), request), data.get("total"), parent)


def _uploaded(request: Request, response: Response) -> list[FileFields]:
    return models(FileFields, payload(request, response), request)


def _content(request: Request, response: Response) -> bytes:
    """A file comes without a sign that it is one; an error is an object of these keys and no others."""
    if response.status == 200 and not response.headers.get("content-type", "").startswith("application/json"):
        return response.body
    try:
        body = response.json()
    except ValueError:
        body = None
    told = isinstance(body, dict) and "code" in body and set(body) <= {"code", "message", "data", "error"}
    if told or response.status != 200:
        payload(request, response)
    return response.body


def _deleted(asked: int) -> Reader[None]:
    """An error says what could not be deleted; files of datasets are passed over, which only the number tells."""

    def read(request: Request, response: Response) -> None:
        try:
            data = payload(request, response)
        except APIError as error:
            raise _said(error, request, response) from None
        done = data.get("success_count") if isinstance(data, dict) else None
        if isinstance(done, int) and done < asked:
            told = (
                f"{asked - done} of {asked} were not deleted: servers keep the files and folders of datasets"
            )
            raise PartialError(told, code=0, method=request.method, path=request.path, data=data)

    return read


def _said(error: APIError, request: Request, response: Response) -> Exception:
    data = error.data if isinstance(error.data, dict) else {}
    errors = data.get("errors")
    if not isinstance(errors, list) or not errors:
        return error
    text = "; ".join(map(str, errors))
    if data.get("success_count"):
        return PartialError(text, code=error.code, method=request.method, path=request.path, data=data)
    return error_for(request, response.status, error.code or 0, text, data)
