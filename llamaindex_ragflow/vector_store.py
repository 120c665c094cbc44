"""A dataset of RAGFlow as a vector store of LlamaIndex: RAGFlow embeds, indexes and searches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)
from pydantic import Field, PrivateAttr, model_validator

from ragflow_integrations import (
    ChunkFields,
    DataSet,
    Document,
    InvalidRequestError,
    NotFoundError,
    RAGFlow,
    UnsupportedError,
)
from ragflow_integrations.adapting import (
    Flow,
    ask,
    found_in_documents,
    listed,
    listed_documents,
    marks_of,
    named,
    removed,
    together,
    versions,
    with_document_metadata,
    written,
)

from ._component import ConnectedComponent
from ._dataset import OneDataset
from ._records import document_mark, node_id, node_mark, node_metadata, records, restored
from .filters import judge_of
from .nodes import to_node

__all__ = ["RAGFlowVectorStore"]

_MARKS = 2  # in the name of a node: its own and its document's
_METADATA_SINCE = (0, 26)  # found chunks can bring their document's metadata
_MODES = (VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.HYBRID, VectorStoreQueryMode.TEXT_SEARCH)
_UNKNOWN = ("output_fields", "embedding_field", "mmr_threshold", "sparse_top_k")
_SEARCH = (
    "similarity_threshold",
    "top_k",
    "rerank_id",
    "keyword",
    "cross_languages",
    "use_kg",
    "toc_enhance",
)


class RAGFlowVectorStore(ConnectedComponent, BasePydanticVectorStore):
    """Keeps nodes in a dataset: ids, texts, metadata and relationships come back exactly as they were.

        store = RAGFlowVectorStore(dataset_name="notes")
        index = VectorStoreIndex.from_vector_store(store, RAGFlowServerSideEmbedding())

    Each node is a document of RAGFlow with one chunk: RAGFlow's embedding model makes the vector, nothing is cut or
    parsed. When a call returns, what it wrote is found, as far as the server's index is at once up to date: a server on
    Elasticsearch shows new chunks after about a second.

    A query's ``mode`` is ``DEFAULT`` or ``HYBRID`` (both are RAGFlow's, of terms and vectors; ``alpha`` is the vectors'
    share, by default the server's own, 0.3) or ``TEXT_SEARCH`` (terms only). Filters are exact, as LlamaIndex's own
    store evaluates them: on the nodes' metadata, looked up first. What else is in the dataset is found as the retriever
    finds it, unless there is a filter, and is never deleted.

    Which server: as ``RAGFlowRetriever``. Raises what the client raises, and ``InvalidRequestError`` for a node that
    would not come back as it is, before anything is sent.
    """

    stores_text: Literal[True] = True
    is_embedding_query: Literal[False] = False

    dataset_id: str | None = None
    """The dataset; or by ``dataset_name``."""

    dataset_name: str | None = None
    """The dataset's name, looked up once (``GET /datasets``); adding makes one if there is none."""

    similarity_threshold: float = Field(default=0.0, ge=0, le=1)
    """What is less similar is not found; 0: there are always as many results as asked for."""

    max_filter_calls: int = Field(default=50, ge=1)
    """The most calls that looking up a filter's nodes may take, one and one for each hundred nodes of the dataset;
    beyond, it is an error with the size. Without a filter no call is counted."""

    _dataset: OneDataset = PrivateAttr()
    _version: tuple[int, ...] | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _check_dataset(self) -> Self:
        if (self.dataset_id is None) == (self.dataset_name is None):
            raise ValueError("give dataset_id or dataset_name, one of them")
        return self

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._dataset = OneDataset(self._connection, self.dataset_id, self.dataset_name)

    @classmethod
    def class_name(cls) -> str:
        """The name it has in LlamaIndex's dumps."""
        return "RAGFlowVectorStore"

    @property
    def client(self) -> RAGFlow:
        """The client for calls."""
        return self._connection.client

    # --- writing --------------------------------------------------------------------------------------

    def add(self, nodes: Sequence[BaseNode], **add_kwargs: Any) -> list[str]:
        """Add nodes, or replace those with the same id; returns the ids.

        An old version is removed when all new ones are complete; if anything fails until then, the new ones are removed
        and the error is raised. Takes an upload for each hundred nodes and two requests for each, several at a time.
        """
        return self._connection.run(self._add(nodes, add_kwargs))

    async def async_add(self, nodes: Sequence[BaseNode], **add_kwargs: Any) -> list[str]:
        """As ``add``; cancelled, it leaves what was written, which adding it again replaces."""
        return await self._connection.arun(self._add(nodes, add_kwargs))

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete the nodes of a document (or the document itself, if it was added); of an unknown one nothing."""
        self._connection.run(self._delete(ref_doc_id, delete_kwargs))

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """As ``delete``."""
        await self._connection.arun(self._delete(ref_doc_id, delete_kwargs))

    def delete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Delete nodes by their ids, by a filter, or by both; what is not there is passed over.

        Everything is deleted by ``clear`` only: without ids and filter it is an ``InvalidRequestError``.
        """
        self._connection.run(self._delete_nodes(node_ids, filters, delete_kwargs))

    async def adelete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """As ``delete_nodes``."""
        await self._connection.arun(self._delete_nodes(node_ids, filters, delete_kwargs))

    def clear(self) -> None:
        """Delete all nodes; what else is in the dataset stays."""
        self._connection.run(self._clear())

    async def aclear(self) -> None:
        """As ``clear``."""
        await self._connection.arun(self._clear())

    # --- reading --------------------------------------------------------------------------------------

    def get_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """The nodes with these ids, in their order, and of a filter; without both all of them, oldest first."""
        return self._connection.run(self._get_nodes(node_ids, filters))

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """As ``get_nodes``."""
        return await self._connection.arun(self._get_nodes(node_ids, filters))

    def query(self, query: VectorStoreQuery, **search: Any) -> VectorStoreQueryResult:
        """The nodes that fit ``query_str`` best, as they were added, with RAGFlow's similarity.

        ``search`` (a retriever's ``vector_store_kwargs``) may hold ``similarity_threshold``, ``rerank_id``,
        ``keyword``, ``cross_languages``, ``use_kg``, ``toc_enhance`` and ``top_k``, the size of the server's pool.
        """
        return self._connection.run(self._query(query, search))

    async def aquery(self, query: VectorStoreQuery, **search: Any) -> VectorStoreQueryResult:
        """As ``query``."""
        return await self._connection.arun(self._query(query, search))

    # --- how ------------------------------------------------------------------------------------------

    def _add(self, nodes: Sequence[BaseNode], unknown: dict[str, Any]) -> Flow[list[str]]:
        _refuse("add", unknown)
        wanted = records(nodes)
        if wanted:
            held = yield from self._dataset.found_or_made()
            old = yield from _versions(held, [one.id for one in wanted])
            yield from written(held, wanted)
            yield from removed(held, [document.id for document in old])
        return [node.node_id for node in nodes]

    def _delete(self, ref_doc_id: str, unknown: dict[str, Any]) -> Flow[None]:
        _refuse("delete", unknown)
        held = yield from self._dataset.found()
        found = yield from named(held, document_mark(ref_doc_id))
        yield from removed(held, [document.id for document in found])

    def _delete_nodes(
        self, node_ids: Sequence[str] | None, filters: MetadataFilters | None, unknown: dict[str, Any]
    ) -> Flow[None]:
        _refuse("delete_nodes", unknown)
        if node_ids is None and filters is None:
            raise InvalidRequestError("node_ids, filters: give one of them; clear() deletes all nodes")
        held = yield from self._dataset.found()
        found = yield from self._chosen(held, node_ids, filters)
        yield from removed(held, [document.id for document in found])

    def _clear(self) -> Flow[None]:
        held = yield from self._dataset.found()
        found = yield from _all_ours(held)
        yield from removed(held, [document.id for document in found])

    def _get_nodes(
        self, node_ids: Sequence[str] | None, filters: MetadataFilters | None
    ) -> Flow[list[BaseNode]]:
        held = yield from self._dataset.found()
        found = _newest((yield from self._chosen(held, node_ids, filters)))
        nodes = yield from together(_read(document) for document in found)
        return [node for node in nodes if node is not None]

    def _query(self, query: VectorStoreQuery, search: dict[str, Any]) -> Flow[VectorStoreQueryResult]:
        settings = {"similarity_threshold": self.similarity_threshold, **_settings(query, search)}
        question = query.query_str or ""
        if not question.strip():
            raise InvalidRequestError(f"query_str={question!r}: RAGFlow embeds the question: give its text")
        held = yield from self._dataset.found()
        told = (yield from self._server_version()) >= _METADATA_SINCE
        settings.update(dataset_ids=[held.id], reference_metadata=True if told else None)
        confined = yield from self._confined(held, query)
        if confined is None:
            chunks: list[ChunkFields] = []
            chunks += yield from ask(lambda client: client.retrieve(question, **settings))
        else:
            chunks = yield from found_in_documents(question, confined, settings)
        return _result(chunks if told else (yield from with_document_metadata(held, chunks)))

    def _confined(self, held: DataSet, query: VectorStoreQuery) -> Flow[list[str] | None]:
        """The documents to search, of ids and filter of a query; ``None``: all. An index asks for no ids by ``[]``."""
        filters = query.filters if query.filters is not None and query.filters.filters else None
        if query.doc_ids is None and not query.node_ids and filters is None:
            return None
        if query.doc_ids is not None:
            of_these = yield from versions(held, map(document_mark, query.doc_ids))
            found = [one for each in of_these.values() for one in reversed(each)]
        elif query.node_ids:
            found = yield from _versions(held, query.node_ids)
        else:
            found = yield from listed_documents([held.id], self.max_filter_calls)
        nodes = set(query.node_ids or ())
        return [
            document.id
            for document in _newest(_fitting(found, filters))
            if not nodes or node_id(document.meta_fields) in nodes
        ]

    def _chosen(
        self, held: DataSet, node_ids: Sequence[str] | None, filters: MetadataFilters | None
    ) -> Flow[list[Document]]:
        """What there is of nodes that are chosen by ids, by a filter, by both or by neither; old versions first."""
        if node_ids is not None:
            found = yield from _versions(held, node_ids)
        elif filters is not None:
            found = yield from listed_documents([held.id], self.max_filter_calls)
        else:
            found = yield from _all_ours(held)
        return _fitting(found, filters)

    def _server_version(self) -> Flow[tuple[int, ...]]:
        if self._version is None:
            info = yield from ask(lambda client: client.server_info())
            self._version = tuple(int(part) for part in info.api_version.split("."))
        return self._version


