"""Asking a chat assistant: ``POST /chat/completions``, until v0.24 ``POST /chats/{id}/completions``.

A question without a session leaves nothing behind on the server, whatever its version: v0.27 is told so; before,
a session is made for the question and deleted when its answer is there, failed or was broken off.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidRequestError, RAGFlowError, UnsupportedError
from ..models import Message
from . import sessions
from .answers import AnswerDecoder, answer
from .checks import check_id, check_ids, check_text, refuse
from .versions import Since, Version, request, server_version, supported
from .wire import Call, Flow, Request, Streamed
from .wire import ask as answer_of

__all__ = ["AnswerDecoder", "ask", "ask_stream"]

Question = str | Sequence[Mapping[str, Any]]
Row = dict[str, Any]

_log = logging.getLogger("ragflow_integrations")

_OURS = (
    *("chat_id", "session_id", "conversation_id", "question", "messages"),
    *("pass_all_history_messages", "pass_all_history", "store_history_messages", "store_history"),
)
_TEMPORARY = "One question"


def ask(
    chat_id: str, question: Question, *, session_id: str | None, options: Mapping[str, Any]
) -> Flow[Message]:
    """The whole answer at once."""
    asked, after = yield from _asked(chat_id, question, session_id, {**options, "stream": False})
    try:
        message = yield from answer_of(Call(asked, answer))
    except GeneratorExit:  # nobody is there any more to send something
        raise
    except BaseException:
        yield from after
        raise
    yield from after
    return message


def ask_stream(
    chat_id: str, question: Question, *, session_id: str | None, options: Mapping[str, Any]
) -> Flow[Streamed[Message]]:
    """The answer as it is made."""
    asked, after = yield from _asked(chat_id, question, session_id, {**options, "stream": True})
    return Streamed(asked, AnswerDecoder, after)


def _asked(
    chat_id: str, question: Question, session_id: str | None, options: Row
) -> Flow[tuple[Request, Flow[None]]]:
    """The request, and what is to be done when its answer is over."""
    check_id("chat_id", chat_id)
    refuse(options, _OURS, "not a variable of a prompt, but set by the call itself")
    if isinstance(options.get("doc_ids"), list):
        options = {**options, "doc_ids": ",".join(check_ids("doc_ids", options["doc_ids"]))}
    if session_id is None:
        return (yield from _alone(chat_id, _messages(question), options))
    asking = {"session_id": check_id("session_id", session_id), "question": check_text("question", question)}
    version = yield from _version_for(options)
    return _request("Session.ask", version, chat_id, {**options, **asking}), _nothing()


def _version_for(options: Row) -> Flow[Version]:
    """The server's; ``UnsupportedError`` for an option that it would pass over though the answer depends on it."""
    yield from supported("ask", options, {"legacy": Since.LEGACY_STREAMS})
    version = yield from server_version()
    if options.get("metadata_condition") is not None and version >= Since.CHAT_IN_BODY:
        raise UnsupportedError(
            f"ask(metadata_condition=…) needs RAGFlow before {Since.CHAT_IN_BODY}; this server is {version}, which "
            "passes over it: chat_completions() takes it, and doc_ids=[…] narrows here"
        )
    return version


def _alone(chat_id: str, messages: list[Row], options: Row) -> Flow[tuple[Request, Flow[None]]]:
    """Without a session of the caller's."""
    version = yield from _version_for(options)
    if version >= Since.UNSTORED_QUESTIONS:
        asking = {"messages": messages, "pass_all_history_messages": True, "store_history_messages": False}
        return _request("Chat.ask", version, chat_id, {**options, **asking}), _nothing()
    asking = _in_new_session(messages, version)
    session = yield from sessions.create(chat_id, _TEMPORARY)
    body = {**options, **asking, "session_id": session.id}
    return _request("Chat.ask", version, chat_id, body), _forgotten(chat_id, session.id)


def _request(operation: str, version: Version, chat_id: str, body: Row) -> Request:
    if version < Since.CHAT_IN_BODY:
        return request(operation, version, chat_id=chat_id, body=body)
    return request(operation, version, body={**body, "chat_id": chat_id})


def _nothing() -> Flow[None]:
    yield from ()


def _forgotten(chat_id: str, session_id: str) -> Flow[None]:
    """Delete the session made for a question; an answer is not lost because that fails."""
    try:
        yield from sessions.delete(chat_id, [session_id])
    except RAGFlowError as error:
        _log.warning("session %s of chat %s, made for one question, stays: %s", session_id, chat_id, error)


def _messages(question: Any) -> list[Row]:
    if isinstance(question, str):
        return [{"role": "user", "content": check_text("question", question)}]
    if not isinstance(question, Sequence) or not all(isinstance(message, Mapping) for message in question):
        raise InvalidRequestError(f"question={question!r}: give a text, or a list of {{'role', 'content'}}")
    messages = [dict(message) for message in question]
    if not messages or messages[-1].get("role") != "user":
        raise InvalidRequestError("messages: the last one must have the role 'user'")
    check_text("the last message's content", messages[-1].get("content"))
    return messages


def _in_new_session(messages: list[Row], version: Version) -> Row:
    """A lone question goes as such: what servers pass over (system, an opener) does not count."""
    spoken = [message for message in messages if message.get("role") != "system"]
    while spoken[0].get("role") == "assistant":
        del spoken[0]
    if len(spoken) == 1:
        return {"question": spoken[0]["content"]}
    if version < Since.HISTORY_WITH_QUESTION:
        raise UnsupportedError(
            f"asking with a history needs RAGFlow {Since.HISTORY_WITH_QUESTION} or later; this server is "
            f"{version}: ask in a session, which remembers, or use chat_completions()"
        )
    return {"messages": messages, "pass_all_history_messages": True}
