"""A tool that writes: a text, or a file of one folder, becomes a document of one dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from langchain_core.tools import ArgsSchema
from pydantic import Field, model_validator

from ragflow_integrations.adapting import Flow, uploaded

from ._client import STRICT
from ._tool import Arguments, RAGFlowTool

__all__ = ["RAGFlowUploadTool"]


class _Text(Arguments):
    name: str = Field(description="A name for the document, with its ending: notes.md")
    content: str = Field(description="The document's text.")


class _TextOrFile(Arguments):
    name: str | None = Field(default=None, description="A name for the document, with its ending: notes.md")
    content: str | None = Field(default=None, description="The document's text; or give path.")
    path: str | None = Field(default=None, description="A file of the shared folder; or give content.")


class RAGFlowUploadTool(RAGFlowTool):
    """Stores a document in the one dataset that the developer names, and waits until it can be found.

    The model writes a name and a text. Only with ``root`` may it name a file instead, by its path from there:
    links are resolved first, and what is then outside, hidden, no plain file or larger than ``max_bytes`` is refused.
    It never writes an address, a key or a dataset. ``artifact`` is ``{"document_id", "name", "chunk_count"}``. A name
    that is taken becomes ``name(1)``; nothing is ever overwritten.
    """

    model_config = STRICT

    name: str = "ragflow_upload"
    description: str = "Stores a document in the knowledge base, where it can be found from then on."
    args_schema: ArgsSchema | None = _Text

    dataset_id: str
    """Where documents are stored."""

    root: Path | None = None
    """The folder whose files may be uploaded; ``None``: no files at all."""

    max_bytes: int = Field(default=10 * 2**20, ge=1)
    """The most bytes that a document may have."""

    parse_timeout: float | None = Field(default=300.0, gt=0)
    """Seconds to wait until it can be found; after that the model is told that it still takes."""

    @model_validator(mode="after")
    def _check_root(self) -> Self:
        if self.root is None:
            return self
        if not self.root.is_dir():
            raise ValueError(f"root={str(self.root)!r}: give a folder")
        if self.args_schema is _Text:
            self.args_schema = _TextOrFile
        return self

    def _answer(
        self, name: str | None = None, content: str | None = None, path: str | None = None
    ) -> Flow[tuple[str, Any]]:
        stored = yield from uploaded(
            self.dataset_id,
            name=name,
            content=content,
            path=path,
            root=self.root,
            max_bytes=self.max_bytes,
            timeout=self.parse_timeout,
        )
        facts = {"document_id": stored.id, "name": stored.name, "chunk_count": stored.chunk_count}
        return f"{json.dumps(stored.name, ensure_ascii=False)} is stored as document_id {stored.id}.", facts
