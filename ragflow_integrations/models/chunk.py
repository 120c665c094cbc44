"""One model for a chunk, whether listed, retrieved or cited, in all the wire's spellings."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from .base import Model, Page, spelled
from .document import DocumentFields

__all__ = ["ChunkFields", "ChunkPage", "DocumentAggregate", "PageBox", "Reference", "Retrieval"]


class _OrTheFirst:
    """Of a list in the place of a text, its first: in native code, since chunks are what calls spend their time on."""

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        texts = core_schema.list_schema(core_schema.str_schema())
        first = core_schema.no_info_after_validator_function(lambda listed: next(iter(listed), ""), texts)
        return core_schema.union_schema([handler(source), first], mode="left_to_right")


class PageBox(NamedTuple):
    """Where a text is on a page, in points from its upper left corner; pages count from 1."""

    page: int
    left: float
    right: float
    top: float
    bottom: float


class ChunkFields(Model):
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
    dataset_id: Annotated[str, _OrTheFirst] = spelled(  # a list in a chunk of the knowledge graph
        "dataset_id", "kb_id", "knowledgebase_id", default=""
    )
    image_id: str | None = spelled("image_id", "img_id", default=None)
    positions: list[Any] = spelled("positions", "position", default=[])
    doc_type: str | None = spelled("doc_type", "doc_type_kwd", default=None)
    similarity: float | None = None
    vector_similarity: float | None = None
    term_similarity: float | None = None
    important_keywords: list[str] = spelled("important_keywords", "important_kwd", default=[])
    questions: list[str] = spelled("questions", "question_kwd", default=[])
    available: bool = True
    highlight: str | None = None
    url: str | None = None
    document_metadata: dict[str, Any] | None = None

    @property
    def boxes(self) -> list[PageBox]:
        """Where the chunk is on its pages; empty for a text without pages.

        For such a text servers fill ``positions`` with the chunk's own number, which is no box.
        """
        return [box for each in self.positions if (box := _box(each)) is not None]

    @property
    def page(self) -> int | None:
        """The page that the chunk begins on, from 1; ``None`` for a text without pages."""
        boxes = self.boxes
        return boxes[0].page if boxes else None


C = TypeVar("C", bound=ChunkFields)


def _box(position: Any) -> PageBox | None:
    if not isinstance(position, list) or not all(isinstance(each, (int, float)) for each in position):
        return None
    match position:
        case [page, left, right, top, bottom] if left < right and top < bottom:
            return PageBox(int(page), left, right, top, bottom)
    return None


class DocumentAggregate(Model):
    """How many of the found chunks a document has."""

    document_id: str = spelled("document_id", "doc_id", default="")
    document_name: str = spelled("document_name", "doc_name", default="")
    count: int = 0


class ChunkPage(Page[C]):
    """A page of a document's chunks, with the ``document`` as it is now."""

    def __init__(self, items: list[C], total: int | None, document: DocumentFields | None) -> None:
        super().__init__(items, total)
        self.document = document


class Retrieval(Page[C]):
    """The chunks found, best first, with ``total`` (those over the threshold in the server's window of
    candidates, not in the whole dataset) and ``doc_aggs`` (per document)."""

    def __init__(self, items: list[C], total: int | None, doc_aggs: list[DocumentAggregate]) -> None:
        super().__init__(items, total)
        self.doc_aggs = doc_aggs


class Reference(Model):
    """What an answer rests on: ``chunks[n]`` is what ``[ID:n]`` in the text cites."""

    chunks: list[ChunkFields] = Field(default_factory=list)
    doc_aggs: list[DocumentAggregate] = Field(default_factory=list)
    total: int | None = None
