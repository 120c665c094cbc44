"""A tool that writes: a text, or a file of one folder, becomes a document of one dataset."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, Self

from langchain_core.tools import ArgsSchema
from pydantic import Field, model_validator

from ragflow_integrations import InvalidRequestError
from ragflow_integrations.adapting import Flow, ask, dataset, work

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
        blob, called = yield from self._content(name, content, path)
        held = yield from dataset(self.dataset_id)
        (stored,) = yield from ask(lambda _: held.upload(blob, name=called, timeout=self.parse_timeout))
        facts = {"document_id": stored.id, "name": stored.name, "chunk_count": stored.chunk_count}
        return f"{json.dumps(stored.name, ensure_ascii=False)} is stored as document_id {stored.id}.", facts

    def _content(self, name: str | None, content: str | None, path: str | None) -> Flow[tuple[bytes, str]]:
        """The bytes to store and the document's name."""
        if (content is None) == (path is None):
            raise InvalidRequestError("content, path: give one of them")
        if content is not None:
            blob = content.encode("utf-8", "replace")
            if len(blob) > self.max_bytes:
                raise InvalidRequestError(f"content: it has more than {self.max_bytes} bytes")
            return blob, _plain_name(name)
        assert path is not None, "one of the two was given"
        root = self.root
        if root is None:
            raise InvalidRequestError("path: give the content instead; there is no shared folder")
        blob, called = yield from work(lambda: _read(root, path, self.max_bytes))
        return blob, called if name is None else _plain_name(name)


def _plain_name(name: str | None) -> str:
    """The name of one file, no path."""
    if not name or name.startswith(".") or any(char in "/\\" or char < " " for char in name):
        raise InvalidRequestError(f"name={name!r}: give a plain file name with its ending, e.g. notes.md")
    return name


def _read(root: Path, path: str, most: int) -> tuple[bytes, str]:
    """A file's bytes and name; whatever is wrong with the path, the answer tells nothing of what is outside."""
    refused = InvalidRequestError(
        f"path={path!r}: there is no such file in the shared folder that may be uploaded (of at most {most} bytes)"
    )
    try:
        folder = root.resolve(strict=True)
        file = (folder / path).resolve(strict=True)
        inside = file.is_relative_to(folder) and not _hidden(file.relative_to(folder))
        blob = _opened(file, most) if inside else None
    except (OSError, ValueError, RuntimeError):  # none, not readable, no path at all, links in a circle
        raise refused from None
    if blob is None:
        raise refused
    return blob, file.name


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _opened(file: Path, most: int) -> bytes | None:
    """Its bytes, if it is a plain file of that size; what is opened is what is looked at, and no link."""
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    with os.fdopen(os.open(file, flags), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            return None
        blob = opened.read(most + 1)
    return blob if len(blob) <= most else None
