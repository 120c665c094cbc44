"""A dataset of RAGFlow as a LangChain vector store: RAGFlow embeds, indexes and searches."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, Self

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore, VectorStoreRetriever

from ragflow_integrations import (
    ChunkFields,
    InvalidRequestError,
    UnsupportedError,
)
from ragflow_integrations.adapting import Flow, arun, removed, run, together, written

from ._client import STRICT
from ._convert import document
from ._datasets import OnOneDataset
from ._records import all_ours, read, records, restored, versions
from ._search import with_metadata
from .retrievers import InARun

__all__ = ["RAGFlowVectorStore"]

_NO_VECTORS = (
    "RAGFlow hands out no vectors and takes none, so there is no search by a vector and no max marginal relevance: "
    "use similarity_search(), or rerank_id= for a rerank model of the server"
)


class RAGFlowVectorStoreRetriever(InARun, VectorStoreRetriever):
    """LangChain's own, to which a misspelt argument is an error."""

    model_config = STRICT


class RAGFlowVectorStore(OnOneDataset, VectorStore):
    """Keeps LangChain documents in a dataset: ids, texts and metadata come back exactly as they were.

        store = RAGFlowVectorStore(dataset_name="notes")
        store.add_documents([Document("Lamps are lit at dusk.", metadata={"team": "crew"})], ids=["lamps"])
        store.similarity_search("When are lamps lit?", k=1, filter=RAGFlowFilter.where("team", "is", "crew"))

    Each document is a document of RAGFlow with one chunk: RAGFlow's embedding model makes the vector, nothing is cut
    or parsed. When a call returns, what it wrote is found, as far as the server's index is at once up to date: a
    server on Elasticsearch shows new chunks after about a second.

    Searches take ``k`` and what ``RAGFlowRetriever`` takes: ``filter``, ``similarity_threshold`` (here 0 unless
    given, so that there are always ``k`` results), ``vector_similarity_weight``, ``rerank_id`` … A score is
    RAGFlow's ``similarity``, from 0 to 1, the best first. What else is in the dataset is found as the retriever finds
    it, and is never deleted.

    Raises what the client raises, and ``InvalidRequestError`` for a blank text or metadata that is no JSON, before
    anything is sent.
    """

    model_config = STRICT

    # --- writing --------------------------------------------------------------------------------------

    def add_documents(
        self,
        documents: Sequence[Document],
        *,
        ids: Sequence[str | None] | None = None,
        batch_size: int = 100,
        **kwargs: Any,
    ) -> list[str]:
        """Add documents, or replace those with the same id; returns the ids.

        ``ids`` go before the documents' own; without one a document gets a new id. An old version is removed when
        all new ones are complete; if anything fails until then, the new ones are removed and the error is raised.
        ``batch_size`` files go in one upload; otherwise each document takes two requests, several at a time.
        """
        return run(self._add(documents, ids, batch_size, kwargs), self._sync())

    async def aadd_documents(
        self,
        documents: Sequence[Document],
        *,
        ids: Sequence[str | None] | None = None,
        batch_size: int = 100,
        **kwargs: Any,
    ) -> list[str]:
        """As ``add_documents``; cancelled, it leaves what was written, which adding it again replaces."""
        return await arun(self._add(documents, ids, batch_size, kwargs), self._async())

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: Sequence[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """As ``add_documents``, of texts with their metadata."""
        return self.add_documents(_documents(texts, metadatas), ids=ids, **kwargs)

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: Sequence[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """As ``add_documents``, of texts with their metadata."""
        return await self.aadd_documents(_documents(texts, metadatas), ids=ids, **kwargs)

    def delete(self, ids: Sequence[str] | None = None, *, delete_all: bool = False, **kwargs: Any) -> bool:
        """Delete documents by their ids; what is not there is passed over.

        All that this store added to the dataset goes with ``delete_all=True`` and in no other way.
        """
        return run(self._delete(ids, delete_all, kwargs), self._sync())

    async def adelete(
        self, ids: Sequence[str] | None = None, *, delete_all: bool = False, **kwargs: Any
    ) -> bool:
        """As ``delete``."""
        return await arun(self._delete(ids, delete_all, kwargs), self._async())

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        embedding: Embeddings | None = None,
        metadatas: Sequence[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **fields: Any,
    ) -> Self:
        """A store with these texts; ``fields`` are the constructor's. A ``dataset_name`` that is new is created.

        ``embedding`` has no use, since the dataset's own model embeds: it is ignored, with a warning.
        """
        store = cls._for(embedding, fields)
        run(store._found_or_made(), store._sync())
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    async def afrom_texts(
        cls,
        texts: Iterable[str],
        embedding: Embeddings | None = None,
        metadatas: Sequence[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **fields: Any,
    ) -> Self:
        """As ``from_texts``."""
        store = cls._for(embedding, fields)
        await arun(store._found_or_made(), store._async())
        await store.aadd_texts(texts, metadatas, ids=ids)
        return store

    # --- reading --------------------------------------------------------------------------------------

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents with these ids, in their order; what is not there is left out."""
        return run(self._get(ids), self._sync())

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """As ``get_by_ids``."""
        return await arun(self._get(ids), self._async())

    def similarity_search(self, query: str, k: int = 4, **search: Any) -> list[Document]:
        """The ``k`` documents that fit a question best, as they were added."""
        return [found for found, _ in self.similarity_search_with_score(query, k, **search)]

    async def asimilarity_search(self, query: str, k: int = 4, **search: Any) -> list[Document]:
        """As ``similarity_search``."""
        return [found for found, _ in await self.asimilarity_search_with_score(query, k, **search)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, **search: Any
    ) -> list[tuple[Document, float]]:
        """The same with RAGFlow's similarity, from 0 to 1, more being better."""
        return run(self._search(query, k, search), self._sync())

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, **search: Any
    ) -> list[tuple[Document, float]]:
        """As ``similarity_search_with_score``."""
        return await arun(self._search(query, k, search), self._async())

    def as_retriever(self, **kwargs: Any) -> VectorStoreRetriever:
        """A retriever on this store, with LangChain's ``search_type`` and ``search_kwargs``."""
        tags = kwargs.pop("tags", None) or self._get_retriever_tags()
        return RAGFlowVectorStoreRetriever(vectorstore=self, tags=tags, **kwargs)

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return float  # RAGFlow's similarity is a relevance from 0 to 1

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> NoReturn:
        """Not possible: raises ``NotImplementedError``."""
        raise NotImplementedError(_NO_VECTORS)

    async def asimilarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> NoReturn:
        """Not possible: raises ``NotImplementedError``."""
        raise NotImplementedError(_NO_VECTORS)

    def max_marginal_relevance_search(self, query: str, k: int = 4, *args: Any, **kwargs: Any) -> NoReturn:
        """Not possible: raises ``NotImplementedError``."""
        raise NotImplementedError(_NO_VECTORS)

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, *args: Any, **kwargs: Any
    ) -> NoReturn:
        """Not possible: raises ``NotImplementedError``."""
        raise NotImplementedError(_NO_VECTORS)

    # --- how ------------------------------------------------------------------------------------------

    @classmethod
    def _for(cls, embedding: Embeddings | None, fields: dict[str, Any]) -> Self:
        if embedding is not None:
            warnings.warn(
                f"embedding=<{type(embedding).__name__}> is ignored: RAGFlow embeds with the dataset's own model",
                stacklevel=3,
            )
        return cls(**fields)

    def _add(
        self,
        documents: Sequence[Document],
        ids: Sequence[str | None] | None,
        batch_size: int,
        unknown: dict[str, Any],
    ) -> Flow[list[str]]:
        _refuse("add_documents", unknown)
        given = [one.id for one in documents] if ids is None else list(ids)
        if len(given) != len(documents):
            raise InvalidRequestError(f"ids: {len(given)} for {len(documents)} documents: give one for each")
        wanted = records(documents, given)
        if wanted:
            dataset = yield from self._dataset()
            known = {record.id for record, id in zip(wanted, given, strict=True) if id is not None}
            old = yield from versions(dataset, known)
            newest = list({record.id: record for record in wanted}.values())
            yield from written(dataset, newest, batch_size)
            yield from removed(dataset, [document.id for document in old])
        return [record.id for record in wanted]

    def _delete(self, ids: Sequence[str] | None, delete_all: bool, unknown: dict[str, Any]) -> Flow[bool]:
        _refuse("delete", unknown)
        if (ids is None) != delete_all or isinstance(ids, str):
            raise InvalidRequestError(
                f"ids={ids!r}, delete_all={delete_all!r}: give a list of ids, or delete_all=True for everything"
            )
        dataset = yield from self._dataset()
        if ids is None:
            found = yield from all_ours(dataset)
        else:
            found = yield from versions(dataset, ids)
        yield from removed(dataset, [document.id for document in found])
        return True

    def _get(self, ids: Sequence[str]) -> Flow[list[Document]]:
        if isinstance(ids, str):
            raise InvalidRequestError(f"ids={ids!r}: give a list of ids")
        dataset = yield from self._dataset()
        found = yield from together(read(dataset, id) for id in dict.fromkeys(ids))
        return [one for one in found if one is not None]

    def _search(self, query: str, k: int, search: dict[str, Any]) -> Flow[list[tuple[Document, float]]]:
        dataset = yield from self._dataset()
        fields = {"similarity_threshold": 0.0, **search, "k": k}
        chunks = yield from with_metadata(self, dataset, query, fields)
        least = search.get("score_threshold") or 0.0
        return [pair for pair in map(_scored, chunks) if pair[1] >= least]


def _documents(texts: Iterable[str], metadatas: Sequence[dict[str, Any]] | None) -> list[Document]:
    listed = list(texts)
    if metadatas is not None and len(metadatas) != len(listed):
        raise InvalidRequestError(f"metadatas: {len(metadatas)} for {len(listed)} texts: give one for each")
    pairs = zip(listed, metadatas or [{}] * len(listed), strict=True)
    return [Document(text, metadata=metadata) for text, metadata in pairs]


def _refuse(call: str, unknown: dict[str, Any]) -> None:
    if unknown:
        raise InvalidRequestError(f"{call}() takes no {', '.join(map(repr, unknown))}")


def _scored(chunk: ChunkFields) -> tuple[Document, float]:
    if chunk.similarity is None:
        raise UnsupportedError(f"chunk {chunk.id} came without a similarity: this server sends no scores")
    return restored(chunk.document_metadata, chunk.content) or document(chunk), chunk.similarity
