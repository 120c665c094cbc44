"""Chunks and the search in them, as one tenant sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

import apsw

from .. import chunks, contents, datasets, documents, search, wording
from ..embed import Embedder
from ..models import model_of, question_vector
from ..parsing import Chunk
from ..problems import DifferentEmbedders, Refused
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
        **extras: Unpack[chunks.Extras],
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
            [identifier] = chunks.add(db, document, prepared)
            chunks.equip(db, identifier, extras)
            return chunks.get(db, self.tenant_id, identifier)

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

    def chunk_image(self, chunk_id: str) -> bytes | None:
        """The image of a chunk, None if it has none or there is no such chunk."""
        with self._shared.store.read() as db:
            found = or_none(chunks.get, db, self.tenant_id, chunk_id)
            return chunks.image(db, chunk_id) if found else None

    def update_chunk(self, chunk_id: str, fields: Mapping[str, Any], **extras: Unpack[chunks.Extras]) -> None:
        """Change ``content important_keywords questions`` of a chunk, which keeps its id and its place.

        The search knows it at once. ``Missing`` if there is none with this id.
        """
        while not self._is_updated(chunk_id, fields, extras):
            continue

    def _is_updated(self, chunk_id: str, fields: Mapping[str, Any], extras: chunks.Extras) -> bool:
        """False if somebody else changed the chunk while its vector was made: that would be lost."""
        with self._shared.store.read() as db:
            old, number = chunks.get(db, self.tenant_id, chunk_id), chunks.number(db, chunk_id)
            embedder = datasets.embedder(db, old["dataset_id"], self._shared.models)
        new = {**old, **fields}
        chunk = Chunk(
            new["content"], important_keywords=new["important_keywords"], questions=new["questions"]
        )
        [prepared] = chunks.prepare(embedder, old["docnm_kwd"], [chunk])
        with self._shared.store.write() as db:
            document = documents.get(db, self.tenant_id, old["document_id"])
            is_same = chunks.number(db, chunk_id) in (number, None)
            if is_same:
                chunks.replace(db, document, chunk_id, prepared, extras)
            return is_same

    def switch_chunks(self, document_id: str, ids: Sequence[str], available: bool) -> None:
        """Let the search find chunks of a document, or not; all of the ids or none (``Missing``)."""
        with self._shared.store.write() as db:
            chunks.switch(db, documents.get(db, self.tenant_id, document_id), ids, available)

    def delete_chunks(self, document_id: str, ids: Sequence[str] | None) -> int:
        """Delete chunks of a document (None: all) and say how many went; unknown ids are passed over."""
        with self._shared.store.write() as db:
            return chunks.delete(db, documents.get(db, self.tenant_id, document_id), ids)

    def retrieve(self, query: Retrieval) -> Retrieved:
        """The chunks that answer a question best, by RAGFlow's scores; nothing for an empty one.

        ``Missing`` if a dataset is unknown, ``UnknownModel`` for a ``rerank_id``, ``Refused`` if the datasets have
        different embedding models, or if a language model is wanted and there is none.
        """
        with self._shared.store.read() as db:
            datasets.check_owner(db, self.tenant_id, query.dataset_ids)
            embedder = self._embedder_of(db, query.dataset_ids)
        query = self._reworded(query)
        if not query.question.strip():
            return Retrieved()
        found = self._searched(query, embedder)
        return self._by_contents(query, found) if query.toc_enhance else found

    def _searched(self, query: Retrieval, embedder: Embedder) -> Retrieved:
        """Models are asked between reads: readers of ":memory:" take turns."""
        reranker = self.models.reranker(query.rerank_id) if query.rerank_id else None
        asked = question_vector(embedder, query.question)
        with self._shared.store.read() as db:
            datasets.check_owner(db, self.tenant_id, query.dataset_ids)
            found = search.window(db, self._shared.matrices, query, asked)
            if reranker is None:
                return search.page(db, query, found)
        scores = reranker.score(query.question, [each["content"] for each in found])
        found = [each | {"vector_similarity": score} for each, score in zip(found, scores, strict=True)]
        with self._shared.store.read() as db:
            return search.page(db, query, found)

    def _by_contents(self, query: Retrieval, found: Retrieved) -> Retrieved:
        """What was found, and the sections that a model picks from the best document's contents."""
        llm = self.models.needed_llm("`toc_enhance`")
        if not found.chunks:
            return found
        with self._shared.store.read() as db:
            listed = contents.of_document(db, contents.best_document(found.chunks))
        worth = contents.picked(llm, query.question, listed)
        raised = [
            each | {"similarity": each["similarity"] + worth.get(each["id"], 0)} for each in found.chunks
        ]
        with self._shared.store.read() as db:
            more = search.picked(
                db, query, {key: worth[key] for key in worth if key not in {each["id"] for each in raised}}
            )
        best = sorted(raised + more, key=lambda each: -each["similarity"])
        return replace(found, chunks=best[: query.page_size])

    def _reworded(self, query: Retrieval) -> Retrieval:
        """The question as it is searched for."""
        text = query.question
        if query.cross_languages:
            text = wording.translated(
                self.models.needed_llm("`cross_languages`"), text, query.cross_languages
            )
        if query.keyword:
            text = wording.with_keywords(self.models.needed_llm("`keyword`"), text)
        return replace(query, question=text)

    def _embedder_of(self, db: apsw.Connection, dataset_ids: Sequence[str]) -> Embedder:
        """The embedder of all these datasets; ``DifferentEmbedders`` if they have several, or name several models."""
        found = [datasets.embedder(db, each, self._shared.models) for each in dataset_ids]
        if not found:
            raise Refused("`dataset_ids` is required.")
        names = [datasets.get(db, self.tenant_id, each)["embedding_model"] for each in dataset_ids]
        if len({model_of(name) for name in names}) > 1:
            raise DifferentEmbedders(f"Datasets use different embedding models: {names}")
        if len({(each.name, each.dimensions) for each in found}) > 1:  # a name stood for something else once
            made = [each.name for each in found]
            raise DifferentEmbedders(f"Datasets use different embedding models: {made}")
        return found[0]
