"""Searching in documents that are named, however many they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import ChunkFields, Retrieval
from .flow import Flow, ask

__all__ = ["found_in_documents"]

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
