"""pydantic alone: pages from memory into our models, without a server or a client."""

from __future__ import annotations

from pydantic import BaseModel, TypeAdapter

from benchmarks.fixtures import documents
from ragflow_integrations import Document

from . import PAGE_SIZE, Read

__all__ = ["Client"]


class _Data(BaseModel):
    docs: list[Document]
    total: int


class _Answer(BaseModel):
    code: int
    data: _Data


_ANSWER = TypeAdapter(_Answer)


class Client:
    """Lists documents."""

    def __init__(self, base_url: str) -> None:
        """It asks nobody."""

    def list_documents(self, pages: str) -> Read:
        found = [
            document
            for page in range(1, int(pages) + 1)
            for document in _ANSWER.validate_json(documents(page, PAGE_SIZE)).data.docs
        ]
        return len(found), sum(len(document.name) for document in found)
