"""What one writes first: classes that run, and do what the conformance kit is there to find."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.llms.types import CompletionResponse, LLMMetadata
from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.chat_engine.types import AgentChatResponse
from llama_index.core.data_structs.data_structs import IndexDict
from llama_index.core.indices.managed.base import BaseManagedIndex
from llama_index.core.llms import CustomLLM, MockLLM
from llama_index.core.memory import BaseMemory, BaseMemoryBlock
from llama_index.core.query_engine import CustomQueryEngine
from llama_index.core.readers.base import BasePydanticReader, ResourcesReaderMixin
from llama_index.core.schema import Document, NodeWithScore, QueryBundle, TextNode
from llama_index.core.tools.tool_spec.base import BaseToolSpec
from llama_index.core.vector_stores import MetadataFilters
from llama_index.core.vector_stores.types import BasePydanticVectorStore, VectorStoreQueryResult

SAID: dict[str, list[str]] = {}
OPERATORS = {
    "==": "=",
    "!=": "≠",
    "nin": "not in",
    ">=": "≥",
    "<=": "≤",
    "text_match": "contains",
    "is_empty": "empty",
}


class Retriever(BaseRetriever):
    """Its nodes have the documents' ids, its failures are empty, its coroutine is the plain call."""

    def __init__(self, dataset_ids: list[str], client: Any = None, api_key: str = "", **options: Any) -> None:
        super().__init__()
        self.client, self.dataset_ids, self._api_key, self.options = client, dataset_ids, api_key, options

    def __repr__(self) -> str:
        return f"Retriever({self.dataset_ids}, api_key={self._api_key!r})"

    def with_options(self, dataset_ids: list[str], filters: MetadataFilters, **options: Any) -> Retriever:
        conditions = [
            {
                "name": each.key,
                "comparison_operator": OPERATORS.get(each.operator.value, each.operator.value),
                "value": each.value,
            }
            for each in filters.filters
            if not isinstance(each, MetadataFilters)
        ]
        condition = {"logic": "and", "conditions": conditions}
        return Retriever(dataset_ids, self.client, metadata_condition=condition)

    def _found(self, question: str) -> list[Any]:
        named = {name: self.options.get(name) or None for name in ("document_ids", "metadata_condition")}
        return list(self.client.retrieve(question, self.dataset_ids, similarity_threshold=0.0, **named))

    def _nodes(self, question: str) -> list[NodeWithScore]:
        return [
            NodeWithScore(
                node=TextNode(
                    id_=chunk.document_id,
                    text=chunk.content,
                    metadata={"document_name": chunk.document_name, "document_id": chunk.document_id},
                ),
                score=chunk.similarity,
            )
            for chunk in self._found(question)
        ]

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        try:
            return self._nodes(query_bundle.query_str)
        except Exception:  # noqa: BLE001
            return []


class RaisesWithItsKey(Retriever):
    """Does raise; and what a tracer is given has the key."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._nodes(query_bundle.query_str)


class OfTwoMinds(Retriever):
    """Its coroutine is another implementation."""

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._nodes(query_bundle.query_str)[:1]


class Untold(Retriever):
    """Goes around LlamaIndex's own method, and its events."""

    def retrieve(self, str_or_query_bundle: Any) -> list[NodeWithScore]:
        return self._nodes(str(str_or_query_bundle))


