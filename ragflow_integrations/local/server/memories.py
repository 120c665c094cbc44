"""``/memories``: what agents remember. On success ``message`` is ``true``, not a text."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from starlette.responses import Response

from ..memory.memories import LARGEST, LONGEST_NAME, TYPES
from ..problems import Missing, Refused
from .call import MAX_IDS, Call, Routes, page_of
from .datasets import NICKNAME
from .envelope import ARGUMENT, JSON, NOT_FOUND, SERVER, Fail

__all__ = [
    "ROUTES",
    "config",
    "create",
    "created",
    "delete",
    "done",
    "list_",
    "messages",
    "missing",
    "settings",
    "split",
    "update",
    "updated",
]

Row = dict[str, Any]

_NAMES = ("name", "memory_type", "embd_id", "llm_id")
_TEXTS = ("avatar", "description", "system_prompt", "user_prompt")
_MODELS = ("embd_id", "llm_id")
_LISTED = "id name avatar tenant_id memory_type storage_type permissions description create_time create_date"
_PAGE_SIZE = 50  # of the messages


def create(call: Call) -> Response:
    """``POST /memories``."""
    return created(call, SERVER)


def created(call: Call, wrong: int) -> Response:
    """A new memory; a name or type that RAGFlow trips over is told with the code ``wrong``."""
    given = call.required(*_NAMES)
    name = _name(given["name"], wrong)
    if not isinstance(given["memory_type"], list):
        raise Fail("Memory type must be a list.", ARGUMENT)
    fields = settings({"name": name, "memory_type": given["memory_type"]}, wrong)
    for model in _MODELS:
        if not isinstance(given[model], str):
            raise Fail(f"`{model}` should be a string, got {given[model]!r}.", SERVER, data=None)
        fields[model] = given[model]
    try:
        return done(call.engine.create_memory({"memory_type": [], **fields}))
    except Refused as error:
        raise Fail(str(error), SERVER, data=None) from None


def update(call: Call) -> Response:
    """``PUT /memories/{id}``: an unknown memory is said before a wrong value."""
    given = call.json()
    missing(call.engine.get_memory, call.path["memory_id"])
    old, new = updated(call, settings(given))
    if old != new:
        return done(new)
    return done({**_without_owner(new), "tenant_embd_id": None, "tenant_llm_id": None})


def updated(call: Call, fields: Row) -> tuple[Row, Row]:
    """The memory of the path before and after the change."""
    try:
        return call.engine.update_memory(call.path["memory_id"], fields)
    except Missing as error:
        raise _not_found(error) from None
    except Refused as error:
        raise Fail(str(error), ARGUMENT) from None


def list_(call: Call) -> Response:
    """``GET /memories``: of filters with several values only the first parameter counts, split at commas."""
    query = call.query
    ids, owners = split([query.get("ids", "")]), split([query.get("owner_ids", "")])
    _check_count("owner_ids", owners)
    _check_count("ids", ids)
    owners = split([query.get("tenant_id", "")]) or owners
    if owners and call.engine.tenant_id not in owners:
        return done({"memory_list": [], "total_count": 0})
    rows, total = call.engine.list_memories(
        **call.page(),
        ids=ids,
        memory_types=split([query.get("memory_type", "")]),
        storage_type=query.get("storage_type"),
        keywords=query.get("keywords"),
    )
    rows.sort(key=lambda row: row["create_time"], reverse=True)
    listed = [listed_row(row) | {name: row[name] for name in _MODELS} | {"embd_name": ""} for row in rows]
    return done({"memory_list": listed, "total_count": total})


def config(call: Call) -> Response:
    """``GET /memories/{id}/config``."""
    return done(missing(call.engine.get_memory, call.path["memory_id"]))


def delete(call: Call) -> Response:
    """``DELETE /memories/{id}``."""
    missing(call.engine.delete_memory, call.path["memory_id"])
    return done(None)


def messages(call: Call) -> Response:
    """``GET /memories/{id}``: the raw messages with what was extracted from each, without their contents."""
    agents = _ids(call, "agent_id")
    page = page_of({"page_size": _PAGE_SIZE, **call.query})
    _check_count("agent_id", agents)
    keywords = call.query.get("keywords", "").strip()
    return done(listing(call, agents, keywords, **page))


def listing(call: Call, agents: list[str], keywords: str, *, page: int, page_size: int) -> Row:
    """A page of the raw messages of the memory of the path."""
    rows, total = missing(
        call.engine.list_messages,
        call.path["memory_id"],
        page=page,
        page_size=page_size,
        agent_ids=agents,
        keywords=keywords,
    )
    return {"messages": {"message_list": rows, "total_count": total}, "storage_type": "table"}


def listed_row(memory: Row) -> Row:
    """A memory as lists have it in all versions."""
    return {**{name: memory[name] for name in _LISTED.split()}, "owner_name": NICKNAME}


def done(data: Any, message: Any = True, code: int = 0) -> Response:
    """The answer of the memory routes."""
    return JSON({"code": code, "data": data, "message": message})


def missing(ask: Any, *args: Any, **kwargs: Any) -> Any:
    """What ``ask`` says; ``Fail`` 404 if there is no such memory or message."""
    try:
        return ask(*args, **kwargs)
    except Missing as error:
        raise _not_found(error) from None


def settings(given: Row, wrong: int = SERVER) -> Row:
    """The settings among ``given``, checked; other keys are dropped, as RAGFlow does.

    ``wrong`` is the code for a value of a type that RAGFlow trips over.
    """
    fields: Row = {}
    if "name" in given:
        fields["name"] = _name(given["name"], wrong)
    if given.get("permissions"):
        fields["permissions"] = _one_of(given["permissions"], ("me", "team"), "Unknown permission '{}'.")
    fields |= {name: _text(given, name) for name in _MODELS if given.get(name)}
    if given.get("memory_type"):
        fields["memory_type"] = _types(given["memory_type"], wrong)
    if given.get("memory_size"):
        fields["memory_size"] = _size(given["memory_size"], wrong)
    if given.get("forgetting_policy"):
        said = "Forgetting policy '{}' is not supported."
        fields["forgetting_policy"] = _one_of(given["forgetting_policy"], ("FIFO",), said)
    if "temperature" in given:
        fields["temperature"] = _temperature(given["temperature"], wrong)
    return fields | {name: _text(given, name) for name in _TEXTS if name in given}


def split(values: list[str]) -> list[str]:
    """The parts of values between commas, empty ones left out."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def _name(name: Any, wrong: int) -> str:
    if not isinstance(name, str):
        raise Fail(f"Memory name should be a string, got {name!r}.", wrong, data=None)
    name = name.strip()
    if not name:
        raise Fail("Memory name cannot be empty or whitespace.", ARGUMENT)
    if len(name) > LONGEST_NAME:
        raise Fail(f"Memory name '{name}' exceeds limit of {LONGEST_NAME}.", ARGUMENT)
    return str(name)


