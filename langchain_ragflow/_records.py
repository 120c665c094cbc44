"""A LangChain document as a RAGFlow document of one chunk, and back exactly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import uuid4

from langchain_core.documents import Document

from ragflow_integrations import InvalidRequestError

__all__ = ["KEPT_AS", "Record", "id_of", "prefix", "records", "restored"]

KEPT_AS = "langchain_document"
"""The key of RAGFlow's ``meta_fields`` that holds id and metadata as JSON, since it keeps texts and numbers only."""


class Record(NamedTuple):
    """What RAGFlow is given for a document."""

    id: str
    name: str
    content: str
    meta_fields: dict[str, Any]


def records(documents: Iterable[Document], ids: Iterable[str | None]) -> list[Record]:
    """Checked, before anything is sent; what has no id gets a new one.

    Raises ``InvalidRequestError`` for a blank text, and for metadata that would not come back as it is.
    """
    return [_record(number, *pair) for number, pair in enumerate(zip(documents, ids, strict=True))]


def prefix(id: str) -> str:
    """What the names of an id's documents begin with; names are found at once, metadata is indexed first."""
    return f"{hashlib.sha256(id.encode()).hexdigest()[:32]}-"


def restored(meta_fields: Mapping[str, Any] | None, content: str) -> Document | None:
    """The document with this metadata; ``None`` if it is none of LangChain's."""
    kept = _kept(meta_fields)
    return None if kept is None else Document(id=kept["id"], page_content=content, metadata=kept["metadata"])


def id_of(meta_fields: Mapping[str, Any] | None) -> str | None:
    """The id that LangChain gave it."""
    kept = _kept(meta_fields)
    return None if kept is None else str(kept["id"])


def _record(number: int, document: Document, id: Any) -> Record:
    where = f"documents[{number}]"
    if id is not None and (not isinstance(id, str) or not id):
        raise InvalidRequestError(f"{where}: id={id!r}: give a text that is not empty, or None for a new id")
    if not document.page_content.strip():
        raise InvalidRequestError(f"{where}: page_content is blank: RAGFlow keeps no chunk without text")
    id = id or str(uuid4())
    name = f"{prefix(id)}{uuid4().hex[:8]}.txt"  # each version of a document has a name of its own
    return Record(id, name, document.page_content, _meta_fields(where, id, document.metadata))


def _meta_fields(where: str, id: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    kept = json.dumps({"id": id, "metadata": _checked(where, metadata)}, ensure_ascii=False)
    return {**_for_filters(metadata), KEPT_AS: kept}


def _checked(where: str, metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    for name, value in metadata.items():
        try:
            same = json.loads(json.dumps(value, allow_nan=False)) == value
        except (TypeError, ValueError):
            same = False
        if not same:
            raise InvalidRequestError(
                f"{where}: metadata[{name!r}]={value!r} is no JSON and would not come back as it is: give texts, "
                "numbers, booleans, None, and lists and dicts of these"
            )
    return metadata


def _for_filters(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What RAGFlow can search by, all as texts: its index refuses a field that is now a number, now a text."""
    found = {}
    for name, value in metadata.items():
        texts = [str(each) for each in (value if isinstance(value, list) else [value]) if _is_plain(each)]
        if name.strip() and texts:
            found[name] = texts if isinstance(value, list) else texts[0]
    return found


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and bool(str(value).strip())


def _kept(meta_fields: Mapping[str, Any] | None) -> dict[str, Any] | None:
    text = (meta_fields or {}).get(KEPT_AS)
    kept = json.loads(text) if isinstance(text, str) else None
    return kept if isinstance(kept, dict) and kept.keys() == {"id", "metadata"} else None
