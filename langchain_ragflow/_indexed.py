"""Items of a store as documents of RAGFlow: their texts to search for, and what leads back to the item."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ragflow_integrations import ChunkFields, DataSet, UnsupportedError
from ragflow_integrations import Document as Stored
from ragflow_integrations.adapting import Flow, Record, ask, kept, mark, record, written

from ._langgraph import get_text_at_path
from .filters import RAGFlowFilter

__all__ = [
    "Found",
    "digest",
    "found_in",
    "id_of",
    "of_item",
    "of_namespace",
    "record_of",
    "stored",
    "texts_of",
]

_KEPT_AS, _WITHIN = "langgraph_item", "langgraph_within"

Namespace = tuple[str, ...]


class Found(NamedTuple):
    """What a chunk belongs to: the item, its version, and how well the chunk fits."""

    namespace: Namespace
    key: str
    version: str
    score: float


def id_of(namespace: Sequence[str], key: str) -> str:
    """What an item's documents are named and found by."""
    return json.dumps([*namespace, key])


def digest(value: Mapping[str, Any]) -> str:
    """Of a value; an index that has another one is not up to date."""
    return _hash(json.dumps(value, sort_keys=True))


def texts_of(value: Mapping[str, Any], paths: Iterable[str]) -> list[str]:
    """The texts to search for, each once."""
    texts = [text for path in paths for text in get_text_at_path(value, path)]
    return [text for text in dict.fromkeys(texts) if text.strip()]


def record_of(namespace: Sequence[str], key: str, value: Mapping[str, Any], texts: Sequence[str]) -> Record:
    """A new version of an item's document; it says of each namespace that it is below it, and which item it is."""
    id = id_of(namespace, key)
    above = [_label(namespace[:depth]) for depth in range(1, len(namespace) + 1)]
    return record(
        id,
        "\n\n".join(texts),
        {_WITHIN: [*above, _hash(f"item {id}")]},
        marks=[mark(id)],
        key=_KEPT_AS,
        keep={"namespace": [*namespace], "key": key, "version": digest(value)},
    )


def stored(dataset: DataSet, new: Sequence[tuple[Record, Sequence[str]]]) -> Flow[list[Stored]]:
    """Upload and index records with their texts, each of which is a chunk; all or none."""
    texts = {record.name: found for record, found in new}

    def index(document: Stored, record: Record) -> Flow[None]:
        yield from ask(lambda _: document.update({"meta_fields": record.meta_fields}))
        for text in texts[record.name]:
            yield from ask(lambda _, text=text: document.add_chunk(text))  # type: ignore[misc]

    return (yield from written(dataset, [record for record, _ in new], index=index))


def of_namespace(prefix: Sequence[str]) -> RAGFlowFilter | None:
    """The documents of the items below a namespace."""
    return RAGFlowFilter.where(_WITHIN, "is", _label(prefix)) if prefix else None


def of_item(namespace: Sequence[str], key: str) -> RAGFlowFilter:
    """The documents of one item."""
    return RAGFlowFilter.where(_WITHIN, "is", _hash(f"item {id_of(namespace, key)}"))


def found_in(chunks: Iterable[ChunkFields]) -> list[Found]:
    """The items that chunks belong to, each version once, as good as its best chunk; other chunks are passed over."""
    best: dict[tuple[Namespace, str, str], Found] = {}
    for chunk in chunks:
        held = kept(chunk.document_metadata, _KEPT_AS)
        if held is None:
            continue
        if chunk.similarity is None:
            raise UnsupportedError(f"chunk {chunk.id} came without a similarity: this server sends no scores")
        found = Found(tuple(held["namespace"]), held["key"], held["version"], chunk.similarity)
        best.setdefault(found[:3], found)
    return [*best.values()]


def _label(namespace: Sequence[str]) -> str:
    return _hash(f"namespace {json.dumps([*namespace])}")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
