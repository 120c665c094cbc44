"""What answers a query on the server: a chat assistant or a search application, asked without a session."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.callbacks.schema import CBEventType, EventPayload
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import NodeWithScore, QueryBundle

from ragflow_integrations import AsyncRAGFlow, InvalidRequestError, RAGFlow, UnsupportedError
from ragflow_integrations.adapting import Flow, Messages, arun, ask, run

from ._answers import Asked, Reply, atexts, awhole, checked_question, texts, whole
from ._client import Connection
from .citations import CitationStyle
from .retriever import RAGFlowRetriever

__all__ = ["ChatAnswers", "Manner", "SearchAnswers", "ServerAnswers"]

_DEFAULT_TOP_N = 6  # RAGFlow's, for a chat that does not tell
_SWITCHES = ("keyword", "cross_languages", "use_kg", "toc_enhance")
_SEARCHED = 12  # chunks that RAGFlow answers a search from, whatever its configuration
_SEARCH_THRESHOLD = 0.1  # RAGFlow's, for a search that does not tell


class Manner(NamedTuple):
    """How an answer is handed out."""

    streaming: bool
    style: CitationStyle
    cited_only: bool


class ServerAnswers(ABC):
    """Answers that the server makes; methods as ``RetrieverQueryEngine`` has them."""

    def __init__(self, connection: Connection, manner: Manner, callback_manager: CallbackManager) -> None:
        self._connection = connection
        self._manner = manner
        self._callback_manager = callback_manager

    @abstractmethod
    def _asked(self, question: str, documents: list[str] | None, told: dict[str, Any]) -> Flow[Asked]:
        """How to ask, of these documents only if given; ``told`` is what the response's metadata begin with."""

    @abstractmethod
    def _settings(self) -> Flow[dict[str, Any]]:
        """The arguments of a retriever that finds what answers rest on; without ``dataset_ids`` there is nothing."""

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        with self._callback_manager.event(CBEventType.QUERY, payload=_payload(query_bundle)) as event:
            response = self._respond(query_bundle)
            event.on_end(payload={EventPayload.RESPONSE: response})
        return response

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        with self._callback_manager.event(CBEventType.QUERY, payload=_payload(query_bundle)) as event:
            response = await self._arespond(query_bundle)
            event.on_end(payload={EventPayload.RESPONSE: response})
        return response

    def synthesize(
        self,
        query_bundle: QueryBundle,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
    ) -> RESPONSE_TYPE:
        return self._respond(query_bundle, _documents(nodes), additional_source_nodes or ())

    async def asynthesize(
        self,
        query_bundle: QueryBundle,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
    ) -> RESPONSE_TYPE:
        return await self._arespond(query_bundle, _documents(nodes), additional_source_nodes or ())

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        client = self._connection.scoped()
        settings = run(self._settings(), client)
        return self._retriever(settings, client=client).retrieve(query_bundle) if settings else []

    async def aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        client = await self._connection.ascoped()
        settings = await arun(self._settings(), client)
        return (
            await self._retriever(settings, async_client=client).aretrieve(query_bundle) if settings else []
        )

    def _respond(
        self,
        query_bundle: QueryBundle,
        documents: list[str] | None = None,
        additional: Sequence[NodeWithScore] = (),
    ) -> RESPONSE_TYPE:
        reply, client = self._reply(additional), self._connection.scoped()
        asked = run(self._asked_for(query_bundle, documents, reply), client)
        if self._manner.streaming:
            return StreamingResponse(texts(asked, client, reply), reply.source_nodes, reply.metadata)
        return Response(whole(asked, client, reply), reply.source_nodes, reply.metadata)

    async def _arespond(
        self,
        query_bundle: QueryBundle,
        documents: list[str] | None = None,
        additional: Sequence[NodeWithScore] = (),
    ) -> RESPONSE_TYPE:
        reply, client = self._reply(additional), await self._connection.ascoped()
        asked = await arun(self._asked_for(query_bundle, documents, reply), client)
        if self._manner.streaming:
            return _Streaming(atexts(asked, client, reply), reply.source_nodes, reply.metadata)
        return Response(await awhole(asked, client, reply), reply.source_nodes, reply.metadata)

    def _asked_for(
        self, query_bundle: QueryBundle, documents: list[str] | None, reply: Reply
    ) -> Flow[Asked | None]:
        """``None`` where there is no document to answer from: told to the server, none would mean all."""
        question = checked_question(query_bundle.query_str)
        if documents == []:
            return None
        return (yield from self._asked(question, documents, reply.metadata))

    def _reply(self, additional: Sequence[NodeWithScore]) -> Reply:
        return Reply({"session_id": None}, self._manner.style, self._manner.cited_only, additional)

    def _retriever(self, settings: dict[str, Any], **clients: Any) -> RAGFlowRetriever:
        return RAGFlowRetriever(**settings, **clients, callback_manager=self._callback_manager)


