"""``/chatbots``: what a page that embeds a chat asks, with an embed key ("beta").

A chatbot's conversations are apart from the chat's own sessions.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Any

from starlette.responses import Response

from ..conversation import Event, Final, Mark
from ..fields import new_id
from ..problems import Refused, failing
from .call import Call, Routes
from .completions import Shown, Turn, failure, frames, has_web_search, question_of, spoken, whole
from .envelope import DATA, Fail, answered, failed
from .sse import EventStream, frame

__all__ = [
    "BOT_ROUTES",
    "answer_frames",
    "asked",
    "check_question",
    "complete",
    "info",
    "opened",
    "opener",
    "opening",
    "session_of",
]

Row = dict[str, Any]

_NO_ACCESS = "Authentication error: no access to this chatbot!"


def info(call: Call) -> Response:
    """``GET /chatbots/{id}/info``."""
    chat = _owned(call)
    config = chat["prompt_config"]
    web_search = has_web_search(config)
    shown = {"title": chat["name"], "avatar": chat["icon"], "prologue": config.get("prologue", "")}
    web = {"has_tavily_key": web_search, "has_web_search_provider": web_search}
    return answered({**shown, **web, "llm_id": chat["llm_id"]})


def complete(call: Call) -> Response:
    """``POST /chatbots/{id}/completions``: without ``session_id`` a conversation begins, and its opener comes back."""
    given = call.json()
    chat = _owned(call)
    session = session_of(call, chat, given, _NO_ACCESS)
    check_question(given)
    if session is None:
        return opened(call, chat, given)
    turn = asked(call, chat, session, {"quote": False, **given})
    return EventStream(frames(turn)) if given.get("stream", True) else answered(whole(turn))


def session_of(call: Call, chat: Row, given: Row, otherwise: str, code: int = DATA) -> Row | None:
    """The conversation that is named, None if none is; ``Fail`` if it is not one with this chatbot."""
    identifier = given.get("session_id")
    session = call.engine.get_session(str(identifier), embedded=True) if identifier else None
    if identifier and (session is None or session["chat_id"] != chat["id"]):
        raise Fail(otherwise, code)
    return session


def check_question(given: Row, asking: str = "async_iframe_completion") -> None:
    """``Fail`` 100 unless there is a ``question``, in the words of RAGFlow's function for it."""
    if "question" not in given:
        raise failed(TypeError(f"{asking}() missing 1 required positional argument: 'question'"))


def opened(call: Call, chat: Row, given: Row) -> Response:
    """The opener of a new conversation. Who wants no stream gets the stream's first frame as a text, as on RAGFlow."""
    user = str(given.get("user_id") or "")
    session = call.engine.create_session(chat["id"], "New session", user_id=user, embedded=True)
    first = frame({"code": 0, "message": "", "data": opener(session)})
    return opening(opener(session)) if given.get("stream", True) else answered(first)


def opener(session: Row) -> Row:
    """``data`` of the answer to a request that begins a session."""
    said = session["messages"][0]["content"]
    return {"answer": said, "reference": {}, "audio_binary": None, "id": None, "session_id": session["id"]}


def opening(data: Row) -> Response:
    """The stream that begins a session."""

    def both() -> Generator[str, None, None]:
        yield frame({"code": 0, "message": "", "data": data})
        yield frame({"code": 0, "message": "", "data": True})

    return EventStream(both())


def asked(call: Call, chat: Row, session: Row, given: Row, shown: Shown = dict) -> Turn:
    """A ``question`` in a session, on its way; one that is no text fails in the stream, where one is wanted."""
    message = {"role": "user", "content": given["question"], "id": new_id()}
    ids = {"id": message["id"], "session_id": session["id"]}
    try:
        re.search("", given["question"])
    except TypeError as error:
        if not given.get("stream", True):
            raise failed(error) from None
        return Turn(failing(Refused(str(error))), True, True, ids, shown)
    question = question_of(given, chat, [*spoken(session["messages"]), message])
    events = call.engine.converse(chat, question, session=session)
    return Turn(events, bool(chat["dataset_ids"]), question.quote, ids, shown)


def answer_frames(events: Iterator[Event], shown: Shown = dict) -> Generator[str, None, None]:
    """The stream of an answer without a chat: deltas, the reference (each chunk as ``shown``), ``true``."""
    try:
        for event in events:
            yield frame({"code": 0, "message": "", "data": _part(event, shown)})
    except Exception as error:  # noqa: BLE001 - the stream has begun: RAGFlow says it in a frame
        yield failure(error, "answering a search")
    yield frame({"code": 0, "message": "", "data": True})


def _part(event: Event, shown: Shown) -> Row:
    if isinstance(event, Final):
        reference = event.reference or {"chunks": []}
        chunks = [shown(chunk) for chunk in reference["chunks"]]
        return {"answer": event.answer, "reference": {**reference, "chunks": chunks}, "final": True}
    if isinstance(event, Mark):
        return {"answer": "", "reference": {}, "final": False, event.flag: True}
    return {"answer": event.text, "reference": {}, "final": False}


def _owned(call: Call) -> Row:
    chat = call.engine.get_chat(call.path["chat_id"])
    if chat is None:
        raise Fail(_NO_ACCESS)
    return chat


BOT_ROUTES: Routes = {
    "/chatbots/{chat_id}/completions": {"POST": complete},
    "/chatbots/{chat_id}/info": {"GET": info},
}
