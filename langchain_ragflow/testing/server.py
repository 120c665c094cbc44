"""All suites on the classes of this package and the server of ``RAGFLOW_BASE_URL``, or on ``:memory:``.

pytest --pyargs langchain_ragflow.testing.server
"""

from __future__ import annotations

from typing import Any

from ragflow_integrations.testing import KnowledgeBase

from . import ChatTests, LoaderTests, RetrieverTests, ToolkitTests
from ._suite import knowledge, ragflow

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
