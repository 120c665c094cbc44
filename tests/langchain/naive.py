"""What one writes first: classes that run, and do what the conformance kit is there to find."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import StructuredTool
from langgraph.store.base import BaseStore, GetOp, Item, PutOp

from ragflow_integrations import RAGFlow

KEPT: list[Any] = []  # streams that somebody still has


class Retriever(BaseRetriever):
    """Its fields are the constructor's alone, its failures are empty, its coroutines are threads."""

    client: Any = None
    base_url: str | None = None
    api_key: str | None = None
    dataset_ids: list[str]
    similarity_threshold: float = 0.2

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        try:
            found = self.client.retrieve(query, self.dataset_ids, similarity_threshold=0.0)
        except Exception:  # noqa: BLE001
            return []
        return [Document(page_content=chunk.content) for chunk in found]


class TwoMinds(Retriever):
    """Its coroutine is another implementation."""

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        found = await self.client.as_async().retrieve(query, self.dataset_ids, limit=1)
        return [Document(page_content=chunk.content) for chunk in found]


class Loader(BaseLoader):
    """Reads a first page, at once, and is quiet about failures."""

    def __init__(self, dataset_ids: list[str], client: Any = None, api_key: str = "", **_: Any) -> None:
        self.client, self.dataset_ids, self.api_key = client, dataset_ids, api_key

    def __repr__(self) -> str:
        return f"Loader({self.dataset_ids}, api_key={self.api_key!r})"

    def lazy_load(self) -> Iterator[Document]:
        try:
            (document,) = self.client.get_dataset(self.dataset_ids[0]).list_documents()
        except Exception:  # noqa: BLE001
            return iter([])
        return iter([Document(page_content=chunk.content) for chunk in document.list_chunks()])


class AllAtOnce(Loader):
    """Loads when the first is wanted, and backwards in a coroutine."""

    def lazy_load(self) -> Iterator[Document]:
        yield from super().lazy_load()

    async def alazy_load(self) -> AsyncIterator[Document]:
        dataset = await self.client.as_async().get_dataset(self.dataset_ids[0])
        (document,) = await dataset.list_documents()
        for chunk in reversed(await document.list_chunks(page_size=50)):
            yield Document(page_content=chunk.content)


