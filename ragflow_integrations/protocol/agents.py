"""Agents, their sessions, and asking them: ``/api/v1/agents``.

Servers from v0.25.1 on list agents without their canvas and cannot look for an id or a title; v0.24 has no
call for one agent or one session. A flow asks what the server can answer, so that callers see no difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidRequestError, NotFoundError, UnsupportedError
from ..models import AgentFields, AgentMessage, AgentSessionFields, Page
from . import deletion
from .agent_stream import AgentDecoder, answer
from .bulk import PAGE
from .checks import check_choice, check_flag, check_id, check_object, check_page, check_text, refuse
from .envelope import envelope, payload
from .paging import all_of
from .reading import model, models, nothing, unexpected
from .reasoning import split_all
from .versions import Since, Version, request, server_version, supported
from .wire import Call, Flow, Request, Response, Streamed, T, query
from .wire import ask as answer_of

__all__ = [
    "ask",
    "ask_stream",
    "create",
    "create_session",
    "delete",
    "delete_sessions",
    "get",
    "get_session",
    "listing",
    "sessions",
    "update",
    "wrapped_inputs",
]

_OURS = ("agent_id", "session_id", "query", "openai-compatible")
_OF_SESSIONS = ("user_id", "name", "release")


def create(
    title: str, dsl: Mapping[str, Any], *, description: str | None, canvas_type: str | None, release: bool
) -> Flow[AgentFields]:
    """``POST /agents``; v0.24 does not say what it made, so that is looked up by its title."""
    body = _canvas({"title": check_text("title", title), "dsl": dsl}, description, canvas_type, release)
    version = yield from server_version()
    body |= _released(version, release)
    making = request("RAGFlow.create_agent", body=body)
    made = yield from answer_of(Call(making, payload))
    if isinstance(made, dict):
        return models(AgentFields, [made], making)[0]
    found = yield from _titled(version, title.strip(), {})
    return _first(found, f"title={title!r}")


def get(agent_id: str) -> Flow[AgentFields]:
    """``GET /agents/{id}``; on v0.24 the list of the one."""
    check_id("agent_id", agent_id)
    version = yield from server_version()
    if version >= Since.SINGLE_OBJECTS:
        wanted = request("RAGFlow.get_agent", version, agent_id=agent_id)
        return (yield from answer_of(Call(wanted, model(AgentFields))))
    found = yield from answer_of(_page(version, id=agent_id))
    return _first(found, f"agent_id={agent_id!r}")


def listing(
    *, page: int, page_size: int, orderby: str, desc: bool, id: str | None, title: str | None
) -> Flow[Page[AgentFields]]:
    """``GET /agents``, only agents; an ``id`` or a ``title`` that no agent has is a ``NotFoundError``."""
    check_page(page, page_size)
    order = _order(orderby, desc, "create_time", "update_time", "title")
    _check_words(id=id, title=title)
    if id:
        check_id("id", id)
    version = yield from server_version()
    if not id and not title:
        return (yield from answer_of(_page(version, page=page, page_size=page_size, **order)))
    if id:
        one = yield from get(id)
        found = [one] if title in (None, "", one.title) else []
    else:
        found = yield from _titled(version, check_text("title", title), order)
    if not found:
        raise NotFoundError(f"title={title!r}: no such agent, or it belongs to another account")
    return Page(found[(page - 1) * page_size : page * page_size], len(found))


def update(
    agent_id: str,
    *,
    title: str | None,
    description: str | None,
    dsl: Mapping[str, Any] | None,
    canvas_type: str | None,
    release: bool,
) -> Flow[None]:
    """``PUT /agents/{id}``: what is not sent stays as it is, except that servers empty ``canvas_type`` (from
    v0.25.1 on), and that v0.24 fails over a ``dsl`` without a title: both are looked up and sent along."""
    check_id("agent_id", agent_id)
    body: dict[str, Any] = {} if title is None else {"title": check_text("title", title)}
    body = _canvas(body if dsl is None else {**body, "dsl": dsl}, description, canvas_type, release)
    if not body and not release:
        raise InvalidRequestError("name at least one field to change: title, description, dsl or canvas_type")
    version = yield from server_version()
    body |= _released(version, release)
    if version >= Since.AGENT_PAGES:
        if canvas_type is None:
            body |= yield from _canvas_type(version, agent_id)
    elif dsl is not None and title is None:
        body["title"] = (yield from get(agent_id)).title
    yield from answer_of(Call(request("RAGFlow.update_agent", agent_id=agent_id, body=body), nothing))


def delete(agent_id: str) -> Call[None]:
    """``DELETE /agents/{id}``."""
    return Call(request("RAGFlow.delete_agent", agent_id=agent_id, body={}), nothing)


def create_session(agent_id: str, options: Mapping[str, Any]) -> Flow[AgentSessionFields]:
    """``POST /agents/{id}/sessions``; ``user_id`` goes into the query, where all versions read it."""
    unread = [name for name in options if name not in _OF_SESSIONS]
    refuse(
        options,
        unread,
        "no server reads it here; ask(inputs={name: value}) takes values for the Begin component",
    )
    body = {name: value for name, value in options.items() if value is not None}
    release = check_flag("release", body.pop("release", False))
    _check_words(**body)
    yield from supported("create_session", options, {"name": Since.AGENT_SESSION_NAMES})
    version = yield from server_version()
    body |= _released(version, release)
    params = query(user_id=body.pop("user_id", None))
    wanted = request("Agent.create_session", agent_id=agent_id, query=params, body=body)
    return (yield from answer_of(Call(wanted, _session)))


def get_session(agent_id: str, session_id: str) -> Flow[AgentSessionFields]:
    """``GET /agents/{id}/sessions/{id}``; on v0.24 the list of the one."""
    check_id("session_id", session_id)
    version = yield from server_version()
    if version >= Since.SINGLE_OBJECTS:
        wanted = request("Agent.get_session", version, agent_id=agent_id, session_id=session_id)
        return (yield from answer_of(Call(wanted, _session)))
    found = yield from answer_of(sessions(agent_id, id=session_id))
    return _first(found, f"session_id={session_id!r}")


def sessions(
    agent_id: str,
    *,
    page: int = 1,
    page_size: int = PAGE,
    orderby: str = "create_time",
    desc: bool = True,
    id: str | None = None,
    user_id: str | None = None,
) -> Call[Page[AgentSessionFields]]:
    """``GET /agents/{id}/sessions``, each without the state of its canvas, which is large."""
    check_page(page, page_size)
    order = _order(orderby, desc, "create_time", "update_time")
    _check_words(id=id, user_id=user_id)
    params = query(page=page, page_size=page_size, **order, id=id, user_id=user_id, dsl="false")
    return Call(request("Agent.list_sessions", agent_id=agent_id, query=params), _session_page)


def delete_sessions(agent_id: str, ids: Sequence[str] | None) -> Flow[None]:
    """``DELETE /agents/{id}/sessions``; ``None`` deletes all of the agent."""
    return deletion.delete(
        "Agent.delete_sessions", ids, lambda page: sessions(agent_id, page=page), agent_id=agent_id
    )


def ask(
    agent_id: str, question: str, *, session_id: str | None, options: Mapping[str, Any]
) -> Flow[AgentMessage]:
    """The whole answer at once."""
    return (
        yield from answer_of(
            Call((yield from _asking(agent_id, question, session_id, False, options)), answer)
        )
    )


def ask_stream(
    agent_id: str, question: str, *, session_id: str | None, options: Mapping[str, Any]
) -> Flow[Streamed[AgentMessage]]:
    """The run as it goes."""
    return Streamed((yield from _asking(agent_id, question, session_id, True, options)), AgentDecoder)


def wrapped_inputs(inputs: Any) -> dict[str, Any]:
    """Each as ``{"type", "value"}``; v0.24 takes no plain values."""
    return {
        name: dict(value) if isinstance(value, Mapping) else {"type": "line", "value": value}
        for name, value in check_object("inputs", inputs, "{'name of an input': 'value'}").items()
    }


def _asking(
    agent_id: str, question: str, session_id: str | None, stream: bool, options: Mapping[str, Any]
) -> Flow[Request]:
    """The published version answers in a session of its own only: a run without one is of the draft."""
    if not isinstance(question, str):
        raise InvalidRequestError(f"question={question!r}: give a text; it may be empty if inputs say all")
    refuse(options, _OURS, "not an option, but set by the call itself")
    check_id("agent_id", agent_id)
    body = {name: value for name, value in options.items() if value is not None}
    for name in body.keys() & {"release", "return_trace"}:
        check_flag(name, body[name])
    if "inputs" in body:
        body["inputs"] = wrapped_inputs(body["inputs"])
    if session_id is None and body.pop("release", False):
        started = {"release": True, "user_id": body.get("user_id")}
        session_id = (yield from create_session(agent_id, started)).id
    operation = "Agent.ask" if session_id is None else "AgentSession.ask"
    version = yield from server_version()
    if session_id is not None:
        body["session_id"] = check_id("session_id", session_id)
    if version >= Since.AGENT_IN_BODY:
        body |= {"agent_id": agent_id, "query": question, "stream": stream}
    else:
        body |= {"question": question, "stream": stream}
    return request(operation, version, agent_id=agent_id, body=body)


def _canvas(
    fields: dict[str, Any], description: str | None, canvas_type: str | None, release: bool
) -> dict[str, Any]:
    if "dsl" in fields:
        check_object("dsl", fields["dsl"])
    check_flag("release", release)
    _check_words(description=description, canvas_type=canvas_type)
    more = {"description": description, "canvas_type": canvas_type}
    return fields | {name: value for name, value in more.items() if value is not None}


def _check_words(**given: Any) -> None:
    """Each a text, if it is given."""
    for name, value in given.items():
        if value is not None:
            check_text(name, value, empty=True)


def _order(orderby: str, desc: bool, *fields: str) -> dict[str, Any]:
    return {"orderby": check_choice("orderby", orderby, fields), "desc": check_flag("desc", desc)}


def _released(version: Version, release: bool) -> dict[str, Any]:
    if release and version < Since.AGENT_RELEASES:
        raise UnsupportedError(
            f"release=True needs RAGFlow {Since.AGENT_RELEASES} or later; this server is {version}"
        )
    return {"release": True} if release else {}


def _canvas_type(version: Version, agent_id: str) -> Flow[dict[str, Any]]:
    """The present one, which only the listing tells."""
    agent = yield from get(agent_id)
    rows = yield from _all_agents(version, agent.title, canvas_category=agent.canvas_category)
    return next(
        ({"canvas_type": row.canvas_type} for row in rows if row.id == agent_id and row.canvas_type), {}
    )


def _titled(version: Version, title: str, order: Mapping[str, Any]) -> Flow[list[AgentFields]]:
    """The agents of exactly this title, in the order asked for."""
    if version < Since.AGENT_PAGES:
        return list((yield from answer_of(_page(version, title=title, **order))))
    return [row for row in (yield from _all_agents(version, title, **order)) if row.title == title]


def _all_agents(version: Version, title: str | None, **order: Any) -> Flow[list[AgentFields]]:
    """Those that have this in their title, of all pages."""
    return (
        yield from all_of(
            lambda page: _page(version, page=page, page_size=PAGE, keywords=title or None, **order)
        )
    )


def _page(version: Version, **params: Any) -> Call[Page[AgentFields]]:
    if version >= Since.AGENT_PAGES:  # without it the templates of compilations are among them
        params.setdefault("canvas_category", "agent_canvas")
    return Call(request("RAGFlow.list_agents", query=query(**params)), _agent_page)


def _agent_page(request: Request, response: Response) -> Page[AgentFields]:
    data = payload(request, response)
    if not isinstance(data, dict):
        return Page(models(AgentFields, data, request))
    if "canvas" not in data:
        raise unexpected(request, "data is no object with canvas and total")
    return Page(models(AgentFields, data["canvas"], request), data.get("total"))


def _session_page(request: Request, response: Response) -> Page[AgentSessionFields]:
    body = envelope(request, response)
    data = body.get("data")
    rows = [_stored(row) for row in data] if isinstance(data, list) else data
    return Page(models(AgentSessionFields, rows, request), body.get("total"))


def _session(request: Request, response: Response) -> AgentSessionFields:
    return models(AgentSessionFields, [_stored(payload(request, response))], request)[0]


def _stored(row: Any) -> Any:
    """The session with each answer's reasoning and reference in it: that of a single one is beside the messages."""
    messages = row.get("messages", row.get("message")) if isinstance(row, dict) else None
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        return row
    messages = [dict(message) for message in messages]
    said = [each for each in messages[1:] if each.get("role") == "assistant"]  # the first is the opener
    for message in said:
        if isinstance(message.get("content"), str):
            message["reasoning"], message["content"] = split_all(message["content"])
    session = {name: value for name, value in row.items() if name != "message"}
    if isinstance(row.get("reference"), list):
        for message, reference in zip(said, session.pop("reference"), strict=False):
            message["reference"] = reference
            message["doc_aggs"] = reference.get("doc_aggs") if isinstance(reference, dict) else None
    return {**session, "messages": messages}


def _first(found: Sequence[T], wanted: str) -> T:
    if not found:
        raise NotFoundError(f"{wanted}: there is none, or it belongs to another account")
    return found[0]
