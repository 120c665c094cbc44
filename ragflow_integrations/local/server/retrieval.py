"""``POST /retrieval``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from ..engine import Retrieval
from ..models import UnknownModel
from .call import Call, Page, Routes, page_of
from .envelope import EXCEPTION, Fail, answered, failed, not_there_yet, python_errors
from .metadata import filter_of, shown_fields

__all__ = ["NOTHING", "ROUTES", "check_graph", "found", "number", "query_of", "retrieve", "text_of", "whole"]

Row = dict[str, Any]

_LARGEST = 1e9  # what is beyond would not fit into the numbers that scores are counted with
NOTHING = {"total": 0, "chunks": [], "doc_aggs": {}}


def retrieve(call: Call) -> Response:
    """Chunks that answer a question, with RAGFlow's scores."""
    query = query_of(call, page_of)
    if query is None:
        return answered(NOTHING)
    if query.top_k <= 0:
        raise Fail("`top_k` must be greater than 0")
    try:
        return answered(found(call, query))
    except UnknownModel as unknown:
        raise failed(LookupError(str(unknown))) from None


def found(call: Call, query: Retrieval) -> Row:
    """What a query finds; ``UnknownModel`` for an unknown ``rerank_id``."""
    result = call.engine.retrieve(query)
    return {"total": result.total, "chunks": result.chunks, "doc_aggs": result.doc_aggs}


def query_of(call: Call, paged: Callable[[Row], Page]) -> Retrieval | None:
    """What the body asks for, None if nothing can be found; ``paged`` reads ``page`` and ``page_size``."""
    given = call.json()
    dataset_ids = _dataset_ids(call, given)
    if "question" not in given:
        raise Fail("`question` is required.")
    paging = paged(given)
    question = text_of(given["question"])
    document_ids = _document_ids(call, given, dataset_ids) if question else []
    if document_ids is not None and not document_ids:
        return None
    check_graph(given)
    return Retrieval(
        question=question,
        dataset_ids=dataset_ids,
        document_ids=document_ids,
        similarity_threshold=number(given, "similarity_threshold", 0.2),
        vector_similarity_weight=number(given, "vector_similarity_weight", 0.3),
        top_k=whole(given, "top_k", 1024),
        highlight=_highlight(given),
        rerank_id=_text(given, "rerank_id"),
        keyword=bool(given.get("keyword")),
        cross_languages=_languages(given),
        toc_enhance=bool(given.get("toc_enhance")),
        metadata_fields=shown_fields(given),
        **paging,
    )


def check_graph(given: Row) -> None:
    """``Fail`` for ``use_kg``: no graph is made here, so that none can be searched."""
    if given.get("use_kg"):
        raise not_there_yet("`use_kg`, the search in knowledge graphs,")


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


def text_of(value: Any) -> str:
    """A question without the blanks around it; ``Fail`` 100 if it is no text."""
    if not value:
        return ""
    with python_errors():
        re.search("", value)
    return str(value).strip()


def _document_ids(call: Call, given: Row, dataset_ids: list[str]) -> list[str] | None:
    """The documents to search, None for all: as on RAGFlow a ``metadata_condition`` counts only without ids."""
    ids = given.get("document_ids", [])
    if not isinstance(ids, list):
        raise Fail("`documents` should be a list")
    condition = given.get("metadata_condition")
    if not ids and condition:
        with python_errors():
            condition.get("conditions")
        return call.engine.documents_fitting(dataset_ids, filter_of(condition))
    for each in ids:
        document = call.engine.get_document(each) if isinstance(each, str) else None
        if document is None or document["dataset_id"] not in dataset_ids:
            raise Fail(f"The datasets don't own the document {each}")
    return ids or None


def number(given: Row, name: str, default: float) -> float:
    """A number of the body; ``Fail`` 100 if it is none."""
    with python_errors():
        number = float(given.get(name, default))
    if not math.isfinite(number):
        raise Fail(f"`{name}` should be a finite number, got {given[name]!r}", EXCEPTION, data=None)
    return max(-_LARGEST, min(number, _LARGEST))


def whole(given: Row, name: str, default: int) -> int:
    """A whole number of the body; ``Fail`` 100 if it is none."""
    with python_errors():
        return int(given.get(name, default))


def _text(given: Row, name: str) -> str:
    value = given.get(name) or ""
    if not isinstance(value, str):
        raise Fail(f"`{name}` should be a string, got {value!r}", EXCEPTION, data=None)
    return value


def _languages(given: Row) -> list[str]:
    value = given.get("cross_languages") or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Fail(f"`cross_languages` should be a list of strings, got {value!r}", EXCEPTION, data=None)
    return value


def _highlight(given: Row) -> bool:
    value = given.get("highlight")
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Fail("`highlight` should be a boolean")


ROUTES: Routes = {"/retrieval": {"POST": retrieve}}
