"""Agents as v0.24 has them.

Lists are lists, a new agent returns no id, and empty deletes take all sessions. Sessions of other tenants' agents,
which that version lets everybody use, are unknown here; where it breaks its stream off, an error frame says why.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from starlette.responses import Response

from ...agent import Event
from ...fields import given_json
from ...problems import Problem
from ...tokens import count_tokens
from .. import agent_completions, agent_openai, agent_sessions, agents
from ..agent_openai import OpenAI
from ..agent_turns import collected, failure, question_of, session_events
from ..call import Call, Routes
from ..envelope import (
    ARGUMENT,
    EXCEPTION,
    JSON,
    Fail,
    answered,
    failed,
    python_errors,
    succeeded,
)
from ..sse import EventStream, frame
from .paging import ONE_ROW, page_of

__all__ = ["BOT_ROUTES", "ROUTES"]

Row = dict[str, Any]

_LISTED = (
    "id avatar title dsl description permission update_time create_time create_date update_date"
    " canvas_category canvas_type"
).split()
_CREATED_SESSION = "id user_id message source".split()
_DENIED = "Only owner of canvas authorized for this operation."


def _create(call: Call) -> Response:
    """``POST /agents``: ``true``, without the id."""
    given = {key: value for key, value in call.json().items() if value is not None}
    dsl = _dsl(given)
    title = agents.title_of(given)
    if title is None:
        raise Fail("No title in request.", ARGUMENT, data=False)
    fields = agents.agent_fields(given, strict=False) | {"title": title, "dsl": dsl}
    call.engine.create_agent(fields, taken=f"Agent with title {title} already exists.")
    return succeeded(True)


def _list(call: Call) -> Response:
    """``GET /agents``: those changed first first; an unknown id or title is an error."""
    query = call.query
    identifier, title = query.get("id") or None, query.get("title") or None
    if (identifier or title) and not call.engine.list_agents(**ONE_ROW, id=identifier, title=title)[1]:
        raise Fail("The agent doesn't exist.")
    page, orderby = page_of(call), call.sorted_by("UserCanvas", agents.ORDERS, "update_time")
    desc = query.get("desc", "false").lower() != "false"
    rows, _ = call.engine.list_agents(**page, orderby=orderby, desc=desc, id=identifier, title=title)
    return answered([_row(call, row) for row in rows])


def _update(call: Call) -> Response:
    """``PUT /agents/{id}``: titles may be there twice."""
    given = {key: value for key, value in call.json().items() if value is not None}
    agent = agents.owned(call, _DENIED)
    if "dsl" in given:
        given["dsl"] = _dsl(given)
    title = agents.title_of(given)
    fields = agents.agent_fields(given) | ({} if title is None else {"title": title})
    call.engine.update_agent(agent["id"], fields, taken=None)
    return succeeded(True)


def _delete(call: Call) -> Response:
    """``DELETE /agents/{id}``."""
    call.engine.delete_agent(agents.owned(call, _DENIED)["id"])
    return succeeded(True)


def _create_session(call: Call) -> Response:
    """``POST /agents/{id}/sessions``: whose it is counts in the query alone, and it has no name."""
    agent_id = call.path["agent_id"]
    if call.engine.get_agent(agent_id) is None:
        raise Fail("Agent not found.")
    user_id = call.query.get("user_id", call.engine.tenant_id)
    with agents.not_runnable():
        session = call.engine.create_agent_session(agent_id, user_id=user_id, exp_user_id=None, name=None)
    shown = {key: session[key] for key in _CREATED_SESSION}
    return answered({**shown, "agent_id": agent_id, "dsl": _older(session["dsl"])})


def _list_sessions(call: Call) -> Response:
    """``GET /agents/{id}/sessions``."""
    agent_id = _owned(call, "You don't own the agent {}.")
    rows, _ = call.engine.list_agent_sessions(agent_id, **page_of(call), **agent_sessions.filters_of(call))
    return answered([_session(call, row) for row in rows])


def _delete_sessions(call: Call) -> Response:
    """``DELETE /agents/{id}/sessions``: without ids all of them."""
    given = call.json()
    agent_id = _owned(call, "You don't own the agent {}")
    there = call.engine.agent_session_ids(agent_id)
    if not there:
        raise Fail(f"Agent {agent_id} has no sessions")
    return agent_sessions.delete_those(call, agent_id, given.get("ids") or there)


def _complete(call: Call) -> Response:
    """``POST /agents/{id}/completions``: streams unless told otherwise."""
    given = call.json()
    agent_id = call.path["agent_id"]
    session = call.engine.get_agent_session(str(given["session_id"])) if given.get("session_id") else None
    if given.get("session_id") and session is None:
        raise failed(AssertionError("Session not found!"))
    if call.engine.get_agent(agent_id) is None:
        raise failed(AssertionError("Agent not found."))
    asked = given.get("query") or given.get("question")
    question = question_of({**given, "query": str(asked) if isinstance(asked, int) else asked}, "")
    with agents.not_runnable():
        run = call.engine.ask_agent(agent_id, question, session=session)
    trace = bool(given.get("return_trace"))
    events = _older_events(run.events, agent_id)
    if given.get("stream", True):
        return EventStream(_frames(events, run.session_id, trace=trace), run.stop)
    try:
        turn = collected(events)
    except Problem as error:
        raise Fail(str(error), EXCEPTION, data=None) from None
    return answered({} if turn.last is None else turn.data(turn.last, trace=trace))


def _frames(events: Iterator[Event], session_id: str, *, trace: bool) -> Generator[str, None, None]:
    try:
        for event in session_events(events, trace=trace):
            if event["event"] != "workflow_finished":
                yield frame(event)
    except Exception as error:  # noqa: BLE001 - the stream has begun
        yield failure(error, session_id)
    yield "data:[DONE]\n\n"


def _complete_as_openai(call: Call) -> Response:
    """``POST /agents_openai/{id}/chat/completions``: the last question in OpenAI's form."""
    given = call.required("model", "messages")
    if not given["messages"]:
        raise Fail("You must provide at least one message.")
    agent_id = _owned(call, "You don't own the agent {}")
    with python_errors():
        said = [each["content"] for each in given["messages"] if each["role"] in ("user", "assistant")]
    if not said:
        return JSON(_no_messages(agent_id, str(given["model"])))
    question = agent_openai.last_question(given["messages"])
    completion = agent_openai.ask(call, agent_id, question, given)
    if given.get("stream"):
        return EventStream(agent_openai.stream(completion, _chunk), completion.run.stop)
    return JSON({**agent_openai.whole(completion), "created": None})


