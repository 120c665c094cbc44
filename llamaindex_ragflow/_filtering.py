"""Searching the documents that a filter lets through: by the server in the same call, or looked up before."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ragflow_integrations import ChunkFields, Document, Scope, UnsupportedError
from ragflow_integrations.adapting import Flow, ask, found_in_documents, listed_documents

from .filters import ExactFilter
from .nodes import of_document

__all__ = ["FilterMode", "FilteredSearch", "Snapshots"]

FilterMode = Literal["strict", "server"]
_SINCE = (
    "0.27"  # before, servers leave out what fits beyond 10,000 documents, or have no metadata with a chunk
)
_MOST_SNAPSHOTS = 8


class _Snapshot(NamedTuple):
    taken: float
    metadata: dict[str, dict[str, Any]]


class Snapshots:
    """The metadata of all documents of some datasets, by the documents' ids, as they were when they were looked up.

    ``age`` is how many seconds later they still serve. What one scope saw is not another's.
    """

    def __init__(self, age: float) -> None:
        self._age = age
        self._kept: OrderedDict[tuple[Scope | None, tuple[str, ...]], _Snapshot] = OrderedDict()

    def metadata(self, dataset_ids: Sequence[str], most_calls: int) -> Flow[dict[str, dict[str, Any]]]:
        """What is kept, or looked up by at most so many calls."""
        key = ((yield from ask(lambda client: client.scope)), tuple(dataset_ids))
        kept, now = self._kept.get(key), time.monotonic()
        if kept is not None and now - kept.taken < self._age:
            return kept.metadata
        listed = yield from listed_documents(dataset_ids, most_calls)
        metadata = {document.id: _of_document(document) for document in listed}
        if self._age:
            self._kept[key] = _Snapshot(now, metadata)
            if len(self._kept) > _MOST_SNAPSHOTS:
                self._kept.popitem(last=False)
        return metadata


def _of_document(document: Document) -> dict[str, Any]:
    return of_document(document.id, document.name, document.dataset_id or "", document.meta_fields)


class FilteredSearch:
    """Finds what ``filters`` lets through, exactly.

    Where the server (v0.27) has a condition that leaves out nothing that fits, it is asked with it, and each
    chunk's document is judged again. Else, or if one does not fit, the metadata of all documents are looked up, by at
    most ``most_calls`` calls, and those that fit are searched. ``mode="server"`` refuses to look up.
    """

    def __init__(
        self,
        filters: ExactFilter,
        mode: FilterMode,
        most_calls: int,
        document_ids: Sequence[str] | None,
    ) -> None:
        self._filters = filters
        self._mode = mode
        self._most_calls = most_calls
        self._document_ids = None if document_ids is None else set(document_ids)
        self._server_is_exact: bool | None = None

    def found(
        self, question: str, dataset_ids: Sequence[str], search: Mapping[str, Any], snapshots: Snapshots
    ) -> Flow[list[ChunkFields]]:
        """What ``retrieve(question, dataset_ids, **search)`` finds in the documents that fit."""
        search = {**search, "dataset_ids": dataset_ids}
        found = yield from self._by_server(question, search)
        if found is not None:
            return found
        if self._mode == "server":
            raise UnsupportedError(
                "filters: filter_mode='server', but what the server finds by its own condition is not what the filter "
                "lets through; leave filter_mode='strict', or say it as the server reads it, in metadata_condition="
            )
        fitting = yield from self.fitting(dataset_ids, snapshots)
        return (yield from found_in_documents(question, fitting, search))

    def fitting(self, dataset_ids: Sequence[str], snapshots: Snapshots) -> Flow[list[str]]:
        """Ids of the documents that are let through, of ``document_ids`` only if given."""
        if self._document_ids == set():
            return []
        metadata = yield from snapshots.metadata(dataset_ids, self._most_calls)
        asked_for = metadata.keys() if self._document_ids is None else self._document_ids & metadata.keys()
        return [id for id, held in metadata.items() if id in asked_for and self._filters.fits(held)]

    def _by_server(self, question: str, search: Mapping[str, Any]) -> Flow[list[ChunkFields] | None]:
        """``None`` if the server has no condition for it, or finds something that does not fit."""
        condition = self._filters.as_condition() if self._document_ids is None else None
        if condition is None or not (yield from self._is_exact()):
            return None
        wanted = {**search, "metadata_condition": condition, "reference_metadata": True}
        found = yield from ask(lambda client: client.retrieve(question, **wanted))
        if not all(self._filters.fits(_metadata(chunk)) for chunk in found):
            return None
        if not search.get("reference_metadata"):
            for chunk in found:
                chunk.document_metadata = None
        return list(found)

    def _is_exact(self) -> Flow[bool]:
        """By the server's version, which is asked for once."""
        if self._server_is_exact is None:
            info = yield from ask(lambda client: client.server_info())
            self._server_is_exact = _number(info.api_version) >= _number(_SINCE)
        return self._server_is_exact


def _number(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _metadata(chunk: ChunkFields) -> dict[str, Any]:
    return of_document(chunk.document_id, chunk.document_name, chunk.dataset_id, chunk.document_metadata)