def _types(values: Any, wrong: int) -> list[str]:
    try:
        unknown = sorted(map(repr, set(values) - set(TYPES)))
    except TypeError:
        said = f"`memory_type` should be a list of {', '.join(TYPES)}, got {values!r}."
        raise Fail(said, wrong, data=None) from None
    if unknown:
        raise Fail(f"Memory type '{{{', '.join(unknown)}}}' is not supported.", ARGUMENT)
    return list(values)


def _size(value: Any, wrong: int) -> int:
    size = _number(int, value, "Memory size", wrong)
    if not 0 < size <= LARGEST:
        raise Fail(f"Memory size should be in range (0, {LARGEST}] Bytes.", ARGUMENT)
    return int(size)


def _temperature(value: Any, wrong: int) -> float:
    temperature = _number(float, value, "Temperature", wrong)
    if not 0 <= temperature <= 1:
        raise Fail("Temperature should be in range [0, 1].", ARGUMENT)
    return float(temperature)


def _number(kind: type[int] | type[float], value: Any, what: str, wrong: int) -> float:
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        raise Fail(f"{what} should be a number, got {value!r}.", wrong, data=None) from None


def _one_of(value: Any, values: Collection[str], said: str) -> str:
    if value not in values:
        raise Fail(said.format(value), ARGUMENT)
    return str(value)


def _text(given: Row, name: str) -> str | None:
    value = given[name]
    if not isinstance(value, str | None):
        raise Fail(f"`{name}` should be a string, got {value!r}.", ARGUMENT)
    return value


def _ids(call: Call, name: str) -> list[str]:
    """A parameter that is there several times, or once with commas in it."""
    values = call.query.getlist(name)
    return values[0].split(",") if len(values) == 1 and "," in values[0] else values


def _check_count(name: str, ids: list[str]) -> None:
    if len(ids) > MAX_IDS:
        raise Fail(f"{name} must contain at most {MAX_IDS} IDs", ARGUMENT)


def _without_owner(memory: Row) -> Row:
    """As RAGFlow shows a memory that nothing changed in."""
    return {key: value for key, value in memory.items() if key != "owner_name"}


def _not_found(error: Missing) -> Fail:
    return Fail(str(error), NOT_FOUND, data=None)


_MEMORY = "/memories/{memory_id}"
ROUTES: Routes = {
    "/memories": {"POST": create, "GET": list_},
    _MEMORY: {"GET": messages, "PUT": update, "DELETE": delete},
    f"{_MEMORY}/config": {"GET": config},
}
