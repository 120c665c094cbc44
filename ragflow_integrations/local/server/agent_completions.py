"""What agents say: ``POST /agents/chat/completions`` with its older paths, in RAGFlow's events or as OpenAI has it.

A turn without a session begins one of the kind ``workflow``, whose events all go out; one that was made by
``POST …/sessions`` is of the kind ``agent``, and tells nothing of its beginning.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from ..agent import Event, Question
from ..problems import Missing, Problem
from ..tenant.agents import AgentRun
from ..tokens import count_tokens
from .agents import as_id, not_runnable
from .call import Call, Routes
from .envelope import (
    ARGUMENT,
    DATA,
    EXCEPTION,
    JSON,
    OPERATING,
    SERVER,
    Fail,
    answered,
    failed,
    not_there_yet,
    python_errors,
)
from .sse import EventStream, frame

__all__ = [
    "BOT_ROUTES",
    "ROUTES",
    "Collected",
    "OpenAI",
    "bot",
    "collected",
    "complete",
    "inputs",
    "openai_stream",
    "openai_whole",
    "question_of",
    "session_events",
]

Row = dict[str, Any]

_log = logging.getLogger(__name__)
_DONE = "data:[DONE]\n\n"
_OF_SESSIONS = ("message", "message_end", "user_inputs")
_LONGEST_NAME = 250


def complete(call: Call) -> Response:
    """A turn of a conversation with an agent; what is wrong with the request is said before a stream begins."""
    return _completed(call, call.json())


def complete_as_openai(call: Call) -> Response:
    """The same in OpenAI's form, by the older path."""
    return _completed(call, {**call.json(), "openai-compatible": True})


def _completed(call: Call, given: Row) -> Response:
    agent_id = call.path.get("agent_id") or given.get("agent_id")
    if not agent_id:
        raise Fail("`agent_id` is required.", ARGUMENT, data=False)
    session = _session(call, agent_id, given)
    if given.get("openai-compatible"):
        return _as_openai(call, agent_id, given)
    if session is None:
        _check_access(call, agent_id, "Make sure you have permission to access the agent.")
    question = question_of(given, call.engine.tenant_id if session is None else "")
    workflow = session is None or session["source"] == "workflow"
    name = given.get("name") or str(question.query)[:_LONGEST_NAME]
    with not_runnable():
        run = call.engine.ask_agent(agent_id, question, session=session, source="workflow", name=name)
    trace = bool(given.get("return_trace"))
    events = run.events if workflow else session_events(run.events, trace=trace)
    if given.get("stream"):
        return EventStream(_frames(events, run.session_id))
    return _whole(events, run.session_id, trace=trace, workflow=workflow)


def question_of(given: Row, user_id: str) -> Question:
    """What the user says; ``user_id`` is whose turn it is if nobody is named."""
    query = given.get("query") or given.get("question") or ""
    if isinstance(query, int | float):
        raise failed(TypeError(f"'{type(query).__name__}' object is not subscriptable"))
    if not isinstance(query, str | dict):
        raise Fail(f"`query` should be a string, got {query!r}", EXCEPTION, data=None)
    fields = given.get("inputs") or {}
    if not isinstance(fields, dict):
        raise Fail(f"`inputs` should be an object, got {fields!r}", EXCEPTION, data=None)
    if given.get("files"):
        raise not_there_yet("files in agents")
    return Question(query, fields, as_id(given.get("user_id") or user_id))


def session_events(events: Iterator[Event], *, trace: bool) -> Iterator[Event]:
    """The events of a session of the kind ``agent``: nothing of the beginning, and of the end the tokens alone."""
    finished: list[Row] = []
    for event in events:
        data = event["data"]
        if event["event"] in _OF_SESSIONS:
            yield event
        elif event["event"] == "node_finished":
            finished.append({"component_id": data["component_id"], "trace": [data]})
            yield {**event, "data": {**data, "trace": list(finished)}} if trace else event
        elif event["event"] == "workflow_finished":
            yield {**event, "data": {"usage": data.get("usage")}}


