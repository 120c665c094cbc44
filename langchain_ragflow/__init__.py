"""RAGFlow for LangChain: a retriever, and a chat model whose answers cite their sources.

from langchain_ragflow import ChatRAGFlow, RAGFlowRetriever

retriever = RAGFlowRetriever(dataset_names=["handbook"])     # RAGFLOW_BASE_URL, RAGFLOW_API_KEY
model = ChatRAGFlow(chat_name="helpdesk")
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._run import RunContext
    from .chat_message_histories import RAGFlowChatMessageHistory
    from .chat_models import ChatRAGFlow, ChatRAGFlowAgent
    from .document_loaders import RAGFlowBlobLoader, RAGFlowLoader
    from .filters import RAGFlowCondition, RAGFlowFilter
    from .memory_tools import RAGFlowMemorySearchTool, RAGFlowRememberTool
    from .middleware import RAGFlowMemoryMiddleware, RAGFlowRetrievalMiddleware
    from .retrievers import RAGFlowRetriever
    from .stores import RAGFlowStore
    from .toolkits import RAGFlowToolkit
    from .tools import RAGFlowAskTool, RAGFlowListDatasetsTool, RAGFlowReadDocumentTool, RAGFlowSearchTool
    from .upload_tool import RAGFlowUploadTool
    from .vectorstores import RAGFlowVectorStore

if importlib.util.find_spec("langchain_core") is None:
    raise ImportError("langchain_ragflow needs langchain-core: pip install 'ragflow-integrations[langchain]'")

_HOME_OF = {
    "ChatRAGFlow": "chat_models",
    "ChatRAGFlowAgent": "chat_models",
    "RAGFlowAskTool": "tools",
    "RAGFlowBlobLoader": "document_loaders",
    "RAGFlowChatMessageHistory": "chat_message_histories",
    "RAGFlowCondition": "filters",
    "RAGFlowFilter": "filters",
    "RAGFlowListDatasetsTool": "tools",
    "RAGFlowLoader": "document_loaders",
    "RAGFlowMemoryMiddleware": "middleware",
    "RAGFlowMemorySearchTool": "memory_tools",
    "RAGFlowReadDocumentTool": "tools",
    "RAGFlowRememberTool": "memory_tools",
    "RAGFlowRetrievalMiddleware": "middleware",
    "RAGFlowRetriever": "retrievers",
    "RAGFlowSearchTool": "tools",
    "RAGFlowStore": "stores",
    "RAGFlowToolkit": "toolkits",
    "RAGFlowUploadTool": "upload_tool",
    "RAGFlowVectorStore": "vectorstores",
    "RunContext": "_run",
}

__all__ = [
    "ChatRAGFlow",
    "ChatRAGFlowAgent",
    "RAGFlowAskTool",
    "RAGFlowBlobLoader",
    "RAGFlowChatMessageHistory",
    "RAGFlowCondition",
    "RAGFlowFilter",
    "RAGFlowListDatasetsTool",
    "RAGFlowLoader",
    "RAGFlowMemoryMiddleware",
    "RAGFlowMemorySearchTool",
    "RAGFlowReadDocumentTool",
    "RAGFlowRememberTool",
    "RAGFlowRetrievalMiddleware",
    "RAGFlowRetriever",
    "RAGFlowSearchTool",
    "RAGFlowStore",
    "RAGFlowToolkit",
    "RAGFlowUploadTool",
    "RAGFlowVectorStore",
    "RunContext",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: LangChain's own modules take a second to import."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
