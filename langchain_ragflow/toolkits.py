"""All tools on one knowledge base at once, with everything fixed that a model shall not choose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from langchain_core.tools import BaseTool, BaseToolkit
from pydantic import SkipValidation, model_validator

from ._client import STRICT, Connected
from ._datasets import DatasetFields
from ._run import RunContext
from ._search import SearchFields
from .memory_tools import RAGFlowMemorySearchTool, RAGFlowRememberTool
from .tools import RAGFlowAskTool, RAGFlowListDatasetsTool, RAGFlowReadDocumentTool, RAGFlowSearchTool
from .upload_tool import RAGFlowUploadTool

__all__ = ["RAGFlowToolkit"]


class RAGFlowToolkit(SearchFields, Connected, BaseToolkit):
    """RAGFlow's tools for an agent, on one client.

        toolkit = RAGFlowToolkit(dataset_names=["handbook"], chat_name="helpdesk")
        agent = create_agent(model, tools=toolkit.get_tools())

    There are: with datasets (or a ``scope``) search, list datasets and read document; with a chat or an agent ask;
    with ``memory_ids`` recall. ``read_only=False`` adds remember, and with ``upload_dataset_id`` upload. The fields of
    ``RAGFlowRetriever`` are the search's.
    """

    model_config = STRICT

    chat_id: str | None = None
    """The chat assistant to ask; or by ``chat_name``, or an agent by ``agent_id``."""

    chat_name: str | None = None
    """A chat assistant's name."""

    agent_id: str | None = None
    """The agent to ask."""

    memory_ids: list[str] | None = None
    """Memories of the run's ``user``, who has to be given then; a ``scope`` has to name them too."""

    user: SkipValidation[str | Callable[[RunContext], str] | None] = None
    """Whose memory it is: a text, or a function of the run."""

    read_only: bool = True
    """Whether the tools that write are left out."""

    upload_dataset_id: str | None = None
    """Where the upload tool stores documents."""

    root: Path | None = None
    """The folder whose files the upload tool may store; ``None``: texts only."""

    @model_validator(mode="after")
    def _check_tools(self) -> Self:
        if (self.memory_ids is None) != (self.user is None):
            raise ValueError("memory_ids, user: give both or neither; a memory is kept for each user apart")
        if self.read_only and (self.upload_dataset_id or self.root):
            raise ValueError("upload_dataset_id and root are for read_only=False")
        if self.root and not self.upload_dataset_id:
            raise ValueError("root: give upload_dataset_id, where its files shall be stored")
        return self

    def get_tools(self) -> list[BaseTool]:
        """The tools, made anew; all on this toolkit's client."""
        return [*self._search_tools(), *self._ask_tools(), *self._memory_tools(), *self._upload_tools()]

    def _search_tools(self) -> list[BaseTool]:
        if not (self.dataset_ids or self.dataset_names or self.scope):
            return []
        shared = self._shared()
        datasets = {name: getattr(self, name) for name in DatasetFields.model_fields}
        search = {name: getattr(self, name) for name in SearchFields.model_fields}
        return [
            RAGFlowSearchTool(**search, **shared),
            RAGFlowListDatasetsTool(**datasets, **shared),
            RAGFlowReadDocumentTool(**datasets, **shared),
        ]

    def _ask_tools(self) -> list[BaseTool]:
        names = ("chat_id", "chat_name", "agent_id")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        return [RAGFlowAskTool(**given, **self._shared())] if given else []

    def _memory_tools(self) -> list[BaseTool]:
        if self.memory_ids is None:
            return []
        shared = {**self._shared(), "memory_ids": self.memory_ids, "user": self.user}
        recall = RAGFlowMemorySearchTool(**shared)
        return [recall] if self.read_only else [recall, RAGFlowRememberTool(**shared)]

    def _upload_tools(self) -> list[BaseTool]:
        if self.upload_dataset_id is None:
            return []
        return [RAGFlowUploadTool(dataset_id=self.upload_dataset_id, root=self.root, **self._shared())]

    def _shared(self) -> dict[str, Any]:
        return {"client": self.client, "async_client": self.async_client, "scope": self.scope}
