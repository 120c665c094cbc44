"""``/chats``: assistants over datasets."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from ..models import Kind, UnknownModel
from ..problems import Taken
from .call import MAX_IDS, Call, Routes, without_repeats
from .datasets import NICKNAME
from .envelope import ARGUMENT, AUTHENTICATION, DATA, EXCEPTION, UNSET, Fail, succeeded

__all__ = [
    "LONGEST_NAME",
    "ROUTES",
    "check_llm",
    "check_not_null",
    "create",
    "delete",
    "delete_one",
    "get",
    "is_known",
    "list_",
    "owned",
    "owner_ids",
    "partly_deleted",
    "patch",
    "replace",
    "settings",
    "text_or_null",
]

Row = dict[str, Any]

LONGEST_NAME = 255
_TEXTS = ("description", "icon", "language", "prompt_type", "do_refer")
_NEVER_NULL = ("prompt_type", "do_refer", "llm_id", "rerank_id")
_NUMBERS: dict[str, Callable[[Any], int | float]] = {
    "top_n": int,
    "top_k": int,
    "similarity_threshold": float,
    "vector_similarity_weight": float,
}
_OBJECTS = ("prompt_config", "llm_setting")
_KNOWLEDGE = {"key": "knowledge", "optional": False}
_DATE = {"key": "date", "optional": True}
_NOT_LISTED = {"create_date", "update_date", "meta_data_filter", "tenant_llm_id", "tenant_rerank_id"}


def create(call: Call) -> Response:
    """``POST /chats``."""
    given = call.json()
    _check_tenant(given)
    name = _name(given.get("name"))
    fields = {**_settings(call, given), "name": name}
    if given.get("llm_id") is None:
        fields.pop("llm_id", None)
    fields["prompt_config"] = _with_parameters(
        fields.get("prompt_config", {}), bool(fields.get("dataset_ids"))
    )
    try:
        return succeeded(call.engine.create_chat(fields))
    except Taken:
        raise Fail("duplicated chat name in creating chat") from None


def list_(call: Call) -> Response:
    """``GET /chats``: an unknown id or name is an empty list."""
    identifier, name = call.query.get("id") or None, call.query.get("name") or None
    keywords = None if identifier or name else call.query.get("keywords") or None
    order, owners, page = call.order(data=None), owner_ids(call), call.page()
    if owners and call.engine.tenant_id not in owners:
        return succeeded({"chats": [], "total": 0})
    rows, total = call.engine.list_chats(**order, **page, id=identifier, name=name, keywords=keywords)
    return succeeded({"chats": [_listed(row) for row in rows], "total": total})


def owner_ids(call: Call) -> list[str]:
    """The tenants whose things are wanted, none for one's own; ``Fail`` 101 if they are too many."""
    owners = call.query.getlist("owner_ids")
    if len(owners) > MAX_IDS:
        raise Fail(f"owner_ids must contain at most {MAX_IDS} IDs", ARGUMENT, data=None)
    return owners


def get(call: Call) -> Response:
    """``GET /chats/{id}``."""
    return succeeded(owned(call))


def replace(call: Call) -> Response:
    """``PUT``: what is sent replaces the old, an object as a whole."""
    chat, given = owned(call), call.json()
    _check_tenant(given)
    fields = {"name": _name(given["name"])} if "name" in given else {}
    return _update(call, chat, {**fields, **_settings(call, given)})


def patch(call: Call) -> Response:
    """``PATCH``: ``llm_setting`` and ``prompt_config`` are laid over the old ones."""
    chat, given = owned(call), call.json()
    if given.get("name", "") is None:
        raise Fail("`name` should be a string, got None", EXCEPTION, data=None)
    fields = {"name": _name(given["name"], "`name` cannot be empty")} if "name" in given else {}
    if not isinstance(given.get("llm_setting", {}), dict):
        _dataset_ids(call, given.get("dataset_ids"))  # what is wrong with them is told first
        raise Fail("`llm_setting` should be an object.")
    return _update(call, chat, {**fields, **_settings(call, given)}, *_OBJECTS)


