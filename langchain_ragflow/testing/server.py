"""All suites on the classes of this package and the server of ``RAGFLOW_BASE_URL``, or on ``:memory:``.

pytest --pyargs langchain_ragflow.testing.server

Those of middleware and of the store are left out without langchain and langgraph. Memories are made with the
models that ``RAGFLOW_TEST_EMBEDDING`` and ``RAGFLOW_TEST_LLM`` name, which is not necessary on a local engine.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ragflow_integrations.testing import KnowledgeBase
from ragflow_integrations.testing.suites import knowledge, ragflow

from . import ChatTests, LoaderTests, RetrieverTests, ToolkitTests

__all__ = [
    "TestChat",
    "TestChatInOpenAIsForm",
    "TestLoader",
    "TestRetriever",
    "TestToolkit",
    "knowledge",
    "ragflow",
]


class TestRetriever(RetrieverTests):
    """``RAGFlowRetriever``."""


class TestLoader(LoaderTests):
    """``RAGFlowLoader``, chunk by chunk."""


class TestChat(ChatTests):
    """``ChatRAGFlow`` by the route that it takes on this server."""


class TestChatInOpenAIsForm(ChatTests):
    """``ChatRAGFlow`` by the route in OpenAI's form."""

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {**super().params(knowledge), "api": "openai"}


class TestToolkit(ToolkitTests):
    """``RAGFlowToolkit`` and its tools."""


if importlib.util.find_spec("langchain") and importlib.util.find_spec("langgraph"):
    from langgraph.store.memory import InMemoryStore

    from .middleware import MemoryMiddlewareTests, RetrievalMiddlewareTests
    from .store import StoreTests

    class TestStore(StoreTests):
        """``RAGFlowStore``, on a server with a store in memory that keeps the items."""

        @contextmanager
        def prepared(self, knowledge: KnowledgeBase) -> Iterator[None]:
            local = knowledge.client.base_url.startswith(("local:", ":memory:"))
            self.kv = None if local else InMemoryStore()
            with super().prepared(knowledge):
                yield

    class TestRetrievalMiddleware(RetrievalMiddlewareTests):
        """``RAGFlowRetrievalMiddleware`` in ``create_agent``."""

    class TestMemoryMiddleware(MemoryMiddlewareTests):
        """``RAGFlowMemoryMiddleware`` in ``create_agent``."""

        models = (
            os.environ.get("RAGFLOW_TEST_EMBEDDING", MemoryMiddlewareTests.models[0]),
            os.environ.get("RAGFLOW_TEST_LLM", MemoryMiddlewareTests.models[1]),
        )
