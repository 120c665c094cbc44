"""RAGFlow's retrieval: candidates from words and vectors, scored exactly in windows.

As in RAGFlow v0.27 the results are computed a window of ``ceil(64 / page_size) * page_size`` candidates at a
time: the window that a page falls into is scored, sorted and cut at the threshold, and ``total`` counts what
is left of it. Unlike there, candidates enter a window by words and vector in the weights asked for, because
the order of the windows should be the order of the results.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import apsw
import numpy as np
from numpy.typing import NDArray

from . import chunks, documents, parents, tags
from .fields import dumped
from .index import match
from .matrix import Matrices, Matrix, Numbers, Vectors
from .rank import Query, analyse, similarity, term_similarity
from .store import Row, rows, scalar
from .words import words

__all__ = ["Retrieval", "Retrieved", "page", "picked", "window"]

Scores = NDArray[np.float64]

_POSTINGS = (
    20_000  # a full-text query reads at most about so many entries; its most frequent words are left out
)
_FEW = 20  # documents in a full-text query
_WORD = re.compile(r"\w+")
_SELECT = (
    "SELECT chunk.*, document.name AS document_name, document.rowid AS document_row, terms"
    " FROM chunk JOIN chunk_index USING (row) JOIN document ON document.id = document_id"
    " WHERE chunk.row IN (SELECT value FROM json_each(?))"
)


@dataclass(frozen=True)
class Retrieval:
    """A question and how to search: the request body of ``POST /api/v1/retrieval``, with its defaults.

    ``document_ids`` None means all. Each chunk shows these ``metadata_fields`` of its document, None means all.
    ``rerank_id`` names the reranker whose scores take the place of the vectors'; ``keyword`` and ``cross_languages``
    have a language model put terms and translations to the question, and with ``toc_enhance`` it picks sections of
    the best document by their headings.
    """

    question: str
    dataset_ids: Sequence[str]
    document_ids: Sequence[str] | None = None
    page: int = 1
    page_size: int = 30
    similarity_threshold: float = 0.2
    vector_similarity_weight: float = 0.3
    top_k: int = 1024
    highlight: bool = False
    rerank_id: str = ""
    keyword: bool = False
    cross_languages: Sequence[str] = ()
    toc_enhance: bool = False
    metadata_fields: Collection[str] | None = ()


@dataclass(frozen=True)
class Retrieved:
    """One page of chunks as on the wire; ``total`` and ``doc_aggs`` are of the page's window."""

    total: int = 0
    chunks: list[Row] = field(default_factory=list)
    doc_aggs: list[Row] = field(default_factory=list)


def window(db: apsw.Connection, matrices: Matrices, query: Retrieval, asked: Vectors) -> list[Row]:
    """The stored chunks of the window of a page, each with ``term_similarity``, ``vector_similarity``, ``tag_gain``.

    ``asked`` is the question's vector, of the embedder that made those of the datasets.
    """
    size = _window_size(query)
    start = (query.page - 1) * query.page_size
    block = start - start % size
    analysed = analyse(query.question)
    tagged = _tags_of(db, query, analysed)
    numbers, cosines = _candidates(db, matrices, query, analysed, asked, tagged)
    return _scored(db, analysed, numbers[block : block + size], cosines[block : block + size], tagged)


def _tags_of(db: apsw.Connection, query: Retrieval, analysed: Query) -> Mapping[str, int]:
    """The question's tags, where the datasets get some from others."""
    source = tags.source(db, query.dataset_ids)
    return source.of_question(db, analysed.terms) if source else {}


def page(db: apsw.Connection, query: Retrieval, found: Sequence[Row]) -> Retrieved:
    """The page of a window, by RAGFlow's mixed similarity."""
    ranked = _ranked(query, found, _pageranks(db, query))
    start = (query.page - 1) * query.page_size % _window_size(query)
    highlighted = analyse(query.question) if query.highlight else None
    shown = [_wire(each, highlighted) for each in ranked[start : start + query.page_size]]
    listed = parents.put_in_place(db, shown)
    _show_metadata(db, listed, query)
    return Retrieved(total=len(ranked), chunks=listed, doc_aggs=_doc_aggs(ranked))


def picked(db: apsw.Connection, query: Retrieval, similarities: Mapping[str, float]) -> list[Row]:
    """Chunks by their ids with a similarity that something else than words and vectors gave them."""
    number = "SELECT row FROM chunk WHERE id IN (SELECT value FROM json_each(?))"
    numbers = [row for (row,) in db.execute(number, (dumped(list(similarities)),))]
    highlighted = analyse(query.question) if query.highlight else None
    listed = []
    for each in rows(db, _SELECT, (str(numbers),)):
        score = similarities[each["id"]]
        scores = dict.fromkeys(("similarity", "vector_similarity", "term_similarity"), score)
        listed.append(_wire(each | scores, highlighted))
    _show_metadata(db, listed, query)
    return listed


