"""A chat assistant of the server as what answers a query."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any

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

from ragflow_integrations import AsyncChat, AsyncRAGFlow, Chat, InvalidRequestError, Message, RAGFlow

from ._client import Connection
from .citations import cite, flag
from .nodes import to_node
from .retriever import RAGFlowRetriever

__all__ = ["ChatAnswers"]

_DEFAULT_TOP_N = 6  # RAGFlow's, for a chat that does not tell


class ChatAnswers:
    """A chat assistant of the server, asked without a session; methods as ``RetrieverQueryEngine`` has them."""

    def __init__(
        self,
        connection: Connection,
        chat_id: str | None,
        chat_name: str | None,
        streaming: bool,
        callback_manager: CallbackManager,
    ) -> None:
        self._connection = connection
        self._chat_id = chat_id
        self._chat_name = chat_name or ""
        self._streaming = streaming
        self._callback_manager = callback_manager

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        with self._callback_manager.event(CBEventType.QUERY, payload=_asked(query_bundle)) as event:
            response = self._respond(_Reply(query_bundle))
            event.on_end(payload={EventPayload.RESPONSE: response})
        return response

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        with self._callback_manager.event(CBEventType.QUERY, payload=_asked(query_bundle)) as event:
            response = await self._arespond(_Reply(query_bundle))
            event.on_end(payload={EventPayload.RESPONSE: response})
        return response

    def synthesize(
        self,
        query_bundle: QueryBundle,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
    ) -> RESPONSE_TYPE:
        return self._respond(_Reply(query_bundle, _documents(nodes), additional_source_nodes or ()))

    async def asynthesize(
        self,
        query_bundle: QueryBundle,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
    ) -> RESPONSE_TYPE:
        return await self._arespond(_Reply(query_bundle, _documents(nodes), additional_source_nodes or ()))

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        client = self._connection.scoped()
        chat = client.get_chat(self._find_chat(client))
        return self._retriever(chat, client=client).retrieve(query_bundle) if chat.dataset_ids else []

    async def aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        client = await self._connection.ascoped()
        chat = await client.get_chat(await self._afind_chat(client))
        return (
            await self._retriever(chat, async_client=client).aretrieve(query_bundle)
            if chat.dataset_ids
            else []
        )

    def _respond(self, reply: _Reply) -> RESPONSE_TYPE:
        client = self._connection.scoped()
        chat = client.chat(self._find_chat(client))
        reply.metadata["chat_id"] = chat.id
        if self._streaming:
            return StreamingResponse(reply.stream(chat), reply.source_nodes, reply.metadata)
        text = reply.ask(chat)
        return Response(text, reply.source_nodes, reply.metadata)

    async def _arespond(self, reply: _Reply) -> RESPONSE_TYPE:
        client = await self._connection.ascoped()
        chat = client.chat(await self._afind_chat(client))
        reply.metadata["chat_id"] = chat.id
        if self._streaming:
            return AsyncStreamingResponse(reply.astream(chat), reply.source_nodes, reply.metadata)
        text = await reply.aask(chat)
        return Response(text, reply.source_nodes, reply.metadata)

    def _find_chat(self, client: RAGFlow) -> str:
        return self._chat_id or self._keep(client.get_chat(name=self._chat_name).id)

    async def _afind_chat(self, client: AsyncRAGFlow) -> str:
        return self._chat_id or self._keep((await client.get_chat(name=self._chat_name)).id)

    def _keep(self, chat_id: str) -> str:
        """For the next question, unless that may be another user's, to whom the name is another chat."""
        if not self._connection.scope_varies:
            self._chat_id = chat_id
        return chat_id

    def _retriever(self, chat: Chat | AsyncChat, **clients: Any) -> RAGFlowRetriever:
        prompt = chat.prompt_config or {}
        return RAGFlowRetriever(
            chat.dataset_ids,
            similarity_top_k=chat.top_n or _DEFAULT_TOP_N,
            candidate_top_k=chat.top_k,
            similarity_threshold=chat.similarity_threshold,
            vector_similarity_weight=chat.vector_similarity_weight,
            rerank_id=chat.rerank_id or None,
            keyword=prompt.get("keyword") or None,
            cross_languages=prompt.get("cross_languages") or None,
            use_kg=prompt.get("use_kg") or None,
            toc_enhance=prompt.get("toc_enhance") or None,
            callback_manager=self._callback_manager,
            **clients,
        )


class _Reply:
    """One question and what comes back: the text is handed out, the sources are filled in at its end.

    ``documents`` confine the answer to these (``None``: all of the chat's; ``[]``: nothing is asked).
    """

    def __init__(
        self,
        query_bundle: QueryBundle,
        documents: list[str] | None = None,
        additional: Sequence[NodeWithScore] = (),
    ) -> None:
        self.source_nodes: list[NodeWithScore] = []
        self.metadata: dict[str, Any] = {
            "chat_id": "",
            "session_id": None,
            "citations": [],
            "cited_node_ids": [],
        }
        self._question = query_bundle.query_str
        if not self._question.strip():
            raise InvalidRequestError(f"question={self._question!r}: give a text that is not empty")
        self._documents = documents
        self._additional = additional

    def ask(self, chat: Chat) -> str:
        if self._documents == []:
            return self._finish("", Message())
        message = chat.ask(self._question, **self._options())
        return self._finish(message.content, message)

    async def aask(self, chat: AsyncChat) -> str:
        if self._documents == []:
            return self._finish("", Message())
        message = await chat.ask(self._question, **self._options())
        return self._finish(message.content, message)

    def stream(self, chat: Chat) -> Generator[str, None, None]:
        if self._documents == []:
            self._finish("", Message())
            return
        pieces = list[str]()
        with chat.ask(self._question, stream=True, **self._options()) as stream:
            for message in stream:
                pieces.append(message.content)
                if message.final:
                    self._finish("".join(pieces), message)
                if message.content:
                    yield message.content

    async def astream(self, chat: AsyncChat) -> AsyncGenerator[str, None]:
        if self._documents == []:
            self._finish("", Message())
            return
        pieces = list[str]()
        async with await chat.ask(self._question, stream=True, **self._options()) as stream:
            async for message in stream:
                pieces.append(message.content)
                if message.final:
                    self._finish("".join(pieces), message)
                if message.content:
                    yield message.content

    def _options(self) -> dict[str, Any]:
        return {"doc_ids": ",".join(self._documents)} if self._documents else {}

    def _finish(self, text: str, message: Message) -> str:
        nodes = [to_node(chunk) for chunk in message.reference]
        cited = cite(text, nodes)
        flag(nodes, cited)
        self.source_nodes += [*nodes, *self._additional]
        self.metadata.update(
            session_id=message.session_id, citations=cited.citations, cited_node_ids=cited.node_ids
        )
        if cited.unresolved:
            self.metadata["unresolved_citations"] = cited.unresolved
        return text


def _asked(query_bundle: QueryBundle) -> dict[str, Any]:
    return {EventPayload.QUERY_STR: query_bundle.query_str}


def _documents(nodes: Sequence[NodeWithScore]) -> list[str]:
    documents = list(dict.fromkeys(node.node.ref_doc_id for node in nodes if node.node.ref_doc_id))
    if nodes and not documents:
        raise InvalidRequestError(
            f"nodes: none of the {len(nodes)} names its document, so the chat cannot find them; "
            "give nodes that RAGFlow returned, or let an llm= answer"
        )
    return documents
