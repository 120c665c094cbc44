"""Documents and their chunks within a scope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import NotFoundError, UnsupportedError
from ...models import ChunkFields, ChunkPage, DocumentFields, Page
from ...scope import Scope
from .. import chunks as chunk_calls
from .. import documents as document_calls
from .. import parsing
from ..bulk import PAGE
from ..document_filters import checked_filters
from ..versions import Since, server_version
from ..wire import Call, Flow, ask
from .guard import (
    Guarded,
    as_text,
    check,
    check_whole,
    cut,
    every_row,
    ids_of,
    known,
    merged,
    missing,
    queried,
    with_query,
)

__all__ = [
    "change",
    "change_chunk",
    "chunk_image",
    "chunks",
    "listing",
    "preview",
    "read",
    "seen",
    "some",
    "thumbnail",
]

_ALONE = ("id", "ids", "return_empty_metadata")  # each switches conditions on metadata off


def seen(
    scope: Scope, dataset_id: str, condition: Mapping[str, Any] | None = None
) -> Flow[dict[str, DocumentFields]]:
    """The dataset's documents within the scope, as they are now: all, or those that fit the caller's condition."""
    if scope.document_ids == frozenset():
        return {}
    given = {} if condition is None else checked_filters({"metadata_condition": condition})
    call = document_calls.listed(dataset_id, page=1, page_size=PAGE, **given)
    rows = yield from every_row((yield from _narrowed(scope, call)))
    return {row.id: row for row in rows if scope.has_document(row.id, row.meta_fields)}


def listing(guard: Guarded, call: Call[Page[DocumentFields]]) -> Flow[Page[DocumentFields]]:
    """Those within the scope; for an unknown id or name the same error, whether a document has it or not."""
    scope, asked = guard.scope, queried(call.request)
    dataset_id = ids_of(call.request)["dataset_id"]
    known("dataset", dataset_id, scope.has_dataset(dataset_id))
    page = (yield from ask(call)) if scope.whole_datasets else (yield from _cut(scope, call))
    sought = asked.get("id") or asked.get("name")
    if sought and not page.total and not scope.whole_datasets:
        raise missing("document", sought)
    for row in (*page, *(page._following or ())):
        check(row.dataset_id == dataset_id)
    return page


def _cut(scope: Scope, call: Call[Page[DocumentFields]]) -> Flow[Page[DocumentFields]]:
    if scope.document_ids == frozenset():
        return Page([], 0)
    try:
        narrowed = yield from _narrowed(scope, call)
        return (yield from cut(narrowed, lambda row: scope.has_document(row.id, row.meta_fields)))
    except NotFoundError:
        return Page([], 0)


def read(guard: Guarded, call: Call[Any]) -> Flow[Any]:
    """What is read of one document, after a fresh look at it."""
    ids = ids_of(call.request)
    yield from _check(guard.scope, ids["dataset_id"], ids["document_id"])
    return (yield from ask(call))


def change(guard: Guarded, call: Call[Any]) -> Flow[Any]:
    """What is written into one document; only where its whole dataset is within the scope."""
    check_whole(guard.scope, call.request.operation)
    return (yield from read(guard, call))


def some(guard: Guarded, call: Call[Any]) -> Flow[Any]:
    """What is done with some documents of a dataset, or all: v0.24 deletes those of other datasets as well."""
    dataset_id, body = ids_of(call.request)["dataset_id"], call.request.body
    known("dataset", dataset_id, guard.scope.has_dataset(dataset_id))
    check_whole(guard.scope, call.request.operation)
    if not body.get("delete_all"):
        ids = body.get("ids") or body.get("document_ids") or body["selector"]["document_ids"]
        yield from parsing.look(dataset_id, ids)
    return (yield from ask(call))


def preview(guard: Guarded, call: Call[Any]) -> Flow[Any]:
    """The path does not say the dataset: the scope's are looked through for the document."""
    scope, document_id = guard.scope, ids_of(call.request)["document_id"]
    if scope.dataset_ids is None:
        raise UnsupportedError(
            f"{call.request.operation} needs a scope with dataset_ids: the call does not say the document's dataset; "
            "download() does"
        )
    for dataset_id in sorted(scope.dataset_ids):
        if (yield from _is_there(scope, dataset_id, document_id)):
            return (yield from ask(call))
    raise missing("document", document_id)


