"""Retrieval within a scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...errors import UnsupportedError
from ...models import ChunkFields, Retrieval
from ...scope import Scope
from ..versions import Since, server_version
from ..wire import Call, Flow, ask
from .documents import seen
from .guard import Guarded, as_asked, check, check_chunks, merged, told

__all__ = ["retrieve"]

Found = Retrieval[ChunkFields]


def retrieve(guard: Guarded, call: Call[Found]) -> Flow[Found]:
    """What is found in the scope's datasets and documents; nothing is sent where nothing is left.

    ``keyword``, ``cross_languages`` and a rerank model change the question and the order, and ``toc_enhance`` adds
    chunks of a document that was found: they stay within the documents that are searched. The knowledge graph is
    made of all of them.
    """
    scope, body = guard.scope, dict(call.request.body)
    if body.get("use_kg"):
        raise UnsupportedError(
            "RAGFlow.retrieve(use_kg=True): a knowledge graph cannot be kept within a scope"
        )
    asked_for = body["dataset_ids"]
    body["dataset_ids"] = [one for one in asked_for if scope.has_dataset(one)]
    documents = yield from _documents(scope, body, cut=body["dataset_ids"] != asked_for)
    if documents is not None:
        body.pop("metadata_condition", None)
        body["document_ids"] = documents
    if documents == []:
        return Retrieval([], 0, [])
    asked = body if documents is not None else (yield from _with_metadata(scope, body))
    found = yield from ask(Call(replace(call.request, body=asked), call.read))
    check_chunks(scope, found, documents)
    if documents is None and scope.metadata:
        yield from _check_metadata(scope, found)
    if asked is not body:
        as_asked(found, body.get("reference_metadata"))
    return Retrieval(found, found.total, told(found.doc_aggs, found))


def _documents(scope: Scope, body: dict[str, Any], *, cut: bool) -> Flow[list[str] | None]:
    """The ids to search, or ``None`` where the datasets and ``metadata_condition`` say it, which is set.

    Never both: servers pass over the condition then. What one request cannot say is found out before, and which
    documents are in the datasets that are left, since servers refuse the others.
    """
    given, condition = body.get("document_ids"), body.get("metadata_condition")
    if not body["dataset_ids"]:
        return []
    if given is not None and not scope.metadata and not cut:
        return [one for one in given if scope.document_ids is None or one in scope.document_ids]
    if given is None and scope.document_ids is None:
        if not scope.metadata:
            return None
        both = merged(scope, condition)
        if both is not None and (yield from server_version()) >= Since.DOCUMENT_FILTERS:
            body["metadata_condition"] = both
            return None
    wanted = scope if given is None else scope & Scope(document_ids=given)
    ids: list[str] = []
    for dataset_id in body["dataset_ids"]:
        ids += yield from seen(wanted, dataset_id, condition)
    return ids


def _with_metadata(scope: Scope, body: dict[str, Any]) -> Flow[dict[str, Any]]:
    """Has the chunks bring their document's metadata, to check it; servers before v0.26 do not know how."""
    if not scope.metadata or (yield from server_version()) < Since.METADATA_OF_CHUNKS:
        return body
    return {**body, "reference_metadata": {"include": True}}


def _check_metadata(scope: Scope, chunks: Sequence[ChunkFields]) -> Flow[None]:
    """By what the server sent along, else by looking at the documents."""
    unsaid: dict[str, list[str]] = {}
    for chunk in chunks:
        if chunk.document_metadata is not None:
            check(scope.has_document(chunk.document_id, chunk.document_metadata))
        else:
            unsaid.setdefault(chunk.dataset_id, []).append(chunk.document_id)
    for dataset_id, ids in unsaid.items():
        documents = yield from seen(scope & Scope(document_ids=ids), dataset_id)
        check(documents.keys() >= set(ids))
