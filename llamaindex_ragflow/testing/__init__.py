"""What LlamaIndex has no suite for: is an integration's class what LlamaIndex, its users and their servers expect?

On your own server, in a knowledge base that is made for it and removed afterwards:

    RAGFLOW_BASE_URL=… RAGFLOW_API_KEY=… pytest --pyargs llamaindex_ragflow.testing.server

For classes of your own, subclass a suite; ``knowledge`` and ``ragflow`` are fixtures that your tests have to import:

    from llamaindex_ragflow.testing import RetrieverTests, knowledge, ragflow

    class TestMine(RetrieverTests):
        @property
        def constructor(self):
            return MyRetriever

Needs ``pytest`` and ``pytest-asyncio``.
"""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("pytest") is None or importlib.util.find_spec("pytest_asyncio") is None:
    raise ImportError("llamaindex_ragflow.testing needs pytest: pip install pytest pytest-asyncio")

from ragflow_integrations.testing.suites import knowledge, ragflow

from ._chat import ChatEngineTests
from ._index import IndexTests
from ._llm import LLMTests
from ._memory import MemoryBlockTests, MemoryTests
from ._query import QueryEngineTests
from ._reader import ReaderTests
from ._retriever import RetrieverTests
from ._suite import SourcesTests
from ._tools import ToolSpecTests
from ._vector_store import VectorStoreTests

__all__ = [
    "ChatEngineTests",
    "IndexTests",
    "LLMTests",
    "MemoryBlockTests",
    "MemoryTests",
    "QueryEngineTests",
    "ReaderTests",
    "RetrieverTests",
    "SourcesTests",
    "ToolSpecTests",
    "VectorStoreTests",
    "knowledge",
    "ragflow",
]