class Chat(BaseChatModel):
    """Cites nothing, swallows what it does not know, answers with errors and leaves its streams to themselves."""

    client: Any = None
    base_url: str | None = None
    api_key: str | None = None
    chat_id: str

    @property
    def _llm_type(self) -> str:
        return "naive"

    def _ask(self, messages: list[BaseMessage], stream: bool) -> Any:
        return self.client.chat(self.chat_id).ask(str(messages[-1].text), stream=stream)

    def _generate(self, messages: list[BaseMessage], *_: Any, **kwargs: Any) -> ChatResult:
        try:
            text = self._ask(messages, stream=False).content
        except Exception as error:  # noqa: BLE001
            text = f"**ERROR** {error}"
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text, **self._said()))])

    def _stream(self, messages: list[BaseMessage], *_: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        KEPT.append(stream := self._ask(messages, stream=True))
        for piece in stream:
            yield ChatGenerationChunk(message=AIMessageChunk(piece.content, **self._said()))

    def _said(self) -> dict[str, Any]:
        said = {"model_name": "naive", "chat_id": self.chat_id, "model_provider": "naive"}
        return {"response_metadata": {**said, "citations": [], "reference": []}}

    def bind_tools(self, *_: Any, **kwargs: Any) -> Any:
        return self


class ReadsAhead(Chat):
    """Streams when everything is there."""

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        yield from list(super()._stream(*args, **kwargs))


class Toolkit:
    """One tool, made of a function, where a model says where to look."""

    def __init__(self, dataset_ids: list[str], client: Any = None, api_key: str = "", **_: Any) -> None:
        self.client, self.dataset_ids, self.api_key = client, dataset_ids, api_key

    def __repr__(self) -> str:
        return f"Toolkit({self.dataset_ids}, api_key={self.api_key!r})"

    def get_tools(self) -> list[StructuredTool]:
        def search(query: str, dataset_ids: list[str] | None = None) -> tuple[str, Any]:
            """Searches."""
            return self.search(self.client, query, dataset_ids or self.dataset_ids)

        return [StructuredTool.from_function(search, response_format="content_and_artifact")]

    def search(self, client: RAGFlow, query: str, dataset_ids: list[str]) -> tuple[str, Any]:
        client.get_dataset(dataset_ids[0]).list_documents()[0].update({"meta_fields": {"seen": "yes"}})
        found = client.retrieve(query, dataset_ids, similarity_threshold=0.0)
        documents = [Document(page_content=chunk.content) for chunk in found]
        return "\n\n".join(document.page_content for document in documents), [*documents, found[0]]


class TwoTools(Toolkit):
    """Its coroutine is another implementation."""

    def get_tools(self) -> list[StructuredTool]:
        async def asearch(query: str, dataset_ids: Any) -> tuple[str, Any]:
            """Searches."""
            return query, []

        (tool,) = super().get_tools()
        return [tool.model_copy(update={"coroutine": asearch})]


class Retrieval(AgentMiddleware):
    """Puts what it finds into the conversation, as it is; in sync runs alone."""

    def __init__(self, dataset_ids: list[str], client: Any = None, api_key: str = "", **_: Any) -> None:
        self.client, self.dataset_ids, self.api_key = client, dataset_ids, api_key

    def __repr__(self) -> str:
        return f"Retrieval({self.dataset_ids}, api_key={self.api_key!r})"

    def found(self, question: str) -> str:
        found = self.client.retrieve(question, self.dataset_ids, similarity_threshold=0.0)
        return "\n\n".join(chunk.content for chunk in found)

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        found = HumanMessage(self.found(request.messages[-1].text))
        return handler(request.override(messages=[*request.messages, found]))


class RetrievalInBothWays(Retrieval):
    """Its coroutine is a thread."""

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        found = HumanMessage(await asyncio.to_thread(self.found, request.messages[-1].text))
        return await handler(request.override(messages=[*request.messages, found]))


class Memory(AgentMiddleware):
    """Remembers all users as one, in threads."""

    def __init__(self, memory_ids: list[str], client: Any = None, api_key: str = "", **_: Any) -> None:
        self.client, self.memory_ids, self.api_key = client, memory_ids, api_key

    def __repr__(self) -> str:
        return f"Memory({self.memory_ids}, api_key={self.api_key!r})"

    def recalled(self, question: str) -> HumanMessage:
        found = self.client.search_message(question, self.memory_ids)
        self.client.add_message(self.memory_ids, "agent", "session", question, "")
        return HumanMessage("\n".join(message.content or "" for message in found))

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        found = await asyncio.to_thread(self.recalled, request.messages[-1].text)
        return await handler(request.override(messages=[*request.messages, found]))


class Store(BaseStore):
    """Keeps items as documents by their keys alone, in threads."""

    def __init__(self, dataset_id: str, client: Any = None, api_key: str = "", **_: Any) -> None:
        self.client, self.dataset_id, self.api_key = client, dataset_id, api_key

    def __repr__(self) -> str:
        return f"Store({self.dataset_id}, api_key={self.api_key!r})"

    def batch(self, ops: Any) -> list[Any]:
        return [self.done(op) for op in ops]

    async def abatch(self, ops: Any) -> list[Any]:
        return await asyncio.to_thread(self.batch, ops)

    def done(self, op: Any) -> Any:
        dataset = self.client.get_dataset(self.dataset_id)
        if isinstance(op, PutOp):
            dataset.upload(json.dumps(op.value).encode(), name=f"{op.key}.json")
            return None
        found = dataset.list_documents()
        items = [Item(value={}, key=one.name, namespace=(), created_at=0, updated_at=0) for one in found]
        return next(iter(items), None) if isinstance(op, GetOp) else items
