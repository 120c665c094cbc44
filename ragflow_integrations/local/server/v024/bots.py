"""``/chatbots`` and ``/searchbots`` as v0.24 has them."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from .. import searchbots
from ..bots import asked, check_question, opened, session_of
from ..call import Call, Routes
from ..completions import has_web_search
from ..envelope import EXCEPTION, Fail, answered
from ..searchbots import ask
from ..sse import EventStream
from .chats import owned
from .completions import frames, shown, whole
from .retrieval import page_of

__all__ = ["BOT_ROUTES"]

Row = dict[str, Any]


def info(call: Call) -> Response:
    """``GET /chatbots/{id}/info``."""
    chat = owned(call, f"Can't find dialog by ID: {call.path['chat_id']}")
    config = chat["prompt_config"]
    shown_of = {"title": chat["name"], "avatar": chat["icon"], "prologue": config.get("prologue", "")}
    return answered({**shown_of, "has_tavily_key": has_web_search(config)})


def complete(call: Call) -> Response:
    """``POST /chatbots/{id}/completions``: without ``session_id`` a conversation begins, and its opener comes back."""
    given = call.json()
    check_question(given)
    chat = call.engine.get_chat(call.path["chat_id"])
    if chat is None:
        raise Fail("AssertionError('Dialog not found')", EXCEPTION, data=None)
    session = session_of(call, chat, given, "AssertionError('Session not found!')", EXCEPTION)
    if session is None:
        return opened(call, chat, given)
    turn = asked(call, chat, session, {"quote": False, **given}, shown)
    return EventStream(frames(turn, message="")) if given.get("stream", True) else answered(whole(turn))


def search(call: Call) -> Response:
    """``POST /searchbots/ask``: an answer from datasets, as a stream."""
    return ask(call, shown)


def retrieve(call: Call) -> Response:
    """``POST /searchbots/retrieval_test``: pages are read strictly."""
    return searchbots.retrieve(call, page_of)


BOT_ROUTES: Routes = {
    "/chatbots/{chat_id}/completions": {"POST": complete},
    "/chatbots/{chat_id}/info": {"GET": info},
    **searchbots.BOT_ROUTES,
    "/searchbots/ask": {"POST": search},
    "/searchbots/retrieval_test": {"POST": retrieve},
}
