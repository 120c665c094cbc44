"""``POST /retrieval``."""

from __future__ import annotations

import math
from typing import Any

from starlette.responses import Response

from ..engine import Retrieval
from ..metadata import matching
from .call import Call, Routes, page_of
from .envelope import EXCEPTION, Fail, answered, not_there_yet
from .metadata import filter_of, shown_fields

__all__ = ["ROUTES", "retrieve"]

Row = dict[str, Any]

_NOT_HERE = ("rerank_id", "keyword", "cross_languages", "use_kg", "toc_enhance")
_NOTHING = {"total": 0, "chunks": [], "doc_aggs": {}}


def retrieve(call: Call) -> Response:
    """Chunks that answer a question, with RAGFlow's scores."""
    given = call.json()
    dataset_ids = _dataset_ids(call, given)
    if "question" not in given:
        raise Fail("`question` is required.")
    for name in _NOT_HERE:
        if given.get(name):
            raise not_there_yet(f"`{name}` in retrieval")
    paging = page_of(given)
    question = given["question"]
    if not isinstance(question, str | None):
        raise Fail(f"`question` should be a string, got {question!r}", EXCEPTION, data=None)
    if not question or not question.strip():
        return answered(_NOTHING)
    document_ids = _document_ids(call, given, dataset_ids)
    if document_ids is not None and not document_ids:
        return answered(_NOTHING)
    found = call.engine.retrieve(
        Retrieval(
            question=question.strip(),
            dataset_ids=dataset_ids,
            document_ids=document_ids,
            similarity_threshold=_number(given, "similarity_threshold", 0.2),
            vector_similarity_weight=_number(given, "vector_similarity_weight", 0.3),
            top_k=_top_k(given),
            highlight=_highlight(given),
            metadata_fields=shown_fields(given),
            **paging,
        )
    )
    return answered({"total": found.total, "chunks": found.chunks, "doc_aggs": found.doc_aggs})


def _dataset_ids(call: Call, given: Row) -> list[str]:
    ids = given.get("dataset_ids")
    if not ids:
        raise Fail("`dataset_ids` is required.")
    if not isinstance(ids, list):
        raise Fail("`dataset_ids` should be a list")
    for each in ids:
        if not isinstance(each, str) or call.engine.get_dataset(each) is None:
            raise Fail(f"You don't own the dataset {each}.")
    return ids


def _document_ids(call: Call, given: Row, dataset_ids: list[str]) -> list[str] | None:
    """The documents to search, None for all: as on RAGFlow a ``metadata_condition`` counts only without ids."""
    ids = given.get("document_ids", [])
    if not isinstance(ids, list):
        raise Fail("`documents` should be a list")
    condition = given.get("metadata_condition")
    if not ids and condition:
        if not isinstance(condition, dict):
            raise Fail("metadata_condition must be an object.", EXCEPTION, data=None)
        return matching(call.engine.metadata(dataset_ids), filter_of(condition))
    for each in ids:
        document = call.engine.get_document(each) if isinstance(each, str) else None
        if document is None or document["dataset_id"] not in dataset_ids:
            raise Fail(f"The datasets don't own the document {each}")
    return ids or None


def _number(given: Row, name: str, default: float) -> float:
    value = given.get(name, default)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise Fail(f"`{name}` should be a number, got {value!r}", EXCEPTION, data=None)
    return number


def _top_k(given: Row) -> int:
    top_k = int(_number(given, "top_k", 1024))
    if top_k <= 0:
        raise Fail("`top_k` must be greater than 0")
    return top_k


def _highlight(given: Row) -> bool:
    value = given.get("highlight")
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Fail("`highlight` should be a boolean")


ROUTES: Routes = {"/retrieval": {"POST": retrieve}}
