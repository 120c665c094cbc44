"""``POST /openai/{chat_id}/chat/completions`` and its older path: a chat, asked as OpenAI's clients ask.

RAGFlow's own settings are in ``extra_body``, a key of the body itself: ``reference``, ``reference_metadata``
(``include fields``) and ``metadata_condition``. Nothing is stored. As the answer is extracted, earlier messages and
settings of a language model (``temperature``, ``tools`` …) are taken and have no effect.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from ..engine import Delta, Final
from ..metadata import matching
from ..tokens import count_tokens
from . import chats
from .call import Call, Routes
from .envelope import ARGUMENT, EXCEPTION, JSON, Fail, not_there_yet
from .metadata import filter_of, shown_fields
from .sse import EventStream, frame

__all__ = ["ROUTES", "complete"]

Row = dict[str, Any]

_log = logging.getLogger(__name__)

_PLACEHOLDER = "model"  # as the model's name: the chat's own


@dataclass(frozen=True)
class _Completion:
    """One answer on its way: its events, and what is said around them."""

    events: Iterator[Delta | Final]
    chat_id: str
    model: str
    messages: list[Row]
    with_reference: bool
    created: int

    def body(self, kind: str, choice: Row, **more: Any) -> Row:
        """A completion or a chunk of one."""
        return {
            "id": f"chatcmpl-{self.chat_id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": [{**choice, "index": 0, "logprobs": None}],
            **more,
        }

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
    given = call.json()
    missing = [name for name in ("model", "messages") if name not in given]
    if missing:
        raise Fail(f"required argument are missing: {','.join(missing)}; ", ARGUMENT, data=None)
    extra = _object(given, "extra_body")
    fields = _metadata_fields(extra)
    messages = _messages(given["messages"])
    chat = call.engine.get_chat(call.path["chat_id"])
    if chat is None:
        raise Fail(f"You don't own the chat {call.path['chat_id']}")
    model = _model(call, given["model"], chat)
    if not chat["dataset_ids"]:
        raise not_there_yet("a language model, which a chat without datasets needs,")
    with_reference = bool(extra.get("reference"))
    events = call.engine.converse(
        chat,
        messages,
        session=None,
        document_ids=_document_ids(call, extra, chat),
        metadata_fields=fields,
        quote=with_reference,
    )
    completion = _Completion(events, chat["id"], model, messages, with_reference, int(time.time()))
    return EventStream(_frames(completion)) if given.get("stream") else JSON(_whole(completion))


def _whole(completion: _Completion) -> Row:
    text, final = "", None
    for event in completion.events:
        if isinstance(event, Final):
            final = event
        else:
            text += event.text
    message: Row = {"role": "assistant", "content": text}
    if completion.with_reference and final is not None:
        message["reference"] = final.reference["chunks"]
    usage = completion.usage(text)
    usage["completion_tokens_details"] = {
        # what RAGFlow says here: the tokens of all messages
        "reasoning_tokens": sum(count_tokens(each["content"]) for each in completion.messages),
        "accepted_prediction_tokens": usage["completion_tokens"],
        "rejected_prediction_tokens": 0,
    }
    return completion.body("chat.completion", {"message": message, "finish_reason": "stop"}, usage=usage)


def _frames(completion: _Completion) -> Generator[str, None, None]:
    """A chunk for each delta, one that ends the answer (with its reference, if wanted), and ``[DONE]``."""
    text, reference = "", []
    try:
        for event in completion.events:
            if isinstance(event, Final):
                reference = event.reference["chunks"]
            else:
                text += event.text
                yield _chunk(completion, {"content": event.text})
    except Exception as error:  # noqa: BLE001 - the stream has begun: RAGFlow says it as text
        _log.exception("answering in chat %s failed", completion.chat_id)
        yield _chunk(completion, {"content": f"**ERROR**: {error}"})
    end: Row = {"content": None}
    if completion.with_reference:
        end |= {"reference": reference, "final_content": text}
    yield _chunk(completion, end, finish_reason="stop", usage=completion.usage(text))
    yield "data:[DONE]\n\n"


def _chunk(
    completion: _Completion, delta: Row, finish_reason: str | None = None, usage: Row | None = None
) -> str:
    nothing = {"function_call": None, "tool_calls": None, "reasoning_content": None}
    choice = {"delta": {"role": "assistant", **nothing, **delta}, "finish_reason": finish_reason}
    return frame(completion.body("chat.completion.chunk", choice, system_fingerprint="", usage=usage))


def _messages(given: Any) -> list[Row]:
    """The conversation, whose last message is to be answered."""
    if not given:
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
    if not isinstance(message.get("role"), str):
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
        return str(chat["llm_id"])
    if not name:
        raise Fail(f"Cannot use specified model {name}.")
    chats.check_llm(call, name, ARGUMENT)
    return str(name)


def _metadata_fields(extra: Row) -> Collection[str] | None:
    wanted = _object(extra, "reference_metadata")
    if not isinstance(wanted.get("fields"), list | None):
        raise Fail("reference_metadata.fields must be an array.")
    return shown_fields({"reference_metadata": wanted})


def _document_ids(call: Call, extra: Row, chat: Row) -> list[str] | None:
    condition = _object(extra, "metadata_condition")
    return matching(call.engine.metadata(chat["dataset_ids"]), filter_of(condition)) if condition else None


def _object(given: Row, name: str) -> Row:
    value = given.get(name) or {}
    if not isinstance(value, dict):
        raise Fail(f"{name} must be an object.")
    return value


ROUTES: Routes = {
    "/openai/{chat_id}/chat/completions": {"POST": complete},
    "/chats_openai/{chat_id}/chat/completions": {"POST": complete},
}
