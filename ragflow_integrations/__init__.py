"""RAGFlow for Python: one client for its servers, sync and async, and a local engine that speaks its API.

    from ragflow_integrations import RAGFlow

    client = RAGFlow(base_url="http://localhost:9380", api_key="ragflow-…")   # a server
    client = RAGFlow.local("./kb")                                             # or none

LangChain and LlamaIndex adapters are in ``langchain_ragflow`` and ``llamaindex_ragflow``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._async.agents import AsyncAgent, AsyncAgentSession, AsyncStoredAgentMessage
    from ._async.chats import AsyncChat
    from ._async.chunks import AsyncChunk
    from ._async.client import AsyncRAGFlow
    from ._async.datasets import AsyncDataSet
    from ._async.documents import AsyncDocument
    from ._async.memories import AsyncMemory
    from ._async.searches import AsyncSearch
    from ._async.sessions import AsyncSession, AsyncStoredMessage
    from ._async.stream import AsyncStream
    from ._sync.agents import Agent, AgentSession, StoredAgentMessage
    from ._sync.chats import Chat
    from ._sync.chunks import Chunk
    from ._sync.client import RAGFlow
    from ._sync.datasets import DataSet
    from ._sync.documents import Document
    from ._sync.memories import Memory
    from ._sync.searches import Search
    from ._sync.sessions import Session, StoredMessage
    from ._sync.stream import Stream
    from .errors import (
        APIError,
        AuthenticationError,
        BusyError,
        ConfigurationError,
        ConflictError,
        ConnectError,
        InvalidRequestError,
        NotFoundError,
        ParseFailedError,
        PartialError,
        PermissionDeniedError,
        RAGFlowError,
        RateLimitError,
        RequestTimeoutError,
        ServerError,
        StreamInterruptedError,
        TransportError,
        UnsupportedError,
    )
    from .models import (
        AgentMessage,
        AgentStep,
        AutoMetadata,
        ChatCompletion,
        ChatCompletionChunk,
        ChunkFields,
        Citation,
        DocumentAggregate,
        FileFields,
        IndexTask,
        KnowledgeGraph,
        Media,
        MemoryMessage,
        Message,
        MetadataField,
        Page,
        PageBox,
        ParseProgress,
        ParserConfig,
        Retrieval,
        UploadProgress,
    )
    from .scope import Scope

_HOMES = {
    "_async.agents": ("AsyncAgent", "AsyncAgentSession", "AsyncStoredAgentMessage"),
    "_async.chats": ("AsyncChat",),
    "_async.chunks": ("AsyncChunk",),
    "_async.client": ("AsyncRAGFlow",),
    "_async.datasets": ("AsyncDataSet",),
    "_async.documents": ("AsyncDocument",),
    "_async.memories": ("AsyncMemory",),
    "_async.searches": ("AsyncSearch",),
    "_async.sessions": ("AsyncSession", "AsyncStoredMessage"),
    "_async.stream": ("AsyncStream",),
    "_sync.agents": ("Agent", "AgentSession", "StoredAgentMessage"),
    "_sync.chats": ("Chat",),
    "_sync.chunks": ("Chunk",),
    "_sync.client": ("RAGFlow",),
    "_sync.datasets": ("DataSet",),
    "_sync.documents": ("Document",),
    "_sync.memories": ("Memory",),
    "_sync.searches": ("Search",),
    "_sync.sessions": ("Session", "StoredMessage"),
    "_sync.stream": ("Stream",),
    "errors": (
        "APIError",
        "AuthenticationError",
        "BusyError",
        "ConfigurationError",
        "ConflictError",
        "ConnectError",
        "InvalidRequestError",
        "NotFoundError",
        "ParseFailedError",
        "PartialError",
        "PermissionDeniedError",
        "RAGFlowError",
        "RateLimitError",
        "RequestTimeoutError",
        "ServerError",
        "StreamInterruptedError",
        "TransportError",
        "UnsupportedError",
    ),
    "models": (
        "AgentMessage",
        "AgentStep",
        "AutoMetadata",
        "ChatCompletion",
        "ChatCompletionChunk",
        "ChunkFields",
        "Citation",
        "DocumentAggregate",
        "FileFields",
        "IndexTask",
        "KnowledgeGraph",
        "Media",
        "MemoryMessage",
        "Message",
        "MetadataField",
        "Page",
        "PageBox",
        "ParseProgress",
        "ParserConfig",
        "Retrieval",
        "UploadProgress",
    ),
    "scope": ("Scope",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "APIError",
    "Agent",
    "AgentMessage",
    "AgentSession",
    "AgentStep",
    "AsyncAgent",
    "AsyncAgentSession",
    "AsyncChat",
    "AsyncChunk",
    "AsyncDataSet",
    "AsyncDocument",
    "AsyncMemory",
    "AsyncRAGFlow",
    "AsyncSearch",
    "AsyncSession",
    "AsyncStoredAgentMessage",
    "AsyncStoredMessage",
    "AsyncStream",
    "AuthenticationError",
    "AutoMetadata",
    "BusyError",
    "Chat",
    "ChatCompletion",
    "ChatCompletionChunk",
    "Chunk",
    "ChunkFields",
    "Citation",
    "ConfigurationError",
    "ConflictError",
    "ConnectError",
    "DataSet",
    "Document",
    "DocumentAggregate",
    "FileFields",
    "IndexTask",
    "InvalidRequestError",
    "KnowledgeGraph",
    "Media",
    "Memory",
    "MemoryMessage",
    "Message",
    "MetadataField",
    "NotFoundError",
    "Page",
    "PageBox",
    "ParseFailedError",
    "ParseProgress",
    "ParserConfig",
    "PartialError",
    "PermissionDeniedError",
    "RAGFlow",
    "RAGFlowError",
    "RateLimitError",
    "RequestTimeoutError",
    "Retrieval",
    "Scope",
    "Search",
    "ServerError",
    "Session",
    "StoredAgentMessage",
    "StoredMessage",
    "Stream",
    "StreamInterruptedError",
    "TransportError",
    "UnsupportedError",
    "UploadProgress",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that importing the package costs next to nothing."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
