"""``POST /chat/completions`` and its older path: a question to a chat, answered as a stream or at once."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from ..conversation import GENERATION, Delta, Event, Final, Mark, MissingVariable, Question
from ..fields import new_id
from ..research import level_of
from . import chats, sessions
from .call import Call, Routes
from .envelope import ARGUMENT, EXCEPTION, SERVER, Fail, not_there_yet, python_errors, succeeded, told
from .metadata import shown_fields
from .sse import EventStream, frame

__all__ = [
    "ROUTES",
    "Shown",
    "Turn",
    "checked_datasets",
    "complete",
    "document_ids",
    "failure",
    "flat",
    "frames",
    "has_web_search",
    "mindmap",
    "question_of",
    "read",
    "related_questions",
    "required",
    "spoken",
    "whole",
]

Row = dict[str, Any]
Shown = Callable[[Row], Row]

_OWN = {  # what is no variable of the prompt
    *("chat_id", "session_id", "conversation_id", "messages", "question", "llm_id", "stream", "legacy"),
    *("pass_all_history_messages", "pass_all_history", "store_history_messages", "store_history"),
    *("quote", "doc_ids", "reference_metadata", "include_metadata", "metadata_fields"),
    *("files", "internet", "reasoning", *GENERATION),
}
_DIRECT: Row = {  # what answers where no chat is named
    "dataset_ids": [],
    "llm_id": "",
    "llm_setting": {},
    "meta_data_filter": {},
    "prompt_config": {"system": "", "parameters": [], "quote": False},
}


@dataclass(frozen=True)
class Turn:
    """One question on its way through the engine, and what each answer to it says of it."""

    events: Iterator[Event]
    searched: bool
    quote: bool
    ids: Row
    shown: Shown = dict

    def data(self, answer: str, reference: Row, **more: Any) -> Row:
        """``data`` of an answer or a frame."""
        return {"answer": answer, "reference": reference, "audio_binary": None, **more, **self.ids}

    def piece(self, text: str, **more: Any) -> Row:
        """``data`` of a frame before the end; where nothing is searched it is told as a whole answer is."""
        alone = {} if self.searched else {"prompt": "", "created_at": time.time()}
        return self.data(text, {"chunks": []}, **alone, **more, final=False)

    def reference(self, final: Final) -> Row:
        """What the answer refers to; each chunk as ``shown``."""
        if not self.quote or final.reference is None:
            return {}
        return {**final.reference, "chunks": [self.shown(chunk) for chunk in final.reference["chunks"]]}


def complete(call: Call) -> Response:
    """Answer the last message of a conversation; what is wrong with the request is said before a stream begins."""
    given = call.json()
    messages = _messages(given)
    replaces = _flag(given, "pass_all_history_messages", "pass_all_history", default=False)
    keeps = _flag(given, "store_history_messages", "store_history", default=True)
    if not keeps and not replaces:
        raise Fail("`pass_all_history_messages` must be true when `store_history_messages` is false.")
    chat, session = _conversation(call, given)
    direct = chat or _DIRECT
    _check_supported(call, given, direct["prompt_config"])
    earlier = messages[:-1] if replaces or chat is None else spoken(session["messages"] if session else [])
    question = question_of(given, direct, [*earlier, messages[-1]])
    call.engine.check_answerable(direct, given.get("llm_id"), question.reasoning)
    if chat and keeps and session is None:
        session = call.engine.create_session(chat["id"], "New session")
    events = call.engine.converse(
        direct,
        question,
        llm_id=given.get("llm_id"),
        session=session if keeps else None,
        history=given["messages"][:-1] if replaces and given.get("messages") else None,
    )
    ids: Row = {"id": messages[-1]["id"], "session_id": session["id"] if session else None if chat else ""}
    if chat:
        ids["chat_id"] = chat["id"]
    turn = Turn(events, bool(direct["dataset_ids"]), question.quote, ids)
    if given.get("stream", True):
        return EventStream(frames(turn, legacy=_flag(given, "legacy", default=False)))
    return succeeded(whole(turn))


def related_questions(call: Call) -> Response:
    """``POST /chat/recommendation`` and its older path: questions near to one, by a language model."""
    given = required(call, "question")
    return succeeded(call.engine.related_questions(str(given["question"])))


def mindmap(call: Call) -> Response:
    """``POST /chat/mindmap``: what datasets say about a question as a tree, by a language model."""
    given = required(call, "question", "kb_ids")
    return succeeded(call.engine.mindmap(str(given["question"]), checked_datasets(call, given["kb_ids"])))


def required(call: Call, *names: str) -> Row:
    """The body, which must have all these keys; one that is no object has none."""
    given = _object(call)
    missing = ",".join(name for name in names if name not in given)
    if missing:
        raise Fail(f"required argument are missing: {missing}; ", ARGUMENT, data=None)
    return given


def _object(call: Call) -> Row:
    try:
        return call.json()
    except Fail as fail:
        if fail.body["code"] != EXCEPTION:
            raise
        return {}


def checked_datasets(call: Call, ids: Any) -> list[str]:
    """Ids of datasets that the caller has; ``Fail`` 102 for any other."""
    with python_errors():
        wanted = list(ids)
    for each in wanted:
        if not isinstance(each, str) or call.engine.get_dataset(each) is None:
            raise Fail(f"You don't own the dataset {each}")
    return wanted


def document_ids(given: Row) -> list[str] | None:
    """``doc_ids`` of a request or message, a list or ids separated by commas; None if it names none."""
    wanted = given.get("doc_ids") or ""
    if not isinstance(wanted, list):
        with python_errors():
            wanted = [each.strip() for each in wanted.split(",")]
    if not all(isinstance(each, str) for each in wanted):
        raise Fail(f"`doc_ids` should be ids separated by commas, got {wanted!r}", ARGUMENT)
    return [each for each in wanted if each] or None


def spoken(messages: Sequence[Row]) -> list[Row]:
    """A conversation from its first question on, without what the system said."""
    found = [each for each in messages if each["role"] != "system"]
    while found and found[0]["role"] == "assistant":
        del found[0]
    return found


def flat(event: Delta | Mark) -> str:
    """A piece as it stands in a text of one kind."""
    if isinstance(event, Delta):
        return event.text
    return "<think>" if event.flag == "start_to_think" else "</think>"


def question_of(given: Row, chat: Row, messages: list[Row]) -> Question:
    """What is asked of a chat: the messages, and what the request says beside them."""
    config = chat["prompt_config"]
    return Question(
        messages=messages,
        document_ids=(document_ids(messages[-1]) or document_ids(given)) if chat["dataset_ids"] else None,
        metadata_fields=shown_fields(given, config),
        quote=bool(given.get("quote", True) and config.get("quote", True)),
        variables={key: value for key, value in given.items() if key not in _OWN},
        settings={key: given[key] for key in GENERATION if given.get(key) is not None},
        reasoning=level_of(given["reasoning"]) if "reasoning" in given else None,
        whole=not given.get("stream", True),
    )


def frames(turn: Turn, *, legacy: bool = False) -> Generator[str, None, None]:
    """Deltas, then the frame with the reference, then ``true``; ``legacy`` repeats the text so far in each frame."""
    try:
        for data in _cumulative(turn) if legacy else _pieces(turn):
            yield frame({"code": 0, "message": "", "data": data})
    except Exception as error:  # noqa: BLE001 - the stream has begun: RAGFlow says it in a frame
        yield failure(error, f"answering in chat {turn.ids.get('chat_id')}")
    yield frame({"code": 0, "message": "", "data": True})


def failure(error: Exception, what: str) -> str:
    """The frame that says that an answer has failed."""
    said = told(error, what)
    return frame({"code": SERVER, "message": said, "data": {"answer": f"**ERROR**: {said}", "reference": []}})


def _pieces(turn: Turn) -> Iterator[Row]:
    for event in turn.events:
        if isinstance(event, Delta):
            yield turn.piece(event.text)
        elif isinstance(event, Mark):
            yield turn.piece("", **{event.flag: True})
        elif event.answer:  # RAGFlow says it as a piece and repeats it at the end
            text = html.escape(event.answer)
            yield turn.piece(text, prompt="")
            yield turn.data(text, turn.reference(event), prompt=event.prompt, final=True)
        elif turn.searched:
            yield turn.data(
                "", turn.reference(event), prompt=event.prompt, created_at=time.time(), final=True
            )


def _cumulative(turn: Turn) -> Iterator[Row]:
    text = ""
    for event in turn.events:
        if not isinstance(event, Final):
            text += flat(event)
            yield turn.piece(text)
        elif event.answer:
            text = html.escape(event.answer)
            yield turn.piece(text, prompt="")
            yield turn.data(text, turn.reference(event), prompt=event.prompt, final=True)
        elif turn.searched:
            yield turn.data(
                text, turn.reference(event), prompt=event.prompt, created_at=time.time(), final=True
            )


def whole(turn: Turn) -> Row:
    """``data`` of an answer that is no stream."""
    text, final = read(turn.events)
    if final.answer:
        return turn.data(html.escape(final.answer), {"chunks": []}, prompt="", final=False)
    reference = turn.reference(final) if turn.searched else {"chunks": []}
    return turn.data(text, reference, prompt=final.prompt, created_at=time.time())


def read(events: Iterator[Event]) -> tuple[str, Final]:
    """All of an answer, and its end; ``Fail`` 100 for what the request should have set."""
    text = ""
    try:
        for event in events:
            if isinstance(event, Final):
                return text, event
            text += flat(event)
    except MissingVariable as missing:
        raise Fail(str(missing), EXCEPTION, data=None) from None
    raise AssertionError("an answer ends with its end")


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
    said = spoken(messages)
    if not said:
        raise Fail("`messages` must contain a user message.", ARGUMENT)
    if said[-1]["role"] != "user":
        raise Fail("The last message must be from user.", ARGUMENT)
    return [*said[:-1], {**said[-1], "id": str(said[-1].get("id") or new_id())}]


def _check_message(message: Any) -> None:
    if not isinstance(message, dict):
        raise Fail("Every item in `messages` must be an object.", ARGUMENT)
    if "role" not in message or "content" not in message:
        raise Fail("Every item in `messages` must include `role` and `content`.", ARGUMENT)
    content = message["content"]
    if not isinstance(content, str | None):
        raise Fail(f"`content` of a message should be a string, got {content!r}", EXCEPTION, data=None)


def _conversation(call: Call, given: Row) -> tuple[Row | None, Row | None]:
    """The chat and the session that are named, if any is."""
    chat_id = given.get("chat_id") or call.path.get("chat_id")
    session_id = given.get("session_id") or given.get("conversation_id")
    if not chat_id and session_id:
        raise Fail("`chat_id` is required when `session_id` is provided.")
    if not chat_id:
        return None, None
    chat = chats.owned(call, chat_id)
    return chat, sessions.owned(call, chat, session_id) if session_id else None


def has_web_search(config: Row) -> bool:
    """Whether a chat's ``prompt_config`` has a key for searches of the web."""
    return bool(str(config.get("tavily_api_key") or "").strip())


def _check_supported(call: Call, given: Row, config: Row) -> None:
    chats.check_llm(call, given.get("llm_id"), EXCEPTION, data=None)
    if given.get("files"):
        raise not_there_yet("`files` in completions")
    if given.get("internet") and has_web_search(config):  # without, RAGFlow passes over it as well
        raise not_there_yet("`internet` in completions")
    if given.get("metadata_condition"):
        raise Fail(
            "`metadata_condition` has no effect here, RAGFlow v0.27 passes over it: send `doc_ids`, or ask at"
            " /openai/{chat_id}/chat/completions"
        )


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
    "/chat/mindmap": {"POST": mindmap},
}
