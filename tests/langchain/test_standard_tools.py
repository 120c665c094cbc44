"""LangChain's own suites for tools, unmodified, on each tool, in this process and over loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests

from langchain_ragflow import (
    RAGFlowAskTool,
    RAGFlowListDatasetsTool,
    RAGFlowMemorySearchTool,
    RAGFlowReadDocumentTool,
    RAGFlowRememberTool,
    RAGFlowSearchTool,
    RAGFlowUploadTool,
)
from tests.langchain.conftest import HARBOUR, QUESTION, KnowledgeBase, on_both

kb = on_both()
ENVIRONMENT = {"RAGFLOW_BASE_URL": "http://127.0.0.1:9", "RAGFLOW_API_KEY": "ragflow-key"}


@pytest.fixture(scope="session")
def memory_id(kb: KnowledgeBase) -> str:
    """A memory in which something is remembered."""
    memory = kb.client.create_memory("agents", ["raw"], "hashed-512@Builtin", "extractive@Builtin")
    RAGFlowRememberTool(client=kb.client, memory_ids=[memory.id], user="ann").invoke({"text": HARBOUR})
    return memory.id


class Suite:
    """What both suites need, of the tool that a subclass names."""

    kind: type[BaseTool]
    example: dict[str, Any]

    @pytest.fixture(autouse=True)
    def _use(self, kb: KnowledgeBase, memory_id: str, tmp_path: Path) -> None:
        self.kb, self.memory_id, self.root = kb, memory_id, tmp_path

    @property
    def fields(self) -> dict[str, Any]:
        raise NotImplementedError

    @property
    def tool_constructor(self) -> type[BaseTool]:
        return self.kind

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return {"client": self.kb.client, **self.fields}

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return self.example

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return ENVIRONMENT, self.fields, {"base_url": "http://127.0.0.1:9"}


class Search(Suite):
    kind, example = RAGFlowSearchTool, {"query": HARBOUR}

    @property
    def fields(self) -> dict[str, Any]:
        return {"dataset_ids": [self.kb.dataset_id]}


class Ask(Suite):
    kind, example = RAGFlowAskTool, {"question": QUESTION}

    @property
    def fields(self) -> dict[str, Any]:
        return {"chat_name": "helpdesk"}


class ListDatasets(Suite):
    kind, example = RAGFlowListDatasetsTool, {}

    @property
    def fields(self) -> dict[str, Any]:
        return {"dataset_names": ["handbook", "ships"]}


class ReadDocument(Suite):
    kind = RAGFlowReadDocumentTool

    @property
    def fields(self) -> dict[str, Any]:
        return {"dataset_ids": [self.kb.ships_id, self.kb.dataset_id]}

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"document_id": self.kb.documents["boats.txt"], "page": 1}


class MemorySearch(Suite):
    kind, example = RAGFlowMemorySearchTool, {"query": HARBOUR}

    @property
    def fields(self) -> dict[str, Any]:
        return {"memory_ids": [self.memory_id], "user": "ann"}


class Remember(Suite):
    kind, example = RAGFlowRememberTool, {"text": "The user likes boats."}

    @property
    def fields(self) -> dict[str, Any]:
        return {"memory_ids": [self.memory_id], "user": lambda run: "bob"}


class Upload(Suite):
    kind, example = RAGFlowUploadTool, {"name": "new.md", "content": "A new lighthouse."}

    @pytest.fixture(autouse=True)
    def _use_another(self, _use: None) -> None:
        self.dataset_id = self.kb.client.create_dataset("uploads").id

    @property
    def fields(self) -> dict[str, Any]:
        return {"dataset_id": self.dataset_id, "root": self.root}


class TestSearchUnit(Search, ToolsUnitTests):
    """LangChain's unit suite."""


class TestSearch(Search, ToolsIntegrationTests):
    """LangChain's integration suite."""


class TestAskUnit(Ask, ToolsUnitTests):
    """LangChain's unit suite."""


class TestAsk(Ask, ToolsIntegrationTests):
    """LangChain's integration suite."""


class TestListDatasetsUnit(ListDatasets, ToolsUnitTests):
    """LangChain's unit suite."""


class TestListDatasets(ListDatasets, ToolsIntegrationTests):
    """LangChain's integration suite."""


class TestReadDocumentUnit(ReadDocument, ToolsUnitTests):
    """LangChain's unit suite."""


class TestReadDocument(ReadDocument, ToolsIntegrationTests):
    """LangChain's integration suite."""


class TestMemorySearchUnit(MemorySearch, ToolsUnitTests):
    """LangChain's unit suite."""


class TestMemorySearch(MemorySearch, ToolsIntegrationTests):
    """LangChain's integration suite."""


class TestRememberUnit(Remember, ToolsUnitTests):
    """LangChain's unit suite."""


class TestRemember(Remember, ToolsIntegrationTests):
    """LangChain's integration suite."""


class TestUploadUnit(Upload, ToolsUnitTests):
    """LangChain's unit suite."""


class TestUpload(Upload, ToolsIntegrationTests):
    """LangChain's integration suite."""
