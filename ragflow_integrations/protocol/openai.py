"""Chats and agents in OpenAI's form: ``POST /openai/{chat_id}/chat/completions`` and what agents have like it.

A success is OpenAI's object without RAGFlow's envelope, an error the envelope, also at HTTP 200. A stream ends
with ``data:[DONE]``; an error inside it is text that starts with ``**ERROR**: ``. ``stream`` is always sent,
since servers differ in what they do without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import InvalidRequestError
from ..models import ChatCompletion, ChatCompletionChunk
from ..models.completion import ChoiceDelta
from .agents import wrapped_inputs
from .checks import check_flag, check_id, check_text, check_texts, refuse
from .conditions import checked_condition
from .done import DoneDecoder
from .envelope import error_for, payload
from .error_text import refuse_error_text
from .reading import unexpected, valid
from .reasoning import RETRIEVED, RETRIEVING, split, unfinished
from .versions import Since, request, server_version
from .wire import Call, Flow, Request, Response, Streamed, ask

__all__ = ["CompletionDecoder", "agent", "agent_stream", "chat", "chat_stream"]

Messages = Sequence[Mapping[str, Any]]
_OURS = ("stream", "extra_body")
_BREAK_AGENTS = ("user_id", "query")  # the server hands them on twice, and fails


def chat(chat_id: str, messages: Messages, **options: Any) -> Flow[ChatCompletion]:
    """A chat's whole answer; ``options`` as ``_chat``."""
    return (yield from ask(Call((yield from _chat(chat_id, messages, False, **options)), _completion)))


def chat_stream(chat_id: str, messages: Messages, **options: Any) -> Flow[Streamed[ChatCompletionChunk]]:
    """A chat's answer as it is made."""
    return Streamed((yield from _chat(chat_id, messages, True, **options)), CompletionDecoder)


def agent(agent_id: str, messages: Messages, **options: Any) -> Flow[ChatCompletion]:
    """An agent's whole answer; ``options`` as ``_agent``."""
    return (yield from ask(Call((yield from _agent(agent_id, messages, False, **options)), _completion)))


def agent_stream(agent_id: str, messages: Messages, **options: Any) -> Flow[Streamed[ChatCompletionChunk]]:
    """An agent's answer as it is made."""
    return Streamed((yield from _agent(agent_id, messages, True, **options)), CompletionDecoder)


def _chat(
    chat_id: str,
    messages: Messages,
    stream: bool,
    *,
    model: str,
    reference: bool,
    reference_metadata: Mapping[str, Any] | None,
    metadata_condition: Mapping[str, Any] | None,
    sampling: Mapping[str, Any],
) -> Flow[Request]:
    """``extra_body`` is a literal key of the body, which RAGFlow reads its own options from."""
    check_id("chat_id", chat_id)
    if reference_metadata is not None and not reference:
        raise InvalidRequestError("reference_metadata needs reference=True: it is of the reference's chunks")
    extra: dict[str, Any] = {}
    if check_flag("reference", reference):
        extra["reference"] = True
    if reference_metadata is not None:
        extra["reference_metadata"] = _metadata(reference_metadata)
    if metadata_condition is not None:
        extra["metadata_condition"] = checked_condition("metadata_condition", metadata_condition)
    body = _body(model, messages, stream, sampling) | ({"extra_body": extra} if extra else {})
    version = yield from server_version()
    return request("RAGFlow.chat_completions", version, chat_id=chat_id, body=body)


