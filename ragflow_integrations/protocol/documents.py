"""Documents: ``/api/v1/datasets/{id}/documents``."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from io import TextIOBase
from pathlib import Path
from typing import Any

from pydantic import Field

from ..errors import InvalidRequestError, NotFoundError, PartialError
from ..models import DocumentFields, Media, Model, Page
from . import deletion
from .bulk import PAGE
from .checks import check_choice, check_flag, check_number, check_page, check_text, check_update, shown
from .document_filters import SINCE, checked_filters
from .envelope import payload
from .paging import all_of
from .parser_config import checked_parser_config
from .reading import at_once, model, models, unexpected
from .versions import Since, request, supported, to
from .wire import Call, FilePart, Flow, Request, Response, ask, query

__all__ = [
    "all_ids",
    "checked_update",
    "checked_value",
    "delete",
    "download",
    "listed",
    "listing",
    "picture",
    "preview",
    "read_file",
    "read_uploaded",
    "thumbnail",
    "update",
    "upload",
    "upload_url",
]

_CHANGEABLE = (
    "name",
    "display_name",
    "meta_fields",
    "parser_config",
    "chunk_method",
    "enabled",
    "pipeline_id",
)
_CHANGED_SINCE = {"pipeline_id": Since.DOCUMENT_PIPELINES}


def upload(dataset_id: str, documents: Iterable[Mapping[str, Any]]) -> Call[list[DocumentFields]]:
    """``POST /datasets/{id}/documents``, multipart; each document is ``{"display_name", "blob"}``."""
    if not isinstance(documents, Iterable):
        raise InvalidRequestError(
            f"document_list={shown(documents)}: give a list of {{'display_name', 'blob'}}"
        )
    parts = tuple(_part(index, document) for index, document in enumerate(documents))
    if not parts:
        raise InvalidRequestError("document_list=[]: give at least one {'display_name': …, 'blob': …}")
    return Call(request("DataSet.upload_documents", dataset_id=dataset_id, files=parts), read_uploaded)


def upload_url(dataset_id: str, url: str, name: str) -> Flow[DocumentFields]:
    """``POST /datasets/{id}/documents?type=web``: the server fetches the page and keeps it as ``name.pdf``."""
    if not re.match(r"https?://[^/\s]", check_text("url", url)):
        raise InvalidRequestError(f"url={url!r}: give the address of a page, https://…")
    form = {"name": check_text("name", name), "url": url}
    parts = tuple(FilePart(field, "", value.encode()) for field, value in form.items())
    sent: dict[str, Any] = {"query": query(type="web"), "files": parts, "dataset_id": dataset_id}
    return (yield from to("DataSet.upload_url", read_uploaded, **sent))[0]


def listing(
    dataset_id: str,
    *,
    page: int,
    page_size: int,
    orderby: str = "create_time",
    desc: bool = True,
    **filters: Any,
) -> Flow[Page[DocumentFields]]:
    """``GET /datasets/{id}/documents``; an unknown ``id`` or ``name`` is an error answer."""
    check_page(page, page_size)
    check_choice("orderby", orderby, ("create_time", "update_time", "name"))
    given = checked_filters(filters)
    call = listed(
        dataset_id, page=page, page_size=page_size, orderby=orderby, desc=check_flag("desc", desc), **given
    )
    return _supported_listing(call, given)


def listed(dataset_id: str, **params: Any) -> Call[Page[DocumentFields]]:
    """The call that lists them, for parameters that every server knows."""
    return Call(request("DataSet.list_documents", dataset_id=dataset_id, query=query(**params)), _page)


def all_ids(dataset_id: str, condition: Mapping[str, Any] | None) -> Flow[list[str]]:
    """The ids of all documents, or of those that a ``metadata_condition`` fits."""
    given = {} if condition is None else checked_filters({"metadata_condition": condition})
    rows = yield from all_of(lambda page: listed(dataset_id, page=page, page_size=PAGE, **given))
    return [row.id for row in rows]


def update(dataset_id: str, document_id: str, fields: Mapping[str, Any]) -> Flow[DocumentFields]:
    """``PATCH /datasets/{id}/documents/{id}``, until v0.24 ``PUT``: ``name``, ``meta_fields``, ``enabled`` …"""
    body = checked_update(check_update(fields, _CHANGEABLE))
    return _updated(body, dataset_id=dataset_id, document_id=document_id)


def delete(dataset_id: str, ids: Sequence[str] | None) -> Flow[None]:
    """``DELETE /datasets/{id}/documents``, a hundred a call; ``None`` deletes all of the dataset."""
    return deletion.delete(
        "DataSet.delete_documents",
        ids,
        lambda page: listed(dataset_id, page=page, page_size=PAGE),
        dataset_id=dataset_id,
    )


def download(dataset_id: str, document_id: str) -> Call[bytes]:
    """``GET /datasets/{id}/documents/{id}``: the original file."""
    return Call(request("Document.download", dataset_id=dataset_id, document_id=document_id), read_file)


def preview(document_id: str) -> Flow[Media]:
    """``GET /documents/{id}/preview``: the original file, under its own content type."""
    return to("Document.preview", _shown, document_id=document_id)


def thumbnail(document: DocumentFields) -> Flow[Media]:
    """The picture that ``thumbnail_source`` holds, or that it is the address or the name of."""
    source = document.thumbnail_source
    if not source:
        raise NotFoundError(f"the document {document.name!r} has no thumbnail")
    if source.startswith("data:"):
        return _inline(source)
    where = source.rpartition("/")[2]
    image_id = where if "/" in source else f"{document.dataset_id}-{where}"
    return (yield from picture("Document.thumbnail", image_id))


def picture(operation: str, image_id: str) -> Flow[Media]:
    """``GET /documents/images/{id}``, until v0.24 ``/v1/document/image/{id}``."""
    return to(operation, _image, image_id=image_id)


def _supported_listing(
    call: Call[Page[DocumentFields]], filters: Mapping[str, Any]
) -> Flow[Page[DocumentFields]]:
    yield from supported("list_documents", filters, SINCE)
    return (yield from ask(call))


def _updated(body: dict[str, Any], **ids: str) -> Flow[DocumentFields]:
    yield from supported("Document.update", body, _CHANGED_SINCE)
    return (yield from to("Document.update", model(DocumentFields), body=body, idempotent=True, **ids))


def checked_update(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields under the server's names; ``display_name`` is what the reference calls ``name``."""
    if "display_name" in fields:
        if "name" in fields:
            raise InvalidRequestError("name, display_name: give one of them, both are the document's name")
        fields["name"] = fields.pop("display_name")
    for name in ("name", "chunk_method"):
        if name in fields:
            check_text(name, fields[name])
    if "enabled" in fields:
        fields["enabled"] = int(check_number("enabled", _number(fields["enabled"]), 0, 1, whole=True))
    if fields.get("parser_config") is not None:
        fields["parser_config"] = checked_parser_config(fields["parser_config"])
    if "meta_fields" in fields:
        fields["meta_fields"] = _checked_metadata(fields["meta_fields"])
    return fields


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def _checked_metadata(fields: Any) -> dict[str, Any]:
    """The metadata of a document, by key."""
    if not isinstance(fields, Mapping):
        raise InvalidRequestError(f"meta_fields={fields!r}: give a dict, e.g. {{'author': 'Ann'}}")
    return {
        check_text("meta_fields key", name): checked_value(f"meta_fields[{name!r}]", value)
        for name, value in fields.items()
    }


