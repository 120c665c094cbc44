"""``POST /chat/completions`` and its older path: a question to a chat, answered as a stream or at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from ..engine import Delta, Final
from ..fields import new_id
from . import chats, sessions
from .call import Call, Routes
from .envelope import ARGUMENT, EXCEPTION, SERVER, Fail, not_there_yet, succeeded
from .metadata import shown_fields
from .sse import EventStream, frame

__all__ = ["ROUTES", "complete", "related_questions"]

Row = dict[str, Any]

_log = logging.getLogger(__name__)

_NOT_HERE = ("files", "reasoning", "internet")


@dataclass(frozen=True)
class _Turn:
    """One question on its way through the engine."""

    events: Iterator[Delta | Final]
    quote: bool
    ids: Row

    def data(self, answer: str, reference: Row, **more: Any) -> Row:
        """``data`` of an answer or a frame."""
        return {"answer": answer, "reference": reference, "audio_binary": None, **more, **self.ids}

    def reference(self, final: Final) -> Row:
        return {"total": 0, "doc_aggs": [], **final.reference} if self.quote else {}


def complete(call: Call) -> Response:
    """Answer the last message of a conversation; what is wrong with the request is said before a stream begins."""
    given = call.json()
    messages = _messages(given)
    pass_all = _flag(given, "pass_all_history_messages", "pass_all_history", default=False)
    store = _flag(given, "store_history_messages", "store_history", default=True)
    if not store and not pass_all:
        raise Fail("`pass_all_history_messages` must be true when `store_history_messages` is false.")
    chat, session = _conversation(call, given)
    _check_supported(call, given, chat, keeps_all=pass_all and store)
    turn = _turn(call, given, chat, session, messages, store)
    if given.get("stream", True):
        legacy = _flag(given, "legacy", default=False)
        return EventStream(_frames(turn, legacy=legacy))
    return succeeded(_whole(turn))


def _turn(call: Call, given: Row, chat: Row, session: Row | None, messages: list[Row], store: bool) -> _Turn:
    document_ids = _document_ids(given)
    quote = bool(given.get("quote", chat["prompt_config"].get("quote", True)))
    if session is None and store:
        session = call.engine.create_session(chat["id"], "New session")
    message_id = str(messages[-1].get("id") or new_id())
    events = call.engine.converse(
        chat,
        [{"role": each["role"], "content": each["content"] or ""} for each in messages],
        session=session if store else None,
        document_ids=document_ids or None,
        metadata_fields=shown_fields(given, chat["prompt_config"]),
        message_id=message_id,
        quote=quote,
    )
    ids = {"id": message_id, "session_id": session["id"] if session else None, "chat_id": chat["id"]}
    return _Turn(events, quote, ids)


def related_questions(call: Call) -> Response:
    """``POST /chat/recommendation`` and its older path: a language model's work, which is refused here."""
    if "question" not in call.json():
        raise Fail("required argument are missing: question; ", ARGUMENT, data=None)
    raise not_there_yet("a language model, which related questions need,")


def _frames(turn: _Turn, *, legacy: bool) -> Generator[str, None, None]:
    """Deltas, then the frame with the reference, then ``true``; ``legacy`` repeats the text so far in each frame."""
    text = ""
    try:
        for event in turn.events:
            if isinstance(event, Delta):
                text += event.text
                data = turn.data(text if legacy else event.text, {"chunks": []}, final=False)
            else:
                answer = text if legacy else event.answer
                data = turn.data(
                    answer, turn.reference(event), prompt=event.prompt, **_made(event), final=True
                )
            yield frame({"code": 0, "message": "", "data": data})
    except Exception as error:  # noqa: BLE001 - the stream has begun: RAGFlow says it in a frame
        _log.exception("answering in chat %s failed", turn.ids["chat_id"])
        yield frame(
            {
                "code": SERVER,
                "message": str(error),
                "data": {"answer": f"**ERROR**: {error}", "reference": []},
            }
        )
    yield frame({"code": 0, "message": "", "data": True})


