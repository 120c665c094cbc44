"""What datasets hold, as documents of LlamaIndex."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, Self

from llama_index.core.readers.base import BasePydanticReader, ResourcesReaderMixin
from llama_index.core.schema import Document
from llama_index.core.vector_stores.types import MetadataFilters
from pydantic import PrivateAttr, model_validator

from ragflow_integrations import (
    AsyncDocument,
    ChunkFields,
    DataSet,
    NotFoundError,
    UnsupportedError,
)
from ragflow_integrations import Document as Held
from ragflow_integrations.adapting import (
    Flow,
    aiter_documents,
    dataset_ids,
    datasets,
    found_document,
    iter_documents,
)

from ._component import ConnectedComponent
from .filters import ExactFilter
from .nodes import of_document, to_node

__all__ = ["RAGFlowReader"]

_HIDDEN = ["document_id", "file_name", "dataset_id", "run", "chunk_count"]


class RAGFlowReader(ConnectedComponent, BasePydanticReader, ResourcesReaderMixin):
    """Reads what RAGFlow made of the documents of datasets.

        reader = RAGFlowReader(dataset_names=["handbook"])
        for document in reader.lazy_load_data(): ...
        async for document in reader.aiter_data(): ...

    With ``granularity="document"`` each document is one: its chunks in their order with a blank line between them, with
    ``run`` (``DONE``, ``FAIL`` …) and ``chunk_count`` in its metadata; one that is not parsed is empty. With
    ``"chunk"`` each chunk is one, with the id and the metadata of a retriever's node, but without a source: to a
    document store it is a document of its own. Both have the document's own metadata.

    Resources are documents, by their ids. Nothing is held but a page of a hundred, and of ``"document"`` the document.
    In an ``IngestionPipeline`` the reader is asked by plain calls, also by ``arun``; in a running loop give what
    ``await reader.aload_data()`` returns as ``documents=``.

    Which server: as ``RAGFlowRetriever``. Raises what the client raises, while it reads.
    """

    is_remote: bool = True

    dataset_ids: list[str] | None = None
    """The datasets; or by ``dataset_names``. With neither, those that ``scope`` names."""

    dataset_names: list[str] | None = None
    """Names of datasets; each is looked up once (``GET /datasets``)."""

    document_ids: list[str] | None = None
    """These documents only, in this order; ``NotFoundError`` for one that is not in the datasets."""

    filters: MetadataFilters | None = None
    """Documents whose metadata fits, exactly as LlamaIndex reads it; it costs nothing."""

    granularity: Literal["document", "chunk"] = "document"
    """Whether a document of RAGFlow is one of LlamaIndex, or a chunk."""

    _known: dict[str, str] = PrivateAttr(default_factory=dict)
    _filter: ExactFilter | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.dataset_ids is not None and self.dataset_names is not None:
            raise ValueError("give dataset_ids or dataset_names, not both")
        self._filter = None if self.filters is None else ExactFilter(self.filters)
        return self

    @classmethod
    def class_name(cls) -> str:
        """The name it has in LlamaIndex's dumps."""
        return "RAGFlowReader"

    # --- data -----------------------------------------------------------------------------------------

    def lazy_load_data(self) -> Iterator[Document]:
        """One after the other, asked for as they are used."""
        for held in self._listed():
            yield from self._read(held)

    async def aiter_data(self) -> AsyncIterator[Document]:
        """One after the other, asked for as they are used."""
        async for held in self._alisted():
            async for document in self._aread(held):
                yield document

    async def alazy_load_data(self) -> list[Document]:
        """All of them: what LlamaIndex takes from it is not asynchronous any more. ``aiter_data`` is lazy."""
        return [document async for document in self.aiter_data()]

    async def aload_data(self) -> list[Document]:
        """All of them."""
        return [document async for document in self.aiter_data()]

    # --- resources ------------------------------------------------------------------------------------

    def list_resources(self) -> list[str]:
        """The ids of the documents."""
        return [held.id for held in self._listed()]

    async def alist_resources(self) -> list[str]:
        """As ``list_resources``."""
        return [held.id async for held in self._alisted()]

    def get_resource_info(self, resource_id: str) -> dict[str, Any]:
        """What is known of a document: ``file_name``, ``file_size`` in bytes, ``creation_date`` and
        ``last_modified_date`` in ISO 8601, ``dataset_id``, ``run``, ``chunk_count`` and ``metadata``.
        """
        return _info(self._connection.run(self._one(resource_id)))

    async def aget_resource_info(self, resource_id: str) -> dict[str, Any]:
        """As ``get_resource_info``."""
        return _info(await self._connection.arun(self._one(resource_id)))

    def list_resources_with_info(self) -> dict[str, dict[str, Any]]:
        """What ``get_resource_info`` tells of all documents, a hundred a call."""
        return {held.id: _info(held) for held in self._listed()}

    async def alist_resources_with_info(self) -> dict[str, dict[str, Any]]:
        """As ``list_resources_with_info``."""
        return {held.id: _info(held) async for held in self._alisted()}

    def get_permission_info(self, resource_id: str) -> dict[str, Any]:
        """Not possible: raises ``UnsupportedError``."""
        raise UnsupportedError("RAGFlow tells no permissions of a document: who may see a dataset may see it")

    async def aget_permission_info(self, resource_id: str) -> dict[str, Any]:
        """Not possible: raises ``UnsupportedError``."""
        return self.get_permission_info(resource_id)

    def load_resource(self, resource_id: str) -> list[Document]:
        """One document, or its chunks; ``NotFoundError`` if this reader has it not."""
        return list(self._read(self._connection.run(self._one(resource_id))))

    async def aload_resource(self, resource_id: str) -> list[Document]:
        """As ``load_resource``."""
        held: Any = await self._connection.arun(self._one(resource_id))
        return [document async for document in self._aread(held)]

    # --- how ------------------------------------------------------------------------------------------

    def _listed(self) -> Iterator[Held]:
        listed = iter_documents(self._connection.scoped(), self._datasets(), self.document_ids)
        yield from (one for one in listed if self._fits(one))

    async def _alisted(self) -> AsyncIterator[AsyncDocument]:
        client = await self._connection.ascoped()
        async for one in aiter_documents(client, self._datasets(), self.document_ids):
            if self._fits(one):
                yield one

    def _datasets(self) -> Flow[list[DataSet]]:
        known = {} if self._connection.scope_varies else self._known
        return (yield from datasets((yield from dataset_ids(self.dataset_ids, self.dataset_names, known))))

    def _one(self, document_id: str) -> Flow[Held]:
        found = yield from found_document((yield from self._datasets()), document_id)
        allowed = self.document_ids is None or document_id in self.document_ids
        if not allowed or not self._fits(found):
            raise NotFoundError(f"document_id={document_id!r}: it is not among what this reader reads")
        return found

    def _fits(self, held: Held | AsyncDocument) -> bool:
        return self._filter is None or self._filter.fits(_facts(held))

    def _read(self, held: Held) -> Iterator[Document]:
        if self.granularity == "chunk":
            for chunk in held.iter_chunks():
                yield _of_chunk(held, chunk)
        else:
            yield _whole(held, list(held.iter_chunks()))

    async def _aread(self, held: AsyncDocument) -> AsyncIterator[Document]:
        if self.granularity == "chunk":
            async for chunk in held.iter_chunks():
                yield _of_chunk(held, chunk)
        else:
            yield _whole(held, [chunk async for chunk in held.iter_chunks()])


