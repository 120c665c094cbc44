"""Questions to chat assistants within a scope.

What an answer may rest on is settled before it is made; the chunks that it names are checked as well, but by then
the model has read them. So where servers do not keep to the scope themselves, nothing is asked:

- The knowledge graph, the thinking modes with tools of their own and the web search of a chat are not narrowed.
- Over tables the model writes the query; a filter is added to its text, which a question can talk it out of.
- A chat's own ``meta_data_filter`` is not applied within the documents that are sent, but together with them.
- ``kb_ids`` adds datasets (v0.24), ``metadata_condition`` and ``doc_ids`` of a message replace the documents, ``files``
  are files of anybody: only options that are known to be harmless, and the variables of the chat's prompt, go out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from ...errors import NotFoundError, PermissionDeniedError, UnsupportedError
from ...models import ChatCompletion, ChatCompletionChunk, ChatFields, ChunkFields, Message
from ...scope import Scope
from .. import datasets as dataset_calls
from ..wire import Flow, Request
from .chats import fetched
from .guard import (
    Check,
    Guarded,
    Prepared,
    as_asked,
    check,
    check_chunks,
    ids_of,
    known,
    merged,
    missing,
    told,
)

__all__ = ["Prepared", "native", "openai"]

_SAMPLING = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "max_tokens")
_OPTIONS = frozenset(
    {
        *("chat_id", "session_id", "question", "messages", "stream", "legacy", "quote", "doc_ids"),
        *("pass_all_history_messages", "store_history_messages", "llm_id", "reference_metadata", *_SAMPLING),
    }
)
_OPENAI_OPTIONS = frozenset({"model", "messages", "stream", "extra_body", *_SAMPLING})
_NOT_VARIABLES = frozenset(
    {"kb_ids", "metadata_condition", "files", "reasoning", "internet", "user_id", "tools", "toolcall_session"}
)
_UNNARROWED = ("use_kg", "reasoning", "tavily_api_key")
_OF_A_MESSAGE = frozenset({"role", "content", "id", "name"})


def native(guard: Guarded, request: Request) -> Flow[Prepared]:
    """``Chat.ask`` and ``Session.ask``: documents by ``doc_ids``; metadata cannot be said."""
    scope, body = guard.scope, request.body
    if scope.metadata:
        raise UnsupportedError(
            f"{request.operation} cannot be kept within a scope with metadata: servers take no metadata_condition "
            "there; chat_completions() does"
        )
    if "session_id" in body:
        known("session", body["session_id"], body["session_id"] in guard.sessions)
    documents = _documents(scope, body.get("doc_ids"), request.operation)
    chat = yield from _askable(scope, body.get("chat_id") or ids_of(request)["chat_id"], request.operation)
    _check_options(_OPTIONS | _variables(chat), body, request.operation)
    sent = body if documents is None else {**body, "doc_ids": ",".join(documents)}
    return replace(request, body=sent), _message_check(scope, documents)


def openai(guard: Guarded, request: Request) -> Flow[Prepared]:
    """``chat_completions``: metadata by a condition; documents cannot be said."""
    scope, extra = guard.scope, dict(request.body.get("extra_body", {}))
    if scope.document_ids is not None:
        raise UnsupportedError(
            f"{request.operation} cannot be kept within a scope with document_ids: servers take none there; "
            "Chat.ask() does"
        )
    _check_options(_OPENAI_OPTIONS, request.body, request.operation)
    yield from _askable(scope, ids_of(request)["chat_id"], request.operation)
    if not scope.metadata:
        return request, _completion_check(scope)
    condition = merged(scope, extra.get("metadata_condition"))
    if condition is None:
        raise UnsupportedError(
            f"{request.operation}(metadata_condition=…): servers have no form for two conditions of which one is an "
            "'or'; use a condition with logic 'and'"
        )
    wanted = extra.get("reference_metadata")
    sent = {**extra, "metadata_condition": condition}
    if extra.get("reference"):
        sent["reference_metadata"] = {"include": True}
    return replace(request, body={**request.body, "extra_body": sent}), _completion_check(scope, wanted)


def _askable(scope: Scope, chat_id: str, operation: str) -> Flow[ChatFields]:
    """The chat, if servers keep to the scope when it is asked."""
    chat = yield from fetched(scope, chat_id)
    config = chat.prompt_config or {}
    for name in _UNNARROWED:
        if config.get(name) not in (None, False, "", 0, "0"):
            raise UnsupportedError(
                f"{operation}: with the chat's {name} an answer cannot be kept within a scope"
            )
    if not scope.whole_datasets and getattr(chat, "meta_data_filter", None):
        raise UnsupportedError(
            f"{operation}: the chat has a meta_data_filter, which servers do not keep within the documents of a scope"
        )
    for dataset_id in chat.dataset_ids:
        yield from _check_no_table(dataset_id, chat_id, operation)
    return chat


def _check_no_table(dataset_id: str, chat_id: str, operation: str) -> Flow[None]:
    try:
        dataset = yield from dataset_calls.get(dataset_id)
    except NotFoundError:
        raise missing("chat", chat_id) from None
    if dataset.chunk_method == "table" or "field_map" in (dataset.parser_config or {}):
        raise UnsupportedError(
            f"{operation}: the chat's dataset {dataset_id} holds tables, which are asked by a query of the model's "
            "own; that cannot be kept within a scope"
        )


def _variables(chat: ChatFields) -> set[Any]:
    """The names that the chat's prompt gives to what is told with a question."""
    parameters = (chat.prompt_config or {}).get("parameters") or []
    return {each.get("key") for each in parameters if isinstance(each, Mapping)} - _NOT_VARIABLES


