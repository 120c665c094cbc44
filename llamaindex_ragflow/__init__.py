"""RAGFlow for LlamaIndex: a retriever, and a query engine whose answers cite their source nodes.

from llamaindex_ragflow import RAGFlowQueryEngine, RAGFlowRetriever

retriever = RAGFlowRetriever(dataset_names=["handbook"])     # RAGFLOW_BASE_URL, RAGFLOW_API_KEY
engine = RAGFlowQueryEngine(chat_name="helpdesk")
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._run import RunContext
    from .auto_retriever import RAGFlowAutoRetriever
    from .chat_engine import RAGFlowAgentChatEngine, RAGFlowChatEngine
    from .embeddings import RAGFlowServerSideEmbedding
    from .index import RAGFlowIndex
    from .llm import RAGFlowLLM
    from .memory import RAGFlowMemory, RAGFlowMemoryBlock
    from .query_engine import RAGFlowQueryEngine
    from .reader import RAGFlowReader
    from .retriever import RAGFlowRetriever
    from .tools import RAGFlowToolSpec
    from .vector_store import RAGFlowVectorStore

# `llama_index` is a namespace that other distributions share: it can be there without its core
if not all(importlib.util.find_spec(name) for name in ("llama_index", "llama_index.core")):
    raise ImportError(
        "llamaindex_ragflow needs llama-index-core: pip install 'ragflow-integrations[llamaindex]'"
    )

_HOME_OF = {
    "RAGFlowAgentChatEngine": "chat_engine",
    "RAGFlowAutoRetriever": "auto_retriever",
    "RAGFlowChatEngine": "chat_engine",
    "RAGFlowLLM": "llm",
    "RAGFlowMemory": "memory",
    "RAGFlowMemoryBlock": "memory",
    "RAGFlowIndex": "index",
    "RAGFlowQueryEngine": "query_engine",
    "RAGFlowReader": "reader",
    "RAGFlowRetriever": "retriever",
    "RAGFlowToolSpec": "tools",
    "RAGFlowServerSideEmbedding": "embeddings",
    "RAGFlowVectorStore": "vector_store",
    "RunContext": "_run",
}

__all__ = [
    "RAGFlowAgentChatEngine",
    "RAGFlowAutoRetriever",
    "RAGFlowChatEngine",
    "RAGFlowIndex",
    "RAGFlowLLM",
    "RAGFlowMemory",
    "RAGFlowMemoryBlock",
    "RAGFlowQueryEngine",
    "RAGFlowReader",
    "RAGFlowRetriever",
    "RAGFlowServerSideEmbedding",
    "RAGFlowToolSpec",
    "RAGFlowVectorStore",
    "RunContext",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: LlamaIndex's own modules take a second to import."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