def _facts(held: Held | AsyncDocument) -> dict[str, Any]:
    return of_document(held.id, held.name, held.dataset_id or "", held.meta_fields)


def _of_chunk(held: Held | AsyncDocument, chunk: ChunkFields) -> Document:
    node = to_node(chunk).node
    return Document(
        id_=node.node_id,
        text=chunk.content,
        metadata={**_facts(held), **node.metadata},
        excluded_llm_metadata_keys=node.excluded_llm_metadata_keys,
        excluded_embed_metadata_keys=node.excluded_embed_metadata_keys,
    )


def _whole(held: Held | AsyncDocument, chunks: Sequence[ChunkFields]) -> Document:
    return Document(
        id_=held.id,
        text="\n\n".join(chunk.content.strip() for chunk in chunks),
        metadata={**_facts(held), "run": held.run, "chunk_count": len(chunks)},
        excluded_llm_metadata_keys=_HIDDEN,
        excluded_embed_metadata_keys=_HIDDEN,
    )


def _info(held: Held | AsyncDocument) -> dict[str, Any]:
    return {
        "file_name": held.name,
        "file_size": held.size,
        "creation_date": _date(held.create_time),
        "last_modified_date": _date(held.update_time),
        "dataset_id": held.dataset_id,
        "run": held.run,
        "chunk_count": held.chunk_count,
        "metadata": dict(held.meta_fields or {}),
    }


def _date(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
