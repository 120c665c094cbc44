"""What agents say in OpenAI's form; what a chunk of a stream holds is the version's."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from ..problems import Missing, Problem, failing
from ..tenant.agents import AgentRun
from ..tokens import count_tokens
from .agent_turns import collected, question_of
from .agents import not_runnable
from .call import Call
from .envelope import JSON, Fail, python_errors, told
from .sse import EventStream, frame

__all__ = ["OpenAI", "ask", "complete", "last_question", "stream", "usage", "whole"]

Row = dict[str, Any]


@dataclass(frozen=True)
class OpenAI:
    """An answer in OpenAI's form: by whom, to what."""

    identifier: str
    agent_id: str
    question: str
    run: AgentRun


def complete(call: Call, agent_id: str, given: Row) -> Response:
    """The answer to the last of ``messages``, as a stream or whole."""
    messages = given.get("messages") or []
    if not messages:
        raise Fail("You must provide at least one message.")
    question = last_question(messages)
    completion = ask(call, agent_id, question, given)
    if given.get("stream"):
        return EventStream(stream(completion, _chunk), completion.run.stop)
    return JSON({**whole(completion), "created": int(time.time())})


def last_question(messages: Any) -> str:
    """The text of the user's last message; ``Fail`` 100 if these are no messages, 102 if it is no text."""
    with python_errors():
        asked = next((each.get("content") for each in reversed(messages) if each.get("role") == "user"), "")
    if not isinstance(asked, str | None):
        raise Fail("messages[].content must be a string.")
    return asked or ""


def ask(call: Call, agent_id: str, question: str, given: Row) -> OpenAI:
    """Ask an agent in the session that a request in OpenAI's form names in one of three ways, or in a new one.

    That there is no such agent or session is what it answers.
    """
    with python_errors():
        named = given.get("session_id") or given.get("id") or given.get("metadata", {}).get("id") or ""
    session = call.engine.get_agent_session(str(named)) if named else None
    identifier = str(named) or str(uuid.uuid4())
    if named and (session is None or session["dialog_id"] != agent_id):
        return OpenAI(identifier, agent_id, question, AgentRun("", failing(Missing("Session not found!"))))
    if call.engine.get_agent(str(agent_id)) is None:
        return OpenAI(identifier, agent_id, question, AgentRun("", failing(Missing("Agent not found."))))
    asked = question_of({**given, "query": question}, "")
    with not_runnable():
        run = call.engine.ask_agent(agent_id, asked, session=session)
    return OpenAI(identifier, agent_id, question, run)


def whole(completion: OpenAI) -> Row:
    """A completion; a failure is its text, as on RAGFlow."""
    try:
        turn = collected(completion.run.events)
        content, reference = turn.content, turn.reference
    except Problem as error:
        content, reference = f"**ERROR**: {error}", {}
    message: Row = {"role": "assistant", "content": content}
    if reference:
        message["reference"] = reference
    return {
        "id": completion.identifier,
        "object": "chat.completion",
        "model": completion.agent_id,
        "param": None,
        "usage": usage(count_tokens(completion.question), count_tokens(content)),
        "choices": [{"message": message, "logprobs": None, "finish_reason": "stop", "index": 0}],
    }


def stream(completion: OpenAI, chunk: Callable[..., Row]) -> Generator[str, None, None]:
    """A chunk for each piece and for the end of each message, then ``[DONE]``; RAGFlow puts a blank after ``data:``."""
    try:
        for event in completion.run.events:
            if event["event"] in ("message", "message_end"):
                reference = event["data"].get("reference")
                more = {"reference": reference} if reference else {}
                yield _spaced(chunk(completion, {"content": event["data"].get("content", ""), **more}))
    except Exception as error:  # noqa: BLE001 - the stream has begun: RAGFlow says it as text
        said = told(error, f"the agent's session {completion.run.session_id}")
        yield _spaced(chunk(completion, {"content": f"**ERROR**: {said}"}, finish_reason="stop"))
    yield "data: [DONE]\n\n"


def usage(asked: int, said: int) -> Row:
    """Tokens of the question and of the answer."""
    details = {"reasoning_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
    return {
        "prompt_tokens": asked,
        "completion_tokens": said,
        "total_tokens": asked + said,
        "completion_tokens_details": details,
    }


def _chunk(completion: OpenAI, delta: Row, finish_reason: str | None = None) -> Row:
    ended = finish_reason is not None
    counts = (count_tokens(completion.question), count_tokens(delta["content"]))
    whole_delta = {**delta, "role": "assistant", "function_call": None, "tool_calls": None}
    return {
        "id": completion.identifier,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": completion.agent_id,
        "system_fingerprint": "",
        "usage": usage(*counts) if ended else None,
        "choices": [{"delta": whole_delta, "finish_reason": finish_reason, "index": 0, "logprobs": None}],
    }


def _spaced(chunk: Row) -> str:
    return frame(chunk).replace("data:", "data: ", 1)
