"""``POST /openai/{chat_id}/chat/completions`` and its older path: a chat, asked as OpenAI's clients ask.

RAGFlow's own settings are in ``extra_body``, a key of the body itself: ``reference``, ``reference_metadata``
(``include fields``) and ``metadata_condition``. Nothing is stored. What a language model is told beside the messages
(``temperature`` …) is passed on to it; ``tools`` are taken and have no effect, as on RAGFlow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from ..conversation import GENERATION, Event, Final, Mark, Question
from ..tokens import count_tokens
from . import chats
from .call import Call, Routes
from .completions import read, required, spoken
from .envelope import ARGUMENT, EXCEPTION, JSON, Fail, python_errors, told
from .metadata import filter_of, shown_fields
from .sse import EventStream, frame

__all__ = ["ROUTES", "Completion", "answered", "complete", "options", "owned"]

Row = dict[str, Any]

_PLACEHOLDER = "model"  # as the model's name: the chat's own


@dataclass(frozen=True)
class Completion:
    """What is asked, and what is said around the answer; ``shown`` makes of a chunk cited what clients see of it."""

    chat: Row
    model: str
    messages: list[Row]
    options: Row
    shown: Callable[[Row], Row]
    streamed_as: str

    @property
    def with_reference(self) -> bool:
        return bool(self.options.get("reference"))

    def body(self, kind: str, model: str, choice: Row, **more: Any) -> Row:
        """A completion or a chunk of one."""
        return {
            "id": f"chatcmpl-{self.chat['id']}",
            "object": kind,
            "created": int(time.time()),
            "model": model,
            "choices": [{**choice, "index": 0, "logprobs": None}],
            **more,
        }

    def reference(self, final: Final) -> list[Row]:
        """The chunks that the answer refers to."""
        return [self.shown(chunk) for chunk in (final.reference or {"chunks": []})["chunks"]]

    def usage(self, text: str) -> Row:
        """Tokens of the last message and of the answer: RAGFlow does not count the prompt it makes."""
        asked, answered = count_tokens(self.messages[-1]["content"]), count_tokens(text)
        return {
            "prompt_tokens": asked,
            "completion_tokens": answered,
            "total_tokens": asked + answered,
        }


def complete(call: Call) -> Response:
    """Answer the last message, at once or (``stream``) as a stream; what is wrong is said before that begins."""
    given = required(call, "model", "messages")
    extra = options(given)
    messages = _messages(given["messages"])
    chat = owned(call)
    model = _model(call, given["model"], chat)
    llm_id = None if given["model"] == _PLACEHOLDER else model
    completion = Completion(chat, model, messages, extra, dict, streamed_as=model)
    return answered(call, completion, given, llm_id, stream=bool(given.get("stream")))


def answered(call: Call, completion: Completion, given: Row, llm_id: str | None, *, stream: bool) -> Response:
    """The completion, as a stream or whole."""
    extra = completion.options
    question = Question(
        messages=spoken(completion.messages),
        document_ids=_document_ids(call, extra, completion.chat),
        metadata_fields=shown_fields({"reference_metadata": extra.get("reference_metadata") or {}}),
        quote=completion.with_reference,
        settings={key: given[key] for key in GENERATION if given.get(key) is not None},
        whole=not stream,
    )
    events = call.engine.converse(completion.chat, question, llm_id=llm_id)
    return EventStream(_frames(completion, events)) if stream else JSON(_whole(completion, events))


def options(given: Row) -> Row:
    """``extra_body``, checked."""
    extra = _object(given, "extra_body")
    wanted = _object(extra, "reference_metadata")
    if not isinstance(wanted.get("fields"), list | None):
        raise Fail("reference_metadata.fields must be an array.")
    return extra


def owned(call: Call) -> Row:
    """The chat of the path; ``Fail`` 102 if there is none."""
    chat = call.engine.get_chat(call.path["chat_id"])
    if chat is None:
        raise Fail(f"You don't own the chat {call.path['chat_id']}")
    return chat


def _whole(completion: Completion, events: Iterator[Event]) -> Row:
    text, final = read(events)
    message: Row = {"role": "assistant", "content": final.answer or text}
    if completion.with_reference:
        message["reference"] = completion.reference(final)
    usage = completion.usage(message["content"])
    usage["completion_tokens_details"] = {
        # what RAGFlow says here: the tokens of all messages
        "reasoning_tokens": sum(count_tokens(each["content"]) for each in completion.messages),
        "accepted_prediction_tokens": usage["completion_tokens"],
        "rejected_prediction_tokens": 0,
    }
    choice = {"message": message, "finish_reason": "stop"}
    return completion.body("chat.completion", completion.model, choice, usage=usage)


def _frames(completion: Completion, events: Iterator[Event]) -> Generator[str, None, None]:
    """A chunk for each delta, one that ends the answer (with its reference, if wanted), and ``[DONE]``."""
    text, thoughts, kind, reference = "", "", "content", []
    try:
        for event in events:
            if isinstance(event, Mark):
                kind = "reasoning_content" if event.flag == "start_to_think" else "content"
                continue
            if isinstance(event, Final):
                reference = completion.reference(event)
            piece = event.answer if isinstance(event, Final) else event.text
            if kind == "content":
                text += piece
            else:
                thoughts += piece
            if piece:
                yield _chunk(completion, {kind: piece})
    except Exception as error:  # noqa: BLE001 - the stream has begun: RAGFlow says it as text
        said = told(error, f"answering in chat {completion.chat['id']}")
        yield _chunk(completion, {"content": f"**ERROR**: {said}"})
    end: Row = {"content": None}
    if completion.with_reference:
        end |= {"reference": reference, "final_content": text}
    yield _chunk(completion, end, finish_reason="stop", usage=completion.usage(thoughts + text))
    yield "data:[DONE]\n\n"


def _chunk(
    completion: Completion, delta: Row, finish_reason: str | None = None, usage: Row | None = None
) -> str:
    nothing = {"content": None, "function_call": None, "tool_calls": None, "reasoning_content": None}
    choice = {"delta": {"role": "assistant", **nothing, **delta}, "finish_reason": finish_reason}
    kind, model = "chat.completion.chunk", completion.streamed_as
    return frame(completion.body(kind, model, choice, system_fingerprint="", usage=usage))


def _messages(given: Any) -> list[Row]:
    """The conversation, whose last message is to be answered."""
    with python_errors():
        if len(given) < 1:
            raise Fail("You have to provide messages.")
    if not isinstance(given, list):
        raise Fail("messages must be an array.")
    messages = [{"role": _role(each), "content": _text(each.get("content"))} for each in given]
    if messages[-1]["role"] != "user":
        raise Fail("The last content of this conversation is not from user.")
    return messages


def _role(message: Any) -> str:
    if not isinstance(message, dict):
        raise Fail("Each message must be an object.")
    if "role" not in message:
        raise Fail(f"a message lacks its `role`: {message}", EXCEPTION, data=None)
    return str(message["role"])


def _text(content: Any) -> str:
    """A message's text; of content parts that of the text parts, as RAGFlow passes over the others."""
    if isinstance(content, list):
        texts = [
            each.get("text") for each in content if isinstance(each, dict) and each.get("type") == "text"
        ]
        return "\n".join(str(text) for text in texts if text is not None)
    if not isinstance(content, str | None):
        raise Fail("messages[].content must be a string or an array of content parts.")
    return content or ""


def _model(call: Call, name: Any, chat: Row) -> str:
    if name == _PLACEHOLDER:
        return str(chat["llm_id"] or name)
    if not name:
        raise Fail(f"Cannot use specified model {name}.")
    chats.check_llm(call, name, ARGUMENT)
    return str(name)


def _document_ids(call: Call, extra: Row, chat: Row) -> list[str] | None:
    condition = _object(extra, "metadata_condition")
    return call.engine.documents_fitting(chat["dataset_ids"], filter_of(condition)) if condition else None


def _object(given: Row, name: str) -> Row:
    value = given.get(name) or {}
    if not isinstance(value, dict):
        raise Fail(f"{name} must be an object.")
    return value


ROUTES: Routes = {
    "/openai/{chat_id}/chat/completions": {"POST": complete},
    "/chats_openai/{chat_id}/chat/completions": {"POST": complete},
}
