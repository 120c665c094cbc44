"""Searching in datasets, for all classes that do: the fields, and how they become calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.documents import Document
from pydantic import Field

from ragflow_integrations import ChunkFields, DataSet, Retrieval
from ragflow_integrations.adapting import (
    Flow,
    ask,
    found_in_documents,
    matching_documents,
    with_document_metadata,
)

from ._client import STRICT, Connected, for_call
from ._convert import document
from ._datasets import DatasetFields, OnDatasets
from .filters import RAGFlowFilter

__all__ = ["SearchFields", "Searching", "with_metadata"]

_OURS = {
    *("dataset_ids", "dataset_names", "k", "score_threshold"),
    *("filter", "verify_filter", "max_filter_calls", "include_document_metadata"),
}
_FILTERS_SINCE = (0, 25)  # before, servers compare a list as one text, or return everything if nothing fits
_METADATA_SINCE = (0, 26)  # found chunks can bring their document's metadata


class SearchFields(DatasetFields):
    """How to search. Every field goes into the constructor or into one call: ``invoke(question, k=3)``.

    What is ``None`` is left to the server. Datasets of a call replace the constructor's.
    """

    model_config = STRICT

    document_ids: list[str] | None = None
    """Search these documents only; ``[]`` finds nothing."""

    k: int = Field(default=5, ge=1)
    """How many documents to return at most; more than 100 are fetched in several requests."""

    top_k: int | None = Field(default=None, ge=1)
    """The server's pool of candidates (its default: 1024). Not the number of results: that is ``k``."""

    similarity_threshold: float | None = Field(default=None, ge=0, le=1)
    """Chunks with a lower similarity are left out by the server (its default: 0.2)."""

    vector_similarity_weight: float | None = Field(default=None, ge=0, le=1)
    """Weight of the vector similarity (server's default: 0.3); that of the terms gets the rest."""

    score_threshold: float | None = None
    """Drop results whose ``score`` is lower, or that have none; applied here, to the ``k`` best."""

    filter: RAGFlowFilter | None = None
    """Search the documents whose metadata fits: a ``RAGFlowFilter``, or the same as a dict.

    It is exact. Conditions in one list are the server's to apply, from v0.25 on, in the same call. Filters in
    filters, a filter beside ``document_ids`` and older servers need the documents to be looked up first: a call for
    each dataset and one for each hundred of its documents.
    """

    max_filter_calls: int = Field(default=50, ge=1)
    """The most calls that looking up a filter's documents may take; ``InvalidRequestError`` where it needs more."""

    verify_filter: bool = False
    """Look again at what a server found by its own filter (from v0.26 on in the same call).

    If anything does not fit, the documents are looked up and searched instead. On servers that are known to filter
    wrongly the documents are always looked up.
    """

    include_document_metadata: bool = False
    """Return the document's metadata as ``metadata["document_metadata"]`` (servers from v0.26)."""

    highlight: bool | None = None
    """Return the text with matched terms marked as ``metadata["highlight"]``."""

    keyword: bool | None = None
    """Let the server's language model add keywords to the question."""

    rerank_id: str | None = None
    """A rerank model that is configured on the server."""

    cross_languages: list[str] | None = None
    """Translate the question into these languages and search in all of them."""

    use_kg: bool | None = None
    """Search the datasets' knowledge graphs too."""

    toc_enhance: bool | None = None
    """Use the documents' tables of contents to find neighbouring chunks."""

    def _search(self, dataset_ids: list[str], **more: Any) -> dict[str, Any]:
        """The arguments of ``retrieve``, all but the filter."""
        sent = {name: getattr(self, name) for name in SearchFields.model_fields if name not in _OURS}
        metadata = True if self.include_document_metadata else None
        return {**sent, "dataset_ids": dataset_ids, "limit": self.k, "reference_metadata": metadata, **more}

    def _documents(self, chunks: Iterable[ChunkFields]) -> list[Document]:
        least = self.score_threshold
        if least is not None:
            chunks = [chunk for chunk in chunks if chunk.similarity is not None and chunk.similarity >= least]
        return [document(chunk) for chunk in chunks]


class Searching(SearchFields, OnDatasets):
    """What searches in datasets of a server."""

    model_config = STRICT

    def _find(self, question: str, given: Mapping[str, Any]) -> Flow[list[Document]]:
        """What is found for a question, ``given`` being the fields of this call."""
        fields = self._fields(given)
        dataset_ids = yield from self._dataset_ids(fields)
        if not dataset_ids:
            return []
        return fields._documents((yield from self._found(question, fields, dataset_ids)))

    def _fields(self, given: Mapping[str, Any]) -> SearchFields:
        if given.keys() & {"dataset_ids", "dataset_names"}:
            given = {"dataset_ids": None, "dataset_names": None, **given}
        return for_call(SearchFields, self, given)

    def _found(
        self, question: str, fields: SearchFields, dataset_ids: list[str]
    ) -> Flow[Sequence[ChunkFields]]:
        wanted = fields.filter
        if wanted is None:
            return (yield from _retrieved(question, fields._search(dataset_ids)))
        if (yield from self._server_filters(fields)):
            found = yield from _filtered(question, fields, dataset_ids)
            if found is not None:
                return found
        ids = yield from matching_documents(
            wanted.fits, dataset_ids, fields.document_ids, fields.max_filter_calls
        )
        return (yield from found_in_documents(question, ids, fields._search(dataset_ids)))

    def _server_filters(self, fields: SearchFields) -> Flow[bool]:
        """Whether the server can be left to apply the filter; its version is asked for once."""
        assert fields.filter is not None, "there is something to apply"
        if fields.filter.as_condition() is None or fields.document_ids is not None:
            return False
        return (yield from self._server_version()) >= (
            _METADATA_SINCE if fields.verify_filter else _FILTERS_SINCE
        )


def with_metadata(
    asker: Connected, dataset: DataSet, question: str, search: Mapping[str, Any]
) -> Flow[list[ChunkFields]]:
    """The chunks of a dataset that fit best, each with its document's metadata, on any server."""
    told = (yield from asker._server_version()) >= _METADATA_SINCE
    clients = {"client": asker.client, "async_client": asker.async_client}
    fields = {**search, "include_document_metadata": told}
    searching = Searching(**clients, dataset_ids=[dataset.id], **fields)
    searching._server = asker._server  # it lives for one search only
    chunks = [*(yield from searching._found(question, searching, [dataset.id]))]
    return chunks if told else (yield from with_document_metadata(dataset, chunks))


def _retrieved(question: str, search: Mapping[str, Any]) -> Flow[Retrieval[Any]]:
    return (yield from ask(lambda client: client.retrieve(question, **search)))


def _filtered(question: str, fields: SearchFields, dataset_ids: list[str]) -> Flow[Retrieval[Any] | None]:
    """What the server finds by its own filter; ``None`` if it shall be verified and something does not fit."""
    wanted = fields.filter
    assert wanted is not None, "there is something to apply"
    search = fields._search(dataset_ids, metadata_condition=wanted.as_condition())
    if not fields.verify_filter:
        return (yield from _retrieved(question, search))
    found = yield from _retrieved(question, {**search, "reference_metadata": True})
    if not all(wanted.fits(chunk.document_metadata) for chunk in found):
        return None
    if not fields.include_document_metadata:
        for chunk in found:
            chunk.document_metadata = None
    return found