def _made(final: Final) -> Row:
    """When the answer was made; RAGFlow does not say it of a chat's empty response."""
    return {} if final.answer else {"created_at": time.time()}


def _whole(turn: _Turn) -> Row:
    text = ""
    for event in turn.events:
        if isinstance(event, Delta):
            text += event.text
        elif not event.answer:
            return turn.data(text, turn.reference(event), prompt=event.prompt, **_made(event))
    return turn.data(text, {"chunks": []}, prompt="", final=False)


def _messages(given: Row) -> list[Row]:
    """The conversation from its first question on, the last of which is to be answered."""
    messages = given.get("messages")
    if messages is None:
        if given.get("question") is None:
            raise Fail("required argument are missing: messages", ARGUMENT)
        messages = [{"role": "user", "content": given["question"]}]
    if not isinstance(messages, list) or not messages:
        raise Fail("`messages` must be a non-empty list.", ARGUMENT)
    for each in messages:
        _check_message(each)
    spoken = [each for each in messages if each["role"] != "system"]
    while spoken and spoken[0]["role"] == "assistant":
        del spoken[0]
    if not spoken:
        raise Fail("`messages` must contain a user message.", ARGUMENT)
    if spoken[-1]["role"] != "user":
        raise Fail("The last message must be from user.", ARGUMENT)
    return spoken


def _check_message(message: Any) -> None:
    if not isinstance(message, dict):
        raise Fail("Every item in `messages` must be an object.", ARGUMENT)
    if "role" not in message or "content" not in message:
        raise Fail("Every item in `messages` must include `role` and `content`.", ARGUMENT)
    if not isinstance(message["content"], str | None):
        raise Fail(f"`content` of a message should be a string, got {message['content']!r}", ARGUMENT)


def _conversation(call: Call, given: Row) -> tuple[Row, Row | None]:
    chat_id = given.get("chat_id") or call.path.get("chat_id")
    session_id = given.get("session_id") or given.get("conversation_id")
    if not chat_id and session_id:
        raise Fail("`chat_id` is required when `session_id` is provided.")
    if not chat_id:
        raise not_there_yet("a language model, which a question without `chat_id` needs,")
    chat = chats.owned(call, chat_id)
    return chat, sessions.owned(call, chat, session_id) if session_id else None


def _check_supported(call: Call, given: Row, chat: Row, *, keeps_all: bool) -> None:
    chats.check_llm(call, given.get("llm_id"), EXCEPTION, data=None)
    for name in _NOT_HERE:
        if given.get(name):
            raise not_there_yet(f"`{name}` in completions")
    if given.get("metadata_condition"):
        raise Fail(
            "`metadata_condition` has no effect here, RAGFlow v0.27 passes over it: send `doc_ids`, or ask at"
            " /openai/{chat_id}/chat/completions"
        )
    if keeps_all:
        raise not_there_yet("`pass_all_history_messages` for stored sessions")
    if not chat["dataset_ids"]:
        raise not_there_yet("a language model, which a chat without datasets needs,")


def _document_ids(given: Row) -> list[str]:
    wanted = given.get("doc_ids") or ""
    if isinstance(wanted, str):
        return [each.strip() for each in wanted.split(",") if each.strip()]
    if isinstance(wanted, list) and all(isinstance(each, str) for each in wanted):
        return wanted
    raise Fail(f"`doc_ids` should be ids separated by commas, got {wanted!r}", ARGUMENT)


def _flag(given: Row, *names: str, default: bool) -> bool:
    for name in names:
        if name in given:
            value = given[name]
            return (
                value.strip().lower() in ("1", "true", "yes", "on") if isinstance(value, str) else bool(value)
            )
    return default


ROUTES: Routes = {
    "/chat/completions": {"POST": complete},
    "/chats/{chat_id}/completions": {"POST": complete},
    "/chat/recommendation": {"POST": related_questions},
    "/sessions/related_questions": {"POST": related_questions},
}
