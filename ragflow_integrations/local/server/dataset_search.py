"""``/datasets/search`` and ``/datasets/{id}/search``: retrieval under the names of RAGFlow's index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from .. import metadata_filter
from ..engine import Retrieval
from .call import Call, Routes
from .envelope import Fail, answered
from .retrieval import check_graph
from .validation import validated

__all__ = ["ROUTES", "SearchOne", "searched"]

Row = dict[str, Any]

_IN_INDEX = {
    "id": "chunk_id",
    "content": "content_with_weight",
    "document_id": "doc_id",
    "document_keyword": "docnm_kwd",
    "dataset_id": "kb_id",
    "important_keywords": "important_kwd",
}
_MOST = 2048  # candidates
_OF_SEARCH = (
    "similarity_threshold",
    "vector_similarity_weight",
    "top_k",
    "use_kg",
    "cross_languages",
    "keyword",
)


class SearchOne(BaseModel):
    """Body of ``POST /datasets/{id}/search``; what can be converted is, as RAGFlow does here."""

    model_config = ConfigDict(extra="ignore")

    question: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    doc_ids: list[str] = []
    page: Annotated[int, Field(ge=1)] = 1
    size: Annotated[int, Field(ge=1)] = 30
    top_k: Annotated[int, Field(ge=1)] = 1024
    similarity_threshold: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    vector_similarity_weight: Annotated[float, Field(ge=0.0, le=1.0)] = 0.3
    use_kg: bool = False
    cross_languages: list[str] = []
    keyword: bool = False
    search_id: str | None = None
    rerank_id: str | None = None
    meta_data_filter: dict[str, Any] | None = None


class _Datasets(BaseModel):
    dataset_ids: Annotated[list[str], Field(min_length=1)]


class SearchMany(SearchOne, _Datasets):
    """Body of ``POST /datasets/search``; what is wrong with ``dataset_ids`` is told first."""


def search_one(call: Call) -> Response:
    """``POST /datasets/{id}/search``."""
    wanted = validated(SearchOne, call.strict_json())
    return answered(searched(call, [call.path["dataset_id"]], wanted))


def search_many(call: Call) -> Response:
    """``POST /datasets/search``."""
    wanted = validated(SearchMany, call.strict_json())
    return answered(searched(call, wanted.dataset_ids, wanted))


def searched(call: Call, dataset_ids: Sequence[str], wanted: SearchOne) -> Row:
    """What is found, as these routes show it; a search application's settings go over those of the request."""
    for each in dataset_ids:
        if call.engine.get_dataset(each) is None:
            raise Fail(f"Only owner of dataset {each} authorized for this operation.")
    wanted = _as_search_has_it(call, wanted)
    check_graph({"use_kg": wanted.use_kg})
    found = call.engine.retrieve(
        Retrieval(
            question=wanted.question,
            dataset_ids=dataset_ids,
            document_ids=_document_ids(call, dataset_ids, wanted),
            page=wanted.page,
            page_size=min(wanted.size, _MOST),
            similarity_threshold=wanted.similarity_threshold,
            vector_similarity_weight=wanted.vector_similarity_weight,
            top_k=min(wanted.top_k, _MOST),
            rerank_id=wanted.rerank_id or "",
            keyword=wanted.keyword,
            cross_languages=wanted.cross_languages,
        )
    )
    chunks = [{_IN_INDEX.get(key, key): value for key, value in chunk.items()} for chunk in found.chunks]
    return {"chunks": chunks, "doc_aggs": found.doc_aggs, "labels": None, "total": len(chunks)}


def _document_ids(call: Call, dataset_ids: Sequence[str], wanted: SearchOne) -> Sequence[str] | None:
    """The documents to search, None for all."""
    given, chosen = wanted.meta_data_filter, wanted.doc_ids or None
    if not given:
        return chosen
    needing = metadata_filter.wanted(given)
    llm = call.engine.models.needed_llm(needing[0]) if needing else None
    held = call.engine.metadata(dataset_ids, chosen)
    return metadata_filter.chosen(given, held, wanted.question, llm, chosen)


def _as_search_has_it(call: Call, wanted: SearchOne) -> SearchOne:
    if not wanted.search_id:
        return wanted
    search = call.engine.get_search(wanted.search_id)
    if search is None:
        raise Fail("Invalid search_id")
    config = search["search_config"]
    settings = {name: config[name] for name in _OF_SEARCH if name in config}
    settings["rerank_id"] = wanted.rerank_id or config.get("rerank_id")
    settings["meta_data_filter"] = config.get("meta_data_filter")
    return validated(SearchOne, {**wanted.model_dump(), **settings})


ROUTES: Routes = {
    "/datasets/search": {"POST": search_many},
    "/datasets/{dataset_id}/search": {"POST": search_one},
}