def _check_options(known: AbstractSet[Any], body: Mapping[str, Any], operation: str) -> None:
    for name in body:
        if name not in known:
            raise UnsupportedError(
                f"{operation}({name}=…): neither a variable of the chat's prompt nor an option that a scope can be "
                "kept with"
            )
    _check_messages(body.get("messages", ()), operation)


def _check_messages(messages: Sequence[Mapping[str, Any]], operation: str) -> None:
    for message in messages:
        for name in message.keys() - _OF_A_MESSAGE:
            raise UnsupportedError(f"{operation}: a message with {name!r} cannot be kept within a scope")


def _documents(scope: Scope, given: Any, operation: str) -> list[str] | None:
    """The ids for ``doc_ids``, ``None`` for all of the chat's; none at all would mean all of them, too."""
    if scope.document_ids is None:
        return None
    listed = [one for one in given.split(",") if one] if isinstance(given, str) else given
    asked = [one.strip() for one in listed] if listed else sorted(scope.document_ids)
    within = [one for one in asked if one in scope.document_ids]
    if not within:
        raise PermissionDeniedError(
            f"{operation}: the scope of this client has none of the documents to answer from"
        )
    return within


def _message_check(scope: Scope, documents: list[str] | None) -> Check:
    def checked(message: Message) -> None:
        check_chunks(scope, message.reference, documents)
        message.doc_aggs = told(message.doc_aggs, message.reference)

    return checked


def _completion_check(scope: Scope, wanted: Mapping[str, Any] | None = None) -> Check:
    def checked(answer: ChatCompletion | ChatCompletionChunk) -> None:
        for reference in _references(answer):
            check_chunks(scope, reference)
            if scope.metadata:
                for chunk in reference:
                    check(scope.has_document(chunk.document_id, chunk.document_metadata))
                as_asked(reference, wanted)

    return checked


def _references(answer: ChatCompletion | ChatCompletionChunk) -> Iterable[list[ChunkFields]]:
    if isinstance(answer, ChatCompletion):
        return [choice.message.reference for choice in answer.choices]
    return [choice.delta.reference for choice in answer.choices]
