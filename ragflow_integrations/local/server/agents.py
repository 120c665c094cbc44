"""``/agents``: agents, their versions and their sessions."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from starlette.responses import Response

from ..agent import NotRunnable, check_components
from ..agent.problems import WrongParameter
from .call import MAX_IDS, Call, Routes, without_repeats
from .datasets import NICKNAME
from .envelope import ARGUMENT, EXCEPTION, JSON, OPERATING, Fail, answered, not_there_yet, succeeded

__all__ = [
    "REFUSING",
    "ROUTES",
    "accessible",
    "agent_fields",
    "as_id",
    "delete_sessions",
    "dsl_of",
    "not_runnable",
    "owned",
    "session_filters",
    "session_row",
    "title_of",
]

Row = dict[str, Any]

_FIELDS = (
    "avatar",
    "title",
    "permission",
    "description",
    "canvas_type",
    "canvas_category",
    "dsl",
    "release",
    "tags",
)
_ORDER = ("create_time", "update_time", "title")
_LISTED = (
    "id avatar title description permission update_time canvas_type canvas_category tags release_time"
).split()
_SHOWN = (
    "id avatar title dsl description permission update_time create_time create_date update_date canvas_category"
).split()
_CREATED_SESSION = "id name user_id exp_user_id message source dsl version_title".split()
_TAG, _TAGS = 64, 512  # characters of a tag, and of all together
_DENIED = "Make sure you have permission to access the agent."


def create(call: Call) -> Response:
    """``POST /agents``."""
    given = {key: value for key, value in call.json().items() if value is not None}
    dsl = dsl_of(given)
    title = title_of(given)
    if title is None:
        raise Fail("No title in request.", ARGUMENT, data=False)
    fields = agent_fields(given, strict=False) | {"title": title, "dsl": dsl}
    return succeeded(_shown(call, call.engine.create_agent(fields, taken=f"{title} already exists.")))


def dsl_of(given: Row) -> Row:
    """The DSL of a new agent: an object, or JSON text of one."""
    if given.get("dsl") is None:
        raise Fail("No DSL data in request.", ARGUMENT, data=False)
    return _dsl(given["dsl"])


def title_of(given: Row) -> str | None:
    """The title among ``given``; ``Fail`` 100 if it is no text."""
    title = given.get("title")
    if not isinstance(title, str | None):
        raise Fail(f"`title` should be a string, got {title!r}", EXCEPTION, data=None)
    return None if title is None else title.strip()


def agent_fields(given: Row, *, strict: bool = True) -> Row:
    """The fields of an agent among ``given``; ``Fail`` 100 for another one if ``strict``, else it is dropped."""
    unknown = given.keys() - {*_FIELDS, "user_id", "id"}
    if unknown and strict:
        raise Fail(f"Unrecognized field name: {', '.join(sorted(unknown))}", EXCEPTION, data=None)
    fields = {key: given[key] for key in _FIELDS if key in given}
    for name in fields.keys() - {"dsl", "release"}:
        if not isinstance(fields[name], str):
            raise Fail(f"`{name}` should be a string, got {fields[name]!r}", EXCEPTION, data=None)
    return fields


def list_(call: Call) -> Response:
    """``GET /agents``: those changed last first; ``title`` and ``id`` have no effect, as on v0.27."""
    query = call.query
    if query.get("type") == "filter":
        return _filters(call)
    owners = _several(call, "owner_ids")
    if len(owners) > MAX_IDS:
        raise Fail(f"owner_ids must contain at most {MAX_IDS} IDs", ARGUMENT)
    page = call.page()
    if query.get("orderby", "create_time") not in (*_ORDER, "create_date", "update_date", "id"):
        raise Fail(f"invalid orderby field: {query['orderby']}", EXCEPTION, data=None)
    if set(owners) - {call.engine.tenant_id}:
        raise Fail("Only authorized owner_ids can be queried.", OPERATING, data=False)
    rows, total = call.engine.list_agents(
        **page,
        orderby="update_time",
        desc=query.get("desc", "true").lower() != "false",
        keywords=query.get("keywords"),
        categories=_several(call, "canvas_category"),
        canvas_type=query.get("canvas_type"),
        tags=_several(call, "tags"),
    )
    return succeeded({"canvas": [_listed(call, row) for row in rows], "total": total})


def get(call: Call) -> Response:
    """``GET /agents/{id}``."""
    agent = call.engine.get_agent(call.path["agent_id"])
    if agent is None:
        raise Fail("canvas not found.")
    return succeeded({**_shown(call, agent), "last_publish_time": agent["last_publish_time"]})


def update(call: Call) -> Response:
    """``PUT /agents/{id}``: what is sent is changed; a DSL is checked, as far as its components run here."""
    agent = accessible(call)
    given = {key: value for key, value in call.json().items() if value is not None}
    if "dsl" in given:
        given["dsl"] = _dsl(given["dsl"])
        _check(given["dsl"])
    title = title_of(given)
    fields = agent_fields(given) | ({} if title is None else {"title": title})
    changed = call.engine.update_agent(agent["id"], fields, taken=f"{title} already exists.")
    return succeeded({"update_time": changed["update_time"]})


def delete(call: Call) -> Response:
    """``DELETE /agents/{id}``."""
    owned(call, "Only the owner of the agent is authorized for this operation.")
    call.engine.delete_agent(call.path["agent_id"])
    return succeeded(True)


def reset(call: Call) -> Response:
    """``POST /agents/{id}/reset``: the DSL with its first values."""
    agent = accessible(call)
    with not_runnable():
        return succeeded(call.engine.reset_agent(agent["id"]))


def versions(call: Call) -> Response:
    """``GET /agents/{id}/versions``."""
    return succeeded(call.engine.agent_versions(accessible(call)["id"]))


def version(call: Call) -> Response:
    """``GET /agents/{id}/versions/{id}``."""
    return succeeded(call.engine.agent_version(accessible(call)["id"], call.path["version_id"]))


def input_form(call: Call) -> Response:
    """``GET /agents/{id}/components/{id}/input-form``."""
    agent = accessible(call)
    with not_runnable():
        canvas = call.engine.canvas_of(agent)
    component = canvas.components.get(call.path["component_id"])
    if component is None:
        raise Fail(f"the agent has no component {call.path['component_id']}", EXCEPTION, data=None)
    return succeeded(component.form())


def tags(call: Call) -> Response:
    """``GET /agents/tags``."""
    counts = call.engine.agent_tags(call.query.get("canvas_category") or None)
    return succeeded([{"tag": name, "count": count} for name, count in counts])


def tag(call: Call) -> Response:
    """``PUT /agents/{id}/tags``: tags in a list, or separated by commas."""
    agent = owned(call, "Agent not found or no permission.")
    given = call.json().get("tags") or ""
    listed = given if isinstance(given, list) else str(given).split(",")
    call.engine.tag_agent(agent["id"], _joined([str(each).replace(",", " ").strip() for each in listed]))
    return succeeded(True)


def none(call: Call) -> Response:
    """What a RAGFlow server brings along, and this engine does not: templates and plugins."""
    return succeeded([])


def create_session(call: Call) -> Response:
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
    return answered({**{key: session[key] for key in _CREATED_SESSION}, "agent_id": agent["id"]})


def list_sessions(call: Call) -> Response:
    """``GET /agents/{id}/sessions``."""
    agent, query = accessible(call), call.query
    page = call.page()
    if query.get("exp_user_id"):
        found = call.engine.agent_session_names(agent["id"], query["exp_user_id"])
        return JSON({"code": 0, "data": found, "message": "success", "total": len(found)})
    rows, total = call.engine.list_agent_sessions(
        agent["id"],
        **page,
        **session_filters(call),
        keywords=query.get("keywords"),
        from_time=_time(call, "from_date", " 00:00:00"),
        to_time=_time(call, "to_date", " 23:59:59"),
    )
    data = [session_row(row, "message") for row in rows]
    if query.get("dsl") in ("False", "false"):
        data = [{key: value for key, value in row.items() if key != "dsl"} for row in data]
    return JSON({"code": 0, "data": data, "message": "success", "total": total})


def session_filters(call: Call) -> Row:
    """Order and filters of a list of sessions that all versions have."""
    query = call.query
    orderby = query.get("orderby", "update_time").replace("_date", "_time")
    if orderby not in ("create_time", "update_time"):
        raise Fail(f"invalid orderby field: {orderby}", EXCEPTION, data=None)
    desc = query.get("desc") not in ("False", "false")
    return {"orderby": orderby, "desc": desc, "id": query.get("id"), "user_id": query.get("user_id")}


def session_row(session: Row, messages_key: str) -> Row:
    """A session as lists have it: what an answer refers to is with the answer."""
    row = {key: value for key, value in session.items() if key not in ("dialog_id", "message", "reference")}
    said = [dict(each) for each in session["message"]]
    answers = [each for number, each in enumerate(said) if number and each["role"] != "user"]
    for each, reference in zip(answers, session["reference"], strict=False):
        each["reference"] = [
            {**chunk, "citation_id": key} for key, chunk in (reference.get("chunks") or {}).items()
        ]
    return {**row, "agent_id": session["dialog_id"], messages_key: said}


def get_session(call: Call) -> Response:
    """``GET /agents/{id}/sessions/{id}``."""
    return succeeded(_session(call))


def delete_session(call: Call) -> Response:
    """``DELETE /agents/{id}/sessions/{id}``."""
    session = _session(call)
    return succeeded(len(call.engine.delete_agent_sessions(session["dialog_id"], [session["id"]])))


def delete_all_named(call: Call) -> Response:
    """``DELETE /agents/{id}/sessions``: nothing without ids or ``delete_all``."""
    agent = accessible(call)
    given = call.json()
    ids = given.get("ids")
    if not ids and given.get("delete_all") is True:
        ids = call.engine.agent_session_ids(agent["id"])
    return delete_sessions(call, agent["id"], ids) if ids else answered()


def delete_sessions(call: Call, agent_id: str, wanted: Any) -> Response:
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


def accessible(call: Call) -> Row:
    """The agent of the path; ``Fail`` 103 if the key's owner has none with this id."""
    return owned(call, _DENIED)


