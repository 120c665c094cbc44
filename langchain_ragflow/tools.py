"""Tools that read: search, ask an assistant, list datasets, read a document. Where they look the developer says."""

from __future__ import annotations

from typing import Any, Self

from langchain_core.tools import ArgsSchema
from pydantic import Field, model_validator

from ragflow_integrations.adapting import (
    Flow,
    answer_as_text,
    answered,
    datasets_as_dicts,
    document_page,
    rows_as_text,
)

from ._client import STRICT
from ._convert import document
from ._datasets import OnDatasets
from ._fence import numbered
from ._search import Searching
from ._tool import Arguments, RAGFlowTool

__all__ = [
    "RAGFlowAskTool",
    "RAGFlowListDatasetsTool",
    "RAGFlowReadDocumentTool",
    "RAGFlowSearchTool",
]


class _Search(Arguments):
    query: str = Field(description="What to look for, in a few words or as a question.")


class RAGFlowSearchTool(Searching, RAGFlowTool):
    """Searches RAGFlow datasets for an agent.

        agent = create_agent(model, tools=[RAGFlowSearchTool(dataset_names=["handbook"], k=4)])

    The model writes the query alone; datasets, ``k``, ``filter`` and all other fields of ``RAGFlowRetriever`` are the
    developer's. The text has the passages as numbered sources, quoted so that no document can pass for
    something else; ``artifact`` are the ``Document`` objects in the same order.
    """

    model_config = STRICT

    name: str = "ragflow_search"
    description: str = (
        "Searches the knowledge base and returns the passages that fit best, numbered, each with its source."
    )
    args_schema: ArgsSchema | None = _Search

    def _answer(self, query: str) -> Flow[tuple[str, Any]]:
        documents = yield from self._find(query, {})
        return numbered(documents), documents


class _Ask(Arguments):
    question: str = Field(description="A complete question; earlier questions are not remembered.")


class RAGFlowAskTool(RAGFlowTool):
    """Asks a chat assistant or an agent of RAGFlow, which searches and answers by itself.

    Each question stands for itself: nothing is remembered. The text has the answer, quoted, and the sources that it
    cites; ``artifact`` are the ``Document`` objects it rests on: ``[ID:n]`` in a chat's answer cites number ``n`` of
    them, from 0.
    """

    model_config = STRICT

    name: str = "ragflow_ask"
    description: str = (
        "Asks an assistant that knows the knowledge base, and returns its answer with its sources."
    )
    args_schema: ArgsSchema | None = _Ask

    chat_id: str | None = None
    """The chat assistant to ask; or by ``chat_name``, or an agent by ``agent_id``."""

    chat_name: str | None = None
    """A chat assistant's name, looked up in each call; ``ConflictError`` if several share it."""

    agent_id: str | None = None
    """The agent to ask. Agents cannot be kept within a scope: ``UnsupportedError`` with one."""

    @model_validator(mode="after")
    def _check_whom(self) -> Self:
        if [self.chat_id, self.chat_name, self.agent_id].count(None) != 2:
            raise ValueError("give one of chat_id, chat_name and agent_id")
        return self

    def _answer(self, question: str) -> Flow[tuple[str, Any]]:
        message = yield from answered(
            question, chat_id=self.chat_id, chat_name=self.chat_name, agent_id=self.agent_id
        )
        return answer_as_text(message), [document(chunk) for chunk in message.reference]


class _Nothing(Arguments):
    pass


class RAGFlowListDatasetsTool(OnDatasets, RAGFlowTool):
    """Lists the datasets that the developer named, or those of the scope, and no others.

    ``artifact`` is a list of ``{"id", "name", "description", "document_count", "chunk_count"}``.
    """

    model_config = STRICT

    name: str = "ragflow_list_datasets"
    description: str = (
        "Lists the datasets of the knowledge base, with what they are about and how large they are."
    )
    args_schema: ArgsSchema | None = _Nothing

    def _to_args_and_kwargs(
        self, tool_input: str | dict[str, Any], tool_call_id: str | None
    ) -> tuple[tuple[str, ...], dict[str, Any]]:
        """LangChain does not look at what a model writes to a tool that takes nothing."""
        if isinstance(tool_input, dict):
            _Nothing.model_validate(tool_input)
        return super()._to_args_and_kwargs(tool_input, tool_call_id)

    def _answer(self) -> Flow[tuple[str, Any]]:
        rows = datasets_as_dicts((yield from self._datasets()))
        shown = [{name: value for name, value in row.items() if name != "id"} for row in rows]
        return rows_as_text(f"{len(rows)} datasets.", shown), rows


class _Read(Arguments):
    document_id: str = Field(description="The document's id, as the search tells it.")
    page: int = Field(default=1, ge=1, description="Which part of a long document to read, from 1.")


class RAGFlowReadDocumentTool(OnDatasets, RAGFlowTool):
    """Reads a document of the developer's datasets, page by page, in its own order.

    The model writes an id that a search told it; a document of another dataset is none. ``artifact`` are the
    passages as ``Document`` objects.
    """

    model_config = STRICT

    name: str = "ragflow_read_document"
    description: str = "Reads a document that a search found, in its own order, page by page."
    args_schema: ArgsSchema | None = _Read

    page_size: int = Field(default=20, ge=1, le=100)
    """How many passages a page has."""

    def _answer(self, document_id: str, page: int = 1) -> Flow[tuple[str, Any]]:
        datasets = yield from self._datasets()
        read = yield from document_page(datasets, document_id, page, self.page_size)
        return read.text, [document(chunk) for chunk in read.chunks]