def _window_size(query: Retrieval) -> int:
    """A whole number of pages; a reranker is given no more than ``top_k``."""
    pages = math.ceil(64 / query.page_size)
    if query.page_size <= 1:
        return min(30, query.top_k) if query.rerank_id else 30
    if query.rerank_id:
        pages = min(pages, math.ceil(query.top_k / query.page_size))
    return pages * query.page_size


def _candidates(
    db: apsw.Connection,
    matrices: Matrices,
    query: Retrieval,
    analysed: Query,
    asked: Vectors,
    tagged: Mapping[str, int],
) -> tuple[Numbers, Vectors]:
    """Numbers and cosines of the ``top_k`` chunks that words, vectors and tags put first."""
    by_words = _by_words(db, query, analysed)
    only = None if query.document_ids is None else _numbers_of(db, query.document_ids)
    found = [
        _in_dataset(matrices.get(db, dataset_id), asked, query, by_words, only, rank)
        for dataset_id, rank in _pageranks(db, query).items()
    ]
    numbers, cosines, scores = (np.concatenate(each) for each in zip(*found, strict=True))
    if tagged:
        scores += _by_tags(db, query, tagged, numbers)
    best = np.argpartition(-scores, query.top_k)[: query.top_k] if len(scores) > query.top_k else slice(None)
    numbers, cosines, scores = numbers[best], cosines[best], scores[best]
    order = np.lexsort((numbers, -scores))
    return numbers[order], cosines[order]


def _pageranks(db: apsw.Connection, query: Retrieval) -> dict[str, int]:
    """What the datasets' settings add to the similarity of each of their chunks, as in RAGFlow."""
    sql = "SELECT settings_json ->> 'pagerank' FROM dataset WHERE id = ?"
    return {each: scalar(db, sql, (each,)) or 0 for each in query.dataset_ids}


def _by_tags(db: apsw.Connection, query: Retrieval, tagged: Mapping[str, int], numbers: Numbers) -> Scores:
    """What the question's tags add to these chunks."""
    gained = np.zeros(len(numbers))
    sql = (
        "SELECT row, tag_features_json FROM chunk WHERE dataset_id IN (SELECT value FROM json_each(?))"
        " AND tag_features_json <> '{}'"
    )
    stored = {row: json.loads(text) for row, text in db.execute(sql, (dumped(list(query.dataset_ids)),))}
    for place, number in enumerate(numbers.tolist()):
        if number in stored:
            gained[place] = tags.closeness(tagged, stored[number])
    return gained


def _in_dataset(
    matrix: Matrix,
    asked: Vectors,
    query: Retrieval,
    by_words: tuple[Numbers, Scores],
    only: Numbers | None,
    rank: int,
) -> tuple[Numbers, Vectors, Scores]:
    """Candidates of one dataset: chunks with a word of the question, or near enough to it."""
    cosines = matrix.vectors @ asked
    terms = np.zeros(len(cosines))
    places, known = matrix.places(by_words[0])
    terms[places] = by_words[1][known]
    near = cosines >= query.similarity_threshold
    near[places] = True
    if only is not None:
        allowed = np.zeros(len(near), np.bool_)
        allowed[matrix.places(only)[0]] = True
        near &= allowed
    weight = query.vector_similarity_weight
    chosen = np.flatnonzero(near)
    scores = (1 - weight) * terms[chosen] + weight * cosines[chosen] + rank
    return matrix.numbers[chosen], cosines[chosen], scores


def _by_words(db: apsw.Connection, query: Retrieval, analysed: Query) -> tuple[Numbers, Scores]:
    """The chunks with words of the question, and the part of their term similarity that is found this way.

    That is all of it, unless a word was too frequent to be looked up.
    """
    found = _affordable(db, analysed)
    phrases = {word: analysed.weights[word] for word in found}
    phrases |= {
        f"{left} {right}": analysed.weights[left + right] for left, right in _neighbours(analysed, found)
    }
    postings = [_postings(db, phrase, query) for phrase in phrases]
    weights = np.repeat(np.array(list(phrases.values())), [len(each) for each in postings])
    distinct, places = np.unique(np.concatenate([*postings, np.empty(0, np.int64)]), return_inverse=True)
    return distinct, np.bincount(places, weights, len(distinct)).astype(np.float64)


