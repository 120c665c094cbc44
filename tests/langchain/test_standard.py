"""LangChain's own standard suites, unmodified, against the local engine in this process and over loopback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import (
    ChatModelIntegrationTests,
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_ragflow import ChatRAGFlow, RAGFlowFilter, RAGFlowRetriever, RAGFlowVectorStore
from tests.langchain.conftest import HARBOUR, KnowledgeBase, on_both

kb = on_both()
LLM = "extractive@Builtin"  # the one language model that every local engine has


@pytest.fixture
def vcr() -> None:
    """What the suites ask for where answers are recorded, which they are not here."""


@pytest.fixture(scope="session")
def tagged_id(kb: KnowledgeBase) -> str:
    """A dataset of documents with metadata."""
    dataset = kb.client.create_dataset("tagged")
    for number, team in enumerate(["crew", "board", "crew", "crew", "office"]):
        text = f"The harbour master of house {number} paints the harbour.".encode()
        dataset.upload(text, name=f"{number}.txt", meta_fields={"team": team, "year": "2026"})
    return dataset.id


class TestRetriever(RetrieversIntegrationTests):
    """On a whole dataset."""

    @pytest.fixture(autouse=True)
    def _use(self, kb: KnowledgeBase) -> None:
        self.kb = kb

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return RAGFlowRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"client": self.kb.client, "dataset_ids": [self.kb.dataset_id]}

    @property
    def retriever_query_example(self) -> str:
        return HARBOUR


class TestRetrieverOnDocuments(TestRetriever):
    """On some documents of a dataset that is given by its name."""

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        documents = [id for name, id in self.kb.documents.items() if name != "leave.txt"]
        return {"client": self.kb.client, "dataset_names": ["handbook"], "document_ids": documents}


class TestRetrieverWithFilter(RetrieversIntegrationTests):
    """On documents by their metadata, by filters in filters."""

    @pytest.fixture(autouse=True)
    def _use(self, tagged_id: str, kb: KnowledgeBase) -> None:
        self.dataset_id, self.client = tagged_id, kb.client

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return RAGFlowRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        new = RAGFlowFilter.where("year", ">", 2000)
        ours = RAGFlowFilter.where("team", "is", "crew") | RAGFlowFilter.where("team", "is", "board")
        return {"client": self.client, "dataset_ids": [self.dataset_id], "filter": new & ours}

    @property
    def retriever_query_example(self) -> str:
        return HARBOUR


class TestChatUnit(ChatModelUnitTests):
    """Without a server. RAGFlow's route has neither tools nor structured output."""

    has_tool_calling = False
    has_tool_choice = False
    has_structured_output = False
    returns_usage_metadata = False
    supports_model_override = True

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatRAGFlow

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"chat_id": "c1", "model": LLM, "base_url": "http://127.0.0.1:9", "api_key": "ragflow-key"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"RAGFLOW_BASE_URL": "http://127.0.0.1:9", "RAGFLOW_API_KEY": "ragflow-key"}
        return environment, {"chat_id": "c1", "model": LLM}, {"base_url": "http://127.0.0.1:9"}


@pytest.mark.filterwarnings("ignore:ChatRAGFlow does not send system messages:UserWarning")
class TestChat(ChatModelIntegrationTests):
    """With an assistant. RAGFlow sends no usage on its native route."""

    has_tool_calling = False
    has_tool_choice = False
    has_structured_output = False
    returns_usage_metadata = False
    supports_model_override = True

    @pytest.fixture(autouse=True)
    def _use(self, kb: KnowledgeBase) -> None:
        self.kb = kb

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatRAGFlow

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"client": self.kb.client, "chat_id": self.kb.chat_id, "model": LLM}

    @property
    def model_override_value(self) -> str:
        return LLM


@pytest.mark.filterwarnings("ignore:ChatRAGFlow does not send system messages:UserWarning")
class TestChatInOpenAIsForm(TestChat):
    """By the route on which RAGFlow counts tokens."""

    returns_usage_metadata = True

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "api": "openai"}


class TestVectorStore(VectorStoreIntegrationTests):
    """On an empty dataset; all of it works."""

    @pytest.fixture
    def vectorstore(self, kb: KnowledgeBase) -> Iterator[VectorStore]:
        dataset = kb.client.create_dataset("store")
        yield RAGFlowVectorStore(client=kb.client, dataset_id=dataset.id)
        kb.client.delete_datasets([dataset.id])
