"""``/memories`` and ``/messages`` as v0.24 has them.

Checks come before the memory is looked up, a wrong page is an error, and the sender of a message is not kept. That
v0.24 shows and changes the memories of other tenants is not copied: they are unknown.
"""

from __future__ import annotations

from starlette.responses import Response

from ...memory.messages import Search
from ...problems import Missing
from .. import memories, messages
from ..call import Call, Routes
from ..envelope import ARGUMENT, EXCEPTION, NOT_FOUND, SERVER, Fail, python_errors
from ..memories import done, split
from .paging import page_of

__all__ = ["ROUTES"]

_PAGE_SIZE = 50
_MOST = 10_000  # messages at a time; v0.24 itself has no limit


def _create(call: Call) -> Response:
    """``POST /memories``."""
    return memories.created(call, EXCEPTION)


def _update(call: Call) -> Response:
    """``PUT /memories/{id}``."""
    old, new = memories.updated(call, memories.settings(call.json(), EXCEPTION))
    if old != new:
        return done(new)
    return done({key: value for key, value in new.items() if key != "owner_name"})


def _list(call: Call) -> Response:
    """``GET /memories``."""
    owners = split(call.query.getlist("tenant_id"))
    page = {name: _number(call, name, default) for name, default in _PAGE.items()}
    if owners and call.engine.tenant_id not in owners:
        return done({"memory_list": [], "total_count": 0})
    rows, total = call.engine.list_memories(
        page=page["page"],
        page_size=page["page_size"],
        memory_types=split(call.query.getlist("memory_type")),
        storage_type=call.query.get("storage_type"),
        keywords=call.query.get("keywords"),
    )
    return done({"memory_list": [memories.listed_row(row) for row in rows], "total_count": total})


def _delete(call: Call) -> Response:
    """``DELETE /memories/{id}``: an unknown one is code 404 with the message of a success."""
    try:
        call.engine.delete_memory(call.path["memory_id"])
    except Missing:
        return done(None, code=NOT_FOUND)
    return done(None)


def _messages(call: Call) -> Response:
    """``GET /memories/{id}``."""
    agents = split(call.query.getlist("agent_id"))
    keywords = call.query.get("keywords", "").strip()
    return done(memories.listing(call, agents, keywords, **page_of(call, _PAGE_SIZE)))


def _add(call: Call) -> Response:
    """``POST /messages``: those memories that there are keep it, the others are an error all the same."""
    given = call.required(*messages.REQUIRED)
    with python_errors():
        ids = list(given["memory_id"])  # of a text each letter, as there
    found = messages.kept(call, given, [each for each in ids if isinstance(each, str)], user_id="")
    unknown = [each for each in ids if each not in found]
    if unknown:
        raise messages.not_kept(f"Memory {unknown} not found.")
    return done(None, "All add to task.")


def _search(call: Call) -> Response:
    """``GET /messages/search``: ``user_id`` has no effect."""
    empty = [name for name in ("memory_id", "query") if not call.query.get(name)]
    if empty:
        raise Fail(f"{', '.join(empty)} can't be empty.", ARGUMENT)
    threshold = messages.number(float, call, "similarity_threshold", 0.2)
    weight = messages.number(float, call, "keywords_similarity_weight", 0.7)
    query = Search(call.query["query"], split(_ids(call)), threshold, weight, _count(call, "top_n", 5))
    return done(call.engine.search_messages(query, **messages.narrowing(call)))


def _recent(call: Call) -> Response:
    """``GET /messages``: unknown memories alone are an error."""
    ids = _ids(call)
    limit = _count(call, "limit", 10)
    if not ids:
        raise Fail("memory_ids is required.", ARGUMENT)
    if not call.engine.list_memories(page=1, page_size=1, ids=split(ids))[1]:
        raise Fail(f"none of these memories is yours: {', '.join(ids)}", EXCEPTION, data=None)
    return done(call.engine.recent_messages(split(ids), limit=limit, **messages.narrowing(call)))


def _forget(call: Call) -> Response:
    """``DELETE /messages/{memory}:{message}``."""
    memories.missing(call.engine.get_memory, call.path["memory_id"])
    memories.missing(
        call.engine.forget_message, call.path["memory_id"], messages.message_number(call, EXCEPTION)
    )
    return done(None)


def _set_status(call: Call) -> Response:
    """``PUT /messages/{memory}:{message}``."""
    return messages.switch(call, EXCEPTION)


def _count(call: Call, name: str, default: int) -> int:
    """How many messages are asked for, within reason; ``Fail`` 100 for less than none."""
    asked = int(messages.number(int, call, name, default))
    if asked < 0:
        raise Fail(f"`{name}` should be 0 or more, got {asked}", EXCEPTION, data=None)
    return min(asked, _MOST)


def _ids(call: Call) -> list[str]:
    return call.query.getlist("memory_id")


def _number(call: Call, name: str, default: int) -> int:
    """``page`` or ``page_size`` of the memories, where a wrong one is code 500."""
    try:
        value = int(call.query.get(name, default))
    except ValueError as error:
        raise Fail(str(error), SERVER, data=None) from None
    if value < 0:
        raise Fail(f"{name} cannot be negative, got {value}", SERVER, data=None)
    return max(value, 1) if name == "page" else value


_PAGE = {"page": 1, "page_size": _PAGE_SIZE}
_MEMORY = "/memories/{memory_id}"
_MESSAGE = "/messages/{memory_id}:{message_id}"
ROUTES: Routes = {
    "/memories": {"POST": _create, "GET": _list},
    _MEMORY: {"GET": _messages, "PUT": _update, "DELETE": _delete},
    f"{_MEMORY}/config": {"GET": memories.config},
    "/messages": {"POST": _add, "GET": _recent},
    "/messages/search": {"GET": _search},
    _MESSAGE: {"PUT": _set_status, "DELETE": _forget},
    f"{_MESSAGE}/content": {"GET": messages.content},
}