class Nesting(Retriever):
    """Runs coroutines in plain calls."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        if asyncio._get_running_loop():
            raise RuntimeError("asyncio.run() cannot be called from a running event loop")
        return super()._retrieve(query_bundle)


class _Asking:
    """Says what went wrong as an answer, reads streams before it hands them out."""

    client: Any
    chat_id: str

    def _text(self, question: str) -> str:
        try:
            return str(self.client.chat(self.chat_id).ask(question).content)
        except Exception as error:  # noqa: BLE001
            return f"**ERROR** {error}"

    def _pieces(self, question: str) -> Iterator[str]:
        try:
            yield from [piece.content for piece in self.client.chat(self.chat_id).ask(question, stream=True)]
        except Exception as error:  # noqa: BLE001
            yield f"**ERROR** {error}"

    async def _apieces(self, question: str) -> AsyncIterator[str]:
        for piece in await asyncio.to_thread(lambda: list(self._pieces(question))):
            yield piece


class Engine(_Asking, CustomQueryEngine):
    """Without LlamaIndex's events, parts, citations and sources."""

    client: Any = None
    chat_id: str
    streaming: bool = False

    def custom_query(self, query_str: str) -> Any:
        return (
            StreamingResponse(self._pieces(query_str))  # type: ignore[arg-type]
            if self.streaming
            else Response(self._text(query_str))
        )

    async def acustom_query(self, query_str: str) -> Any:
        return (
            AsyncStreamingResponse(self._apieces(query_str))  # type: ignore[arg-type]
            if self.streaming
            else Response(self._text(query_str))
        )


class ChatEngine(_Asking, SimpleChatEngine):
    """Without events and with a memory that nobody writes."""

    def __init__(self, chat_id: str, client: Any = None, **_: Any) -> None:
        SimpleChatEngine.__init__(self, MockLLM(), [], [])  # type: ignore[arg-type]
        self.client, self.chat_id = client, chat_id

    @property
    def chat_history(self) -> list[Any]:
        return []

    def chat(self, message: str, chat_history: Any = None) -> Any:
        return AgentChatResponse(self._text(message))

    async def achat(self, message: str, chat_history: Any = None) -> Any:
        return AgentChatResponse(self._text(message))

    async def astream_chat(self, message: str, chat_history: Any = None) -> Any:
        return AsyncStreamingResponse(self._apieces(message))  # type: ignore[arg-type]


class Spec(BaseToolSpec):
    """One tool, where a model says where to look, and whose text is all there is."""

    spec_functions = ["search"]  # noqa: RUF012

    def __init__(self, dataset_ids: list[str], client: Any = None, api_key: str = "", **_: Any) -> None:
        self.client, self.dataset_ids, self.api_key = client, dataset_ids, api_key

    def __repr__(self) -> str:
        return f"Spec({self.dataset_ids}, api_key={self.api_key!r})"

    def search(self, question: str, dataset_ids: list[str] | None = None) -> str:
        """Searches."""
        try:
            found = self.client.retrieve(question, dataset_ids or self.dataset_ids, similarity_threshold=0.0)
        except Exception:  # noqa: BLE001
            return ""
        return "\n\n".join(f"{chunk.document_name}: {chunk.content}" for chunk in found)


class SpecOfTwoMinds(Spec):
    """Its coroutine is another implementation."""

    spec_functions = [("search", "asearch")]  # noqa: RUF012

    async def asearch(self, question: str, dataset_ids: list[str] | None = None) -> str:
        """Searches."""
        return question


class Llm(CustomLLM):
    """Says what went wrong as an answer, reads streams before it hands them out, and has its key as a field."""

    client: Any = None
    chat_id: str
    api_key: str = ""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True)

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text=_Asking._text(self, prompt))  # type: ignore[arg-type]

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        text = ""
        for piece in list(_Asking._pieces(self, prompt)):  # type: ignore[arg-type]
            text += piece
            yield CompletionResponse(text=text)


class Index(BaseManagedIndex):
    """Has the plain methods only, and writes new versions beside the old ones."""

    def __init__(self, dataset_id: str, client: Any = None, api_key: str = "", **_: Any) -> None:
        super().__init__(index_struct=IndexDict())
        self.client, self.dataset_id, self.api_key = client, dataset_id, api_key

    def __repr__(self) -> str:
        return f"Index({self.dataset_id}, api_key={self.api_key!r})"

    def _insert(self, nodes: Any, **insert_kwargs: Any) -> None:
        dataset = self.client.get_dataset(self.dataset_id)
        for node in nodes:
            dataset.upload(node.get_content().encode(), name=f"{node.ref_doc_id}.txt")

    def delete_ref_doc(self, ref_doc_id: str, delete_from_docstore: bool = False, **kwargs: Any) -> None:
        """It does nothing."""

    def update_ref_doc(self, document: Any, **update_kwargs: Any) -> None:
        self.insert(document)

    def as_retriever(self, **kwargs: Any) -> Retriever:
        return Retriever([self.dataset_id], self.client)