@dataclass
class Collected:
    """What a whole turn comes to."""

    content: str
    reference: Row
    structured: Row
    trace: list[Row]
    usage: Row | None
    last: Event | None
    answer: Event | None

    def data(self, event: Event, *, trace: bool) -> Row:
        """An event with all that was said."""
        more = {"structured": self.structured} if self.structured else {}
        traced = {"trace": self.trace} if trace else {}
        return {
            **event,
            "data": {**event["data"], "content": self.content, "reference": self.reference, **more, **traced},
        }


def collected(events: Iterator[Event]) -> Collected:
    """Read a turn to its end."""
    whole = Collected("", {}, {}, [], None, None, None)
    for event in events:
        kind, data = event["event"], event["data"]
        whole.last = event
        if kind == "message":
            whole.content += data["content"]
        elif kind == "message_end" or (kind == "user_inputs" and whole.answer is None):
            whole.answer = event
        elif kind == "node_finished":
            plain = {key: value for key, value in data.items() if key != "trace"}
            whole.trace.append({"component_id": data["component_id"], "trace": [plain]})
            if "structured" in data["outputs"]:
                whole.structured[data["component_id"]] = data["outputs"]["structured"]
        elif kind == "workflow_finished":
            whole.usage = data.get("usage")
        whole.reference |= data.get("reference") or {}
    return whole


def _whole(events: Iterator[Event], session_id: str, *, trace: bool, workflow: bool) -> Response:
    try:
        turn = collected(events)
    except Problem as error:
        if workflow:
            return answered(f"**ERROR**: {error}")
        raise Fail(str(error), EXCEPTION, data=None) from None
    event = turn.last if workflow else turn.answer
    if event is None:
        return answered({"session_id": session_id})
    answer = turn.data(event, trace=trace)
    if not workflow and turn.usage:
        answer["data"]["usage"] = turn.usage
    return answered(answer)


def _frames(events: Iterator[Event], session_id: str) -> Generator[str, None, None]:
    empty = True
    try:
        for event in events:
            empty = False
            yield frame(event)
    except Exception as error:  # noqa: BLE001 - the stream has begun: RAGFlow says it in a frame
        _tell(error, session_id)
        yield frame({"code": SERVER, "message": str(error), "data": False})
        empty = False
    if empty:
        yield frame({"session_id": session_id, "data": {}})
    yield _DONE


def _session(call: Call, agent_id: str, given: Row) -> Row | None:
    if not given.get("session_id"):
        return None
    if not isinstance(given["session_id"], str):
        raise Fail("Session not found!")
    session = call.engine.get_agent_session(given["session_id"])
    if session is None:  # perhaps another tenant's
        _check_access(call, agent_id, "Only authorized users can access this agent session.")
        raise Fail("Session not found!")
    if session["dialog_id"] != agent_id:
        raise Fail("Session does not belong to the requested agent.", OPERATING, data=False)
    return session


def _check_access(call: Call, agent_id: Any, denied: str) -> None:
    if not isinstance(agent_id, str) or call.engine.get_agent(agent_id) is None:
        raise Fail(denied, OPERATING, data=False)


@dataclass(frozen=True)
class OpenAI:
    """An answer in OpenAI's form: by whom, to what."""

    identifier: str
    agent_id: str
    question: str
    run: AgentRun


def _as_openai(call: Call, agent_id: str, given: Row) -> Response:
    messages = given.get("messages") or []
    if not messages:
        raise Fail("You must provide at least one message.")
    question = last_question(messages)
    completion = openai_run(call, agent_id, question, given)
    if given.get("stream"):
        return EventStream(openai_stream(completion, _chunk))
    return JSON({**openai_whole(completion), "created": int(time.time())})


def last_question(messages: Any) -> str:
    """The text of the user's last message; ``Fail`` 100 if these are no messages, 102 if it is no text."""
    with python_errors():
        asked = next((each.get("content") for each in reversed(messages) if each.get("role") == "user"), "")
    if not isinstance(asked, str | None):
        raise Fail("messages[].content must be a string.")
    return asked or ""


