"""A LangChain document as a RAGFlow document of one chunk, and back exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from langchain_core.documents import Document

from ragflow_integrations import DataSet, InvalidRequestError
from ragflow_integrations import Document as Stored
from ragflow_integrations.adapting import (
    Flow,
    Record,
    ask,
    checked_metadata,
    checked_text,
    kept,
    listed,
    mark,
    named,
    record,
)
from ragflow_integrations.adapting import versions as documents_of

__all__ = ["KEPT_AS", "all_ours", "read", "records", "restored", "versions"]

KEPT_AS = "langchain_document"
"""The key of RAGFlow's ``meta_fields`` that holds id and metadata."""


def records(documents: Iterable[Document], ids: Iterable[str | None]) -> list[Record]:
    """Checked, before anything is sent; what has no id gets a new one.

    Raises ``InvalidRequestError`` for a blank text, and for metadata that would not come back as it is.
    """
    return [_record(number, *pair) for number, pair in enumerate(zip(documents, ids, strict=True))]


def restored(meta_fields: Mapping[str, Any] | None, content: str) -> Document | None:
    """The document with this metadata; ``None`` if it is none of LangChain's."""
    found = _kept(meta_fields)
    if found is None:
        return None
    return Document(id=found["id"], page_content=content, metadata=found["metadata"])


def versions(dataset: DataSet, ids: Iterable[str]) -> Flow[list[Stored]]:
    """What is there of these ids: of one several only while one replaces another."""
    found = yield from documents_of(dataset, [mark(id) for id in ids])
    return [document for each in found.values() for document in each]


def all_ours(dataset: DataSet) -> Flow[list[Stored]]:
    """What LangChain added."""
    return [one for one in (yield from listed(dataset)) if _kept(one.meta_fields) is not None]


def read(dataset: DataSet, id: str) -> Flow[Document | None]:
    """The document with this id; ``None`` if there is none."""
    for version in (yield from named(dataset, mark(id))):
        found = _kept(version.meta_fields)
        if found is not None and found["id"] == id:
            content = yield from ask(lambda _, version=version: version.download())  # type: ignore[misc]
            return restored(version.meta_fields, content.decode())
    return None


def _record(number: int, document: Document, id: Any) -> Record:
    where = f"documents[{number}]"
    if id is not None and (not isinstance(id, str) or not id):
        raise InvalidRequestError(f"{where}: id={id!r}: give a text that is not empty, or None for a new id")
    id = id or str(uuid4())
    keep = {"id": id, "metadata": checked_metadata(where, document.metadata)}
    text = checked_text(f"{where}: page_content", document.page_content)
    return record(id, text, document.metadata, marks=[mark(id)], key=KEPT_AS, keep=keep)


def _kept(meta_fields: Mapping[str, Any] | None) -> dict[str, Any] | None:
    found = kept(meta_fields, KEPT_AS)
    return found if found is not None and found.keys() == {"id", "metadata"} else None