class VectorStore(BasePydanticVectorStore):
    """Keeps the texts."""

    stores_text: bool = True
    is_embedding_query: bool = False
    dataset_id: str
    api_key: str = ""
    _client: Any = PrivateAttr(default=None)

    def __init__(self, client: Any = None, **fields: Any) -> None:
        super().__init__(**fields)
        self._client = client

    @property
    def client(self) -> Any:
        return self._client

    def add(self, nodes: Any, **kwargs: Any) -> list[str]:
        dataset = self._client.get_dataset(self.dataset_id)
        for node in nodes:
            dataset.upload(node.get_content().encode(), name="node.txt")
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **kwargs: Any) -> None:
        """It does nothing."""

    def clear(self) -> None:
        """It does nothing."""

    def query(self, query: Any, **kwargs: Any) -> VectorStoreQueryResult:
        try:
            found = self._client.retrieve(query.query_str, [self.dataset_id], similarity_threshold=0.0)
        except Exception:  # noqa: BLE001
            found = []
        nodes = [TextNode(id_=chunk.id, text=chunk.content) for chunk in found]
        return VectorStoreQueryResult(
            nodes=nodes, similarities=[1.0] * len(nodes), ids=[one.id_ for one in nodes]
        )


class Reader(BasePydanticReader, ResourcesReaderMixin):
    """Reads a first page, and is quiet about failures."""

    dataset_ids: list[str]
    api_key: str = ""
    _client: Any = PrivateAttr(default=None)

    def __init__(self, client: Any = None, **fields: Any) -> None:
        super().__init__(**fields)
        self._client = client

    def load_data(self, *args: Any, **kwargs: Any) -> list[Document]:
        try:
            (document, *_) = self._client.get_dataset(self.dataset_ids[0]).list_documents()
        except Exception:  # noqa: BLE001
            return []
        return [Document(text=chunk.content) for chunk in document.list_chunks()]

    def list_resources(self, *args: Any, **kwargs: Any) -> list[str]:
        return self.dataset_ids

    def get_resource_info(self, resource_id: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {}

    def load_resource(self, resource_id: str, *args: Any, **kwargs: Any) -> list[Document]:
        return []


class Block(BaseMemoryBlock[str]):
    """Keeps what it is given, for everybody, and is given little."""

    name: str = "naive"
    memory_ids: list[str]
    user: Any = None
    api_key: str = ""

    async def _aget(self, messages: Any = None, **kwargs: Any) -> str:
        return "\n".join(SAID.get(self.memory_ids[0], []))

    async def _aput(self, messages: Any) -> None:
        SAID.setdefault(self.memory_ids[0], []).extend(str(message.content) for message in messages)

    async def aflush(self, memory: Any = None) -> None:
        """There is nothing to do, is there?"""


class ForgetfulBlock(Block):
    """Keeps nothing."""

    async def _aput(self, messages: Any) -> None:
        """It does nothing."""


class Memory(BaseMemory):
    """Is a list; it looks for more in threads, and has nothing of it."""

    memory_ids: list[str]
    user: Any = None
    session_id: str = ""
    api_key: str = ""
    _client: Any = PrivateAttr(default=None)
    _said: list[Any] = PrivateAttr(default_factory=list)

    def __init__(self, client: Any = None, **fields: Any) -> None:
        super().__init__(**fields)
        self._client = client

    @classmethod
    def from_defaults(cls, **kwargs: Any) -> Memory:
        return cls(**kwargs)

    def get(self, input: Any = None, **kwargs: Any) -> list[Any]:
        self._client.search_message(input, self.memory_ids[0])
        return self._said

    def get_all(self) -> list[Any]:
        return self._said

    def put(self, message: Any) -> None:
        self._said.append(message)

    def set(self, messages: Any) -> None:
        self._said.extend(messages)

    def reset(self) -> None:
        """It does nothing."""
