"""``/agents/{id}/sessions``: conversations with an agent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.responses import Response

from .agents import accessible, as_id, not_runnable
from .call import COLUMNS, Call, Routes, without_repeats
from .envelope import JSON, Fail, answered, python_errors, succeeded

__all__ = ["ROUTES", "delete_those", "filters_of", "shown"]

Row = dict[str, Any]

_CREATED = "id name user_id exp_user_id message source dsl version_title".split()


def create(call: Call) -> Response:
    """``POST /agents/{id}/sessions``; ``user_id`` is whose it is in the caller's own books."""
    agent = accessible(call)
    given = call.json()
    user_id = as_id(given.get("user_id") or call.query.get("user_id", call.engine.tenant_id))
    with not_runnable():
        session = call.engine.create_agent_session(
            agent["id"],
            user_id=user_id,
            exp_user_id=user_id,
            name=given.get("name", ""),
            release=bool(given.get("release", call.query.get("release", False))),
        )
    return answered({**{key: session[key] for key in _CREATED}, "agent_id": agent["id"]})


def list_(call: Call) -> Response:
    """``GET /agents/{id}/sessions``."""
    agent, query = accessible(call), call.query
    page = call.page()
    if query.get("exp_user_id"):
        found = call.engine.agent_session_names(agent["id"], query["exp_user_id"])
        return JSON({"code": 0, "data": found, "message": "success", "total": len(found)})
    rows, total = call.engine.list_agent_sessions(
        agent["id"],
        **page,
        **filters_of(call),
        keywords=query.get("keywords"),
        from_time=_time(call, "from_date", " 00:00:00"),
        to_time=_time(call, "to_date", " 23:59:59"),
    )
    data = [shown(row, "message") for row in rows]
    if query.get("dsl") in ("False", "false"):
        data = [{key: value for key, value in row.items() if key != "dsl"} for row in data]
    return JSON({"code": 0, "data": data, "message": "success", "total": total})


def filters_of(call: Call) -> Row:
    """Order and filters of a list of sessions that all versions have."""
    query = call.query
    orderby = call.sorted_by("API4Conversation", COLUMNS, "update_time")
    desc = query.get("desc") not in ("False", "false")
    return {"orderby": orderby, "desc": desc, "id": query.get("id"), "user_id": query.get("user_id")}


def shown(session: Row, messages_key: str) -> Row:
    """A session as lists have it: what an answer refers to is with the answer."""
    row = {key: value for key, value in session.items() if key not in ("dialog_id", "message", "reference")}
    said = [dict(each) for each in session["message"]]
    answers = [each for number, each in enumerate(said) if number and each["role"] != "user"]
    for each, reference in zip(answers, session["reference"], strict=False):
        each["reference"] = [
            {**chunk, "citation_id": key} for key, chunk in (reference.get("chunks") or {}).items()
        ]
    return {**row, "agent_id": session["dialog_id"], messages_key: said}


def get(call: Call) -> Response:
    """``GET /agents/{id}/sessions/{id}``."""
    return succeeded(_session(call))


def delete_one(call: Call) -> Response:
    """``DELETE /agents/{id}/sessions/{id}``."""
    session = _session(call)
    return succeeded(len(call.engine.delete_agent_sessions(session["dialog_id"], [session["id"]])))


def delete(call: Call) -> Response:
    """``DELETE /agents/{id}/sessions``: nothing without ids or ``delete_all``."""
    agent = accessible(call)
    given = call.json()
    ids = given.get("ids")
    if not ids and given.get("delete_all") is True:
        ids = call.engine.agent_session_ids(agent["id"])
    return delete_those(call, agent["id"], ids) if ids else answered()


def delete_those(call: Call, agent_id: str, wanted: Any) -> Response:
    """Delete these sessions of an agent, and say which there are not."""
    ids, repeated = without_repeats(wanted, "session")
    found = set(call.engine.delete_agent_sessions(agent_id, ids))
    errors = [f"The agent doesn't own the session {each}" for each in ids if each not in found]
    if errors and not found:
        raise Fail("; ".join(errors))
    problems = errors or repeated
    if problems:
        return answered({"success_count": len(found), "errors": problems})
    return answered()


def _session(call: Call) -> Row:
    agent = accessible(call)
    session = call.engine.get_agent_session(call.path["session_id"])
    if session is None or session["dialog_id"] != agent["id"]:
        raise Fail("Session not found!")
    return session


def _time(call: Call, name: str, of_a_day: str) -> int | None:
    """A date of the query in milliseconds; one without a time means the day's beginning or end."""
    given = call.query.get(name)
    if not given:
        return None
    with python_errors():
        when = datetime.fromisoformat(given + of_a_day if len(given) == 10 else given)
    return int(when.timestamp() * 1000)


_SESSIONS = "/agents/{agent_id}/sessions"
ROUTES: Routes = {
    _SESSIONS: {"POST": create, "GET": list_, "DELETE": delete},
    f"{_SESSIONS}/{{session_id}}": {"GET": get, "DELETE": delete_one},
}
