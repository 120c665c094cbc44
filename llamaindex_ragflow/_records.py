"""A node of LlamaIndex as a RAGFlow document of one chunk, and back exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageNode,
    IndexNode,
    Node,
    TextNode,
)

from ragflow_integrations import InvalidRequestError
from ragflow_integrations.adapting import Record, checked_metadata, checked_text, kept, mark, record

__all__ = ["document_mark", "node_id", "node_mark", "node_metadata", "records", "restored"]

_KEPT_AS = "llamaindex_node"
"""The key of RAGFlow's ``meta_fields`` that holds the node, all but its text."""

_KINDS: dict[str, type[BaseNode]] = {
    kind.class_name(): kind for kind in (TextNode, Document, ImageNode, IndexNode, Node)
}


def records(nodes: Iterable[BaseNode]) -> list[Record]:
    """Checked, before anything is sent: of nodes with the same id the last one.

    Raises ``InvalidRequestError`` for a blank text, and for what would not come back as it is.
    """
    found = [_record(number, node) for number, node in enumerate(nodes)]
    return list({one.id: one for one in found}.values())


def restored(meta_fields: Mapping[str, Any] | None, content: str) -> BaseNode | None:
    """The node with this metadata; ``None`` if it is none of LlamaIndex's."""
    found = _kept(meta_fields)
    return None if found is None else _with_text(_KINDS[found["node"]["class_name"]], found["node"], content)


def node_id(meta_fields: Mapping[str, Any] | None) -> str | None:
    """The node's id; ``None`` if it is none of LlamaIndex's."""
    found = _kept(meta_fields)
    return None if found is None else str(found["node"]["id_"])


def node_metadata(meta_fields: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What LlamaIndex filters by: the node's metadata, and its document's id under LlamaIndex's names for it."""
    found = _kept(meta_fields)
    if found is None:
        return None
    names = ("document_id", "doc_id", "ref_doc_id")
    return {**found["node"]["metadata"], **dict.fromkeys(names, found["ref_doc_id"] or "None")}


def node_mark(id: str) -> str:
    """What the names of a node's documents have."""
    return mark(f"llamaindex node {id}")


def document_mark(ref_doc_id: str) -> str:
    """What the names have of all nodes that are of a document of LlamaIndex, or are that document."""
    return mark(f"llamaindex document {ref_doc_id}")


def _record(number: int, node: BaseNode) -> Record:
    where = f"nodes[{number}]"
    if not isinstance(node, BaseNode):
        raise InvalidRequestError(f"{where}: <{type(node).__name__}>: give nodes of LlamaIndex")
    checked_metadata(where, node.metadata)
    dump = node.model_dump(mode="json", exclude={"embedding"})
    content = checked_text(f"{where}: its text", _without_text(dump))
    kind = _KINDS.get(node.class_name())
    plain = node.model_copy(update={"embedding": None})
    if kind is None or plain != _with_text(kind, dump, content):
        raise InvalidRequestError(
            f"{where}: a {type(node).__name__} with id_={node.node_id!r} would not come back as it is; "
            f"give one of {', '.join(_KINDS)} without fields that JSON cannot hold"
        )
    marks = [node_mark(node.node_id), document_mark(node.ref_doc_id or node.node_id)]
    keep = {"node": dump, "ref_doc_id": node.ref_doc_id}
    return record(node.node_id, content, node.metadata, marks=marks, key=_KEPT_AS, keep=keep)


def _kept(meta_fields: Mapping[str, Any] | None) -> dict[str, Any] | None:
    found = kept(meta_fields, _KEPT_AS)
    return found if found is not None and found.keys() == {"node", "ref_doc_id"} else None


def _without_text(dump: dict[str, Any]) -> str:
    """The text, which is taken out: RAGFlow has it as the chunk."""
    text = dump.pop("text", None)
    if dump.get("text_resource"):
        text = dump["text_resource"].pop("text", None)
    return str(text or "")


def _with_text(kind: type[BaseNode], dump: Mapping[str, Any], content: str) -> BaseNode:
    resource = dump.get("text_resource")
    text = {"text": content} if resource is None else {"text_resource": {**resource, "text": content}}
    return kind.from_dict({**dump, **text})
