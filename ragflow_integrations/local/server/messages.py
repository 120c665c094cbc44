"""``/messages``: what is said is kept in memories, and found there again."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ..memory.messages import Search
from ..problems import Problem
from .call import MAX_IDS, Call, Routes, page_of
from .envelope import ARGUMENT, EXCEPTION, SERVER, Fail, failed, python_errors
from .memories import done, missing, split

__all__ = [
    "REQUIRED",
    "ROUTES",
    "add",
    "content",
    "forget",
    "kept",
    "known",
    "message_number",
    "narrowing",
    "not_kept",
    "number",
    "recent",
    "search",
    "set_status",
    "switch",
    "wanted_ids",
]

Row = dict[str, Any]

REQUIRED = ("memory_id", "agent_id", "session_id", "user_input", "agent_response")
_TOP_N = 5
_LIMIT = 10


def add(call: Call) -> Response:
    """``POST /messages``: unknown memories are passed over unless all are; the sender is the key's owner."""
    given = call.required(*REQUIRED)
    wanted = given["memory_id"] or []
    with python_errors():
        listed = [wanted] if isinstance(wanted, str) else list(wanted)
    ids = split([each for each in listed if isinstance(each, str)])
    if not kept(call, given, ids, user_id=call.engine.tenant_id):
        raise not_kept("Memory not found.")
    return done(None, "All add to task.")


def kept(call: Call, given: Row, ids: list[str], *, user_id: str) -> list[str]:
    """Keep what was said in these memories; which of them there are."""
    for name in ("agent_id", "session_id"):
        if not isinstance(given[name], str):
            raise Fail(f"`{name}` should be a string, got {given[name]!r}", ARGUMENT, data=None)
    try:
        return call.engine.add_message(
            ids,
            user_input=given["user_input"],
            agent_response=given["agent_response"],
            agent_id=given["agent_id"],
            session_id=given["session_id"],
            user_id=user_id,
        )
    except Problem as error:
        raise not_kept(str(error)) from None


def not_kept(detail: str) -> Fail:
    """That messages could not be kept."""
    return Fail(f"Some messages failed to add. Detail:{detail}", SERVER, data=None)


def search(call: Call) -> Response:
    """``GET /messages/search``: best first."""
    query = call.query.get("query")
    threshold = number(float, call, "similarity_threshold", 0.2)
    weight = number(float, call, "keywords_similarity_weight", 0.7)
    ids = wanted_ids(call)
    top_n = _count(call, "top_n", _TOP_N)
    if query is None:
        if not known(call, split(ids)):
            return done([])
        raise failed(AttributeError("'NoneType' object has no attribute 'strip'"))
    asked = Search(query, split(ids), threshold, weight, top_n)
    return done(call.engine.search_messages(asked, user_id=call.query.get("user_id"), **narrowing(call)))


def recent(call: Call) -> Response:
    """``GET /messages``: newest first."""
    ids = wanted_ids(call)
    limit = _count(call, "limit", _LIMIT)
    if not ids:
        raise Fail("memory_ids is required.", ARGUMENT)
    return done(call.engine.recent_messages(split(ids), limit=limit, **narrowing(call)))


def content(call: Call) -> Response:
    """``GET /messages/{memory}:{message}/content``."""
    return done(missing(call.engine.get_message, call.path["memory_id"], call.path["message_id"]))


def forget(call: Call) -> Response:
    """``DELETE /messages/{memory}:{message}``."""
    missing(call.engine.get_memory, call.path["memory_id"])
    missing(call.engine.forget_message, call.path["memory_id"], message_number(call, SERVER))
    return done(None)


def set_status(call: Call) -> Response:
    """``PUT /messages/{memory}:{message}``."""
    return switch(call, SERVER)


def switch(call: Call, wrong_number: int) -> Response:
    """Switch the message of the path on or off."""
    given = call.required("status")
    if not isinstance(given["status"], bool):
        raise Fail("Status must be a boolean.", ARGUMENT)
    memory_id = call.path["memory_id"]
    missing(call.engine.get_memory, memory_id)
    number = message_number(call, wrong_number)
    missing(call.engine.set_message_status, memory_id, number, given["status"])
    return done(None)


def message_number(call: Call, wrong: int) -> int:
    """The number of the message of the path; ``Fail`` with the code ``wrong`` if it is none."""
    value = call.path["message_id"]
    try:
        number = int(value)
    except ValueError:
        raise Fail(f"the message's id is a number, not {value!r}", wrong, data=None) from None
    return number if 0 < number < 2**63 else 0  # no message has the number 0


def known(call: Call, ids: list[str]) -> bool:
    """Whether one of these memories is the caller's."""
    return bool(ids) and call.engine.list_memories(page=1, page_size=1, ids=ids)[1] > 0


def wanted_ids(call: Call) -> list[str]:
    """The memories that a query names; ``Fail`` 101 if there are too many."""
    values = call.query.getlist("memory_id")
    ids = values[0].split(",") if len(values) == 1 and "," in values[0] else values
    if len(ids) > MAX_IDS:
        raise Fail(f"memory_id must contain at most {MAX_IDS} IDs", ARGUMENT)
    return ids


def narrowing(call: Call) -> Row:
    """Whose messages a query is about."""
    return {name: call.query.get(name) for name in ("agent_id", "session_id")}


def number(kind: type[int] | type[float], call: Call, name: str, default: float) -> float:
    """A number of the query; ``Fail`` 100 if it is none."""
    try:
        return kind(call.query.get(name, default))
    except ValueError as error:
        raise Fail(f"ValueError({str(error)!r})", EXCEPTION, data=None) from None


def _count(call: Call, name: str, default: int) -> int:
    try:
        asked = int(call.query.get(name, default))
    except ValueError as error:
        raise Fail(str(error), ARGUMENT) from None
    if asked > 100:
        raise Fail("page_size must be less than or equal to 100", ARGUMENT)
    return page_of({"page_size": asked})["page_size"]


_MESSAGE = "/messages/{memory_id}:{message_id}"
ROUTES: Routes = {
    "/messages": {"POST": add, "GET": recent},
    "/messages/search": {"GET": search},
    _MESSAGE: {"PUT": set_status, "DELETE": forget},
    f"{_MESSAGE}/content": {"GET": content},
}
