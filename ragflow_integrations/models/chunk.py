"""One model for a chunk, whether listed, retrieved or cited, in all the wire's spellings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from .base import Model, Page, spelled

__all__ = ["Chunk", "DocumentAggregate", "Reference", "Retrieval"]


def _one(value: Any) -> Any:
    """A chunk of the knowledge graph names all of the datasets searched."""
    return value[0] if isinstance(value, list) and value else value or ""


def _some(value: Any) -> Any:
    return [] if value is None else value


_One = Annotated[str, BeforeValidator(_one)]
_Texts = Annotated[list[str], BeforeValidator(_some)]


class Chunk(Model):
    """A piece of a document.

    Of a listing, of ``retrieve`` or of an answer's reference. ``similarity`` is the score the server
    ranked by, ``(1 - vector_similarity_weight) * term_similarity + vector_similarity_weight *
    vector_similarity``; all three are ``None`` where the server sent no score. ``positions`` are
    ``[page, left, right, top, bottom]``. ``highlight`` is there only if asked for.
    """

    id: str = spelled("id", "chunk_id", default="")
    content: str = spelled("content", "content_with_weight", default="")
    document_id: str = spelled("document_id", "doc_id", default="")
    document_name: str = spelled("document_name", "document_keyword", "docnm_kwd", default="")
    dataset_id: _One = spelled("dataset_id", "kb_id", "knowledgebase_id", default="")
    image_id: str | None = spelled("image_id", "img_id", default=None)
    positions: Annotated[list[Any], BeforeValidator(_some)] = spelled("positions", "position", default=[])
    doc_type: str | None = spelled("doc_type", "doc_type_kwd", default=None)
    similarity: float | None = None
    vector_similarity: float | None = None
    term_similarity: float | None = None
    important_keywords: _Texts = spelled("important_keywords", "important_kwd", default=[])
    questions: _Texts = spelled("questions", "question_kwd", default=[])
    available: bool = True
    highlight: str | None = None
    url: str | None = None
    document_metadata: dict[str, Any] | None = None


class DocumentAggregate(Model):
    """How many of the found chunks a document has."""

    document_id: str = spelled("document_id", "doc_id", default="")
    document_name: str = spelled("document_name", "doc_name", default="")
    count: int = 0


class Retrieval(Page[Chunk]):
    """The chunks found, best first, with ``total`` (those over the threshold in the server's window of
    candidates, not in the whole dataset) and ``doc_aggs`` (per document)."""

    def __init__(self, items: list[Chunk], total: int | None, doc_aggs: list[DocumentAggregate]) -> None:
        super().__init__(items, total)
        self.doc_aggs = doc_aggs


class Reference(Model):
    """What an answer rests on: ``chunks[n]`` is what ``[ID:n]`` in the text cites."""

    chunks: list[Chunk] = Field(default_factory=list)
    doc_aggs: list[DocumentAggregate] = Field(default_factory=list)
    total: int | None = None
