"""What holds for every public class: its fields, what it refuses, and that its coroutines are its own."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

import langchain_ragflow
from ragflow_integrations import RAGFlow

FIELDS: dict[str, dict[str, Any]] = {
    "ChatRAGFlow": {"chat_id": "c"},
    "ChatRAGFlowAgent": {"agent_id": "a"},
    "RAGFlowAskTool": {"chat_id": "c"},
    "RAGFlowBlobLoader": {},
    "RAGFlowChatMessageHistory": {"chat_id": "c", "session_id": "s"},
    "RAGFlowListDatasetsTool": {},
    "RAGFlowLoader": {},
    "RAGFlowMemoryMiddleware": {"memory_ids": ["m"], "user": "ann"},
    "RAGFlowMemorySearchTool": {"memory_ids": ["m"], "user": "ann"},
    "RAGFlowReadDocumentTool": {},
    "RAGFlowRememberTool": {"memory_ids": ["m"], "user": "ann"},
    "RAGFlowRetrievalMiddleware": {},
    "RAGFlowRetriever": {},
    "RAGFlowSearchTool": {},
    "RAGFlowStore": {"dataset_id": "d"},
    "RAGFlowToolkit": {},
    "RAGFlowUploadTool": {"dataset_id": "d"},
    "RAGFlowVectorStore": {"dataset_id": "d"},
}
"""What each cannot be made without."""

OTHERS = {"RAGFlowCondition", "RAGFlowFilter", "RunContext"}  # values, which reach no server
classes = pytest.mark.parametrize("name", FIELDS)


def made(name: str, **fields: Any) -> Any:
    """One of them, which sends nothing."""
    settings = {"base_url": "http://127.0.0.1:9", "api_key": "ragflow-secret"}
    return getattr(langchain_ragflow, name)(**{**settings, **FIELDS[name], **fields})


def test_none_is_left_out() -> None:
    """Whatever is public is looked at here."""
    assert FIELDS.keys() | OTHERS == {*langchain_ragflow.__all__}


@classes
def test_they_find_their_server_alike(name: str) -> None:
    """By a client, or by settings; all take a scope, and their key is a secret."""
    one: BaseModel = made(name)
    shared = {"client", "async_client", "base_url", "api_key", "timeout", "max_retries", "scope"}
    assert shared <= type(one).model_fields.keys()
    assert isinstance(one.api_key, SecretStr)  # type: ignore[attr-defined]
    assert "ragflow-secret" not in f"{one!r} {one} {vars(one)}"
    with RAGFlow("other", "http://127.0.0.1:9") as client:
        assert made(name, client=client, api_key=None).client is client


@classes
def test_a_misspelt_argument_is_refused(name: str) -> None:
    """LangChain's own classes pass over it."""
    with pytest.raises(ValidationError, match="misspelt"):
        made(name, misspelt=1)


@pytest.mark.parametrize("name", [name for name, fields in FIELDS.items() if "user" in fields])
def test_there_is_no_memory_of_nobody(name: str) -> None:
    """Without ``user`` it cannot be made."""
    with pytest.raises(ValidationError, match="user\n"):
        getattr(langchain_ragflow, name)(base_url=":memory:", memory_ids=["m"])


def ours(method: Any) -> bool:
    return str(getattr(inspect.unwrap(method), "__module__", "")).startswith("langchain_ragflow")


def twins(kind: type) -> Iterator[str]:
    """The coroutines that belong to methods of ours; LangChain's would run these in threads."""
    for method, value in inspect.getmembers(kind, callable):
        hidden = "_" if method.startswith("_") else ""
        twin = f"{hidden}a{method.removeprefix(hidden)}"
        if ours(value) and hasattr(kind, twin):
            yield twin


@classes
def test_coroutines_are_its_own(name: str) -> None:
    """No method of ours leaves its coroutine to LangChain."""
    kind = getattr(langchain_ragflow, name)
    found = [*twins(kind)]
    assert found or name == "RAGFlowToolkit"
    assert [twin for twin in found if not ours(getattr(kind, twin))] == []
