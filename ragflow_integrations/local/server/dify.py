"""``/dify/retrieval``: a dataset as Dify's external knowledge. Errors have the HTTP status that Dify goes by."""

from __future__ import annotations

import math
from typing import Any

from starlette.responses import Response

from ..engine import Retrieval
from .call import Call, Routes
from .envelope import ARGUMENT, AUTHENTICATION, JSON, NOT_FOUND, SERVER, Fail, Raised, succeeded
from .metadata import filter_of
from .retrieval import check_graph

__all__ = ["OPEN_ROUTES", "ROUTES", "ask", "records"]

Row = dict[str, Any]

_MOST = 1024  # what Dify is given where it does not say
_YES = ("1", "true", "yes", "on")
_WRONG = "invalid or malformed arguments: {}; "
_NUMBERS = "top_k must be integer and score_threshold must be numeric"


def ask(call: Call) -> Response:
    """``POST /dify/retrieval``."""
    try:
        given = call.json()
    except Raised as raised:
        raise _malformed(str(raised.error)) from None
    return _answer(call, given)


def ask_by_query(call: Call) -> Response:
    """``GET /dify/retrieval``: the same with everything in the query."""
    settings = {name: call.query[name] for name in ("top_k", "score_threshold") if call.query.get(name)}
    _settings(settings)
    use_kg = call.query.get("use_kg", "").lower() in _YES
    return _answer(call, {**call.query, "use_kg": use_kg, "retrieval_setting": settings})


def health(call: Call) -> Response:
    """``GET /dify/retrieval/health``, for which no key is needed."""
    return succeeded(True)


def records(call: Call, given: Row) -> list[Row]:
    """What is found for ``query`` in the dataset ``knowledge_id``, as Dify wants it."""
    check_graph(given)
    top_k, threshold = _settings(given.get("retrieval_setting"))
    identifier = str(given["knowledge_id"])
    condition, document_ids = given.get("metadata_condition"), None
    if condition:
        try:
            document_ids = call.engine.documents_fitting([identifier], filter_of(condition))
        except Fail as fail:
            raise Fail(str(fail), SERVER, status=500) from None
    found = call.engine.retrieve(
        Retrieval(
            question=str(given["query"]).strip(),
            dataset_ids=[identifier],
            document_ids=document_ids,
            page_size=top_k,
            top_k=top_k,
            similarity_threshold=threshold,
        )
    )
    return [
        {
            "content": chunk["content"],
            "score": chunk["similarity"],
            "title": chunk["document_keyword"],
            "metadata": {"doc_id": chunk["document_id"], "document_id": chunk["document_id"]},
        }
        for chunk in found.chunks
    ]


def _answer(call: Call, given: Row) -> Response:
    missing = [name for name in ("knowledge_id", "query") if not given.get(name)]
    if missing:
        raise Fail(f"required arguments are missing: {','.join(missing)}; ", ARGUMENT, status=400)
    _settings(given.get("retrieval_setting"))
    if call.engine.get_dataset(str(given["knowledge_id"])) is None:
        raise _not_owned(call, str(given["knowledge_id"]))
    return JSON({"records": records(call, given)})


def _not_owned(call: Call, identifier: str) -> Fail:
    if call.engine.is_foreign_dataset(identifier):
        return Fail("no authorization", AUTHENTICATION, status=403)
    return Fail("Knowledgebase not found!", NOT_FOUND, status=404)


def _settings(given: Any) -> tuple[int, float]:
    """``top_k`` and ``score_threshold``."""
    if given is not None and not isinstance(given, dict):
        raise _malformed("retrieval_setting must be an object")
    settings: Row = given or {}
    try:
        top_k = int(settings.get("top_k", _MOST))
        threshold = float(settings.get("score_threshold", 0.0))
    except (TypeError, ValueError, OverflowError):
        raise _malformed(_NUMBERS) from None
    if not math.isfinite(threshold):
        raise _malformed(_NUMBERS)
    return min(max(top_k, 1), _MOST), threshold


def _malformed(what: str) -> Fail:
    return Fail(_WRONG.format(what), ARGUMENT, status=400)


ROUTES: Routes = {"/dify/retrieval": {"POST": ask, "GET": ask_by_query}}
OPEN_ROUTES: Routes = {"/dify/retrieval/health": {"GET": health}}