def _versions(held: DataSet, node_ids: Sequence[str]) -> Flow[list[Document]]:
    if isinstance(node_ids, str) or not all(isinstance(id, str) for id in node_ids):
        raise InvalidRequestError(f"node_ids={node_ids!r}: give a list of ids")
    found = yield from versions(held, map(node_mark, node_ids))
    return [document for each in found.values() for document in reversed(each)]


def _all_ours(held: DataSet) -> Flow[list[Document]]:
    """Also what an interrupted call left without metadata, by its name."""
    found = yield from listed(held)
    return [one for one in found if node_id(one.meta_fields) or len(marks_of(one.name)) == _MARKS]


def _fitting(found: Iterable[Document], filters: MetadataFilters | None) -> list[Document]:
    if filters is None:
        return list(found)
    fits = judge_of(filters)
    known = [(document, node_metadata(document.meta_fields)) for document in found]
    return [document for document, metadata in known if metadata is not None and fits(metadata)]


def _newest(found: Iterable[Document]) -> list[Document]:
    """Of each node its last version."""
    known = {node_id(document.meta_fields): document for document in found}
    known.pop(None, None)
    return list(known.values())


def _read(document: Document) -> Flow[BaseNode | None]:
    try:
        content = yield from ask(lambda _: document.download())
    except NotFoundError:
        return None  # deleted meanwhile
    return restored(document.meta_fields, content.decode())


