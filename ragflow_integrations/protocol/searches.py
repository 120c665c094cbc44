"""Search applications: ``/api/v1/searches``, from v0.25.1 on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidRequestError
from ..models import Message, Page, SearchFields
from .checks import check_choice, check_flag, check_ids, check_object, check_page, check_text, check_update
from .converse import AnswerDecoder
from .envelope import payload
from .reading import model, models, nothing, unexpected
from .versions import request, server_version, to
from .wire import Call, Flow, Request, Response, Streamed, query
from .wire import ask as answer_of

__all__ = ["ask_stream", "create", "delete", "get", "listing", "related_questions", "update"]


_ORDERS = ("create_time", "update_time", "name")
_LONGEST_NAME = 255  # bytes
_LONGEST_NEW_NAME = 128


def create(name: str, description: str | None) -> Flow[SearchFields]:
    """``POST /searches``, whose answer is an id alone."""
    body = {"name": _name(name, _LONGEST_NAME)}
    if description is not None:
        body["description"] = check_text("description", description, empty=True)
    return _created(body)


def _created(body: dict[str, Any]) -> Flow[SearchFields]:
    search_id = yield from to("RAGFlow.create_search", _id, body=body)
    return (yield from get(search_id))


def get(search_id: str) -> Flow[SearchFields]:
    """``GET /searches/{id}``."""
    return to("RAGFlow.get_search", model(SearchFields), search_id=search_id)


def listing(
    *, page: int, page_size: int, orderby: str, desc: bool, keywords: str | None
) -> Flow[Page[SearchFields]]:
    """``GET /searches``; their configuration is not listed."""
    check_page(page, page_size)
    order = {"orderby": check_choice("orderby", orderby, _ORDERS), "desc": check_flag("desc", desc)}
    words = None if keywords is None else check_text("keywords", keywords, empty=True) or None
    params = query(page=page, page_size=page_size, keywords=words, **order)
    return to("RAGFlow.list_searches", _page, query=params)


def update(search_id: str, fields: Mapping[str, Any]) -> Flow[SearchFields]:
    """``PUT /searches/{id}``, which needs the name, so that the present one is sent; configuration is merged."""
    body = {"search_config": {}, **check_update(fields)}
    if "name" in body:
        _name(body["name"], _LONGEST_NEW_NAME)
    check_object("search_config", body["search_config"])
    return _updated(search_id, body)


def _updated(search_id: str, body: dict[str, Any]) -> Flow[SearchFields]:
    if "name" not in body:
        body["name"] = (yield from get(search_id)).name
    return (yield from to("Search.update", model(SearchFields), search_id=search_id, body=body))


def delete(search_id: str) -> Flow[None]:
    """``DELETE /searches/{id}``."""
    return to("RAGFlow.delete_search", nothing, search_id=search_id)


def ask_stream(search_id: str, question: str, dataset_ids: Sequence[str] | None) -> Flow[Streamed[Message]]:
    """``POST /searches/{id}/completions``, always streamed; its own datasets come before ``dataset_ids``."""
    body: dict[str, Any] = {"question": check_text("question", question)}
    if dataset_ids is not None:
        body["kb_ids"] = check_ids("dataset_ids", dataset_ids)
    version = yield from server_version()
    return Streamed(request("Search.ask", version, search_id=search_id, body=body), AnswerDecoder)


def related_questions(question: str) -> Flow[list[str]]:
    """``POST /chat/recommendation``, until v0.24 ``POST /sessions/related_questions``."""
    body = {"question": check_text("question", question)}
    version = yield from server_version()
    return (yield from answer_of(Call(request("RAGFlow.related_questions", version, body=body), _texts)))


def _name(name: Any, longest: int) -> str:
    if len(check_text("name", name).encode()) > longest:
        raise InvalidRequestError(f"name={name!r}: servers take {longest} bytes at most")
    return str(name)


def _id(request: Request, response: Response) -> str:
    data = payload(request, response)
    if not isinstance(data, dict) or "search_id" not in data:
        raise unexpected(request, "data holds no search_id")
    return str(data["search_id"])


def _page(request: Request, response: Response) -> Page[SearchFields]:
    data = payload(request, response)
    if not isinstance(data, dict):
        raise unexpected(request, "data is no object with search_apps and total")
    return Page(models(SearchFields, data.get("search_apps"), request), data.get("total"))


def _texts(request: Request, response: Response) -> list[str]:
    data = payload(request, response)
    if not isinstance(data, list):
        raise unexpected(request, "data is no list of questions")
    return [str(each) for each in data]
