"""Chat assistants: ``/api/v1/chats``.

Until v0.24 a chat is listed but not fetched alone, an update answers nothing and empties ``dataset_ids`` unless
they are sent along, and an empty deletion deletes everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ConflictError, InvalidRequestError, NotFoundError
from ..models import ChatFields, Page
from ..models.chat_settings import in_server_names
from . import chat_settings, deletion
from .bulk import PAGE
from .checks import check_choice, check_flag, check_id, check_ids, check_page, check_text, check_update
from .envelope import payload
from .reading import models, nothing, unexpected
from .versions import Since, request, server_version, supported, to
from .wire import Call, Flow, Request, Response, ask, query

__all__ = ["create", "delete", "find", "get", "listing", "named", "update"]

_LISTED_SINCE = {"keywords": Since.CHAT_PAGES, "owner_ids": Since.CHAT_PAGES}
_SET_SINCE = {"tenant_llm_id": Since.CHAT_SETTINGS, "tenant_rerank_id": Since.CHAT_SETTINGS}


def create(fields: Mapping[str, Any]) -> Flow[ChatFields]:
    """``POST /chats``; fields that are ``None`` are left to the server's defaults."""
    wanted = chat_settings.checked({name: value for name, value in fields.items() if value is not None})
    check_text("name", wanted.get("name"))
    version = yield from server_version()
    body = chat_settings.for_version(wanted, version)
    return (yield from ask(Call(request("RAGFlow.create_chat", version, body=body), _chat)))


def find(chat_id: str | None, name: str | None) -> Flow[ChatFields]:
    """By its id, or by its name."""
    if (chat_id is None) == (name is None):
        raise InvalidRequestError(f"chat_id={chat_id!r}, name={name!r}: give one of the two")
    return named(name) if chat_id is None else get(chat_id)


def get(chat_id: str) -> Flow[ChatFields]:
    """``GET /chats/{id}`` from v0.25, ``GET /chats?id=`` before."""
    check_id("chat_id", chat_id)
    version = yield from server_version()
    if version >= Since.CHAT_PAGES:
        single = request("RAGFlow.get_chat", version, chat_id=chat_id)
        return (yield from ask(Call(single, _chat)))
    found = yield from ask(Call(request("RAGFlow.get_chat", version, query=query(id=chat_id)), _page))
    return _the_one(found, f"no chat has the id {chat_id}")


def named(name: Any) -> Flow[ChatFields]:
    """The one chat of exactly this name (``GET /chats?name=``)."""
    check_text("name", name)
    found = yield from listing(page=1, page_size=30, name=name)
    return _the_one([chat for chat in found if chat.name == name], f"no chat is called {name!r}")


def update(chat_id: str, fields: Mapping[str, Any]) -> Flow[ChatFields]:
    """``PATCH /chats/{id}``; until v0.24 ``PUT``, which needs the datasets and answers nothing."""
    wanted = chat_settings.checked(check_update(fields))
    yield from supported("chat", wanted, _SET_SINCE)
    version = yield from server_version()
    body = chat_settings.for_version(wanted, version)
    if version >= Since.CHAT_SETTINGS:
        return (yield from to("Chat.update", _chat, chat_id=chat_id, body=body, idempotent=True))
    if "dataset_ids" not in body:
        body["dataset_ids"] = (yield from get(chat_id)).dataset_ids
    yield from to("Chat.update", nothing, chat_id=chat_id, body=body)
    return (yield from get(chat_id))


def delete(ids: Sequence[str] | None) -> Flow[None]:
    """``DELETE /chats``, a hundred a call; ``None`` deletes all."""
    return deletion.delete("RAGFlow.delete_chats", ids, lambda page: _listed(page=page, page_size=PAGE))


def listing(
    *,
    page: int,
    page_size: int,
    orderby: str = "create_time",
    desc: bool = True,
    id: str | None = None,
    name: str | None = None,
    keywords: str | None = None,
    owner_ids: Sequence[str] | None = None,
) -> Flow[Page[ChatFields]]:
    """``GET /chats``; an unknown ``id`` or ``name`` gives an empty page, of v0.24 too, where it is an error."""
    check_page(page, page_size)
    params = {
        "page": page,
        "page_size": page_size,
        "orderby": check_choice("orderby", orderby, ("create_time", "update_time", "name")),
        "desc": check_flag("desc", desc),
        "id": None if id is None else check_id("id", id),
        "name": None if name is None else check_text("name", name),
        "keywords": None if keywords is None else check_text("keywords", keywords, empty=True) or None,
        "owner_ids": None if owner_ids is None else check_ids("owner_ids", owner_ids),
    }
    return _supported_listing(params)


def _supported_listing(params: Mapping[str, Any]) -> Flow[Page[ChatFields]]:
    yield from supported("list_chats", params, _LISTED_SINCE)
    try:
        return (yield from ask(_listed(**params)))
    except NotFoundError as error:
        if error.code == 102 and (params["id"] or params["name"]):
            return Page([], 0)
        raise


def _listed(**params: Any) -> Call[Page[ChatFields]]:
    return Call(request("RAGFlow.list_chats", query=query(**params)), _page)


def _the_one(found: Sequence[ChatFields], missing: str) -> ChatFields:
    if not found:
        raise NotFoundError(missing)
    if len(found) > 1:
        ids = ", ".join(chat.id for chat in found)
        raise ConflictError(
            f"{found[0].name!r} is the name of {len(found)} chats; give the id you mean: {ids}"
        )
    return found[0]


def _page(request: Request, response: Response) -> Page[ChatFields]:
    data = payload(request, response)
    if isinstance(data, list):  # until v0.24
        return Page(models(ChatFields, _rows(data), request))
    if not isinstance(data, dict):
        raise unexpected(request, "data is no object with chats and total")
    return Page(models(ChatFields, data.get("chats"), request), data.get("total"))


def _chat(request: Request, response: Response) -> ChatFields:
    return models(ChatFields, _rows([payload(request, response)]), request)[0]


def _rows(data: list[Any]) -> list[Any]:
    return [_in_server_names(row) if isinstance(row, dict) else row for row in data]


def _in_server_names(row: dict[str, Any]) -> dict[str, Any]:
    """A chat as v0.25 and later have it; v0.24 lists its datasets whole."""
    objects: dict[str, Any] = {name: row[name] for name in ("llm", "prompt") if name in row}
    objects = {name: value if isinstance(value, dict) else {} for name, value in objects.items()}
    fields = in_server_names({**row, **objects})
    if "dataset_ids" not in row and isinstance(row.get("datasets"), list):
        fields["dataset_ids"] = [each.get("id") for each in row["datasets"] if isinstance(each, dict)]
    return fields
