"""What agents say: ``POST /agents/chat/completions`` with its older paths, in RAGFlow's events or as OpenAI has it.

A turn without a session begins one of the kind ``workflow``, whose events all go out; one that was made by
``POST …/sessions`` is of the kind ``agent``, and tells nothing of its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

from starlette.responses import Response

from ..agent import Event
from ..problems import Problem
from . import agent_openai
from .agent_turns import collected, failure, question_of, session_events
from .agents import as_id, not_runnable
from .call import Call, Routes
from .envelope import ARGUMENT, DATA, EXCEPTION, OPERATING, Fail, answered, told
from .sse import EventStream, frame

__all__ = ["BOT_ROUTES", "ROUTES", "bot", "complete", "inputs"]

Row = dict[str, Any]

_DONE = "data:[DONE]\n\n"
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
        return agent_openai.complete(call, agent_id, given)
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
        return EventStream(_frames(events, run.session_id), run.stop)
    return _whole(events, run.session_id, trace=trace, workflow=workflow)


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
        yield failure(error, session_id)
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
        return EventStream(_bot_frames(events, run.session_id), run.stop)
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
        said = told(error, f"the agent's session {session_id}")
        data = {"content": f"Error {DATA}: {said}\n\n"}
        yield frame({"event": "message", "data": data, "code": DATA, "message": said})


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
