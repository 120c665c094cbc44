"""Searching in documents that are named, however many they are, and what is told of the documents of what is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import ChunkFields, DataSet, Document, NotFoundError, Retrieval
from .concurrency import together
from .flow import Flow, ask

__all__ = ["found_in_documents", "with_document_metadata"]

_AT_ONCE = (
    5000  # ids in a request: servers compare each with all of a dataset's, and some end their lists at 10,000
)


def found_in_documents(
    question: str, document_ids: Sequence[str], search: Mapping[str, Any]
) -> Flow[list[ChunkFields]]:
    """What ``retrieve(question, **search)`` finds in these documents; of none nothing is asked.

    Takes a request for each 5,000 documents. A chunk's similarity does not depend on what else is searched, so the
    best of all are the best of each request's; ``search["limit"]`` says how many.
    """
    found: list[ChunkFields] = []
    for start in range(0, len(document_ids), _AT_ONCE):
        found += yield from _found(question, document_ids[start : start + _AT_ONCE], search)
    if len(document_ids) > _AT_ONCE:
        found = sorted(found, key=lambda chunk: chunk.similarity or 0.0, reverse=True)[: search["limit"]]
    return found


def _found(question: str, document_ids: Sequence[str], search: Mapping[str, Any]) -> Flow[Retrieval[Any]]:
    wanted: dict[str, Any] = {**search, "document_ids": document_ids}
    return (yield from ask(lambda client: client.retrieve(question, **wanted)))


def with_document_metadata(dataset: DataSet, chunks: Sequence[ChunkFields]) -> Flow[list[ChunkFields]]:
    """Chunks of a dataset with their documents' metadata, which servers before v0.26 do not send with them.

    Takes a call for each document; the chunks of one that was deleted meanwhile are left out.
    """
    ids = list(dict.fromkeys(chunk.document_id for chunk in chunks))
    found = yield from together(_document(dataset, id) for id in ids)
    documents = {document.id: document for document in found if document is not None}
    there = [chunk for chunk in chunks if chunk.document_id in documents]
    for chunk in there:
        chunk.document_metadata = documents[chunk.document_id].meta_fields
    return there


def _document(dataset: DataSet, document_id: str) -> Flow[Document | None]:
    try:
        found = yield from ask(lambda _: dataset.list_documents(document_id))
    except NotFoundError:
        return None
    return found[0] if found else None
