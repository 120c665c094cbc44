"""A dataset of RAGFlow as an index of LlamaIndex: RAGFlow parses, cuts, embeds, finds and answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, Self, TypeVar

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.chat_engine.types import BaseChatEngine, ChatMode
from llama_index.core.data_structs.data_structs import IndexDict
from llama_index.core.indices.managed.base import BaseManagedIndex
from llama_index.core.llms.llm import LLM
from llama_index.core.llms.utils import LLMType, resolve_llm
from llama_index.core.schema import BaseNode, Document, TransformComponent
from llama_index.core.storage.docstore.types import RefDocInfo
from llama_index.core.storage.storage_context import StorageContext
from pydantic import SecretStr

from ragflow_integrations import (
    AsyncRAGFlow,
    ConfigurationError,
    InvalidRequestError,
    RAGFlow,
    Scope,
    UnsupportedError,
)
from ragflow_integrations.adapting import Flow

from ._assistant import Assistant, AssistantChatEngine, AssistantQueryEngine
from ._by_llm import answering, conversing
from ._client import Connected, Connection
from ._contents import Contents
from ._dataset import OneDataset
from ._indexing import Parsing
from ._run import OfRun
from .chat_engine import RAGFlowChatEngine
from .query_engine import RAGFlowQueryEngine
from .retriever import RAGFlowRetriever

T = TypeVar("T")

__all__ = ["RAGFlowIndex"]

_UNUSED = (
    "storage_context=, transformations=: RAGFlow parses, cuts and keeps documents itself. For nodes of your own there "
    "are insert_nodes() and RAGFlowVectorStore"
)
_ONE_NODE = (
    "RAGFlow finds a chunk by its document only, so single nodes cannot be deleted: use delete_ref_doc(), or "
    "RAGFlowVectorStore, which keeps each node by its id"
)


class RAGFlowIndex(Connected, BaseManagedIndex):
    """An index whose documents RAGFlow parses, cuts, embeds and keeps, and from which it answers.

        index = RAGFlowIndex.from_documents(documents, dataset_name="handbook")
        index.as_retriever(similarity_top_k=3)
        index.as_query_engine()                  # no LLM of yours: the server answers
        index.refresh_ref_docs(documents)        # another day, in another process: what changed is sent

    Each document of LlamaIndex is a document of RAGFlow, found again by its ``id_`` from any process: its id and a hash
    of its content are kept with it. Inserting, updating and refreshing are the same: what is there unchanged is not
    sent, what changed is parsed before its old version goes. If that fails the old version stays as it was.

    ``dataset_id`` or ``dataset_name`` say which dataset; one of that name is made by the first insert if there is none,
    with ``embedding_model``, ``chunk_method`` and ``parser_config`` (else the server's own).

    ``wait``: inserting returns when all is parsed, looking every ``poll_interval`` seconds and at most for
    ``parse_timeout`` of them; without it new documents are found later, and only those that changed are waited for.
    ``show_progress`` shows a bar; ``llamaindex_ragflow.events.ParseProgress`` tells it in any case. ``num_workers``
    documents are described at a time.

    Which server and ``scope``: as ``RAGFlowRetriever``; a scope of documents or metadata can be read only. Raises what
    the client raises, ``ParseFailedError`` where documents could not be parsed (the others are).
    """

    index_struct_cls = IndexDict

    def __init__(
        self,
        dataset_id: str | None = None,
        *,
        dataset_name: str | None = None,
        embedding_model: str | None = None,
        chunk_method: str | None = None,
        parser_config: Mapping[str, Any] | None = None,
        wait: bool = True,
        parse_timeout: float | None = None,
        poll_interval: float = 1.0,
        num_workers: int = 8,
        show_progress: bool = False,
        client: RAGFlow | None = None,
        async_client: AsyncRAGFlow | None = None,
        base_url: str | None = None,
        api_key: SecretStr | str | None = None,
        timeout: float | None = 60.0,
        max_retries: int = 2,
        scope: Scope | OfRun[Scope] | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        if (dataset_id is None) == (dataset_name is None):
            raise ConfigurationError("say which dataset: give either dataset_id= or dataset_name=")
        _check_number("num_workers", num_workers)
        self._connection: Connection = Connection(
            client, async_client, base_url, api_key, timeout, max_retries, scope
        )
        super().__init__(
            index_struct=IndexDict(),
            transformations=[_AsTheyAre()],
            callback_manager=callback_manager,
            show_progress=show_progress,
        )
        made = {
            "embedding_model": embedding_model,
            "chunk_method": chunk_method,
            "parser_config": parser_config,
        }
        self._dataset = OneDataset(self._connection, dataset_id, dataset_name, **made)
        parsing = Parsing(wait, parse_timeout, poll_interval, num_workers)
        self._contents = Contents(self._dataset, parsing, show_progress)
        self._where: dict[str, Any] = (
            {"dataset_names": [dataset_name]} if dataset_id is None else {"dataset_ids": [dataset_id]}
        )

    @classmethod
    def from_documents(
        cls,
        documents: Sequence[Document],
        storage_context: StorageContext | None = None,
        show_progress: bool = False,
        callback_manager: CallbackManager | None = None,
        transformations: list[TransformComponent] | None = None,
        **settings: Any,
    ) -> Self:
        """An index with these documents; ``settings`` are the constructor's."""
        _check_unused(storage_context, transformations)
        index = cls(show_progress=show_progress, callback_manager=callback_manager, **settings)
        index.refresh_ref_docs(documents)
        return index

    @classmethod
    async def afrom_documents(
        cls,
        documents: Sequence[Document],
        storage_context: StorageContext | None = None,
        show_progress: bool = False,
        callback_manager: CallbackManager | None = None,
        transformations: list[TransformComponent] | None = None,
        **settings: Any,
    ) -> Self:
        """As ``from_documents``."""
        _check_unused(storage_context, transformations)
        index = cls(show_progress=show_progress, callback_manager=callback_manager, **settings)
        await index.arefresh_ref_docs(documents)
        return index

    # --- documents ------------------------------------------------------------------------------------

    def insert(self, document: Document, **insert_kwargs: Any) -> None:
        """Bring one document in, or its new version; an unchanged one is not sent."""
        _refuse("insert", insert_kwargs)
        self._connection.run(self._brought([document], "insert"))

    async def ainsert(self, document: Document, **insert_kwargs: Any) -> None:
        """As ``insert``."""
        _refuse("ainsert", insert_kwargs)
        await self._connection.arun(self._brought([document], "ainsert"))

    def update_ref_doc(self, document: Document, **update_kwargs: Any) -> None:
        """Replace a document by its new version, parsed before the old one goes; an unknown one is inserted."""
        _refuse("update_ref_doc", update_kwargs)
        self._connection.run(self._brought([document], "update_ref_doc"))

    async def aupdate_ref_doc(self, document: Document, **update_kwargs: Any) -> None:
        """As ``update_ref_doc``."""
        _refuse("aupdate_ref_doc", update_kwargs)
        await self._connection.arun(self._brought([document], "aupdate_ref_doc"))

    def refresh_ref_docs(self, documents: Sequence[Document], **update_kwargs: Any) -> list[bool]:
        """Bring in what is new or changed; for each document whether it was.

        Raises ``InvalidRequestError`` before anything is sent for two documents of one id, a blank text, and metadata
        that RAGFlow cannot keep: texts, numbers, and lists of these.
        """
        _refuse("refresh_ref_docs", update_kwargs)
        return self._connection.run(self._brought(documents, "refresh_ref_docs"))

    async def arefresh_ref_docs(self, documents: Sequence[Document], **update_kwargs: Any) -> list[bool]:
        """As ``refresh_ref_docs``; cancelled, it leaves old versions, and the next time it goes on."""
        _refuse("arefresh_ref_docs", update_kwargs)
        return await self._connection.arun(self._brought(documents, "arefresh_ref_docs"))

    def delete_ref_doc(
        self, ref_doc_id: str, delete_from_docstore: bool = False, **delete_kwargs: Any
    ) -> None:
        """Delete a document by its ``id_``, or by the id that it has in RAGFlow; an unknown one is passed over.

        There is no other document store: ``delete_from_docstore`` has no meaning.
        """
        _refuse("delete_ref_doc", delete_kwargs)
        self._connection.run(self._contents.deleted(ref_doc_id))

    async def adelete_ref_doc(
        self, ref_doc_id: str, delete_from_docstore: bool = False, **delete_kwargs: Any
    ) -> None:
        """As ``delete_ref_doc``."""
        _refuse("adelete_ref_doc", delete_kwargs)
        await self._connection.arun(self._contents.deleted(ref_doc_id))

    @property
    def ref_doc_info(self) -> dict[str, RefDocInfo]:
        """All documents of the dataset: their chunks' ids and their metadata, by their ``id_``, or for those that
        others brought by the id that they have in RAGFlow. Takes a call for each; ``aref_doc_info`` does not block.
        """
        return self._connection.run(self._contents.told())

    async def aref_doc_info(self) -> dict[str, RefDocInfo]:
        """As ``ref_doc_info``."""
        return await self._connection.arun(self._contents.told())

    # --- files ----------------------------------------------------------------------------------------

    def insert_file(
        self, source: Any, *, name: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> list[str]:
        """Bring in a file, a folder or several, which RAGFlow reads itself (PDF, Word, pictures …); their ids.

        ``source`` is a path, bytes (with ``name``), a binary file object or a list of these. A file that is there with
        the same content is not sent again.
        """
        return self._connection.run(self._contents.uploaded(source, name, metadata))

    async def ainsert_file(
        self, source: Any, *, name: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> list[str]:
        """As ``insert_file``."""
        return await self._connection.arun(self._contents.uploaded(source, name, metadata))

    def insert_url(
        self, url: str, *, name: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> str:
        """Let the server fetch a web page and keep it as a PDF (servers from v0.25.1); its id.

        ``name`` is by default made of the address. If it cannot be described, or not be parsed in time, it is removed.
        """
        return self._connection.run(self._contents.fetched(url, name, metadata))

    async def ainsert_url(
        self, url: str, *, name: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> str:
        """As ``insert_url``."""
        return await self._connection.arun(self._contents.fetched(url, name, metadata))

    # --- nodes ----------------------------------------------------------------------------------------

    def insert_nodes(self, nodes: Sequence[BaseNode], **insert_kwargs: Any) -> None:
        """Bring in nodes as they are: each is a chunk, in a new document of RAGFlow for each document they are of.

        All of them or none. A document has the metadata that its nodes share, and goes by ``delete_ref_doc``; where the
        document itself is inserted, it takes their place. Chunks have RAGFlow's ids, and equal texts are one chunk.
        """
        _refuse("insert_nodes", insert_kwargs)
        self._insert(nodes)

    async def ainsert_nodes(self, nodes: Sequence[BaseNode], **insert_kwargs: Any) -> None:
        """As ``insert_nodes``."""
        _refuse("ainsert_nodes", insert_kwargs)
        await self._connection.arun(self._contents.appended(nodes))

    def delete_nodes(
        self, node_ids: list[str], delete_from_docstore: bool = False, **delete_kwargs: Any
    ) -> NoReturn:
        """Not possible: raises ``UnsupportedError``."""
        raise UnsupportedError(_ONE_NODE)

    async def adelete_nodes(
        self, node_ids: list[str], delete_from_docstore: bool = False, **delete_kwargs: Any
    ) -> NoReturn:
        """Not possible: raises ``UnsupportedError``."""
        raise UnsupportedError(_ONE_NODE)

    def _insert(self, nodes: Sequence[BaseNode], **insert_kwargs: Any) -> None:
        self._connection.run(self._contents.appended(nodes))

    # --- questions ------------------------------------------------------------------------------------

    def as_retriever(self, **settings: Any) -> RAGFlowRetriever:
        """A retriever on the dataset; ``settings`` are those of ``RAGFlowRetriever``."""
        return RAGFlowRetriever(**{**self._shared(), **self._where, **settings})

    def as_query_engine(
        self, llm: LLMType | None = None, *, chat_id: str | None = None, **settings: Any
    ) -> BaseQueryEngine:
        """What answers questions: the server, unless there is an ``llm``.

        The server answers by the assistant ``chat_id``, or by one of the dataset's own. That is made when it is first
        asked, serves every engine of this dataset from then on, and stays until ``delete_assistant``.
        ``settings`` are those of ``RAGFlowQueryEngine`` (``streaming``, ``citation_style`` …). An ``llm`` answers from
        what the retriever finds: ``settings`` are those of ``RAGFlowRetriever`` and of
        ``RetrieverQueryEngine.from_args``.
        """
        if llm is None:
            return self._answering(RAGFlowQueryEngine, AssistantQueryEngine, chat_id, settings)
        _check_no_chat(chat_id)
        return answering(self.as_retriever, self._resolved(llm), settings)

    def as_chat_engine(
        self,
        chat_mode: ChatMode = ChatMode.BEST,
        llm: LLMType | None = None,
        *,
        chat_id: str | None = None,
        **settings: Any,
    ) -> BaseChatEngine:
        """What holds conversations: the server, as for ``as_query_engine``, unless there is an ``llm``.

        ``settings`` are those of ``RAGFlowChatEngine``; with an ``llm`` those of the retriever and of LlamaIndex's
        engine for the ``chat_mode``.
        """
        if llm is None:
            return self._answering(RAGFlowChatEngine, AssistantChatEngine, chat_id, settings)
        _check_no_chat(chat_id)
        return conversing(self.as_retriever, self._resolved(llm), chat_mode, settings)

    def delete_assistant(self) -> None:
        """Delete the dataset's own assistant, with its conversations; if there is none, nothing.

        A new engine's first question makes another; engines that have asked it raise ``NotFoundError``.
        """
        self._connection.run(Assistant(self._dataset, self._connection).deleted())

    async def adelete_assistant(self) -> None:
        """As ``delete_assistant``."""
        await self._connection.arun(Assistant(self._dataset, self._connection).deleted())

    # --- how ------------------------------------------------------------------------------------------

    def _shared(self) -> dict[str, Any]:
        """How what is made of the index reaches the server."""
        return {
            "client": self._connection.client,
            "async_client": self._connection.async_client,
            "scope": self._connection.scope,
            "callback_manager": self._callback_manager,
        }

    def _answering(
        self, asks: Callable[..., T], asks_own: Callable[..., T], chat_id: str | None, settings: Any
    ) -> T:
        """What lets the server answer, by a chat that is given or the dataset's own."""
        if chat_id is not None:
            return asks(chat_id=chat_id, **{**self._shared(), **settings})
        return asks_own(self._dataset, **{**self._shared(), **settings})

    def _resolved(self, llm: LLMType) -> LLM:
        return resolve_llm(llm, callback_manager=self._callback_manager)

    def _brought(self, documents: Sequence[Document], call: str) -> Flow[list[bool]]:
        with self._callback_manager.as_trace(call):
            return (yield from self._contents.brought(documents))


class _AsTheyAre(TransformComponent):
    """No transformation: LlamaIndex would take its own splitter for an index without any."""

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        return nodes


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name}={value!r}: give a whole number from 1")


def _check_unused(storage_context: object, transformations: object) -> None:
    if storage_context is not None or transformations is not None:
        raise ConfigurationError(_UNUSED)


def _check_no_chat(chat_id: str | None) -> None:
    if chat_id is not None:
        raise ConfigurationError("llm= and chat_id=: the chat answers with its own model; give one of them")


def _refuse(call: str, unknown: Mapping[str, Any]) -> None:
    if unknown:
        raise InvalidRequestError(f"{call}() takes no {', '.join(map(repr, unknown))}")