def checked_value(where: str, value: Any) -> Any:
    """Servers take texts, numbers and lists of them; v0.24 stores others and cannot search them."""
    values = value if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(each, (str, int, float)) for each in values):
        raise InvalidRequestError(f"{where}={value!r}: give a text, a number, or a list of these")
    return list(value) if isinstance(value, (list, tuple)) else value


def _part(index: int, document: Mapping[str, Any]) -> FilePart:
    where = f"document_list[{index}]"
    if not isinstance(document, Mapping):
        raise InvalidRequestError(f"{where}={shown(document)}: give a dict with 'display_name' and 'blob'")
    name = check_text(f"{where}['display_name']", document.get("display_name", document.get("name")))
    blob: Any = document.get("blob")
    if isinstance(blob, (bytearray, memoryview)):
        blob = bytes(blob)
    if isinstance(blob, TextIOBase) or not (isinstance(blob, (bytes, Path)) or hasattr(blob, "seek")):
        raise InvalidRequestError(
            f"{where}['blob'] ({name}): give the file's content as bytes, or a binary file"
        )
    return FilePart("file", name, blob)


def read_uploaded(request: Request, response: Response) -> list[DocumentFields]:
    """What was uploaded: a list, or one object of a web page or an empty document; so in a ``PartialError``."""
    try:
        data = payload(request, response)
    except PartialError as error:
        error.data = models(DocumentFields, error.data, request)
        raise
    if data == []:
        raise unexpected(request, "no document")
    return models(DocumentFields, data if isinstance(data, list) else [data], request)


class _Listed(Model):
    docs: list[DocumentFields] = Field(default_factory=list)
    total: Any = None


def _page(request: Request, response: Response) -> Page[DocumentFields]:
    data = at_once(_Listed, request, response)
    return Page(data.docs, data.total)


def read_file(request: Request, response: Response) -> bytes:
    """A file is told from an error object by its disposition, since a file may itself be JSON."""
    if response.status == 200 and "content-disposition" in response.headers:
        return response.body
    payload(request, response)
    raise unexpected(request, "neither a file nor an error")


def _shown(request: Request, response: Response) -> Media:
    return _media(response) if _is_bare(response) else Media(read_file(request, response), _kind(response))


def _is_bare(response: Response) -> bool:
    """A file without a disposition: so servers until v0.26.3 show what is no web page.

    JSON may be a file or an error then: it is an error if it looks like one.
    """
    kind = _kind(response)
    if response.status != 200 or "content-disposition" in response.headers or kind == "text/html":
        return False
    try:
        data = response.json() if kind == "application/json" else None
    except ValueError:
        return True
    return not (isinstance(data, dict) and isinstance(data.get("code"), int))


def _image(request: Request, response: Response) -> Media:
    if response.status == 200 and response.headers.get("content-type", "").lower().startswith("image/"):
        return _media(response)
    payload(request, response)
    raise unexpected(request, "neither a picture nor an error")


def _media(response: Response) -> Media:
    return Media(response.body, _kind(response))


def _kind(response: Response) -> str:
    kind = response.headers.get("content-type", "application/octet-stream")
    return kind.partition(";")[0].strip().lower()


def _inline(source: str) -> Media:
    """What a ``data:`` URI holds."""
    kind, _, text = source.removeprefix("data:").partition(";base64,")
    try:
        content = b64decode(text, validate=True)
    except binascii.Error:
        raise NotFoundError(f"the thumbnail is no base64: {text[:20]!r}") from None
    return Media(content, kind)
