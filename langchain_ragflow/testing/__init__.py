"""What langchain-tests does not ask: suites for loaders, toolkits, citations, streams, wrong keywords and the rest.

On your own server, in a knowledge base that is made for it and removed afterwards:

    RAGFLOW_BASE_URL=… RAGFLOW_API_KEY=… pytest --pyargs langchain_ragflow.testing.server

``langchain_ragflow.testing.middleware`` and ``langchain_ragflow.testing.store`` have those that need langchain and
langgraph.

For classes of your own, subclass a suite; ``knowledge`` and ``ragflow`` are fixtures that your tests have to import:

    from langchain_ragflow.testing import RetrieverTests, knowledge, ragflow

    class TestMine(RetrieverTests):
        @property
        def constructor(self):
            return MyRetriever

Needs ``pytest`` and ``pytest-asyncio``.
"""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("pytest") is None or importlib.util.find_spec("pytest_asyncio") is None:
    raise ImportError("langchain_ragflow.testing needs pytest: pip install pytest pytest-asyncio")

from ragflow_integrations.testing.suites import Suite, knowledge, ragflow

from ._chat import ChatTests
from ._loader import LoaderTests
from ._retriever import RetrieverTests
from ._toolkit import ToolkitTests

__all__ = [
    "ChatTests",
    "LoaderTests",
    "RetrieverTests",
    "Suite",
    "ToolkitTests",
    "knowledge",
    "ragflow",
]