def _no_messages(agent_id: str, model: str) -> Row:
    said = "No valid messages found (user or assistant)."
    message = {"role": "assistant", "content": said}
    return {
        "id": agent_id,
        "object": "chat.completion",
        "created": None,
        "model": model,
        "param": None,
        "usage": agent_openai.usage(0, count_tokens(said)),
        "choices": [{"message": message, "logprobs": None, "finish_reason": "stop", "index": 0}],
    }


def _chunk(completion: OpenAI, delta: Row, finish_reason: str | None = None) -> Row:
    return {
        "id": completion.identifier,
        "object": "chat.completion.chunk",
        "model": completion.agent_id,
        "choices": [{"delta": delta, "finish_reason": finish_reason, "index": 0}],
    }


def _bot(call: Call) -> Response:
    """``POST /agentbots/{id}/completions``."""
    return agent_completions.bot(call, lambda events: _older_events(events, call.path["agent_id"]))


def _older_events(events: Iterator[Event], agent_id: str) -> Iterator[Event]:
    """Events without what came later: downloads and counted tokens; their task is the agent."""
    for event in events:
        data = {key: value for key, value in event["data"].items() if key != "usage"}
        if isinstance(data.get("outputs"), dict):
            data["outputs"] = {key: each for key, each in data["outputs"].items() if key != "downloads"}
        yield {**event, "task_id": agent_id, "data": data}


def _older(dsl: Any) -> Any:
    """A DSL without what came later: it is JSON text once a turn has been kept in it."""
    if not isinstance(dsl, dict):
        return dsl
    globals_ = {key: value for key, value in dsl["globals"].items() if key != "sys.date"}
    nodes = {identifier: _older_node(node) for identifier, node in dsl["components"].items()}
    return {**dsl, "globals": globals_, "components": nodes}


def _older_node(node: Row) -> Row:
    params = {key: value for key, value in node["obj"]["params"].items() if key != "layout_recognize"}
    params["outputs"] = {key: value for key, value in params["outputs"].items() if key != "downloads"}
    return {**node, "obj": {**node["obj"], "params": params}}


def _session(call: Call, session: Row) -> Row:
    row = agent_sessions.shown(session, "messages")
    del row["version_title"]
    if call.query.get("dsl") in ("False", "false"):
        del row["dsl"]
        return row
    return {**row, "dsl": _older(row["dsl"])}


def _row(call: Call, agent: Row) -> Row:
    shown = {key: agent[key] for key in _LISTED}
    return {**shown, "canvas_type": agent["canvas_type"] or None, "user_id": call.engine.tenant_id}


def _owned(call: Call, denied: str) -> str:
    agent_id = call.path["agent_id"]
    if call.engine.get_agent(agent_id) is None:
        raise Fail(denied.format(agent_id))
    return agent_id


def _dsl(given: Row) -> Row:
    if isinstance(given.get("dsl"), str):
        with python_errors():
            given = {"dsl": given_json(given["dsl"])}
    try:
        return agents.dsl_of(given)
    except Fail as fail:
        if given.get("dsl") is None:
            raise
        raise Fail(str(fail), EXCEPTION, data=None) from None


_AGENT = "/agents/{agent_id}"
ROUTES: Routes = {
    "/agents": {"POST": _create, "GET": _list},
    _AGENT: {"PUT": _update, "DELETE": _delete},
    f"{_AGENT}/sessions": {"POST": _create_session, "GET": _list_sessions, "DELETE": _delete_sessions},
    f"{_AGENT}/completions": {"POST": _complete},
    "/agents_openai/{agent_id}/chat/completions": {"POST": _complete_as_openai},
}
BOT_ROUTES: Routes = {
    "/agentbots/{agent_id}/completions": {"POST": _bot},
    "/agentbots/{agent_id}/inputs": {"GET": agent_completions.inputs},
}