def _agent(
    agent_id: str,
    messages: Messages,
    stream: bool,
    *,
    model: str,
    session_id: str | None,
    inputs: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> Flow[Request]:
    check_id("agent_id", agent_id)
    refuse(
        options, _BREAK_AGENTS, "servers' OpenAI-compatible route for agents fails on it; Agent.ask takes it"
    )
    body = _body(model, messages, stream, options)
    if session_id is not None:
        body["session_id"] = check_id("session_id", session_id)
    if inputs is not None:
        body["inputs"] = wrapped_inputs(inputs)
    version = yield from server_version()
    if version >= Since.AGENT_IN_BODY:
        body |= {"agent_id": agent_id, "openai-compatible": True}
    return request("RAGFlow.agent_completions", version, agent_id=agent_id, body=body)


def _body(model: str, messages: Messages, stream: bool, options: Mapping[str, Any]) -> dict[str, Any]:
    refuse(options, _OURS, "give what you mean as an argument of its own")
    told = {name: value for name, value in options.items() if value is not None}
    body = {"model": check_text("model", model), "messages": _messages(messages), "stream": stream}
    return {**told, **body}


def _messages(messages: Any) -> list[dict[str, Any]]:
    if isinstance(messages, (str, Mapping)) or not isinstance(messages, Sequence):
        raise InvalidRequestError(f"messages={messages!r}: give a list of {{'role', 'content'}}")
    if not all(isinstance(message, Mapping) for message in messages):
        raise InvalidRequestError(f"messages={messages!r}: give a list of {{'role', 'content'}}")
    read = [{**message, "content": _text(message.get("content"))} for message in messages]
    if not read or read[-1].get("role") != "user":
        raise InvalidRequestError("messages: the last one must have the role 'user'")
    check_text("the last message's content", read[-1]["content"])
    return read


def _text(content: Any) -> str:
    """Servers read the text of a message only, and before v0.26 no list of parts."""
    if content is None or isinstance(content, str):
        return content or ""
    parts = content if isinstance(content, Sequence) else [content]
    if not all(isinstance(part, Mapping) and isinstance(part.get("text"), str) for part in parts):
        raise InvalidRequestError("messages: RAGFlow reads text only, so content is a text or parts of text")
    return "\n".join(part["text"] for part in parts)


def _metadata(wanted: Any) -> dict[str, Any]:
    """``{"include": True, "fields": [names]}``; without ``fields`` all."""
    if not isinstance(wanted, Mapping) or not wanted.keys() <= {"include", "fields"}:
        raise InvalidRequestError(
            f"reference_metadata={wanted!r}: give {{'include': True, 'fields': ['author']}}"
        )
    if wanted.get("fields") is not None:
        check_texts("reference_metadata['fields']", wanted["fields"])
    return dict(wanted)


def _completion(request: Request, response: Response) -> ChatCompletion:
    try:
        body: Any = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or "choices" not in body or response.status != 200:
        payload(request, response)  # raises for an error answer
        raise unexpected(request, "there are no choices in it")
    whole = valid(ChatCompletion, body, request)
    for choice in whole.choices:
        message = choice.message
        refuse_error_text(request, message.content)
        if message.content == RETRIEVING:
            raise unfinished()
        reasoning, content = split(message.content)
        if reasoning:
            message.reasoning_content, message.content = reasoning, content
    return whole


class CompletionDecoder(DoneDecoder[ChatCompletionChunk]):
    """The state of one streamed answer: feed bytes, get its pieces."""

    _retrieving = False

    def _frame(self, frame: dict[str, Any]) -> Iterable[ChatCompletionChunk]:
        if "choices" not in frame:
            raise error_for(self._request, 200, _code(frame), frame.get("message"), frame.get("data"))
        piece = valid(ChatCompletionChunk, frame, self._request)
        for choice in piece.choices:
            refuse_error_text(self._request, choice.delta.content)
            self._take_out(choice.delta)
            self._text.append(choice.delta.content or "")
        return [piece]

    def _take_out(self, delta: ChoiceDelta) -> None:
        """How v0.26 searched is reasoning; the last piece has it in the whole answer again."""
        if delta.content in (RETRIEVING, RETRIEVED):
            self._retrieving, delta.content = delta.content == RETRIEVING, None
        elif self._retrieving and delta.content:
            delta.reasoning_content, delta.content = delta.content, None
        if delta.final_content:
            delta.final_content = split(delta.final_content)[1]


def _code(frame: Mapping[str, Any]) -> int:
    code = frame.get("code")
    return code if isinstance(code, int) else 500
