"""``/searches``: search applications."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from .bots import answer_frames
from .call import COLUMNS, Call, Routes
from .chats import owner_ids, text_or_null
from .completions import checked_datasets, required
from .datasets import NICKNAME
from .envelope import AUTHENTICATION, OPERATING, Fail, failed, succeeded
from .sse import EventStream

__all__ = ["ROUTES", "owned", "shown"]

Row = dict[str, Any]

_LISTED = "id avatar tenant_id name description created_by status update_time create_time".split()
_DETAIL = "id avatar tenant_id name description created_by search_config update_time".split()
_LONGEST_NEW_NAME, _LONGEST_NAME = 255, 128  # bytes
_OWN = ("avatar", "description")


def create(call: Call) -> Response:
    """``POST /searches``: a name that is taken gets a number."""
    given = required(call, "name")
    name = given["name"]
    _check_name(name)
    if len(name.encode()) > _LONGEST_NEW_NAME:
        raise Fail(f"Search name length is {len(name)} which is large than {_LONGEST_NEW_NAME}.")
    fields = {**_own(given), "name": name.strip()}
    if given.get("search_config") is not None:
        fields["search_config"] = _config(given)
    return succeeded({"search_id": call.engine.create_search(fields)["id"]})


def list_(call: Call) -> Response:
    """``GET /searches``."""
    page, owners = call.page(), owner_ids(call)
    if owners and call.engine.tenant_id not in owners:
        return succeeded({"search_apps": [], "total": 0})
    rows, total = call.engine.list_searches(
        **page,
        orderby=call.sorted_by("Search", COLUMNS | {"name": "name"}),
        desc=call.query.get("desc", "true").lower() != "false",
        keywords=call.query.get("keywords"),
    )
    return succeeded({"search_apps": [_listed(row) for row in rows], "total": total})


def get(call: Call) -> Response:
    """``GET /searches/{id}``."""
    return shown(call, call.path["search_id"])


def shown(call: Call, identifier: str) -> Response:
    """The search with this id; ``Fail`` 103 if there is none."""
    row = call.engine.get_search(identifier)
    if row is None:
        raise Fail("Has no permission for this operation.", OPERATING, data=False)
    return succeeded({name: row[name] for name in _DETAIL})


def update(call: Call) -> Response:
    """``PUT /searches/{id}``: the configuration is merged into the old one."""
    given = required(call, "name", "search_config")
    name = given["name"]
    _check_name(name)
    if len(name.encode()) > _LONGEST_NAME:
        raise Fail(f"Search name length is {len(name)} which is large than {_LONGEST_NAME}")
    row = owned(call)
    fields = {**_own(given), "name": name.strip(), "search_config": _config(given)}
    unknown = [key for key in given if key not in (*row, "search_id")]
    if unknown:
        raise failed(ValueError(f'Unrecognized field name: "{unknown[0]}"'))
    return succeeded(call.engine.update_search(row["id"], fields))


def delete(call: Call) -> Response:
    """``DELETE /searches/{id}``."""
    call.engine.delete_search(owned(call)["id"])
    return succeeded(True)


def complete(call: Call) -> Response:
    """``POST /searches/{id}/completions``: an answer from the search's datasets or those of the body, as a stream."""
    given = required(call, "question")
    config = owned(call)["search_config"]
    dataset_ids = config.get("kb_ids") or given.get("kb_ids") or []
    if not dataset_ids:
        raise Fail("`kb_ids` is required.")
    events = call.engine.ask(str(given["question"]), checked_datasets(call, dataset_ids), config)
    return EventStream(answer_frames(events))


def owned(call: Call) -> Row:
    """The search of the path; ``Fail`` 109 if there is none."""
    row = call.engine.get_search(call.path["search_id"])
    if row is None:
        raise Fail("no authorization", AUTHENTICATION, data=False)
    return row


def _check_name(name: Any) -> None:
    if not isinstance(name, str):
        raise Fail("Search name must be string.")
    if not name.strip():
        raise Fail("Search name can't be empty.")


def _own(given: Row) -> Row:
    return {name: text_or_null(given[name]) for name in _OWN if name in given}


def _config(given: Row) -> Row:
    config = given["search_config"]
    if not isinstance(config, dict):
        raise Fail("search_config must be a JSON object")
    return config


def _listed(row: Row) -> Row:
    return {**{name: row[name] for name in _LISTED}, "nickname": NICKNAME, "tenant_avatar": None}


ROUTES: Routes = {
    "/searches": {"POST": create, "GET": list_},
    "/searches/{search_id}": {"GET": get, "PUT": update, "DELETE": delete},
    "/searches/{search_id}/completion": {"POST": complete},
    "/searches/{search_id}/completions": {"POST": complete},
}
