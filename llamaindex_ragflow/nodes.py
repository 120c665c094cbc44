"""Chunks as LlamaIndex's nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b, sha256
from typing import Any

from llama_index.core.schema import (
    ImageNode,
    NodeRelationship,
    NodeWithScore,
    ObjectType,
    RelatedNodeInfo,
    TextNode,
)

from ragflow_integrations import ChunkFields

__all__ = [
    "OF_CHUNKS",
    "OF_DOCUMENTS",
    "RAGFlowImageNode",
    "RAGFlowNode",
    "of_document",
    "to_node",
    "to_nodes",
]

_SHOWN = ("document_name", "page_label", "url")
_COPIED = (
    "dataset_id",
    "positions",
    "similarity",
    "vector_similarity",
    "term_similarity",
    "image_id",
    "doc_type",
    "important_keywords",
    "highlight",
)
_HIDDEN = ("chunk_id", "document_id", "file_name", "node_kind", "cited", "citation_index", *_COPIED)
_OURS = {*_SHOWN, *_HIDDEN}
_KEPT = {
    "_li_doc_id",
    "_li_hash",
    "llamaindex_node",
    "langchain_document",
}  # how adapters find their own again
OF_DOCUMENTS = {"document_id", "document_name", "file_name", "dataset_id"}
"""Keys of a node's metadata that say something of its document, beside the document's own."""
OF_CHUNKS = _OURS - OF_DOCUMENTS
"""Keys of a node's metadata that say something of the chunk, or of the answer it is a source of."""


class _OfChunk(TextNode):
    """A text node's hash covers its metadata, hence the scores, which differ from question to question; but
    LlamaIndex's fusion of several questions' results knows a chunk by its hash.
    """

    @property
    def hash(self) -> str:
        """Of the chunk's id and text."""
        return sha256(f"{self.id_}\n{self.text}".encode("utf-8", "surrogatepass")).hexdigest()

    def __eq__(self, other: object) -> bool:
        """Also to the plain text node that a document store makes of it."""
        return isinstance(other, TextNode) and self.__dict__ == other.__dict__


class RAGFlowNode(_OfChunk):
    """A chunk: a text node whose ``hash`` is the chunk's own."""


class RAGFlowImageNode(_OfChunk, ImageNode):
    """A chunk with a picture, which is not loaded: ``metadata["image_id"]`` names it."""


def to_node(chunk: ChunkFields, *, images: bool = False) -> NodeWithScore:
    """A chunk as a node with its ``similarity`` as score.

    The node's id is the chunk's, its source the document. What the server did not send is absent from the
    metadata. A language model sees the document's name, page and url and the document's own metadata; the
    rest is for programs. With ``images`` a chunk that has a picture is an ``ImageNode``.
    """
    kind = RAGFlowImageNode if images and chunk.image_id else RAGFlowNode
    node_id = chunk.id if chunk.document_id else _graph_id(chunk)
    node = kind(
        id_=node_id,
        text=chunk.content,
        metadata=_metadata(chunk, node_id),
        relationships=_relationships(chunk),
        excluded_llm_metadata_keys=list(_HIDDEN),
        excluded_embed_metadata_keys=list(_HIDDEN),
    )
    return NodeWithScore(node=node, score=chunk.similarity)


def to_nodes(chunks: Iterable[ChunkFields], *, images: bool = False) -> list[NodeWithScore]:
    """Different chunks as nodes, in their order."""
    nodes: dict[str, NodeWithScore] = {}
    for node in (to_node(chunk, images=images) for chunk in chunks):
        nodes.setdefault(node.node_id, node)
    return list(nodes.values())


def of_document(
    document_id: str, name: str, dataset_id: str, meta_fields: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What the metadata of a document's nodes say of the document: who it is, and its own metadata."""
    facts = {"document_id": document_id, "document_name": name, "file_name": name, "dataset_id": dataset_id}
    return {**_own(meta_fields), **facts}


def _own(meta_fields: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (meta_fields or {}).items() if name not in _OURS | _KEPT}


def _metadata(chunk: ChunkFields, node_id: str) -> dict[str, Any]:
    facts = {
        "chunk_id": node_id,
        "document_id": chunk.document_id,
        "document_name": chunk.document_name,
        "file_name": chunk.document_name,
        "page_label": _page_label(chunk),
        "url": chunk.url,
        "node_kind": None if chunk.document_id else "knowledge_graph",
        **{name: getattr(chunk, name) for name in _COPIED},
    }
    known = {name: value for name, value in facts.items() if value not in (None, "", [])}
    return known | _own(chunk.document_metadata)


def _page_label(chunk: ChunkFields) -> str | None:
    """The page that the chunk begins on.

    Only for a box on a page: for plain text the server fills positions with the chunk's own number.
    """
    match chunk.positions:
        case [[page, left, right, top, bottom], *_] if left < right and top < bottom:
            return str(page)
    return None


def _relationships(chunk: ChunkFields) -> dict[NodeRelationship, Any]:
    if not chunk.document_id:
        return {}
    about = {"document_name": chunk.document_name, "dataset_id": chunk.dataset_id}
    source = RelatedNodeInfo(node_id=chunk.document_id, node_type=ObjectType.DOCUMENT, metadata=about)
    return {NodeRelationship.SOURCE: source}


def _graph_id(chunk: ChunkFields) -> str:
    """What the knowledge graph contributes is of no document, and has another id, or none, each time."""
    return blake2b(chunk.content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
