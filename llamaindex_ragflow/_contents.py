"""What is in the dataset of an index: documents, files, pages and nodes, on their way in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.schema import BaseNode, Document
from llama_index.core.storage.docstore.types import RefDocInfo

from ragflow_integrations.adapting import Flow, ask, listed, removed, together

from ._dataset import OneDataset
from ._indexing import (
    Parsing,
    appended,
    brought,
    checked_metadata,
    chunk_ids,
    described_and_parsed,
    document_id,
    document_records,
    name_of,
    node_records,
    of_document,
    own_metadata,
)
from ._progress import reported

__all__ = ["Contents"]


class Contents:
    """Changes a dataset, which is made by the first insert if it is given by its name, and tells what is in it."""

    def __init__(self, dataset: OneDataset, parsing: Parsing, show_progress: bool) -> None:
        self._dataset, self._parsing, self._show_progress = dataset, parsing, show_progress

    def brought(self, documents: Sequence[Document]) -> Flow[list[bool]]:
        """Bring in what is new or changed; for each document whether it was."""
        wanted = document_records(documents)
        if not wanted:
            return []
        held = yield from self._dataset.found_or_made()
        with reported(self._show_progress) as progress:
            return (yield from brought(held, wanted, self._parsing, progress))

    def appended(self, nodes: Sequence[BaseNode]) -> Flow[None]:
        """Bring in nodes as chunks of new documents, all or none."""
        wanted = node_records(nodes)
        if wanted:
            held = yield from self._dataset.found_or_made()
            yield from appended(held, wanted, self._parsing.at_once)

    def deleted(self, ref_doc_id: str) -> Flow[None]:
        """Delete a document by LlamaIndex's id or by RAGFlow's."""
        held = yield from self._dataset.found()
        found = yield from of_document(held, ref_doc_id)
        yield from removed(held, [one.id for one in found])

    def uploaded(self, source: Any, name: str | None, metadata: Mapping[str, Any] | None) -> Flow[list[str]]:
        """Bring in files; their ids."""
        held = yield from self._dataset.found_or_made()
        parsing = self._parsing
        with reported(self._show_progress) as progress:
            found = yield from ask(
                lambda _: held.upload(
                    source,
                    name=name,
                    meta_fields=metadata,
                    parse=parsing.wait,
                    progress=progress,
                    timeout=parsing.timeout,
                    interval=parsing.interval,
                )
            )
        waiting = [one.id for one in found if one.run == "UNSTART"]
        if waiting:
            yield from ask(lambda _: held.async_parse_documents(waiting))
        return [one.id for one in found]

    def fetched(self, url: str, name: str | None, metadata: Mapping[str, Any] | None) -> Flow[str]:
        """Bring in a web page; its id."""
        told = checked_metadata("metadata", metadata or {})
        held = yield from self._dataset.found_or_made()
        page = yield from ask(lambda _: held.upload_url(url, name or name_of(url)))
        with reported(self._show_progress) as progress:
            yield from described_and_parsed(held, page, told, self._parsing, progress)
        return page.id

    def told(self) -> Flow[dict[str, RefDocInfo]]:
        """All documents: their chunks' ids and their metadata, by LlamaIndex's ids or by RAGFlow's."""
        held = yield from self._dataset.found()
        documents = yield from listed(held)
        chunks = yield from together((chunk_ids(one) for one in documents), self._parsing.at_once)
        told: dict[str, RefDocInfo] = {}
        for one, ids in zip(documents, chunks, strict=True):
            info = told.setdefault(document_id(one), RefDocInfo())
            info.node_ids += ids
            info.metadata.update(own_metadata(one))
        return told
