"""Retrieval from RAGFlow's datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.settings import Settings
from pydantic import SecretStr

from ragflow_integrations import AsyncRAGFlow, ConfigurationError, RAGFlow, Scope
from ragflow_integrations.adapting import Flow, ask, dataset_ids

from ._client import Connected, Connection
from ._run import OfRun
from .nodes import to_nodes

__all__ = ["RAGFlowRetriever"]


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
        client: RAGFlow | None = None,
        async_client: AsyncRAGFlow | None = None,
        base_url: str | None = None,
        api_key: SecretStr | str | None = None,
        timeout: float | None = 60.0,
        max_retries: int = 2,
        scope: Scope | OfRun[Scope] | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        if document_ids is not None and metadata_condition is not None:
            raise ConfigurationError(
                "document_ids= and metadata_condition=: give one of them, the server ignores the condition"
            )
        super().__init__(callback_manager=callback_manager or Settings.callback_manager)
        self._connection: Connection = Connection(
            client, async_client, base_url, api_key, timeout, max_retries, scope
        )
        _check_where(dataset_ids, dataset_names, self._connection.names_datasets)
        self._dataset_ids = None if dataset_ids is None else list(dataset_ids)
        self._dataset_names = None if dataset_names is None else list(dataset_names)
        self._known: dict[str, str] = {}
        _check_share("similarity_threshold", similarity_threshold)
        _check_share("vector_similarity_weight", vector_similarity_weight)
        self._search: dict[str, Any] = {
            "document_ids": document_ids,
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
            "limit": _checked_limit(similarity_top_k),
        }

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._connection.run(self._found(query_bundle.query_str))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await self._connection.arun(self._found(query_bundle.query_str))

    def _found(self, question: str) -> Flow[list[NodeWithScore]]:
        known = {} if self._connection.scope_varies else self._known
        ids = yield from dataset_ids(self._dataset_ids, self._dataset_names, known)
        if not ids:
            return []
        return to_nodes((yield from ask(lambda client: client.retrieve(question, ids, **self._search))))


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


def _checked_limit(similarity_top_k: Any) -> int:
    if isinstance(similarity_top_k, bool) or not isinstance(similarity_top_k, int) or similarity_top_k < 1:
        raise ConfigurationError(f"similarity_top_k={similarity_top_k!r}: give a whole number from 1")
    return similarity_top_k


def _check_share(argument: str, value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise ConfigurationError(f"{argument}={value!r}: give a number from 0 to 1")