def delete_one(call: Call) -> Response:
    """``DELETE /chats/{id}``."""
    chat = owned(call)
    call.engine.delete_chats([chat["id"]])
    return succeeded(True)


def delete(call: Call) -> Response:
    """``DELETE /chats``: nothing without ids or ``delete_all``."""
    given = call.json()
    if not given.get("ids") and given.get("delete_all") is True:
        deleted = call.engine.delete_chats(None)
        return succeeded({"success_count": deleted} if deleted else {})
    if not given.get("ids"):
        return _delete_named(call, given.get("chat_id"))
    ids, errors = without_repeats(given["ids"], "chat")
    known = [each for each in ids if call.engine.get_chat(each) is not None]
    errors = [f"Chat({each}) not found." for each in ids if each not in known] + errors
    if not known:
        raise Fail("; ".join(errors))
    deleted = call.engine.delete_chats(known)
    return partly_deleted(deleted, errors, "chats") if errors else succeeded({"success_count": deleted})


def _delete_named(call: Call, identifier: Any) -> Response:
    """What ``chat_id`` does in place of ``ids``; without either nothing is deleted."""
    if not identifier:
        return succeeded({})
    if not call.engine.delete_chats([str(identifier)]):
        raise Fail(f"Failed to delete chat {identifier}")
    return succeeded(True)


def partly_deleted(deleted: int, errors: list[str], what: str) -> Response:
    """The answer to a deletion of which some part failed."""
    message = f"Partially deleted {deleted} {what} with {len(errors)} errors"
    return succeeded({"success_count": deleted, "errors": errors}, message)


def owned(call: Call, identifier: Any = None) -> Row:
    """The chat of the path (or ``identifier``); ``Fail`` 109 if there is none."""
    row = call.engine.get_chat(str(identifier or call.path["chat_id"]))
    if row is None:
        raise Fail("no authorization", AUTHENTICATION, data=False)
    return row


def check_llm(call: Call, name: Any, code: int = DATA, data: Any = UNSET) -> None:
    """Raise unless ``name`` is empty or that of a model which answers here."""
    if name and not is_known(call, "chat", name):
        raise Fail(f"`llm_id` {name} doesn't exist", code, data=data)


def is_known(call: Call, kind: Kind, name: Any) -> bool:
    """Whether the engine has a model of this name."""
    try:
        call.engine.models.known(kind, str(name))
    except UnknownModel:
        return False
    return True


def settings(given: Row) -> Row:
    """The settings among ``given`` that both versions have under one name: numbers and texts, checked.

    Other keys are dropped, as RAGFlow does.
    """
    fields: Row = {name: text_or_null(given[name]) for name in _TEXTS if name in given}
    check_not_null(fields)
    if "meta_data_filter" in given:
        fields["meta_data_filter"] = given["meta_data_filter"] or {}
    if not isinstance(fields.get("meta_data_filter", {}), dict):
        raise Fail(
            f"`meta_data_filter` should be an object, got {given['meta_data_filter']!r}", EXCEPTION, data=None
        )
    return fields | {name: _number(given, name) for name in _NUMBERS if name in given}


def check_not_null(fields: Row) -> None:
    """``Fail`` 100 for null where there must be a text."""
    for name in _NEVER_NULL:
        if fields.get(name, "") is None:
            raise Fail(f"IntegrityError(1048, \"Column '{name}' cannot be null\")", EXCEPTION, data=None)


def text_or_null(value: Any) -> str | None:
    """A value as RAGFlow's columns of texts keep it: what is no text as Python writes it out."""
    return None if value is None else str(value)


def _update(call: Call, chat: Row, fields: Row, *merged: str) -> Response:
    try:
        return succeeded(call.engine.update_chat(chat["id"], fields, merged=merged))
    except Taken:
        raise Fail("duplicated chat name") from None


def _check_tenant(given: Row) -> None:
    if given.get("tenant_id"):
        raise Fail("`tenant_id` must not be provided")