def _neighbours(analysed: Query, found: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The words found that stand side by side in the question: its pairs are kept as one text, without a blank."""
    known = set(found)
    longest = max(map(len, found), default=0)
    for pair in analysed.weights:
        for cut in range(1, len(pair)) if len(pair) <= 2 * longest else ():
            if pair[:cut] in known and pair[cut:] in known:
                yield pair[:cut], pair[cut:]


def _postings(db: apsw.Connection, phrase: str, query: Retrieval) -> Numbers:
    few = query.document_ids or ()
    if len(few) > _FEW:
        few = ()  # to read them all and pass over the others is faster then
    expression = match([phrase], dataset_ids=query.dataset_ids, document_ids=few)
    # One text of numbers crosses into Python several times faster than as many rows.
    joined = scalar(db, "SELECT group_concat(rowid) FROM term WHERE term MATCH ?", (expression,))
    return np.fromstring(joined or "", np.int64, sep=",")


def _affordable(db: apsw.Connection, analysed: Query) -> list[str]:
    """The question's rarest words, as many as the posting budget pays for, and one at least."""
    sql = "SELECT doc FROM term_count WHERE term = ?"
    counted = sorted((count, word) for word in analysed.weights for (count,) in db.execute(sql, (word,)))
    chosen: list[str] = []
    spent = 0
    for count, word in counted:
        spent += count
        if chosen and spent > _POSTINGS:
            break
        chosen.append(word)
    return chosen


def _numbers_of(db: apsw.Connection, document_ids: Sequence[str]) -> Numbers:
    sql = "SELECT row FROM chunk WHERE document_id IN (SELECT value FROM json_each(?)) ORDER BY row"
    return np.fromiter((number for (number,) in db.execute(sql, (dumped(list(document_ids)),))), np.int64)


def _scored(
    db: apsw.Connection, analysed: Query, numbers: Numbers, cosines: Vectors, tagged: Mapping[str, int]
) -> list[Row]:
    """The candidates as rows with the similarities of their terms and vectors, and what their tags add."""
    by_number = dict(zip(numbers.tolist(), cosines.tolist(), strict=True))
    found = rows(db, _SELECT, (str(list(by_number)),))
    for each in found:
        each["term_similarity"] = term_similarity(analysed, each.pop("terms"))
        each["vector_similarity"] = by_number[each["row"]]
        each["tag_gain"] = tags.closeness(tagged, json.loads(each["tag_features_json"])) if tagged else 0.0
    return found


def _ranked(query: Retrieval, found: Sequence[Row], pageranks: Mapping[str, int]) -> list[Row]:
    """What is over the threshold, best first, with its ``similarity``; of equals what was uploaded first."""
    weight = query.vector_similarity_weight
    threshold = query.similarity_threshold if weight > 0 else 0.0
    mixed = []
    for each in found:
        score = similarity(each["term_similarity"], each["vector_similarity"], weight)
        mixed.append({**each, "similarity": score + pageranks[each["dataset_id"]] + each["tag_gain"]})
    kept = [each for each in mixed if each["similarity"] >= threshold]
    return sorted(kept, key=lambda each: (-each["similarity"], each["document_row"], each["row"]))


def _doc_aggs(scored: Sequence[Row]) -> list[Row]:
    counted = Counter((each["document_id"], each["document_name"]) for each in scored)
    return [
        {"doc_name": name, "doc_id": identifier, "count": count}
        for (identifier, name), count in counted.most_common()
    ]


def _wire(stored: Row, highlighted: Query | None) -> Row:
    chunk = chunks.wire(stored)
    result = {
        key: chunk[key]
        for key in ("id", "content", "document_id", "dataset_id", "important_keywords", "tag_kwd")
    }
    result |= {key: stored[key] for key in ("similarity", "term_similarity", "vector_similarity")}
    result |= {
        "content_ltks": " ".join(words(chunk["content"])),
        "document_keyword": chunk["docnm_kwd"],
        "image_id": chunk["image_id"],
        "positions": chunk["positions"],
        "doc_type_kwd": _shown_type(stored),
        "mom_id": stored["mom_id"],
        "row_id": None,
    }
    if highlighted is not None:
        result["highlight"] = _highlight(chunk["content"], highlighted)
    return result


def _shown_type(stored: Row) -> str:
    """As in RAGFlow, which has no type for text that it has parsed."""
    return "" if stored["doc_type"] == "text" and stored["place"] is not None else str(stored["doc_type"])


def _show_metadata(db: apsw.Connection, listed: Sequence[Row], query: Retrieval) -> None:
    """Put ``document_metadata`` into the chunks whose documents have something to show."""
    fields = query.metadata_fields
    if fields is not None and not fields:
        return
    metadata = documents.metadata(db, query.dataset_ids, [chunk["document_id"] for chunk in listed])
    for chunk in listed:
        held = metadata.get(chunk["document_id"], {})
        if shown := {key: value for key, value in held.items() if fields is None or key in fields}:
            chunk["document_metadata"] = shown


def _highlight(content: str, question: Query) -> str:
    asked = set(question.terms)
    return _WORD.sub(
        lambda found: f"<em>{found[0]}</em>" if asked.intersection(words(found[0])) else found[0], content
    )
