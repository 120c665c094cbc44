"""``/agents``: agents and their versions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.responses import Response

from ..agent import NotRunnable, check_components
from ..agent.problems import WrongParameter
from ..fields import given_json
from .call import COLUMNS, MAX_IDS, Call, Routes
from .datasets import NICKNAME
from .envelope import (
    ARGUMENT,
    EXCEPTION,
    OPERATING,
    Fail,
    not_there_yet,
    python_errors,
    succeeded,
)

__all__ = [
    "ORDERS",
    "REFUSING",
    "ROUTES",
    "accessible",
    "agent_fields",
    "as_id",
    "dsl_of",
    "not_runnable",
    "owned",
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
ORDERS = COLUMNS | {"title": "title"}
_LISTED = (
    "id avatar title description permission update_time canvas_type canvas_category tags release_time"
).split()
_SHOWN = (
    "id avatar title dsl description permission update_time create_time create_date update_date canvas_category"
).split()
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
    with python_errors():
        return None if title is None else str(title.strip())


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
    if set(owners) - {call.engine.tenant_id}:
        raise Fail("Only authorized owner_ids can be queried.", OPERATING, data=False)
    call.sorted_by("UserCanvas", ORDERS)
    of_agents: Row = {
        "categories": _several(call, "canvas_category"),
        "canvas_type": query.get("canvas_type"),
        "tags": _several(call, "tags"),
    }
    rows, total = call.engine.list_agents(
        **page,
        **of_agents,
        orderby="update_time",
        desc=query.get("desc", "true").lower() != "false",
        keywords=query.get("keywords"),
    )
    kind = {} if any(of_agents.values()) else {"type": "agent"}  # only where a list could hold other things
    return succeeded({"canvas": [_listed(call, row) | kind for row in rows], "total": total})


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


def accessible(call: Call) -> Row:
    """The agent of the path; ``Fail`` 103 if the key's owner has none with this id."""
    return owned(call, _DENIED)


def owned(call: Call, denied: str) -> Row:
    """The agent of the path; ``Fail`` 103 with the text ``denied`` if the key's owner has none with this id."""
    agent = call.engine.get_agent(call.path["agent_id"])
    if agent is None:
        raise Fail(denied, OPERATING, data=False)
    return agent


@contextmanager
def not_runnable() -> Iterator[None]:
    """A block in which a DSL that describes no canvas is answered with code 100, as RAGFlow does."""
    try:
        yield
    except NotRunnable as error:
        raise Fail(str(error), EXCEPTION, data=None) from None


def as_id(value: Any) -> str:
    """Somebody's id; ``Fail`` 101 if it is no text."""
    if not isinstance(value, str):
        raise Fail(f"`user_id` should be a string, got {value!r}", ARGUMENT, data=False)
    return value


def _dsl(given: Any) -> Row:
    if isinstance(given, str):
        try:
            given = given_json(given)
        except ValueError:
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
    return {key: agent[key] for key in _LISTED} | owner


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
}
