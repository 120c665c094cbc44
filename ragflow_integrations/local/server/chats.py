"""``/chats``: assistants over datasets."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ..models import UnknownModel
from .call import Call, Routes, without_repeats
from .datasets import NICKNAME
from .envelope import AUTHENTICATION, DATA, EXCEPTION, UNSET, Fail, not_there_yet, succeeded

__all__ = ["ROUTES", "create", "delete", "delete_one", "get", "list_", "owned", "patch", "replace"]

Row = dict[str, Any]

_LONGEST_NAME = 255
_SETTINGS = (
    *(
        "name",
        "description",
        "icon",
        "language",
        "dataset_ids",
        "llm_id",
        "llm_setting",
        "prompt_type",
        "do_refer",
    ),
    *("prompt_config", "similarity_threshold", "vector_similarity_weight", "top_n", "top_k"),
)
_WHOLE_NUMBERS = {"top_n", "top_k"}
_NUMBERS = {"similarity_threshold", "vector_similarity_weight", *_WHOLE_NUMBERS}
_OBJECTS = ("prompt_config", "llm_setting")
_NOT_HERE = ("rerank_id", "tenant_rerank_id", "meta_data_filter")
_NOT_HERE_IN_PROMPTS = (
    *("keyword", "use_kg", "toc_enhance", "cross_languages"),
    *("reasoning", "tavily_api_key", "tts"),
)
_NOT_LISTED = {"create_date", "update_date", "meta_data_filter", "tenant_llm_id", "tenant_rerank_id"}


def create(call: Call) -> Response:
    """``POST /chats``."""
    given = call.json()
    name = _name(given.get("name"))
    return succeeded(call.engine.create_chat({**_settings(call, given), "name": name}))


def list_(call: Call) -> Response:
    """``GET /chats``: an unknown id or name is an empty list."""
    identifier, name = call.query.get("id") or None, call.query.get("name") or None
    keywords = None if identifier or name else call.query.get("keywords") or None
    if (call.ids("owner_ids") or [call.engine.tenant_id]) != [call.engine.tenant_id]:
        raise not_there_yet("chats of other owners (`owner_ids`)")
    rows, total = call.engine.list_chats(
        **call.order(data=None), **call.page(), id=identifier, name=name, keywords=keywords
    )
    return succeeded({"chats": [_listed(row) for row in rows], "total": total})


def get(call: Call) -> Response:
    """``GET /chats/{id}``."""
    return succeeded(owned(call))


def replace(call: Call) -> Response:
    """``PUT``: an object that is sent replaces the old one."""
    return _update(call, merge=False)


def patch(call: Call) -> Response:
    """``PATCH``: ``llm_setting`` and ``prompt_config`` are laid over the old ones."""
    return _update(call, merge=True)


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
    if not given.get("ids") and not given.get("chat_id"):
        return succeeded({})
    ids, errors = without_repeats(given.get("ids") or given["chat_id"], "chat")
    known = [each for each in ids if call.engine.get_chat(each) is not None]
    errors = [f"Chat({each}) not found." for each in ids if each not in known] + errors
    if not known:
        raise Fail("; ".join(errors))
    deleted = call.engine.delete_chats(known)
    return partly_deleted(deleted, errors, "chats") if errors else succeeded({"success_count": deleted})


def partly_deleted(deleted: int, errors: list[str], what: str) -> Response:
    """The answer to a deletion of which some part failed."""
    message = f"Partially deleted {deleted} {what} with {len(errors)} errors"
    return succeeded({"success_count": deleted, "errors": errors}, message)


def owned(call: Call, identifier: str | None = None) -> Row:
    """The chat of the path (or ``identifier``); ``Fail`` 109 if there is none."""
    row = call.engine.get_chat(identifier or call.path["chat_id"])
    if row is None:
        raise Fail("no authorization", AUTHENTICATION, data=False)
    return row


def check_llm(call: Call, name: Any, code: int = DATA, data: Any = UNSET) -> None:
    """Raise unless ``name`` is empty or that of a model that the engine knows."""
    try:
        call.engine.models.known("chat", str(name or ""))
    except UnknownModel:
        raise Fail(f"`llm_id` {name} doesn't exist", code, data=data) from None


def _update(call: Call, *, merge: bool) -> Response:
    chat = owned(call)
    given = call.json()
    fields = _settings(call, given)
    if "name" in given:
        fields["name"] = _name(given["name"])
    if merge:
        fields |= {key: {**chat[key], **fields[key]} for key in _OBJECTS if key in fields}
    return succeeded(call.engine.update_chat(chat["id"], fields))


def _name(name: Any) -> str:
    if name is None:
        raise Fail("`name` is required")
    if not isinstance(name, str):
        raise Fail("chat name must be a string")
    name = name.strip()
    if not name:
        raise Fail("`name` is required")
    length = len(name.encode("utf-8", "surrogatepass"))
    if length > _LONGEST_NAME:
        raise Fail(f"chat name length is {length} which is larger than {_LONGEST_NAME}")
    return str(name)


def _settings(call: Call, given: Row) -> Row:
    """The settings among ``given``, checked; other keys are dropped, as RAGFlow does."""
    fields = {key: value for key, value in given.items() if key in _SETTINGS and key != "name"}
    if "dataset_ids" in fields:
        fields["dataset_ids"] = _dataset_ids(fields["dataset_ids"])
    check_llm(call, given.get("llm_id") or given.get("tenant_llm_id"))
    for name in _NOT_HERE:
        if given.get(name):
            raise not_there_yet(f"`{name}` in chats")
    for name in _OBJECTS:
        if name in fields and not isinstance(fields[name], dict):
            raise Fail(f"`{name}` should be an object.")
    _check_prompt(fields.get("prompt_config", {}))
    for name in _NUMBERS & fields.keys():
        fields[name] = _number(fields, name)
    return fields


def _dataset_ids(ids: Any) -> list[str]:
    if not isinstance(ids, list | None):
        raise Fail("`dataset_ids` should be a list.")
    for each in ids or ():
        if not isinstance(each, str):
            raise Fail(f"You don't own the dataset {each}")
    return [each for each in ids or () if each]


def _check_prompt(config: Row) -> None:
    for name in _NOT_HERE_IN_PROMPTS:
        if config.get(name):
            raise not_there_yet(f"`prompt_config.{name}`")
    parameters = config.get("parameters")
    keys = [each.get("key") for each in parameters or () if isinstance(each, dict)]
    for key in keys:
        if key is not None and keys.count(key) > 1:
            raise Fail(f"`parameters` contains duplicate key: {key}")


def _number(fields: Row, name: str) -> int | float:
    value = fields[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Fail(f"`{name}` should be a number, got {value!r}", EXCEPTION, data=None)
    return int(value) if name in _WHOLE_NUMBERS else float(value)


def _listed(row: Row) -> Row:
    shown = {key: value for key, value in row.items() if key not in _NOT_LISTED}
    return {**shown, "nickname": NICKNAME, "tenant_avatar": None}


ROUTES: Routes = {
    "/chats": {"POST": create, "GET": list_, "DELETE": delete},
    "/chats/{chat_id}": {"GET": get, "PUT": replace, "PATCH": patch, "DELETE": delete_one},
}