def thumbnail(guard: Guarded, call: Call[Any]) -> Flow[Any]:
    """A picture's id is that of the dataset and the name of any file that is kept there."""
    image_id, dataset_id, file = _picture(guard.scope, call)
    if not guard.scope.whole_datasets:
        rows = yield from seen(guard.scope, dataset_id)
        sources = {(row.thumbnail_source or "").rpartition("/")[2] for row in rows.values()}
        known("picture", image_id, bool({image_id, file} & sources))
    return (yield from ask(call))


def chunk_image(guard: Guarded, call: Call[Any]) -> Flow[Any]:
    """The picture of a chunk is kept under the chunk's id, which is looked for in the documents of the scope."""
    image_id, dataset_id, chunk_id = _picture(guard.scope, call)
    if guard.scope.whole_datasets:
        return (yield from ask(call))
    for document_id in (yield from seen(guard.scope, dataset_id)):
        try:
            chunk = yield from chunk_calls.get(dataset_id, document_id, chunk_id)
        except NotFoundError:
            continue
        if chunk.image_id == image_id:
            return (yield from ask(call))
    raise missing("picture", image_id)


def chunks(guard: Guarded, call: Call[ChunkPage[ChunkFields]]) -> Flow[ChunkPage[ChunkFields]]:
    """A document's chunks, and no others."""
    ids = ids_of(call.request)
    yield from _check(guard.scope, ids["dataset_id"], ids["document_id"], fresh=bool(guard.scope.metadata))
    page = yield from ask(call)
    wanted = (ids["document_id"], ids["dataset_id"])
    check(page.document is None or (page.document.id, page.document.dataset_id) == wanted)
    for chunk in page:
        check((chunk.document_id, chunk.dataset_id) == wanted)
    return page


def change_chunk(guard: Guarded, call: Call[Any]) -> Flow[Any]:
    """v0.24 changes any chunk under the path of any document: it is looked at before."""
    ids = ids_of(call.request)
    check_whole(guard.scope, call.request.operation)
    yield from _check(guard.scope, ids["dataset_id"], ids["document_id"])
    chunk = yield from chunk_calls.get(ids["dataset_id"], ids["document_id"], ids["chunk_id"])
    known("chunk", chunk.id, chunk.dataset_id == ids["dataset_id"])
    return (yield from ask(call))


def _check(scope: Scope, dataset_id: str, document_id: str, *, fresh: bool = True) -> Flow[None]:
    known("dataset", dataset_id, scope.has_dataset(dataset_id))
    known("document", document_id, scope.document_ids is None or document_id in scope.document_ids)
    if fresh:
        known("document", document_id, (yield from _is_there(scope, dataset_id, document_id)))


def _is_there(scope: Scope, dataset_id: str, document_id: str) -> Flow[bool]:
    """Whether the dataset has the document now, within the scope."""
    try:
        rows = yield from ask(document_calls.listed(dataset_id, page=1, page_size=1, id=document_id))
    except NotFoundError:
        return False
    return any(row.id == document_id and scope.has_document(row.id, row.meta_fields) for row in rows)


def _narrowed(scope: Scope, call: Call[Any]) -> Flow[Call[Any]]:
    """With what the server can sort out itself, to have less to read; each row is checked again.

    Servers before v0.25 compare no lists and ignore ``ids``.
    """
    asked = queried(call.request)
    if any(name in asked for name in _ALONE):
        return call
    filtered = "metadata_condition" in asked or "metadata" in asked
    if scope.document_ids is not None and not filtered and 0 < len(scope.document_ids) <= PAGE:
        return Call(with_query(call.request, ids=sorted(scope.document_ids)), call.read)
    condition = merged(scope) if scope.metadata and not filtered else None
    if condition is None or (yield from server_version()) < Since.DOCUMENT_FILTERS:
        return call
    return Call(with_query(call.request, metadata_condition=as_text(condition)), call.read)


def _picture(scope: Scope, call: Call[Any]) -> tuple[str, str, str]:
    """The picture's id, and the dataset and the file's name that it is made of."""
    image_id = ids_of(call.request)["image_id"]
    dataset_id, _, file = image_id.partition("-")
    known("picture", image_id, scope.has_dataset(dataset_id))
    return image_id, dataset_id, file
