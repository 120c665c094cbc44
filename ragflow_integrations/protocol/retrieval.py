"""Retrieval over datasets: ``/api/v1/retrieval``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from pydantic import Field

from ..errors import InvalidRequestError
from ..models import ChunkFields, DocumentAggregate, Model, Retrieval
from .bulk import PAGE
from .checks import check_flag, check_ids, check_number, check_page, check_text, check_texts
from .conditions import checked_condition
from .reading import at_once
from .versions import Since, request, supported
from .wire import Call, Flow, Request, Response, ask

__all__ = ["retrieve"]

_SINCE = {"reference_metadata": Since.METADATA_OF_CHUNKS}
_FLAGS = ("keyword", "use_kg", "toc_enhance", "highlight")
_SHARES = ("similarity_threshold", "vector_similarity_weight")

Found = Retrieval[ChunkFields]


def retrieve(
    question: str,
    *,
    dataset_ids: Sequence[str],
    document_ids: Sequence[str] | None = None,
    page: int = 1,
    page_size: int = 30,
    limit: int | None = None,
    **options: Any,
) -> Flow[Found]:
    """``POST /retrieval``; options that are ``None`` are left to the server's defaults.

    With ``limit`` the best so many, in as many requests as it takes. ``document_ids=[]`` sends nothing.
    """
    check_page(page, page_size)
    body: dict[str, Any] = {
        "question": check_text("question", question),
        "dataset_ids": check_ids("dataset_ids", dataset_ids),
        **_checked({name: value for name, value in options.items() if value is not None}),
    }
    if document_ids is not None:
        body["document_ids"] = check_ids("document_ids", document_ids, empty=True)
        if "metadata_condition" in body:
            raise InvalidRequestError(
                "document_ids, metadata_condition: give one of them: servers ignore the condition"
            )
        if not document_ids:
            return _nothing()
    if limit is None:
        return _one_page(body, page, page_size)
    if (page, page_size) != (1, 30):
        raise InvalidRequestError("limit, page, page_size: give either limit or a page")
    return _best(body, check_number("limit", limit, 1, whole=True))


def _one_page(body: Mapping[str, Any], page: int, page_size: int) -> Flow[Found]:
    yield from supported("retrieve", body, _SINCE)
    sent = {**body, "page": page, "page_size": page_size}
    return (yield from ask(Call(request("RAGFlow.retrieve", body=sent, idempotent=True), _retrieved)))


def _best(body: Mapping[str, Any], limit: int) -> Flow[Found]:
    """Servers score their candidates in portions and sort within each: only all pages together have an order.

    A page may be short before the last one, since deleted documents and what is below the threshold are taken
    out of it, and may repeat what another has.
    """
    if limit <= PAGE:
        return (yield from _one_page(body, 1, limit))
    found: dict[str, ChunkFields] = {}
    total = 0
    for page in count(1):
        got = yield from _one_page(body, page, PAGE)
        total += got.total or 0
        known = len(found)
        found.update((key, chunk) for chunk in got if (key := _key(chunk)) not in found)
        if len(found) == known or (page * PAGE >= limit and len(found) >= limit):
            break
    best = sorted(found.values(), key=lambda chunk: chunk.similarity or 0.0, reverse=True)[:limit]
    return Retrieval(best, total, _counted(best))


def _key(chunk: ChunkFields) -> str:
    """What tells it apart: the knowledge graph's chunk is of no document, and has another id on each page."""
    return chunk.id if chunk.document_id else chunk.content


def _counted(chunks: Sequence[ChunkFields]) -> list[DocumentAggregate]:
    counts: dict[str, DocumentAggregate] = {}
    for chunk in chunks:
        if chunk.document_id:
            aggregate = counts.setdefault(
                chunk.document_id,
                DocumentAggregate(document_id=chunk.document_id, document_name=chunk.document_name),
            )
            aggregate.count += 1
    return list(counts.values())


def _nothing() -> Flow[Found]:
    yield from ()
    return Retrieval([], 0, [])


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    for name in _SHARES:
        if name in given:
            check_number(name, given[name], 0, 1)
    if "top_k" in given:
        check_number("top_k", given["top_k"], 1, whole=True)
    for name in _FLAGS:
        if name in given:
            check_flag(name, given[name])
    if "rerank_id" in given:
        check_text("rerank_id", given["rerank_id"])
    if "cross_languages" in given:
        given["cross_languages"] = check_texts("cross_languages", given["cross_languages"])
    if "metadata_condition" in given:
        given["metadata_condition"] = checked_condition("metadata_condition", given["metadata_condition"])
    if "reference_metadata" in given:
        given["reference_metadata"] = _reference(given["reference_metadata"])
    return given


def _reference(wanted: Any) -> dict[str, Any]:
    """``{"include": True, "fields": […]}``; ``True`` asks for all fields."""
    if isinstance(wanted, bool):
        return {"include": wanted}
    if not isinstance(wanted, Mapping) or not wanted.keys() <= {"include", "fields"}:
        raise InvalidRequestError(
            f"reference_metadata={wanted!r}: give True, or {{'include': True, 'fields': ['author']}}"
        )
    sent: dict[str, Any] = {
        "include": check_flag("reference_metadata['include']", wanted.get("include", True))
    }
    if wanted.get("fields") is not None:
        sent["fields"] = check_texts("reference_metadata['fields']", wanted["fields"])
    return sent


class _Found(Model):
    chunks: list[ChunkFields] = Field(default_factory=list)
    doc_aggs: list[DocumentAggregate] = Field(default_factory=list)
    total: Any = None


def _retrieved(request: Request, response: Response) -> Retrieval[ChunkFields]:
    data = at_once(_Found, request, response)
    return Retrieval(data.chunks, data.total, data.doc_aggs)