class _Streaming(AsyncStreamingResponse):
    """Whoever leaves ``async_response_gen()`` early leaves the answer: LlamaIndex's own keeps it open."""

    async def async_response_gen(self) -> AsyncGenerator[str, None]:
        """The pieces."""
        async with aclosing(self._yield_response()) as texts:
            async for text in texts:
                yield text

    async def _yield_response(self) -> AsyncGenerator[str, None]:
        try:
            async with aclosing(super()._yield_response()) as texts:
                async for text in texts:
                    yield text
        finally:
            await self.response_gen.aclose()


class ChatAnswers(ServerAnswers):
    """A chat assistant's."""

    def __init__(
        self,
        chat_id: str | None,
        chat_name: str | None,
        connection: Connection,
        manner: Manner,
        callback_manager: CallbackManager,
    ) -> None:
        super().__init__(connection, manner, callback_manager)
        self._chat = ChatId(chat_id, chat_name, connection)

    def _asked(self, question: str, documents: list[str] | None, told: dict[str, Any]) -> Flow[Asked]:
        chat_id = yield from self._chat.found()
        told["chat_id"] = chat_id
        options = {"doc_ids": ",".join(documents)} if documents else {}

        def call(client: RAGFlow | AsyncRAGFlow, stream: bool) -> Any:
            chat: Any = client.chat(chat_id)
            return chat.ask(question, stream=stream, **options)

        return Asked(call, Messages())

    def _settings(self) -> Flow[dict[str, Any]]:
        chat_id = yield from self._chat.found()
        chat = yield from ask(lambda client: client.get_chat(chat_id))
        if not chat.dataset_ids:
            return {}
        prompt = chat.prompt_config or {}
        return {
            "dataset_ids": chat.dataset_ids,
            "similarity_top_k": chat.top_n or _DEFAULT_TOP_N,
            "candidate_top_k": chat.top_k,
            "similarity_threshold": chat.similarity_threshold,
            "vector_similarity_weight": chat.vector_similarity_weight,
            "rerank_id": chat.rerank_id or None,
            **{name: prompt[name] for name in _SWITCHES if prompt.get(name)},
        }


class SearchAnswers(ServerAnswers):
    """A search application's."""

    def __init__(
        self, search_id: str, connection: Connection, manner: Manner, callback_manager: CallbackManager
    ) -> None:
        super().__init__(connection, manner, callback_manager)
        self._search_id = search_id

    def _asked(self, question: str, documents: list[str] | None, told: dict[str, Any]) -> Flow[Asked]:
        if documents:
            raise UnsupportedError(
                "synthesize: a search application cannot be confined to the documents of some nodes; "
                "a chat assistant can (chat_id=), and an llm= answers from any nodes"
            )
        search: Any = yield from ask(lambda client: client.get_search(self._search_id))
        told["search_id"] = self._search_id
        return Asked(lambda _, stream: search.ask(question, stream=stream), Messages())

    def _settings(self) -> Flow[dict[str, Any]]:
        search = yield from ask(lambda client: client.get_search(self._search_id))
        config = search.search_config
        if not config.get("kb_ids"):
            return {}
        return {
            "dataset_ids": config["kb_ids"],
            "document_ids": config.get("doc_ids") or None,
            "similarity_top_k": _SEARCHED,
            "candidate_top_k": config.get("top_k"),
            "similarity_threshold": config.get("similarity_threshold", _SEARCH_THRESHOLD),
            "vector_similarity_weight": config.get("vector_similarity_weight"),
            "rerank_id": config.get("rerank_id") or None,
        }


class ChatId:
    """The id of a chat assistant that was given by its id or its name."""

    def __init__(self, chat_id: str | None, chat_name: str | None, connection: Connection) -> None:
        self._id, self._name, self._connection = chat_id, chat_name or "", connection

    def found(self) -> Flow[str]:
        """It is looked up once, unless the next question may be another user's, to whom the name is another chat."""
        if self._id is not None:
            return self._id
        chat_id = (yield from ask(lambda client: client.get_chat(name=self._name))).id
        if not self._connection.scope_varies:
            self._id = chat_id
        return chat_id


def _payload(query_bundle: QueryBundle) -> dict[str, Any]:
    return {EventPayload.QUERY_STR: query_bundle.query_str}


def _documents(nodes: Sequence[NodeWithScore]) -> list[str]:
    documents = list(dict.fromkeys(node.node.ref_doc_id for node in nodes if node.node.ref_doc_id))
    if nodes and not documents:
        raise InvalidRequestError(
            f"nodes: none of the {len(nodes)} names its document, so the chat cannot find them; "
            "give nodes that RAGFlow returned, or let an llm= answer"
        )
    return documents