def _name(name: Any, if_empty: str = "`name` is required") -> str:
    if name is None:
        raise Fail("`name` is required")
    if not isinstance(name, str):
        raise Fail("chat name must be a string")
    name = name.strip()
    if not name:
        raise Fail(if_empty)
    length = len(name.encode("utf-8", "surrogatepass"))
    if length > LONGEST_NAME:
        raise Fail(f"chat name length is {length} which is larger than {LONGEST_NAME}")
    return str(name)


def _settings(call: Call, given: Row) -> Row:
    """The settings among ``given``, checked in RAGFlow's order."""
    fields: Row = {}
    if "dataset_ids" in given:
        fields["dataset_ids"] = _dataset_ids(call, given["dataset_ids"])
    fields |= _model(call, given, "llm_id", "tenant_llm_id")
    fields |= _model(call, given, "rerank_id", "tenant_rerank_id")
    for name in _OBJECTS:
        if name in given:
            fields[name] = _object(given, name)
    _check_parameters(fields.get("prompt_config", {}))
    return fields | settings(given)


def _dataset_ids(call: Call, ids: Any) -> list[str]:
    if not isinstance(ids, list | None):
        raise Fail("`dataset_ids` should be a list.")
    wanted = [each for each in ids or () if each]
    for each in wanted:
        if not isinstance(each, str):
            raise Fail(f"You don't own the dataset {each}")
    call.engine.check_chat_datasets(wanted)
    return wanted


def _model(call: Call, given: Row, name: str, by_id: str) -> Row:
    """The model that is chosen by ``name``, or by the id of a tenant's model, of which there are none here."""
    if name not in given and by_id not in given:
        return {}
    model, identifier = given.get(name), given.get(by_id)
    if not isinstance(model, str | None):
        raise Fail(f"`{name}` must be a string")
    if not isinstance(identifier, str | None):
        raise Fail(f"`{by_id}` must be a tenant model id")
    if identifier:
        raise Fail(f"`{by_id}` must be a valid tenant model id")
    if name == "llm_id":
        check_llm(call, model)
    elif model and not is_known(call, "rerank", model):
        raise Fail(f"`{name}` {model} doesn't exist")
    return {name: model or ""}


def _object(given: Row, name: str) -> Row:
    value = given[name]
    if name == "llm_setting" and not isinstance(value, dict):
        if value is None:
            return {}
        raise Fail(f"`{name}` should be an object, got {value!r}", EXCEPTION, data=None)
    if not isinstance(value, dict):
        raise Fail(f"`{name}` should be an object.")
    return value


def _check_parameters(config: Row) -> None:
    parameters = config.get("parameters", [])
    if not isinstance(parameters, list) or not all(isinstance(each, dict) for each in parameters):
        raise Fail(f"`parameters` should be a list of objects, got {parameters!r}", EXCEPTION, data=None)
    keys = [each.get("key") for each in parameters]
    for key in keys:
        if key is not None and keys.count(key) > 1:
            raise Fail(f"`parameters` contains duplicate key: {key}")


def _with_parameters(config: Row, with_datasets: bool) -> Row:
    """A new chat's prompt with the variables that RAGFlow v0.27 adds: ``knowledge`` where it is used, ``date``."""
    parameters = config.get("parameters") or []
    reads = "{knowledge}" in str(config.get("system") or "{knowledge}")
    if "parameters" not in config or (with_datasets and not parameters and reads):
        parameters = [_KNOWLEDGE]
    if not any(each.get("key") == "date" for each in parameters):
        parameters = [*parameters, _DATE]
    return {**config, "parameters": parameters}


def _number(fields: Row, name: str) -> int | float:
    value = fields[name]
    try:
        number = _NUMBERS[name](value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise Fail(f"`{name}` should be a number, got {value!r}", EXCEPTION, data=None)
    return number


def _listed(row: Row) -> Row:
    shown = {key: value for key, value in row.items() if key not in _NOT_LISTED}
    return {**shown, "nickname": NICKNAME, "tenant_avatar": None}


ROUTES: Routes = {
    "/chats": {"POST": create, "GET": list_, "DELETE": delete},
    "/chats/{chat_id}": {"GET": get, "PUT": replace, "PATCH": patch, "DELETE": delete_one},
}
