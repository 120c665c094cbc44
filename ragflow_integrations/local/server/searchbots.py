"""``/searchbots``: what a page that embeds a search asks, with an embed key ("beta")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from ..models import UnknownModel
from . import searches
from .bots import answer_frames
from .call import Call, Page, Routes, page_of
from .completions import Shown, checked_datasets, required
from .dataset_search import SearchOne, searched
from .envelope import DATA, EXCEPTION, OPERATING, Fail, failed, python_errors, succeeded
from .retrieval import number, text_of, whole
from .sse import EventStream
from .validation import validated

__all__ = ["BOT_ROUTES", "ask", "retrieve"]

Row = dict[str, Any]

_NOTHING: Row = {"chunks": [], "doc_aggs": [], "labels": None, "total": 0}


def ask(call: Call, shown: Shown = dict) -> Response:
    """``POST /searchbots/ask``: an answer from datasets, as a stream; each chunk it refers to as ``shown``."""
    given = required(call, "question", "kb_ids")
    config = _config(call, given)
    dataset_ids = checked_datasets(call, config.get("kb_ids") or given["kb_ids"])
    events = call.engine.ask(str(given["question"]), dataset_ids, config)
    return EventStream(answer_frames(events, shown))


def related_questions(call: Call) -> Response:
    """``POST /searchbots/related_questions``: searches near to one, by a language model."""
    given = required(call, "question")
    llm_id = _config(call, given).get("chat_id")
    return succeeded(call.engine.related_questions(str(given["question"]), llm_id))


def mindmap(call: Call) -> Response:
    """``POST /searchbots/mindmap``: what datasets say about a question as a tree, by a language model."""
    given = required(call, "question", "kb_ids")
    dataset_ids, llm_id = checked_datasets(call, given["kb_ids"]), _config(call, given).get("chat_id")
    return succeeded(call.engine.mindmap(str(given["question"]), dataset_ids, llm_id))


def retrieve(call: Call, paged: Callable[[Row], Page] = page_of) -> Response:
    """``POST /searchbots/retrieval_test``: the chunks that answer a question best; ``paged`` reads the page."""
    given = required(call, "kb_id", "question")
    page = paged({"page_size": given.get("size", 30), "page": given.get("page", 1)})
    ids = [given["kb_id"]] if isinstance(given["kb_id"], str) else given["kb_id"]
    if not ids:
        raise Fail("Please specify dataset firstly.", DATA, data=False)
    numbers = _numbers(given)
    with python_errors():
        ids = list(ids)
    if any(not isinstance(each, str) or call.engine.get_dataset(each) is None for each in ids):
        raise Fail("Only owner of dataset authorized for this operation.", OPERATING, data=False)
    question = text_of(given["question"])
    if not question:
        return succeeded(_NOTHING)
    wanted = {
        key: value for key, value in given.items() if value and (key != "search_id" or _config(call, given))
    }
    wanted |= {**numbers, "question": question, "page": page["page"], "size": page["page_size"]}
    try:
        return succeeded(searched(call, ids, validated(SearchOne, wanted, EXCEPTION)))
    except UnknownModel as unknown:
        raise failed(LookupError(str(unknown))) from None


def _numbers(given: Row) -> Row:
    """The numbers of a search, by RAGFlow's conversions; a threshold beyond its range is at its end."""
    threshold = number(given, "similarity_threshold", 0.0)
    weight = number(given, "vector_similarity_weight", 0.3)
    top = whole(given, "top_k", 1024)
    if top <= 0:
        raise Fail("`top_k` must be greater than 0")
    numbers = {"similarity_threshold": max(0.0, min(threshold, 1.0)), "vector_similarity_weight": weight}
    return {**numbers, "top_k": top}


def detail(call: Call) -> Response:
    """``GET /searchbots/detail``: the search application ``search_id``."""
    if "search_id" not in call.query:
        raise Fail("<BadRequestKeyError '400: Bad Request'>", EXCEPTION, data=None)
    return searches.shown(call, call.query["search_id"])


def _config(call: Call, given: Row) -> Row:
    """The settings of the search application that is named, if one is."""
    search = call.engine.get_search(str(given["search_id"])) if given.get("search_id") else None
    return search["search_config"] if search else {}


BOT_ROUTES: Routes = {
    "/searchbots/ask": {"POST": ask},
    "/searchbots/related_questions": {"POST": related_questions},
    "/searchbots/mindmap": {"POST": mindmap},
    "/searchbots/retrieval_test": {"POST": retrieve},
    "/searchbots/detail": {"GET": detail},
}
