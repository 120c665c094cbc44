"""Retrieval from RAGFlow's datasets."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Self

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.schema import ImageNode, NodeWithScore, QueryBundle
from llama_index.core.settings import Settings
from llama_index.core.vector_stores import MetadataFilters
from pydantic import SecretStr

from ragflow_integrations import (
    AsyncRAGFlow,
    Chunk,
    ChunkFields,
    ConfigurationError,
    InvalidRequestError,
    RAGFlow,
    Scope,
)
from ragflow_integrations.adapting import Flow, ask, dataset, dataset_ids, found_document

from ._client import Connected, Connection
from ._filtering import FilteredSearch, FilterMode, Snapshots
from ._run import OfRun
from .filters import ExactFilter
from .nodes import to_nodes

__all__ = ["RAGFlowRetriever"]

_WHERE = ("dataset_ids", "dataset_names")
_OPTIONS = (
    *_WHERE,
    *("document_ids", "similarity_top_k", "candidate_top_k", "similarity_threshold"),
    *("vector_similarity_weight", "highlight", "rerank_id", "keyword", "cross_languages", "use_kg"),
    *("toc_enhance", "metadata_condition", "filters", "filter_mode", "max_filter_calls"),
    *("filter_snapshot_age", "include_document_metadata", "image_nodes", "callback_manager"),
)
"""What ``with_options`` changes: all but which server, and whose call it is."""


class RAGFlowRetriever(Connected, BaseRetriever):
    """Finds the chunks that fit a question best (``POST /api/v1/retrieval``).

    Where to search: ``dataset_ids`` or ``dataset_names``, of which names are looked up once (in each call, if
    ``scope`` is a function), or, with neither, the datasets that ``scope`` names. ``document_ids`` narrows it
    (``None``: all documents, ``[]``: none, the result is empty), as does ``metadata_condition``, RAGFlow's
    ``{"logic", "conditions"}``; the server cannot apply both.

    How: ``similarity_top_k`` is the number of results (default 10; above 100 page by page, sorted here);
    ``candidate_top_k`` is RAGFlow's ``top_k``, the size of the pool they are chosen from.
    ``similarity_threshold`` and ``vector_similarity_weight`` (0 to 1: the vector's share in the score),
    ``highlight``, ``rerank_id``, ``keyword``, ``cross_languages``, ``use_kg`` and ``toc_enhance`` are sent as
    given; ``None`` leaves them to the server. The query's own embeddings are not used: the server embeds it.

    ``filters`` are LlamaIndex's ``MetadataFilters`` on the documents, with every operator and groups in groups,
    exactly as LlamaIndex reads them: on the documents' metadata, ``document_id``, ``document_name``, ``file_name`` and
    ``dataset_id``. What the server (from v0.27 on) surely does as well goes along in the same call. Else the
    documents' metadata are looked up, by a call for each dataset and one for each hundred documents, at most
    ``max_filter_calls``, and serve for ``filter_snapshot_age`` seconds (default 0: for this question);
    ``InvalidRequestError`` where it takes more, or where a value is compared with one of another kind.
    ``filter_mode="server"`` is an ``UnsupportedError`` instead of looking up.

    ``include_document_metadata`` puts the document's metadata into the nodes (servers from v0.26). With
    ``image_nodes`` chunks that have a picture are ``ImageNode``; ``load_image`` loads it. A chunk of the knowledge
    graph has ``node_kind`` ``"knowledge_graph"`` and no ``SOURCE``.

    Which server: ``client`` and/or ``async_client``, or ``base_url`` (``http(s)://…``, ``local:folder``,
    ``:memory:``; default ``RAGFLOW_BASE_URL``), ``api_key`` (default ``RAGFLOW_API_KEY``), ``timeout`` in
    seconds and ``max_retries``. ``scope`` is what may be seen of it: a ``Scope``, or a function of the
    ``RunContext``, whose ``context`` is that of the workflow or agent that runs.

    A node's id is the chunk's, its score the similarity, its ``SOURCE`` the document. Raises
    ``ConfigurationError`` for arguments that make no sense; retrieving raises ``InvalidRequestError`` for
    an empty question and ``NotFoundError`` for an unknown dataset, never returns ``[]`` for a failure.
    """

    def __init__(
        self,
        dataset_ids: Sequence[str] | None = None,
        *,
        dataset_names: Sequence[str] | None = None,
        document_ids: Sequence[str] | None = None,
        similarity_top_k: int = 10,
        candidate_top_k: int | None = None,
        similarity_threshold: float | None = None,
        vector_similarity_weight: float | None = None,
        highlight: bool | None = None,
        rerank_id: str | None = None,
        keyword: bool | None = None,
        cross_languages: Sequence[str] | None = None,
        use_kg: bool | None = None,
        toc_enhance: bool | None = None,
        metadata_condition: Mapping[str, Any] | None = None,
        filters: MetadataFilters | None = None,
        filter_mode: FilterMode = "strict",
        max_filter_calls: int = 50,
        filter_snapshot_age: float = 0.0,
        include_document_metadata: bool = False,
        image_nodes: bool = False,
        client: RAGFlow | None = None,
        async_client: AsyncRAGFlow | None = None,
        base_url: str | None = None,
        api_key: SecretStr | str | None = None,
        timeout: float | None = 60.0,
        max_retries: int = 2,
        scope: Scope | OfRun[Scope] | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        given = dict(locals())
        self._options = {name: given[name] for name in _OPTIONS}
        super().__init__(callback_manager=callback_manager or Settings.callback_manager)
        self._connection: Connection = Connection(
            client, async_client, base_url, api_key, timeout, max_retries, scope
        )
        _check_where(dataset_ids, dataset_names, self._connection.names_datasets)
        _check_narrowing(document_ids, metadata_condition, filters, use_kg)
        _check_share("similarity_threshold", similarity_threshold)
        _check_share("vector_similarity_weight", vector_similarity_weight)
        self._dataset_ids = None if dataset_ids is None else list(dataset_ids)
        self._dataset_names = None if dataset_names is None else list(dataset_names)
        self._known: dict[str, str] = {}
        self._image_nodes = image_nodes
        self._search: dict[str, Any] = {
            "top_k": candidate_top_k,
            "similarity_threshold": similarity_threshold,
            "vector_similarity_weight": vector_similarity_weight,
            "highlight": highlight,
            "rerank_id": rerank_id,
            "keyword": keyword,
            "cross_languages": cross_languages,
            "use_kg": use_kg,
            "toc_enhance": toc_enhance,
            "metadata_condition": metadata_condition,
            "reference_metadata": True if include_document_metadata else None,
            "limit": _checked_number("similarity_top_k", similarity_top_k),
        }
        self._document_ids = document_ids
        self._snapshots = Snapshots(_checked_age(filter_snapshot_age))
        self._filtered = _filtered(filters, filter_mode, max_filter_calls, document_ids)

    @property
    def filters(self) -> MetadataFilters | None:
        """As given."""
        filters: MetadataFilters | None = self._options["filters"]
        return filters

    @property
    def similarity_top_k(self) -> int:
        """As given."""
        return int(self._search["limit"])

    def with_options(self, **changes: Any) -> Self:
        """The same retriever, on the same connection, with these arguments changed, e.g. for one question.

        Takes all arguments of the constructor but those that say which server, and whose call it is.
        """
        if unknown := sorted(changes.keys() - set(_OPTIONS)):
            raise TypeError(f"{unknown[0]}=: with_options takes {', '.join(_OPTIONS)}")
        options = {**self._options, **_where(changes), **changes}
        changed = type(self)(
            **options,
            client=self._connection.client,
            async_client=self._connection.async_client,
            scope=self._connection.scope,
        )
        changed._known = self._known
        if "filter_snapshot_age" not in changes:
            changed._snapshots = self._snapshots
        return changed

    def load_image(self, node: NodeWithScore) -> NodeWithScore:
        """Load the picture of an image node into it: ``image`` (base64) and ``image_mimetype``.

        Raises ``NotFoundError`` if its chunk is gone, or has no picture.
        """
        return self._connection.run(_with_image(node))

    async def aload_image(self, node: NodeWithScore) -> NodeWithScore:
        """As ``load_image``."""
        return await self._connection.arun(_with_image(node))

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._connection.run(self._found(query_bundle.query_str))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await self._connection.arun(self._found(query_bundle.query_str))

    def _found(self, question: str) -> Flow[list[NodeWithScore]]:
        known = {} if self._connection.scope_varies else self._known
        ids = yield from dataset_ids(self._dataset_ids, self._dataset_names, known)
        found = (yield from self._chunks(question, ids)) if ids else []
        return to_nodes(found, images=self._image_nodes)

    def _chunks(self, question: str, ids: list[str]) -> Flow[Sequence[ChunkFields]]:
        if self._filtered is not None:
            return (yield from self._filtered.found(question, ids, self._search, self._snapshots))
        search = {**self._search, "document_ids": self._document_ids}
        return (yield from ask(lambda client: client.retrieve(question, ids, **search)))


def _where(changes: Mapping[str, Any]) -> dict[str, None]:
    """Datasets by ids replace those by names, and the other way round."""
    return dict.fromkeys(_WHERE) if changes.keys() & set(_WHERE) else {}


def _with_image(node: NodeWithScore) -> Flow[NodeWithScore]:
    if not isinstance(node.node, ImageNode):
        raise InvalidRequestError(f"node {node.node_id!r} is no ImageNode: retrieve with image_nodes=True")
    chunk = yield from _chunk_of(node.metadata)
    image = yield from ask(lambda _: chunk.image())
    node.node.image = base64.b64encode(image).decode()
    node.node.image_mimetype = image.content_type
    return node


def _chunk_of(metadata: Mapping[str, Any]) -> Flow[Chunk]:
    held = yield from dataset(metadata["dataset_id"])
    document = yield from found_document([held], metadata["document_id"])
    (chunk,) = yield from ask(lambda _: document.list_chunks(id=metadata["chunk_id"]))
    return chunk


def _check_where(
    dataset_ids: Sequence[str] | None, dataset_names: Sequence[str] | None, named_by_scope: bool
) -> None:
    both_given = dataset_ids is not None and dataset_names is not None
    neither_given = dataset_ids is None and dataset_names is None
    if both_given or (neither_given and not named_by_scope):
        raise ConfigurationError(
            "say where to search: give either dataset_ids= or dataset_names=, or a scope= of datasets"
        )
    for argument, value in (("dataset_ids", dataset_ids), ("dataset_names", dataset_names)):
        if isinstance(value, str) or (value is not None and not value):
            raise ConfigurationError(f"{argument}={value!r}: give a list with at least one entry")


def _check_narrowing(
    document_ids: Sequence[str] | None,
    metadata_condition: Mapping[str, Any] | None,
    filters: MetadataFilters | None,
    use_kg: bool | None,
) -> None:
    if metadata_condition is not None and document_ids is not None:
        raise ConfigurationError(
            "document_ids= and metadata_condition=: give one of them, the server ignores the condition"
        )
    if metadata_condition is not None and filters is not None:
        raise ConfigurationError("filters= and metadata_condition=: give one of them, filters= is exact")
    if use_kg and filters is not None:
        raise ConfigurationError(
            "filters= and use_kg=True: a knowledge graph is made of all documents; give one"
        )


def _filtered(
    filters: MetadataFilters | None,
    mode: FilterMode,
    most_calls: int,
    document_ids: Sequence[str] | None,
) -> FilteredSearch | None:
    """Without conditions everything is let through, as in LlamaIndex."""
    exact = None if filters is None else ExactFilter(filters)
    mode, calls = _checked_mode(mode), _checked_number("max_filter_calls", most_calls)
    if exact is None or exact.lets_all_through:
        return None
    return FilteredSearch(exact, mode, calls, document_ids)


def _checked_number(argument: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{argument}={value!r}: give a whole number from 1")
    return value


def _checked_mode(filter_mode: Any) -> FilterMode:
    if filter_mode not in ("strict", "server"):
        raise ConfigurationError(f"filter_mode={filter_mode!r}: give 'strict' or 'server'")
    mode: FilterMode = filter_mode
    return mode


def _checked_age(seconds: Any) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0:
        raise ConfigurationError(f"filter_snapshot_age={seconds!r}: give seconds, 0 for none")
    return float(seconds)


def _check_share(argument: str, value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise ConfigurationError(f"{argument}={value!r}: give a number from 0 to 1")
