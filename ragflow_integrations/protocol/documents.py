"""Documents: ``/api/v1/datasets/{id}/documents`` and the parsing of them."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import InvalidRequestError, NotFoundError, ParseFailedError, RequestTimeoutError
from ..models import DocumentFields, Page, ParseProgress
from .checks import check_id, check_ids, check_page, check_text, check_update
from .envelope import envelope, payload
from .reading import model, models, nothing, unexpected
from .wire import Call, FilePart, Flow, Request, Response, Sleep, ask, query

__all__ = [
    "Parsed",
    "cancel_parsing",
    "delete",
    "download",
    "listing",
    "parse",
    "parse_and_wait",
    "update",
    "upload",
]

Parsed = tuple[str, str, int, int]
"""One parsed document: ``(document id, run, chunk count, token count)``."""


def upload(dataset_id: str, documents: Iterable[Mapping[str, Any]]) -> Call[list[DocumentFields]]:
    """``POST /datasets/{id}/documents``, multipart; each document is ``{"display_name", "blob"}``."""
    parts = tuple(_part(index, document) for index, document in enumerate(documents))
    if not parts:
        raise InvalidRequestError("document_list=[]: give at least one {'display_name': …, 'blob': …}")
    return Call(Request("POST", _path(dataset_id), files=parts), _uploaded)


def listing(
    dataset_id: str,
    *,
    page: int,
    page_size: int,
    orderby: str,
    desc: bool,
    id: str | None = None,
    name: str | None = None,
    keywords: str | None = None,
    run: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
) -> Call[Page[DocumentFields]]:
    """``GET /datasets/{id}/documents``; an unknown ``id`` or ``name`` is an error answer."""
    check_page(page, page_size)
    params = query(
        page=page,
        page_size=page_size,
        orderby=orderby,
        desc=desc,
        id=id,
        name=name,
        keywords=keywords or None,
        run=run,
        ids=ids,
    )
    return Call(Request("GET", _path(dataset_id), params), _page)


def update(dataset_id: str, document_id: str, fields: Mapping[str, Any]) -> Call[DocumentFields]:
    """``PATCH /datasets/{id}/documents/{id}``: ``name``, ``meta_fields``, ``parser_config``, ``enabled`` …"""
    body = check_update(fields)
    if "display_name" in body:
        raise InvalidRequestError("update_message: servers ignore 'display_name'; the field is 'name'")
    path = f"{_path(dataset_id)}/{check_id('document_id', document_id)}"
    return Call(Request("PATCH", path, body=body, idempotent=True), model(DocumentFields))


def delete(dataset_id: str, ids: Sequence[str] | None) -> Call[None]:
    """``DELETE /datasets/{id}/documents``; ``None`` deletes all of the dataset."""
    body = {"delete_all": True} if ids is None else {"ids": list(ids)}
    return Call(Request("DELETE", _path(dataset_id), body=body), nothing)


def download(dataset_id: str, document_id: str) -> Call[bytes]:
    """``GET /datasets/{id}/documents/{id}``: the original file."""
    return Call(Request("GET", f"{_path(dataset_id)}/{check_id('document_id', document_id)}"), _file)


def parse(dataset_id: str, document_ids: Sequence[str]) -> Call[None]:
    """``POST /datasets/{id}/chunks``: queue these; an unknown id is an error, the others are started."""
    body = {"document_ids": check_ids("document_ids", document_ids)}
    return Call(Request("POST", f"{_dataset(dataset_id)}/chunks", body=body), nothing)


def cancel_parsing(dataset_id: str, document_ids: Sequence[str]) -> Call[None]:
    """``DELETE /datasets/{id}/chunks``: stop these; their chunks are removed."""
    body = {"document_ids": check_ids("document_ids", document_ids)}
    return Call(Request("DELETE", f"{_dataset(dataset_id)}/chunks", body=body), nothing)


def parse_and_wait(
    dataset_id: str,
    document_ids: Sequence[str],
    *,
    progress: Callable[[ParseProgress], object] | None,
    timeout: float | None,
    interval: float,
) -> Flow[list[Parsed]]:
    """Parse, then look every ``interval`` seconds until all have ended.

    Raises ``ParseFailedError`` at the end if some failed, ``RequestTimeoutError`` after ``timeout``
    seconds (parsing goes on) and ``NotFoundError`` if a document vanishes.
    """
    if interval <= 0:
        raise InvalidRequestError(f"interval={interval!r}: give seconds above 0")
    yield from ask(parse(dataset_id, document_ids))
    elapsed = 0.0
    while True:
        documents = yield from _look(dataset_id, document_ids)
        state = ParseProgress(documents)
        if progress is not None:
            progress(state)
        if state.finished == state.total:
            return _results(documents)
        if timeout is not None and elapsed >= timeout:
            raise RequestTimeoutError(
                f"{state.total - state.finished} of {state.total} documents were not parsed within {timeout} s; "
                "parsing goes on: list_documents() shows how far it is"
            )
        elapsed = yield Sleep(interval if timeout is None else min(interval, timeout - elapsed))


def _look(dataset_id: str, document_ids: Sequence[str]) -> Flow[list[DocumentFields]]:
    """The documents in the order asked for, a hundred a call; right also where a server ignores ``ids``."""
    found: dict[str, DocumentFields] = {}
    wanted = list(dict.fromkeys(document_ids))
    for start in range(0, len(wanted), 100):
        batch = wanted[start : start + 100]
        page, seen, total = 1, 0, 1
        while seen < total and not all(one in found for one in batch):
            rows = yield from ask(
                listing(dataset_id, page=page, page_size=100, orderby="create_time", desc=True, ids=batch)
            )
            found.update((row.id, row) for row in rows)
            page, seen, total = page + 1, seen + len(rows), rows.total or 0 if rows else 0
    missing = [one for one in wanted if one not in found]
    if missing:
        raise NotFoundError(
            f"documents that were being parsed are gone from the dataset: {', '.join(missing)}"
        )
    return [found[one] for one in wanted]


def _results(documents: Sequence[DocumentFields]) -> list[Parsed]:
    results = [(doc.id, doc.run, doc.chunk_count, doc.token_count) for doc in documents]
    failures = [(doc.name, _reason(doc)) for doc in documents if doc.run == "FAIL"]
    if failures:
        raise ParseFailedError(failures, results)
    return results


def _reason(document: DocumentFields) -> str:
    """What the log of its parsing says after its last ``[ERROR]``."""
    log = (document.progress_msg or "").strip()
    return log.rpartition("[ERROR]")[2].strip() or log or "the server gave no reason"


def _dataset(dataset_id: str) -> str:
    return f"/api/v1/datasets/{check_id('dataset_id', dataset_id)}"


def _path(dataset_id: str) -> str:
    return f"{_dataset(dataset_id)}/documents"


def _part(index: int, document: Mapping[str, Any]) -> FilePart:
    where = f"document_list[{index}]"
    if not isinstance(document, Mapping):
        given = reprlib.repr(document)  # cut, since it may be a whole file
        raise InvalidRequestError(f"{where}={given}: give a dict with 'display_name' and 'blob'")
    name = check_text(f"{where}['display_name']", document.get("display_name", document.get("name")))
    blob = document.get("blob")
    if not isinstance(blob, (bytes, bytearray, memoryview)):
        raise InvalidRequestError(f"{where}['blob'] ({name}): give the file's content as bytes")
    return FilePart("file", name, bytes(blob))


def _uploaded(request: Request, response: Response) -> list[DocumentFields]:
    data = payload(request, response)
    return models(DocumentFields, data if isinstance(data, list) else [data], request)


def _page(request: Request, response: Response) -> Page[DocumentFields]:
    data = envelope(request, response).get("data")
    if not isinstance(data, dict):
        raise unexpected(request, "data is no object with docs and total")
    return Page(models(DocumentFields, data.get("docs"), request), data.get("total"))


def _file(request: Request, response: Response) -> bytes:
    """A file is told from an error object by its disposition, since a file may itself be JSON."""
    if response.status == 200 and "content-disposition" in response.headers:
        return response.body
    payload(request, response)
    raise unexpected(request, "neither a file nor an error")
