"""Chunks of a document: ``/api/v1/datasets/{id}/documents/{id}/chunks``."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidRequestError, NotFoundError
from ..models import ChunkFields, ChunkPage, DocumentFields, Media
from . import deletion, documents
from .bulk import PAGE, in_batches
from .checks import (
    check_flag,
    check_id,
    check_ids,
    check_number,
    check_object,
    check_page,
    check_text,
    check_texts,
    check_update,
    shown,
)
from .envelope import payload
from .reading import models, nothing, unexpected
from .versions import Since, request, server_version, supported, to
from .wire import Call, Flow, Request, Response, ask, query

__all__ = ["add", "delete", "get", "image", "listing", "switch", "update"]

_SINCE = {
    "tag_kwd": Since.CHUNK_TAGS,
    "tag_feas": Since.CHUNK_TAGS,
    "image_base64": Since.CHUNK_IMAGES,
}
_CHANGEABLE = ("content", "important_keywords", "questions", "available", "positions", *_SINCE)


def add(
    dataset_id: str,
    document_id: str,
    *,
    content: str,
    important_keywords: Sequence[str] = (),
    questions: Sequence[str] = (),
    **more: Any,
) -> Flow[ChunkFields]:
    """``POST …/documents/{id}/chunks``; searchable when the answer is there."""
    used = {name: value for name, value in more.items() if value is not None}
    given = {"content": content, "important_keywords": important_keywords, "questions": questions, **used}
    body = {name: value for name, value in _checked(given).items() if value}
    made = request("Document.add_chunk", dataset_id=dataset_id, document_id=document_id, body=body)
    return _supported("add_chunk", body, Call(made, _added))


def listing(
    dataset_id: str,
    document_id: str,
    *,
    page: int,
    page_size: int,
    keywords: str | None = None,
    id: str | None = None,
    available: bool | None = None,
) -> Flow[ChunkPage[ChunkFields]]:
    """``GET …/documents/{id}/chunks``."""
    check_page(page, page_size)
    given: dict[str, Any] = {}
    if keywords is not None and check_text("keywords", keywords, empty=True):
        given["keywords"] = keywords
    if available is not None:
        given["available"] = str(check_flag("available", available)).lower()  # "True" is read as false
    if id is not None:
        given["id"] = check_id("id", id)
    call = _listed(dataset_id, document_id, page=page, page_size=page_size, **given)
    return _supported("list_chunks", given, call if id is None else _of_document(call, document_id, id))


def get(dataset_id: str, document_id: str, chunk_id: str) -> Flow[ChunkFields]:
    """``GET …/documents/{id}/chunks?id=``; v0.24 gives chunks of other documents as well."""
    call = _listed(dataset_id, document_id, id=check_id("chunk_id", chunk_id))
    return (yield from ask(_of_document(call, document_id, chunk_id)))[0]


def update(chunk: ChunkFields, fields: Mapping[str, Any]) -> Flow[dict[str, Any]]:
    """``PATCH …/chunks/{id}``, ``PUT`` before v0.25.1; the answer is empty: what was sent is what holds now."""
    return _updated(chunk, _checked(check_update(fields, _CHANGEABLE)))


def switch(dataset_id: str, document_id: str, ids: Sequence[str], available: bool) -> Flow[None]:
    """``PATCH …/documents/{id}/chunks``, a hundred a call; ``[]`` sends nothing."""
    wanted, flag = check_ids("ids", ids, empty=True), check_flag("available", available)
    return _switched(wanted, flag, dataset_id=dataset_id, document_id=document_id)


def delete(dataset_id: str, document_id: str, ids: Sequence[str] | None) -> Flow[None]:
    """``DELETE …/documents/{id}/chunks``, a hundred a call; ``None`` deletes all of the document."""
    return deletion.delete(
        "Document.delete_chunks",
        ids,
        lambda page: _listed(dataset_id, document_id, page=page, page_size=PAGE),
        field="chunk_ids",
        dataset_id=dataset_id,
        document_id=document_id,
    )


def image(chunk: ChunkFields) -> Flow[Media]:
    """``GET /documents/images/{image_id}``."""
    if not chunk.image_id:
        raise NotFoundError(f"the chunk {chunk.id} has no image")
    return documents.picture("Chunk.image", chunk.image_id)


def _supported(method: str, given: Mapping[str, Any], call: Call[Any]) -> Flow[Any]:
    yield from supported(method, given, {**_SINCE, "available": Since.AVAILABLE_CHUNKS})
    return (yield from ask(call))


def _listed(dataset_id: str, document_id: str, **params: Any) -> Call[ChunkPage[ChunkFields]]:
    listed = request(
        "Document.list_chunks", query=query(**params), dataset_id=dataset_id, document_id=document_id
    )
    return Call(listed, _page)


def _of_document(
    call: Call[ChunkPage[ChunkFields]], document_id: str, chunk_id: str
) -> Call[ChunkPage[ChunkFields]]:
    """The call for one chunk, which v0.24 gives whatever document it is of."""

    def read(request: Request, response: Response) -> ChunkPage[ChunkFields]:
        found = call.read(request, response)
        if not found or found[0].document_id != document_id:
            raise NotFoundError(f"the document {document_id} has no chunk {chunk_id}")
        return found

    return Call(call.request, read)


def _updated(chunk: ChunkFields, body: dict[str, Any]) -> Flow[dict[str, Any]]:
    yield from supported("Chunk.update", body, _SINCE)
    ids = {"dataset_id": chunk.dataset_id, "document_id": chunk.document_id, "chunk_id": chunk.id}
    yield from to("Chunk.update", nothing, body=body, idempotent=True, **ids)
    return {name: value for name, value in body.items() if name != "image_base64"}


def _switched(wanted: list[str], available: bool, **ids: Any) -> Flow[None]:
    version = yield from server_version()

    def some(batch: list[str]) -> Call[None]:
        body = {"chunk_ids": batch, "available": available}
        return Call(request("Document.switch_chunks", version, body=body, idempotent=True, **ids), nothing)

    yield from in_batches(wanted, some)


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    if "content" in fields:
        check_text("content", fields["content"])
    for name in ("important_keywords", "questions", "tag_kwd"):
        if name in fields:
            fields[name] = check_texts(name, fields[name])
    if "available" in fields:
        check_flag("available", fields["available"])
    if "tag_feas" in fields:
        for name, weight in check_object("tag_feas", fields["tag_feas"], "{'travel': 0.5}").items():
            check_number(f"tag_feas[{name!r}]", weight, 0)
    if "positions" in fields:
        fields["positions"] = _positions(fields["positions"])
    if "image_base64" in fields:
        fields["image_base64"] = _base64(fields["image_base64"])
    return fields


def _positions(positions: Any) -> list[list[Any]]:
    if not isinstance(positions, (list, tuple)) or not all(map(_is_box, positions)):
        raise InvalidRequestError(
            f"positions={positions!r}: give a list of boxes, each [page, left, right, top, bottom]"
        )
    return [list(each) for each in positions]


def _is_box(box: Any) -> bool:
    return (
        isinstance(box, (list, tuple)) and len(box) == 5 and all(isinstance(one, (int, float)) for one in box)
    )


def _base64(image: Any) -> str:
    if isinstance(image, (bytes, bytearray)) and image:
        return b64encode(image).decode()
    if not isinstance(image, str) or not image.strip() or not _is_base64(image):
        raise InvalidRequestError(f"image_base64={shown(image)}: give an image as bytes, or in base64")
    return image


def _is_base64(text: str) -> bool:
    try:
        return bool(b64decode(text, validate=True))
    except ValueError:
        return False


def _added(request: Request, response: Response) -> ChunkFields:
    data = payload(request, response)
    if not isinstance(data, dict) or "chunk" not in data:
        raise unexpected(request, "data holds no chunk")
    return models(ChunkFields, [data["chunk"]], request)[0]


def _page(request: Request, response: Response) -> ChunkPage[ChunkFields]:
    data = payload(request, response)
    if not isinstance(data, dict):
        raise unexpected(request, "data is no object with chunks and total")
    document = models(DocumentFields, [data["doc"]], request)[0] if data.get("doc") else None
    return ChunkPage(models(ChunkFields, data.get("chunks"), request), data.get("total"), document)