def owned(call: Call, denied: str) -> Row:
    """The agent of the path; ``Fail`` 103 with the text ``denied`` if the key's owner has none with this id."""
    agent = call.engine.get_agent(call.path["agent_id"])
    if agent is None:
        raise Fail(denied, OPERATING, data=False)
    return agent


class not_runnable:  # noqa: N801 - reads as what it is about
    """A block in which a DSL that describes no canvas is answered with code 100, as RAGFlow does."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, NotRunnable):
            raise Fail(str(error), EXCEPTION, data=None) from None


def as_id(value: Any) -> str:
    """Somebody's id; ``Fail`` 101 if it is no text."""
    if not isinstance(value, str):
        raise Fail(f"`user_id` should be a string, got {value!r}", ARGUMENT, data=False)
    return value


def _dsl(given: Any) -> Row:
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            raise Fail("Invalid DSL JSON string.", ARGUMENT, data=False) from None
    if not isinstance(given, dict):
        raise Fail("DSL must be a JSON object.", ARGUMENT, data=False)
    return given


def _check(dsl: Row) -> None:
    try:
        check_components(dsl)
    except WrongParameter as error:
        raise Fail(str(error), ARGUMENT, data=False) from None
    except NotRunnable as error:
        raise Fail(str(error), EXCEPTION, data=None) from None


