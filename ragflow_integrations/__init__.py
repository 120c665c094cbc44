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
    from ._async.chats import AsyncChat, AsyncSession
    from ._async.client import AsyncRAGFlow
    from ._async.datasets import AsyncDataSet
    from ._async.documents import AsyncDocument
    from ._async.stream import AsyncStream
    from ._sync.chats import Chat, Session
    from ._sync.client import RAGFlow
    from ._sync.datasets import DataSet
    from ._sync.documents import Document
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
    from .models import Chunk, DocumentAggregate, Message, Page, ParseProgress, Retrieval

_HOMES = {
    "_async.chats": ("AsyncChat", "AsyncSession"),
    "_async.client": ("AsyncRAGFlow",),
    "_async.datasets": ("AsyncDataSet",),
    "_async.documents": ("AsyncDocument",),
    "_async.stream": ("AsyncStream",),
    "_sync.chats": ("Chat", "Session"),
    "_sync.client": ("RAGFlow",),
    "_sync.datasets": ("DataSet",),
    "_sync.documents": ("Document",),
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
    "models": ("Chunk", "DocumentAggregate", "Message", "Page", "ParseProgress", "Retrieval"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "APIError",
    "AsyncChat",
    "AsyncDataSet",
    "AsyncDocument",
    "AsyncRAGFlow",
    "AsyncSession",
    "AsyncStream",
    "AuthenticationError",
    "BusyError",
    "Chat",
    "Chunk",
    "ConfigurationError",
    "ConflictError",
    "ConnectError",
    "DataSet",
    "Document",
    "DocumentAggregate",
    "InvalidRequestError",
    "Message",
    "NotFoundError",
    "Page",
    "ParseFailedError",
    "ParseProgress",
    "PartialError",
    "PermissionDeniedError",
    "RAGFlow",
    "RAGFlowError",
    "RateLimitError",
    "RequestTimeoutError",
    "Retrieval",
    "ServerError",
    "Session",
    "Stream",
    "StreamInterruptedError",
    "TransportError",
    "UnsupportedError",
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
