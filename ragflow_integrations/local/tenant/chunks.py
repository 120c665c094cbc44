"""Chunks and the search in them, as one tenant sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import apsw

from .. import chunks, datasets, documents, search
from ..embed import Embedder
from ..models import question_vector
from ..parsing import Chunk
from ..problems import Refused
from ..search import Retrieval, Retrieved
from ..store import Row
from .part import Part, or_none

__all__ = ["ChunkCalls"]


class ChunkCalls(Part):
    """The calls about chunks, and retrieval."""

    def add_chunk(
        self,
        document_id: str,
        content: str,
        *,
        important_keywords: Sequence[str] = (),
        questions: Sequence[str] = (),
    ) -> Row:
        """Add a chunk to a document, searchable at once; the same content again replaces it."""
        with self._shared.store.read() as db:
            document = documents.get(db, self.tenant_id, document_id)
            embedder = datasets.embedder(db, document["dataset_id"], self._shared.models)
        prepared = chunks.prepare(
            embedder,
            document["name"],
            [Chunk(content, important_keywords=important_keywords, questions=questions)],
        )
        with self._shared.store.write() as db:
            document = documents.get(db, self.tenant_id, document_id)
            return chunks.get(db, self.tenant_id, chunks.add(db, document, prepared, parsed=False)[0])

    def list_chunks(self, document_id: str, **filters: Unpack[chunks.Filters]) -> tuple[list[Row], int]:
        """One page of a document's chunks and how many fit: ``page page_size``.

        Optionally ``keywords id``, the list ``ids``, and ``available``.
        """
        with self._shared.store.read() as db:
            documents.get(db, self.tenant_id, document_id)
            return chunks.listed(db, document_id, **filters)

    def get_chunk(self, chunk_id: str) -> Row | None:
        """One chunk, or None."""
        with self._shared.store.read() as db:
            return or_none(chunks.get, db, self.tenant_id, chunk_id)

    def update_chunk(self, chunk_id: str, fields: Mapping[str, Any]) -> None:
        """Change ``content important_keywords questions available`` of a chunk, which keeps its id and its place.

        The search knows it at once. ``Missing`` if there is none with this id.
        """
        with self._shared.store.read() as db:
            old = chunks.get(db, self.tenant_id, chunk_id)
            embedder = datasets.embedder(db, old["dataset_id"], self._shared.models)
        new = {**old, **fields}
        chunk = Chunk(
            new["content"], important_keywords=new["important_keywords"], questions=new["questions"]
        )
        [prepared] = chunks.prepare(embedder, old["docnm_kwd"], [chunk])
        with self._shared.store.write() as db:
            document = documents.get(db, self.tenant_id, old["document_id"])
            chunks.replace(db, document, chunk_id, prepared, available=new["available"])

    def switch_chunks(self, document_id: str, ids: Sequence[str], available: bool) -> None:
        """Let the search find chunks of a document, or not; all of the ids or none (``Missing``)."""
        with self._shared.store.write() as db:
            chunks.switch(db, documents.get(db, self.tenant_id, document_id), ids, available)

    def delete_chunks(self, document_id: str, ids: Sequence[str] | None) -> int:
        """Delete chunks of a document (None: all) and say how many went; unknown ids are passed over."""
        with self._shared.store.write() as db:
            return chunks.delete(db, documents.get(db, self.tenant_id, document_id), ids)

    def retrieve(self, query: Retrieval) -> Retrieved:
        """The chunks that answer a question best, by RAGFlow's scores; ``Missing`` if a dataset is unknown."""
        with self._shared.store.read() as db:
            datasets.check_owner(db, self.tenant_id, query.dataset_ids)
            embedder = self._embedder_of(db, query.dataset_ids)
        asked = question_vector(
            embedder, query.question
        )  # between two reads: readers of ":memory:" take turns
        with self._shared.store.read() as db:
            datasets.check_owner(db, self.tenant_id, query.dataset_ids)
            return search.retrieve(db, self._shared.matrices, query, asked)

    def _embedder_of(self, db: apsw.Connection, dataset_ids: Sequence[str]) -> Embedder:
        """The embedder of all these datasets; ``Refused`` if they have several."""
        found = [datasets.embedder(db, each, self._shared.models) for each in dataset_ids]
        if not found:
            raise Refused("`dataset_ids` is required.")
        if len({(each.name, each.dimensions) for each in found}) > 1:
            raise Refused("Datasets use different embedding models.")
        return found[0]
