"""What datasets hold, as LangChain documents: their chunks, whole documents, or the original files."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Literal

from langchain_core.document_loaders import BaseLoader, BlobLoader
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from ragflow_integrations import AsyncDocument, ChunkFields
from ragflow_integrations import Document as Held
from ragflow_integrations.adapting import aiter_documents, iter_documents

from ._client import STRICT
from ._convert import document
from ._datasets import OnDatasets
from .filters import RAGFlowFilter

__all__ = ["RAGFlowBlobLoader", "RAGFlowLoader"]

_TYPES = mimetypes.MimeTypes()  # made here, since that reads files


class _OfDocuments(OnDatasets):
    """Which documents to load; they are listed a hundred at a time, oldest first."""

    model_config = STRICT

    document_ids: list[str] | None = None
    """These documents only, in this order; ``NotFoundError`` for one that is not in the datasets."""

    filter: RAGFlowFilter | None = None
    """Documents whose metadata fits: a ``RAGFlowFilter``, or the same as a dict. It is exact and costs nothing."""

    def _listed(self) -> Iterator[Held]:
        listed = iter_documents(self._sync(), self._datasets(), self.document_ids)
        yield from (one for one in listed if self._fits(one))

    async def _alisted(self) -> AsyncIterator[AsyncDocument]:
        async for one in aiter_documents(self._async(), self._datasets(), self.document_ids):
            if self._fits(one):
                yield one

    def _fits(self, one: Held | AsyncDocument) -> bool:
        return self.filter is None or self.filter.fits(one.meta_fields)


class RAGFlowLoader(_OfDocuments, BaseLoader):
    """Loads what RAGFlow made of the documents of datasets.

        loader = RAGFlowLoader(dataset_names=["handbook"])
        for document in loader.lazy_load(): ...
        async for document in loader.alazy_load(): ...

    With ``mode="chunks"`` each chunk is a ``Document`` with its id and the metadata that a retriever gives it; with
    ``mode="documents"`` each document is one: its chunks in their order with a blank line between them, and ``run``
    (``DONE``, ``FAIL`` …) and ``chunk_count`` in its metadata; one that is not parsed is empty.
    ``metadata["document_metadata"]`` is the document's own. Nothing is held but a page of a hundred, and in
    ``documents`` the document. The originals are what ``RAGFlowBlobLoader`` loads.

    Raises what the client raises, while it loads.
    """

    model_config = STRICT

    mode: Literal["chunks", "documents"] = "chunks"
    """Whether a chunk is a ``Document``, or a document."""

    def lazy_load(self) -> Iterator[Document]:
        """One after the other, asked for as they are used."""
        for one in self._listed():
            if self.mode == "chunks":
                for chunk in one.iter_chunks():
                    yield _chunk(one, chunk)
            else:
                yield _whole(one, list(one.iter_chunks()))

    async def alazy_load(self) -> AsyncIterator[Document]:
        """One after the other, asked for as they are used."""
        async for one in self._alisted():
            if self.mode == "chunks":
                async for chunk in one.iter_chunks():
                    yield _chunk(one, chunk)
            else:
                yield _whole(one, [chunk async for chunk in one.iter_chunks()])


def _chunk(one: Held | AsyncDocument, chunk: ChunkFields) -> Document:
    loaded = document(chunk)
    loaded.metadata.update(_facts(one))
    return loaded


def _whole(one: Held | AsyncDocument, chunks: Sequence[ChunkFields]) -> Document:
    text = "\n\n".join(chunk.content.strip() for chunk in chunks)
    metadata = {**_facts(one), "run": one.run, "chunk_count": len(chunks)}
    return Document(id=one.id, page_content=text, metadata=metadata)


def _facts(one: Held | AsyncDocument) -> dict[str, Any]:
    """What is known of a document, in the words of a retriever."""
    facts = {
        "source": one.name,
        "dataset_id": one.dataset_id,
        "document_id": one.id,
        "document_name": one.name,
        "document_metadata": one.meta_fields,
    }
    return {name: value for name, value in facts.items() if value}


class RAGFlowBlobLoader(_OfDocuments, BlobLoader):
    """Loads the original files of datasets, for parsers of your own.

        loader = GenericLoader(RAGFlowBlobLoader(dataset_names=["handbook"]), MyParser())

    A ``Blob`` has the file's bytes, its name as ``path``, the type that its name tells, and in its metadata ``source``,
    ``dataset_id``, ``document_id``, ``document_name`` and ``document_metadata``. A file is fetched when its turn comes.
    """

    model_config = STRICT

    def yield_blobs(self) -> Iterator[Blob]:
        """One file after the other."""
        for one in self._listed():
            yield _blob(one, one.download())

    async def ayield_blobs(self) -> AsyncIterator[Blob]:
        """One file after the other; LangChain has no such method, so it is for your own code."""
        async for one in self._alisted():
            yield _blob(one, await one.download())


def _blob(one: Held | AsyncDocument, content: bytes) -> Blob:
    kind, _ = _TYPES.guess_type(one.name)
    return Blob(data=content, mimetype=kind, path=one.name, metadata=_facts(one))
