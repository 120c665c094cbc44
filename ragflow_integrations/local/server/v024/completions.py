"""``/chats/{id}/completions`` and its relatives as v0.24 has them.

Without ``session_id`` a session begins and its opener comes back; the question is not looked at.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from starlette.responses import Response

from ...conversation import Delta, Final, Mark
from ..bots import answer_frames, asked, check_question, opener, opening
from ..call import Call, Routes
from ..completions import Turn, failure, read
from ..envelope import Fail, answered, failed
from ..metadata import filter_of
from ..sse import EventStream, frame
from .chats import owned

__all__ = ["ROUTES", "ask", "complete", "frames", "related_questions", "shown", "whole"]

Row = dict[str, Any]

_NEWER = ("row_id", "document_metadata")


def complete(call: Call) -> Response:
    """``POST …/completions``."""
    given = call.json()
    chat = owned(call, f"You don't own the chat {call.path['chat_id']}")
    session = _session(call, chat, given.get("session_id"))
    given = _narrowed(call, chat, given)
    if session is not None:
        check_question(given, "async_completion")
    if not given.get("name", "New session"):
        raise failed(AssertionError("`name` can not be empty."))
    if session is None:
        return _begun(call, chat, given)
    turn = asked(call, chat, session, given, shown)
    return EventStream(frames(turn)) if given.get("stream", True) else answered(whole(turn))


def _session(call: Call, chat: Row, identifier: Any) -> Row | None:
    session = call.engine.get_session(identifier) if isinstance(identifier, str) else None
    if identifier and (session is None or session["chat_id"] != chat["id"]):
        raise Fail(f"You don't own the session {identifier}")
    return session


def _begun(call: Call, chat: Row, given: Row) -> Response:
    name, user = str(given.get("name", "New session")), str(given.get("user_id") or "")
    data = opener(call.engine.create_session(chat["id"], name, user_id=user))
    return opening(data) if given.get("stream", True) else answered(data)


def ask(call: Call) -> Response:
    """``POST /sessions/ask``: an answer from datasets, as a stream."""
    given = call.json()
    if not given.get("question"):
        raise Fail("`question` is required.")
    dataset_ids = given.get("dataset_ids")
    if not dataset_ids:
        raise Fail("`dataset_ids` is required.")
    if not isinstance(dataset_ids, list):
        raise Fail("`dataset_ids` should be a list.")
    for each in dataset_ids:
        dataset = call.engine.get_dataset(each) if isinstance(each, str) else None
        if dataset is None:
            raise Fail(f"You don't own the dataset {each}.")
        if not dataset["chunk_count"]:
            raise Fail(f"The dataset {each} doesn't own parsed file")
    return EventStream(answer_frames(call.engine.ask(str(given["question"]), dataset_ids), shown))


def related_questions(call: Call) -> Response:
    """``POST /sessions/related_questions``, by a language model."""
    question = call.json().get("question")
    if not question:
        raise Fail("`question` is required.")
    return answered(call.engine.related_questions(str(question)))


def frames(turn: Turn, **said: str) -> Generator[str, None, None]:
    """Deltas, the frame with the reference, ``true``; ``said`` goes into each frame."""
    try:
        for event in turn.events:
            if isinstance(event, Delta):
                data = turn.piece(event.text)
            elif isinstance(event, Mark):
                data = turn.piece("", **{event.flag: True})
            elif turn.searched:
                data = _end(turn, event)
            else:
                continue
            yield frame({"code": 0, **said, "data": data})
    except Exception as error:  # noqa: BLE001 - the stream has begun: RAGFlow says it in a frame
        yield failure(error, f"answering in session {turn.ids['session_id']}")
    yield frame({"code": 0, **said, "data": True})


def whole(turn: Turn) -> Row:
    """``data`` of an answer that is no stream."""
    text, final = read(turn.events)
    if final.answer:
        return _end(turn, final)
    reference = turn.reference(final) if turn.searched else {"chunks": []}
    return turn.data(text, reference, prompt=final.prompt, created_at=time.time())


def shown(chunk: Row) -> Row:
    """What an answer refers to, without the fields of later versions."""
    return {key: value for key, value in chunk.items() if key not in _NEWER or (key != "row_id" and value)}


def _end(turn: Turn, final: Final) -> Row:
    made = {} if final.answer else {"created_at": time.time()}
    return turn.data(final.answer, turn.reference(final), prompt=final.prompt, **made, final=True)


def _narrowed(call: Call, chat: Row, given: Row) -> Row:
    """The request with the documents that its ``metadata_condition`` fits."""
    condition = given.get("metadata_condition") or {}
    if not isinstance(condition, dict):
        raise Fail("metadata_condition must be an object.")
    if not condition or not given.get("question") or not given.get("session_id"):
        return given
    found = call.engine.documents_fitting(chat["dataset_ids"], filter_of(condition))
    return {**given, "doc_ids": found or (["-999"] if condition.get("conditions") else "")}


ROUTES: Routes = {
    "/chats/{chat_id}/completions": {"POST": complete},
    "/sessions/ask": {"POST": ask},
    "/sessions/related_questions": {"POST": related_questions},
}
