"""Memories (``/api/v1/memories``) and their messages (``/api/v1/messages``); from v0.24 on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import InvalidRequestError
from ..models import MemoryFields, MemoryMessage, Page
from .checks import check_choice, check_ids, check_number, check_page, check_text, check_update
from .envelope import envelope, payload
from .reading import model, models, nothing, unexpected
from .versions import Since, request, supported
from .wire import Call, Flow, Reader, Request, Response, ask, query

__all__ = [
    "MessagePage",
    "add_message",
    "config",
    "content",
    "create",
    "delete",
    "forget",
    "listing",
    "messages",
    "recent",
    "search",
    "set_status",
    "update",
]

_TYPES = ("raw", "semantic", "episodic", "procedural")
_LARGEST = 10 * 2**20  # bytes
_LONGEST_NAME = 128
_MOST_IDS = 100  # from v0.26 on


class MessagePage(Page[MemoryMessage]):
    """A page of a memory's messages, with the way they are stored."""

    def __init__(self, items: list[MemoryMessage], total: int | None, storage_type: str) -> None:
        super().__init__(items, total)
        self.storage_type = storage_type


def create(name: str, memory_type: Sequence[str], embd_id: str, llm_id: str) -> Call[MemoryFields]:
    """``POST /memories``; a name that is taken gets a number."""
    body = {
        "name": _name(name),
        "memory_type": _memory_types(memory_type),
        "embd_id": check_text("embd_id", embd_id),
        "llm_id": check_text("llm_id", llm_id),
    }
    return Call(request("RAGFlow.create_memory", body=body), model(MemoryFields))


def update(memory_id: str, fields: Mapping[str, Any]) -> Call[MemoryFields]:
    """``PUT /memories/{id}``; ``permission``, as the reference calls it, is sent as ``permissions``."""
    body = check_update(fields, argument="update_dict")
    if "permission" in body:
        if "permissions" in body:
            raise InvalidRequestError("permission, permissions: give one of them, both are the same")
        body["permissions"] = body.pop("permission")
    _check_settings(body)
    return Call(request("Memory.update", memory_id=memory_id, body=body), model(MemoryFields))


def listing(
    *,
    page: int,
    page_size: int,
    tenant_id: str | Sequence[str] | None = None,
    memory_type: str | Sequence[str] | None = None,
    storage_type: str | None = None,
    keywords: str | None = None,
) -> Call[Page[MemoryFields]]:
    """``GET /memories``; several values go in one parameter, since servers read only the first."""
    check_page(page, page_size)
    if memory_type is not None:
        memory_type = _memory_types([memory_type] if isinstance(memory_type, str) else memory_type)
    filters = {
        "tenant_id": _joined("tenant_id", tenant_id),
        "memory_type": _joined("memory_type", memory_type),
        "storage_type": _filter("storage_type", storage_type),
        "keywords": _keywords(keywords),
    }
    params = query(page=page, page_size=page_size, **filters)
    return Call(request("RAGFlow.list_memory", query=params), _memories)


def config(memory_id: str) -> Call[MemoryFields]:
    """``GET /memories/{id}/config``."""
    return Call(request("Memory.get_config", memory_id=memory_id), model(MemoryFields))


def delete(memory_id: str) -> Call[None]:
    """``DELETE /memories/{id}``."""
    return Call(request("RAGFlow.delete_memory", memory_id=memory_id), nothing)


def messages(
    memory_id: str, *, agent_id: str | Sequence[str] | None, keywords: str | None, page: int, page_size: int
) -> Call[MessagePage]:
    """``GET /memories/{id}``: the raw messages with what was extracted from each, without their contents."""
    check_page(page, page_size)
    params = query(
        agent_id=_joined("agent_id", agent_id), keywords=_keywords(keywords), page=page, page_size=page_size
    )
    return Call(request("Memory.list_memory_messages", memory_id=memory_id, query=params), _messages)


def add_message(memory_id: str | Sequence[str], **fields: Any) -> Call[str]:
    """``POST /messages``; what the server says of it."""
    body: dict[str, Any] = {"memory_id": _ids(memory_id)}
    for name in ("agent_id", "session_id"):
        body[name] = check_text(name, fields[name])
    for name in ("user_input", "agent_response", "user_id"):
        body[name] = check_text(name, fields[name], empty=True)
    return Call(request("RAGFlow.add_message", body=body), _said)


def search(
    question: str,
    memory_id: str | Sequence[str],
    *,
    similarity_threshold: float,
    keywords_similarity_weight: float,
    top_n: int,
    **filters: str | None,
) -> Flow[list[MemoryMessage]]:
    """``GET /messages/search``, best first; servers give no scores."""
    numbers = {
        "similarity_threshold": check_number("similarity_threshold", similarity_threshold, 0, 1),
        "keywords_similarity_weight": check_number(
            "keywords_similarity_weight", keywords_similarity_weight, 0, 1
        ),
        "top_n": check_number("top_n", top_n, 1, 100, whole=True),
    }
    given = {name: _filter(name, value) for name, value in filters.items()}
    params = query(
        query=check_text("query", question), memory_id=",".join(_ids(memory_id)), **given, **numbers
    )
    return _supported_search(Call(request("RAGFlow.search_message", query=params), _those_of(given)), given)