def _result(chunks: Sequence[ChunkFields]) -> VectorStoreQueryResult:
    found: dict[str, tuple[BaseNode, float]] = {}
    for chunk in chunks:
        if chunk.similarity is None:
            raise UnsupportedError(f"chunk {chunk.id} came without a similarity: this server sends no scores")
        node = restored(chunk.document_metadata, chunk.content) or to_node(chunk).node
        found.setdefault(node.node_id, (node, chunk.similarity))
    nodes = [node for node, _ in found.values()]
    return VectorStoreQueryResult(nodes, [score for _, score in found.values()], list(found))


def _settings(query: VectorStoreQuery, search: dict[str, Any]) -> dict[str, Any]:
    """How to search; refuses what RAGFlow has not."""
    _refuse("query", {name: value for name, value in search.items() if name not in _SEARCH})
    asked = [name for name in _UNKNOWN if getattr(query, name) is not None]
    if asked or query.mode not in _MODES:
        raise UnsupportedError(
            f"{', '.join(asked) or f'mode={query.mode.value!r}'}: RAGFlow hands out no vectors and takes none; "
            f"it searches by mode {', '.join(repr(mode.value) for mode in _MODES)}, with alpha, filters and ids"
        )
    weight = 0.0 if query.mode == VectorStoreQueryMode.TEXT_SEARCH else query.alpha
    hybrid = query.hybrid_top_k if query.mode == VectorStoreQueryMode.HYBRID else None
    limit = query.similarity_top_k if hybrid is None else hybrid
    return {"vector_similarity_weight": weight, "limit": limit, **search}


def _refuse(call: str, unknown: dict[str, Any]) -> None:
    if unknown:
        raise InvalidRequestError(f"{call}() takes no {', '.join(map(repr, unknown))}")
