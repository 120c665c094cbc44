"""Answers with their sources: from a chat assistant of the server, or from any LlamaIndex LLM."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing, closing
from typing import Any

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.settings import Settings
from pydantic import SecretStr

from ragflow_integrations import AsyncRAGFlow, ConfigurationError, RAGFlow, Scope

from ._chat import ChatAnswers, Manner, SearchAnswers, ServerAnswers
from ._client import NO_SETTINGS, Connected, Connection
from ._run import OfRun
from .citations import CitationStyle, check_style
from .retriever import RAGFlowRetriever

__all__ = ["RAGFlowQueryEngine"]

_NOTHING_SAID = "Empty Response"  # LlamaIndex's own words; it would print "None"


class RAGFlowQueryEngine(Connected, BaseQueryEngine):
    """Answers questions from RAGFlow's datasets, with the source nodes of each answer.

    Who answers: the chat assistant ``chat_id`` or ``chat_name``, with its own datasets, prompt and model
    (``POST /api/v1/chat/completions``; nothing is stored on the server); the search application ``search_id``
    (servers from v0.25.1); or ``llm`` (default ``Settings.llm``) from what ``retriever``, or a
    ``RAGFlowRetriever`` on ``dataset_ids``, ``dataset_names`` or the datasets that ``scope`` names, finds.

    **Citations.** An answer of the server has all chunks it was given as ``source_nodes``: ``[ID:n]`` in the text
    cites the n-th, from 0. ``citation_style`` writes that otherwise: ``"numeric"`` as ``[n+1]``, ``"markdown"`` as
    footnotes ``[^n+1]`` with the documents at the end, ``"none"`` not at all; streamed or whole, the text is the
    same. ``cited_only`` leaves only the cited nodes; their numbers stay, as ``metadata["citation_index"]``.

    ``response.metadata`` holds ``chat_id`` or ``search_id``, ``session_id``, ``citations`` (``index``, the source's
    place, ``start`` and ``end`` of the marker in the response's text, ``node_id``), ``cited_node_ids``, and where
    there are any ``unresolved_citations`` (markers beyond the sources), ``reasoning``, ``usage`` and ``documents``
    (how many chunks of each); an answer that the server changed after streaming it, as ``final_text`` with
    ``final_citations``. Each node's metadata says ``cited`` and ``citation_index``. An ``llm`` answers as in
    LlamaIndex's ``RetrieverQueryEngine``.

    ``streaming=True`` gives a ``StreamingResponse``, ``aquery`` an ``AsyncStreamingResponse``: the question
    is sent when the first piece is asked for, source nodes and metadata are filled in when the last is
    there, and ``response_gen.close()`` (``aclose()``) breaks the answer off.

    Which server and ``scope``: as ``RAGFlowRetriever``. Raises ``ConfigurationError`` for arguments that make no
    sense; asking raises ``InvalidRequestError`` for an empty question and ``NotFoundError`` for an unknown chat.
    """

    def __init__(
        self,
        *,
        chat_id: str | None = None,
        chat_name: str | None = None,
        search_id: str | None = None,
        retriever: BaseRetriever | None = None,
        dataset_ids: Sequence[str] | None = None,
        dataset_names: Sequence[str] | None = None,
        llm: LLM | None = None,
        streaming: bool = False,
        citation_style: CitationStyle = "ragflow",
        cited_only: bool = False,
        client: RAGFlow | None = None,
        async_client: AsyncRAGFlow | None = None,
        base_url: str | None = None,
        api_key: SecretStr | str | None = None,
        timeout: float | None = 60.0,
        max_retries: int = 2,
        scope: Scope | OfRun[Scope] | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        served = {"chat_id": chat_id, "chat_name": chat_name, "search_id": search_id}
        found = {"retriever": retriever, "dataset_ids": dataset_ids, "dataset_names": dataset_names}
        manner = Manner(streaming, check_style(citation_style), cited_only)
        _check_who(served, found, llm, scope)
        _check_citing(served, manner)
        tail = (client, async_client, base_url, api_key, timeout, max_retries, scope)
        if retriever is not None and tail != (None, None, *NO_SETTINGS, None):
            raise ConfigurationError(
                "retriever= has its own connection: leave out client=, base_url=, scope= and so on"
            )
        callback_manager = callback_manager or Settings.callback_manager
        super().__init__(callback_manager=callback_manager)
        self._connection = None if retriever is not None else Connection(*tail)
        self._answers: ServerAnswers | RetrieverQueryEngine
        if self._connection is not None and search_id is not None:
            self._answers = SearchAnswers(search_id, self._connection, manner, callback_manager)
        elif self._connection is not None and (chat_id is not None or chat_name is not None):
            self._answers = ChatAnswers(chat_id, chat_name, self._connection, manner, callback_manager)
        else:
            self._answers = RetrieverQueryEngine.from_args(
                retriever or self._retriever_on(dataset_ids, dataset_names, callback_manager),
                llm=llm,
                streaming=streaming,
                callback_manager=callback_manager,
            )

    def _retriever_on(
        self,
        dataset_ids: Sequence[str] | None,
        dataset_names: Sequence[str] | None,
        callback_manager: CallbackManager,
    ) -> RAGFlowRetriever:
        assert self._connection is not None
        return RAGFlowRetriever(
            dataset_ids,
            dataset_names=dataset_names,
            client=self._connection.client,
            async_client=self._connection.async_client,
            scope=self._connection.scope,
            callback_manager=callback_manager,
        )

    def _get_prompt_modules(self) -> PromptMixinType:
        return self._answers._get_prompt_modules()

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        return _never_empty(self._answers._query(query_bundle))

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        return _never_empty(await self._answers._aquery(query_bundle))

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """What the answer would rest on.

        For a chat or a search application: what retrieval finds with its own settings, except its metadata filter.
        """
        return self._answers.retrieve(query_bundle)

    async def aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """As ``retrieve``."""
        return await self._answers.aretrieve(query_bundle)

    def synthesize(
        self,
        query_bundle: QueryBundle,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
    ) -> RESPONSE_TYPE:
        """An answer from these nodes.

        A chat retrieves for itself, so it is confined to the documents that the nodes are of, and the
        response's source nodes are those it used; ``additional_source_nodes`` are added to them. A search
        application cannot be confined: ``UnsupportedError``.
        """
        return _never_empty(self._answers.synthesize(query_bundle, nodes, additional_source_nodes))

    async def asynthesize(
        self,
        query_bundle: QueryBundle,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
    ) -> RESPONSE_TYPE:
        """As ``synthesize``."""
        return _never_empty(await self._answers.asynthesize(query_bundle, nodes, additional_source_nodes))


def _never_empty(response: RESPONSE_TYPE) -> RESPONSE_TYPE:
    """An answer without text says so."""
    if isinstance(response, Response):
        response.response = response.response or _NOTHING_SAID
    elif isinstance(response, StreamingResponse):
        response.response_gen = _some_text(response.response_gen)
    elif isinstance(response, AsyncStreamingResponse):
        response.response_gen = _some_text_async(response.response_gen)
    return response


def _some_text(pieces: Generator[str, None, None]) -> Generator[str, None, None]:
    said = False
    with closing(pieces):
        for piece in pieces:
            said = said or bool(piece)
            yield piece
    if not said:
        yield _NOTHING_SAID


async def _some_text_async(pieces: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    said = False
    async with aclosing(pieces):
        async for piece in pieces:
            said = said or bool(piece)
            yield piece
    if not said:
        yield _NOTHING_SAID


def _check_who(
    served: dict[str, Any], found: dict[str, Any], llm: LLM | None, scope: Scope | OfRun[Scope] | None
) -> None:
    given = _given(served | found)
    if not given and scope is not None:
        return
    if len(given) != 1:
        raise ConfigurationError(
            "say who answers: one of chat_id=, chat_name=, search_id= (the server does), or, with llm=, one of "
            "retriever=, dataset_ids=, dataset_names=, or a scope= of datasets; "
            f"given: {', '.join(given) or 'none of them'}"
        )
    if llm is not None and given[0] in served:
        raise ConfigurationError(f"llm= and {given[0]}=: the server answers with its own model; give one")


def _check_citing(served: dict[str, Any], manner: Manner) -> None:
    if not _given(served) and (manner.style != "ragflow" or manner.cited_only):
        raise ConfigurationError(
            "citation_style= and cited_only= are for answers of the server (chat_id=, chat_name=, search_id=); "
            "an llm= cites with LlamaIndex's CitationQueryEngine"
        )


def _given(arguments: dict[str, Any]) -> list[str]:
    return [name for name, value in arguments.items() if value is not None]
