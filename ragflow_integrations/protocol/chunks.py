"""Chunks of a document, and retrieval over datasets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InvalidRequestError
from ..models import Chunk, DocumentAggregate, Page, Retrieval
from .checks import check_id, check_ids, check_page, check_text
from .envelope import payload
from .reading import models, nothing, unexpected
from .wire import Call, Request, Response, query

__all__ = ["add", "delete", "listing", "retrieve"]


def add(
    dataset_id: str,
    document_id: str,
    *,
    content: str,
    important_keywords: Sequence[str] = (),
    questions: Sequence[str] = (),
) -> Call[Chunk]:
    """``POST …/documents/{id}/chunks``; searchable when the answer is there."""
    body = {
        "content": check_text("content", content),
        "important_keywords": _texts("important_keywords", important_keywords),
        "questions": _texts("questions", questions),
    }
    return Call(Request("POST", _path(dataset_id, document_id), body=body), _added)


def listing(
    dataset_id: str, document_id: str, *, page: int, page_size: int, keywords: str | None, id: str | None
) -> Call[Page[Chunk]]:
    """``GET …/documents/{id}/chunks``."""
    check_page(page, page_size)
    params = query(page=page, page_size=page_size, keywords=keywords or None, id=id or None)
    return Call(Request("GET", _path(dataset_id, document_id), params), _page)


def delete(dataset_id: str, document_id: str, ids: Sequence[str] | None) -> Call[None]:
    """``DELETE …/documents/{id}/chunks``; ``None`` deletes all of the document."""
    body = {"delete_all": True} if ids is None else {"chunk_ids": list(ids)}
    return Call(Request("DELETE", _path(dataset_id, document_id), body=body), nothing)


def retrieve(
    question: str,
    *,
    dataset_ids: Sequence[str],
    document_ids: Sequence[str] | None = None,
    page: int = 1,
    page_size: int = 30,
    **options: Any,
) -> Call[Retrieval]:
    """``POST /retrieval``; options that are ``None`` are left to the server's defaults."""
    check_page(page, page_size)
    body: dict[str, Any] = {
        "question": check_text("question", question),
        "dataset_ids": check_ids("dataset_ids", dataset_ids),
        "page": page,
        "page_size": page_size,
    }
    if document_ids is not None:
        body["document_ids"] = check_ids("document_ids", document_ids)
    body.update((name, value) for name, value in options.items() if value is not None)
    return Call(Request("POST", "/api/v1/retrieval", body=body, idempotent=True), _retrieved)


def _path(dataset_id: str, document_id: str) -> str:
    return (
        f"/api/v1/datasets/{check_id('dataset_id', dataset_id)}"
        f"/documents/{check_id('document_id', document_id)}/chunks"
    )


def _texts(name: str, values: Any) -> list[str]:
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise InvalidRequestError(f"{name}={values!r}: give a list of texts")
    return list(values)


def _added(request: Request, response: Response) -> Chunk:
    data = payload(request, response)
    if not isinstance(data, dict) or "chunk" not in data:
        raise unexpected(request, "data holds no chunk")
    return models(Chunk, [data["chunk"]], request)[0]


def _page(request: Request, response: Response) -> Page[Chunk]:
    data = payload(request, response)
    if not isinstance(data, dict):
        raise unexpected(request, "data is no object with chunks and total")
    return Page(models(Chunk, data.get("chunks"), request), data.get("total"))


def _retrieved(request: Request, response: Response) -> Retrieval:
    data = payload(request, response)
    if not isinstance(data, dict):
        raise unexpected(request, "data is no object with chunks and total")
    return Retrieval(
        models(Chunk, data.get("chunks"), request),
        data.get("total"),
        models(DocumentAggregate, data.get("doc_aggs"), request),
    )
