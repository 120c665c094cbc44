"""``/searchbots``: what a page that embeds a search asks, with an embed key ("beta")."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from . import searches
from .bots import answer_frames
from .call import Call, Routes
from .completions import Shown, checked_datasets, required
from .dataset_search import SearchOne, searched
from .envelope import DATA, EXCEPTION, OPERATING, Fail, succeeded
from .sse import EventStream
from .validation import validated

__all__ = ["BOT_ROUTES", "ask"]

Row = dict[str, Any]


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


def retrieve(call: Call) -> Response:
    """``POST /searchbots/retrieval_test``: the chunks that answer a question best."""
    given = required(call, "kb_id", "question")
    ids = [given["kb_id"]] if isinstance(given["kb_id"], str) else given["kb_id"]
    if not ids:
        raise Fail("Please specify dataset firstly.", DATA, data=False)
    if not isinstance(ids, list):
        raise Fail(f"`kb_id` should be ids, got {ids!r}", EXCEPTION, data=None)
    if any(not isinstance(each, str) or call.engine.get_dataset(each) is None for each in ids):
        raise Fail("Only owner of dataset authorized for this operation.", OPERATING, data=False)
    return succeeded(searched(call, ids, validated(SearchOne, given)))


def detail(call: Call) -> Response:
    """``GET /searchbots/detail``: the search application ``search_id``."""
    if "search_id" not in call.query:
        raise Fail("`search_id` is required", EXCEPTION, data=None)
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