def recent(memory_id: str | Sequence[str], *, limit: int, **filters: str | None) -> Call[list[MemoryMessage]]:
    """``GET /messages``, newest first."""
    check_number("limit", limit, 1, 100, whole=True)
    given = {name: _filter(name, value) for name, value in filters.items()}
    params = query(memory_id=",".join(_ids(memory_id)), limit=limit, **given)
    return Call(request("RAGFlow.get_recent_messages", query=params), _those_of(given))


def forget(memory_id: str, message_id: int | str) -> Call[bool]:
    """``DELETE /messages/{memory}:{message}``; an unknown message is no error."""
    return Call(request("Memory.forget_message", **_message(memory_id, message_id)), _done)


def set_status(memory_id: str, message_id: int | str, status: bool) -> Call[bool]:
    """``PUT /messages/{memory}:{message}``; an unknown message is no error."""
    if not isinstance(status, bool):
        raise InvalidRequestError(f"status={status!r}: give True (enabled) or False (disabled)")
    ids = _message(memory_id, message_id)
    return Call(request("Memory.update_message_status", body={"status": status}, **ids), _done)


def content(memory_id: str, message_id: int | str) -> Call[MemoryMessage]:
    """``GET /messages/{memory}:{message}/content``: all of a message, with its embedding."""
    ids = _message(memory_id, message_id)
    return Call(request("Memory.get_message_content", **ids), model(MemoryMessage))


def _supported_search(
    call: Call[list[MemoryMessage]], filters: Mapping[str, Any]
) -> Flow[list[MemoryMessage]]:
    yield from supported("search_message", filters, {"user_id": Since.MESSAGE_USERS})
    return (yield from ask(call))


def _message(memory_id: str, message_id: Any) -> Any:
    if isinstance(message_id, bool) or not isinstance(message_id, (int, str)):
        raise InvalidRequestError(
            f"message_id={message_id!r}: give the number or text that names the message"
        )
    return {"memory_id": memory_id, "message_id": str(message_id)}


def _name(name: Any) -> str:
    if len(check_text("name", name)) > _LONGEST_NAME:
        raise InvalidRequestError(f"name={name!r}: {len(name)} characters; {_LONGEST_NAME} are allowed")
    return str(name)


def _memory_types(values: Any) -> list[str]:
    listed = check_ids("memory_type", values)
    return [check_choice("memory_type", value, _TYPES) for value in listed]


def _check_settings(body: Mapping[str, Any]) -> None:
    for name, value in body.items():
        if name not in _CHECKS:  # servers pass over it without a word
            raise InvalidRequestError(f"update_dict: {name!r} is none of {', '.join(_CHECKS)}")
        _CHECKS[name](name, value)


def _check_text_or_none(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        raise InvalidRequestError(f"{name}={value!r}: give a text, or None for none")


_CHECKS: dict[str, Callable[[str, Any], object]] = {
    "name": lambda _, value: _name(value),
    "permissions": lambda name, value: check_choice(name, value, ("me", "team")),
    "llm_id": check_text,
    "embd_id": check_text,
    "memory_type": lambda _, value: _memory_types(value),
    "memory_size": lambda name, value: check_number(name, value, 1, _LARGEST, whole=True),
    "forgetting_policy": lambda name, value: check_choice(name, value, ("FIFO",)),
    "temperature": lambda name, value: check_number(name, value, 0, 1),
    "avatar": _check_text_or_none,
    "description": _check_text_or_none,
    "system_prompt": _check_text_or_none,
    "user_prompt": _check_text_or_none,
}


def _ids(memory_id: Any) -> list[str]:
    ids = check_ids("memory_id", [memory_id] if isinstance(memory_id, str) else memory_id)
    if len(ids) > _MOST_IDS:
        raise InvalidRequestError(f"memory_id: {len(ids)} ids; servers take {_MOST_IDS} at once")
    return ids


def _joined(name: str, value: Any) -> str | None:
    return None if value is None else ",".join(check_ids(name, [value] if isinstance(value, str) else value))


def _filter(name: str, value: Any) -> str | None:
    """An empty one would let everything through."""
    return None if value is None else check_text(name, value)


def _keywords(value: Any) -> str | None:
    return None if value is None else check_text("keywords", value, empty=True) or None


def _memories(request: Request, response: Response) -> Page[MemoryFields]:
    data = payload(request, response)
    if not isinstance(data, dict):
        raise unexpected(request, "data is no object with memory_list and total_count")
    return Page(models(MemoryFields, data.get("memory_list"), request), data.get("total_count"))


def _messages(request: Request, response: Response) -> MessagePage:
    data = payload(request, response)
    found = data.get("messages") if isinstance(data, dict) else None
    if not isinstance(found, dict):
        raise unexpected(request, "data is no object with messages")
    rows = models(MemoryMessage, found.get("message_list"), request)
    return MessagePage(rows, found.get("total_count"), str(data.get("storage_type", "table")))


def _those_of(filters: Mapping[str, str | None]) -> Reader[list[MemoryMessage]]:
    """Servers on Elasticsearch look for a session's id as a part of others, and as a pattern."""
    exact = {name: value for name, value in filters.items() if value is not None}

    def read(request: Request, response: Response) -> list[MemoryMessage]:
        found = models(MemoryMessage, payload(request, response), request)
        return [each for each in found if all(getattr(each, name) == exact[name] for name in exact)]

    return read


def _said(request: Request, response: Response) -> str:
    return str(envelope(request, response).get("message", ""))


def _done(request: Request, response: Response) -> bool:
    payload(request, response)
    return True
