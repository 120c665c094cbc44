"""``/retrieval`` and ``/dify/retrieval`` as v0.24 has them: numbers are read strictly, and pages have no limit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from ...models import UnknownModel
from ...problems import DifferentEmbedders
from .. import dify
from ..call import Call, Page, Routes
from ..envelope import EXCEPTION, JSON, NOT_FOUND, Fail, answered, python_errors
from ..retrieval import NOTHING, found, query_of, whole
from .unknown_models import no_reranker

__all__ = ["ROUTES", "page_of"]

Row = dict[str, Any]

_LATER = {"row_id", "tag_kwd"}
_MOST = 10_000  # rows a page; v0.24 itself has no limit


def retrieve(call: Call) -> Response:
    """``POST /retrieval``."""
    try:
        query = query_of(call, page_of)
        if query is None:
            return answered(NOTHING)
        if query.top_k < 0:
            raise Fail(f"`top_k` should be 0 or more, got {query.top_k}", EXCEPTION, data=None)
        if query.top_k == 0:
            return answered({**NOTHING, "doc_aggs": []})
        result = found(call, replace(query, metadata_fields=()))
    except UnknownModel as unknown:
        raise no_reranker(unknown.name) from None
    except DifferentEmbedders:
        raise Fail('Datasets use different embedding models."') from None
    chunks = [{key: value for key, value in chunk.items() if key not in _LATER} for chunk in result["chunks"]]
    return answered({**result, "chunks": chunks})


def ask_for_dify(call: Call) -> Response:
    """``POST /dify/retrieval``: what is missing is told with HTTP 200; foreign datasets do not exist."""
    given = call.required("knowledge_id", "query")
    with python_errors():
        settings = given.get("retrieval_setting", {})
        float(settings.get("score_threshold", 0.0)), int(settings.get("top_k", 0))
    if call.engine.get_dataset(str(given["knowledge_id"])) is None:
        raise Fail("Knowledgebase not found!", NOT_FOUND, status=404)
    records = [
        {**record, "metadata": {"doc_id": record["metadata"]["doc_id"]}}
        for record in dify.records(call, given)
    ]
    return JSON({"records": records})


def page_of(given: Row) -> Page:
    """``page`` and ``page_size`` of a body; ``Fail`` 100 for what is no page."""
    page, size = (whole(given, name, default) for name, default in (("page", 1), ("page_size", 30)))
    if page < 1 or not 1 <= size <= _MOST:
        message = f"`page` should be 1 or more and `page_size` 1 to {_MOST}, got {page} and {size}"
        raise Fail(message, EXCEPTION, data=None)
    return {"page": page, "page_size": size}


ROUTES: Routes = {"/retrieval": {"POST": retrieve}, "/dify/retrieval": {"POST": ask_for_dify}}