def openai_run(call: Call, agent_id: str, question: str, given: Row) -> OpenAI:
    """Ask an agent in the session that a request in OpenAI's form names in one of three ways, or in a new one.

    That there is no such agent or session is what it answers.
    """
    with python_errors():
        named = given.get("session_id") or given.get("id") or given.get("metadata", {}).get("id") or ""
    session = call.engine.get_agent_session(str(named)) if named else None
    identifier = str(named) or str(uuid.uuid4())
    if named and (session is None or session["dialog_id"] != agent_id):
        return OpenAI(identifier, agent_id, question, AgentRun("", _failing("Session not found!")))
    if call.engine.get_agent(str(agent_id)) is None:
        return OpenAI(identifier, agent_id, question, AgentRun("", _failing("Agent not found.")))
    asked = question_of({**given, "query": question}, "")
    with not_runnable():
        run = call.engine.ask_agent(agent_id, asked, session=session)
    return OpenAI(identifier, agent_id, question, run)


def _failing(why: str) -> Iterator[Event]:
    """The events of a turn that cannot begin."""
    raise Missing(why)
    yield  # what makes it a generator


def openai_whole(completion: OpenAI) -> Row:
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


def openai_stream(completion: OpenAI, chunk: Callable[..., Row]) -> Generator[str, None, None]:
    """A chunk for each piece and for the end of each message, then ``[DONE]``; RAGFlow puts a blank after ``data:``."""
    try:
        for event in completion.run.events:
            if event["event"] in ("message", "message_end"):
                reference = event["data"].get("reference")
                more = {"reference": reference} if reference else {}
                yield _spaced(chunk(completion, {"content": event["data"].get("content", ""), **more}))
    except Exception as error:  # noqa: BLE001 - the stream has begun: RAGFlow says it as text
        _tell(error, completion.run.session_id)
        yield _spaced(chunk(completion, {"content": f"**ERROR**: {error}"}, finish_reason="stop"))
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


def _tell(error: Exception, session_id: str) -> None:
    if not isinstance(error, Problem):
        _log.exception("the agent's session %s failed", session_id)


def bot_completion(call: Call) -> Response:
    """``POST /agentbots/{id}/completions``."""
    return bot(call, lambda events: events)


def bot(call: Call, as_told: Callable[[Iterator[Event]], Iterator[Event]]) -> Response:
    """A turn with an embedded agent: all its events, ``as_told`` by a version."""
    agent = _embedded(call)
    given = call.json()
    session = None
    if given.get("session_id"):
        session = call.engine.get_agent_session(as_id(given["session_id"]))
        if session is None or session["dialog_id"] != agent["id"]:
            raise Fail("Session not found!")
    release = str(given.get("release", "")).strip().lower() == "true"
    question = question_of(given, "")
    with not_runnable():
        run = call.engine.ask_agent(agent["id"], question, session=session, release=release)
    events = as_told(run.events)
    if given.get("stream", True):
        return EventStream(_bot_frames(events, run.session_id))
    try:
        turn = collected(events)
    except Problem as error:
        raise Fail(str(error)) from None
    return answered({} if turn.last is None else turn.data(turn.last, trace=False))


def _bot_frames(events: Iterator[Event], session_id: str) -> Generator[str, None, None]:
    try:
        for event in events:
            yield frame(event)
    except Exception as error:  # noqa: BLE001 - the stream has begun: RAGFlow says it in a frame
        _tell(error, session_id)
        said = {"content": f"Error {DATA}: {error}\n\n"}
        yield frame({"event": "message", "data": said, "code": DATA, "message": str(error)})


def inputs(call: Call) -> Response:
    """``GET /agentbots/{id}/inputs``: the form with which an embedded agent begins."""
    agent = _embedded(call)
    with not_runnable():
        begin = call.engine.canvas_of(agent).begin
    return answered(
        {
            "title": agent["title"],
            "avatar": agent["avatar"],
            "inputs": begin.form(),
            "prologue": begin.params["prologue"],
            "mode": begin.params["mode"],
        }
    )


def _embedded(call: Call) -> Row:
    agent = call.engine.get_agent(call.path["agent_id"])
    if agent is None:
        raise Fail(f"Can't find agent by ID: {call.path['agent_id']}")
    return agent


ROUTES: Routes = {
    "/agents/chat/completions": {"POST": complete},
    "/agents/{agent_id}/completions": {"POST": complete},
    "/agents_openai/{agent_id}/chat/completions": {"POST": complete_as_openai},
}
BOT_ROUTES: Routes = {
    "/agentbots/{agent_id}/completions": {"POST": bot_completion},
    "/agentbots/{agent_id}/inputs": {"GET": inputs},
}