def _shown(call: Call, agent: Row) -> Row:
    owner = {"user_id": call.engine.tenant_id, "nickname": NICKNAME, "tenant_avatar": None}
    return {key: agent[key] for key in _SHOWN} | owner


def _listed(call: Call, agent: Row) -> Row:
    owner = {"tenant_id": call.engine.tenant_id, "nickname": NICKNAME, "tenant_avatar": None}
    return {key: agent[key] for key in _LISTED} | owner | {"type": "agent"}


def _filters(call: Call) -> Response:
    rows, total = call.engine.list_agents(page=1, page_size=2**31, orderby="create_time", desc=True)
    categories: dict[str, int] = {}
    for row in rows:
        categories[row["canvas_category"]] = categories.get(row["canvas_category"], 0) + 1
    owner = [{"id": call.engine.tenant_id, "label": NICKNAME, "count": total}] if total else []
    counted = [{"id": name, "count": count} for name, count in categories.items()]
    return succeeded({"filter": {"owner": owner, "canvas_category": counted}, "total": total})


def _several(call: Call, name: str) -> list[str]:
    return [each for each in call.query.get(name, "").strip().split(",") if each]


def _joined(names: list[str]) -> str:
    """Tags once each and cut to size, as many as there is room for."""
    kept: dict[str, str] = {}
    for name in filter(None, names):
        name = name[:_TAG]
        if len(",".join([*kept.values(), name])) > _TAGS:
            break
        kept.setdefault(name.lower(), name)
    return ",".join(kept.values())


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
    try:
        when = datetime.fromisoformat(given + of_a_day if len(given) == 10 else given)
    except ValueError:
        raise Fail(f"`{name}` should be a date, got {given!r}", EXCEPTION, data=None) from None
    return int(when.timestamp() * 1000)


def not_here(call: Call) -> Response:
    """``POST /agents/{id}/upload`` and other ways to bring files into an agent."""
    accessible(call)
    raise not_there_yet("files in agents")


REFUSING = frozenset({not_here})
_AGENT = "/agents/{agent_id}"
ROUTES: Routes = {
    "/agents": {"POST": create, "GET": list_},
    "/agents/templates": {"GET": none},
    "/agents/tags": {"GET": tags},
    "/plugin/tools": {"GET": none},
    _AGENT: {"GET": get, "PUT": update, "DELETE": delete},
    f"{_AGENT}/reset": {"POST": reset},
    f"{_AGENT}/tags": {"PUT": tag},
    f"{_AGENT}/upload": {"POST": not_here},
    f"{_AGENT}/versions": {"GET": versions},
    f"{_AGENT}/versions/{{version_id}}": {"GET": version},
    f"{_AGENT}/components/{{component_id}}/input-form": {"GET": input_form},
    f"{_AGENT}/sessions": {"POST": create_session, "GET": list_sessions, "DELETE": delete_all_named},
    f"{_AGENT}/sessions/{{session_id}}": {"GET": get_session, "DELETE": delete_session},
}
