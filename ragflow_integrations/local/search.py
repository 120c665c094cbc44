"""RAGFlow's retrieval: candidates from words and vectors, scored exactly in windows.

As in RAGFlow v0.27 the results are computed a window of ``ceil(64 / page_size) * page_size`` candidates at a
time: the window that a page falls into is scored, sorted and cut at the threshold, and ``total`` counts what
is left of it. Unlike there, candidates enter a window by words and vector in the weights asked for, because
the order of the windows should be the order of the results.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import apsw
import numpy as np
from numpy.typing import NDArray

from . import chunks, documents, parents
from .fields import dumped
from .index import match
from .matrix import Matrices, Matrix, Numbers, Vectors
from .rank import Query, analyse, similarity, term_similarity
from .store import Row, rows, scalar
from .words import words

__all__ = ["Retrieval", "Retrieved", "retrieve"]

Scores = NDArray[np.float64]

_POSTINGS = (
    20_000  # a full-text query reads at most about so many entries; its most frequent words are left out
)
_FEW = 20  # documents in a full-text query
_WORD = re.compile(r"\w+")
_SELECT = (
    "SELECT chunk.*, document.name AS document_name, terms FROM chunk JOIN chunk_index USING (row)"
    " JOIN document ON document.id = document_id WHERE chunk.row IN (SELECT value FROM json_each(?))"
)


@dataclass(frozen=True)
class Retrieval:
    """A question and how to search: the request body of ``POST /api/v1/retrieval``, with its defaults.

    ``document_ids`` None means all. Each chunk shows these ``metadata_fields`` of its document, None means all.
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
    metadata_fields: Collection[str] | None = ()


@dataclass(frozen=True)
class Retrieved:
    """One page of chunks as on the wire; ``total`` and ``doc_aggs`` are of the page's window."""

    total: int = 0
    chunks: list[Row] = field(default_factory=list)
    doc_aggs: list[Row] = field(default_factory=list)


def retrieve(db: apsw.Connection, matrices: Matrices, query: Retrieval, asked: Vectors) -> Retrieved:
    """One page of chunks for a question, whose vector is ``asked``; nothing for an empty one.

    The datasets must have vectors of the embedder that made ``asked``.
    """
    if not query.question.strip():
        return Retrieved()
    window = _window(query.page_size)
    start = (query.page - 1) * query.page_size
    block = start - start % window
    analysed = analyse(query.question)
    numbers, cosines = _candidates(db, matrices, query, analysed, asked)
    scored = _scored(db, query, analysed, numbers[block : block + window], cosines[block : block + window])
    page = scored[start - block : start - block + query.page_size]
    listed = parents.put_in_place(db, [_wire(each, analysed if query.highlight else None) for each in page])
    _show_metadata(db, listed, query)
    return Retrieved(total=len(scored), chunks=listed, doc_aggs=_doc_aggs(scored))


def _window(page_size: int) -> int:
    return 30 if page_size <= 1 else math.ceil(64 / page_size) * page_size


def _candidates(
    db: apsw.Connection, matrices: Matrices, query: Retrieval, analysed: Query, asked: Vectors
) -> tuple[Numbers, Vectors]:
    """Numbers and cosines of the ``top_k`` chunks that words and vectors put first."""
    by_words = _by_words(db, query, analysed)
    only = None if query.document_ids is None else _numbers_of(db, query.document_ids)
    found = [
        _in_dataset(matrices.get(db, dataset_id), asked, query, by_words, only)
        for dataset_id in dict.fromkeys(query.dataset_ids)
    ]
    numbers, cosines, scores = (np.concatenate(each) for each in zip(*found, strict=True))
    best = np.argpartition(-scores, query.top_k)[: query.top_k] if len(scores) > query.top_k else slice(None)
    numbers, cosines, scores = numbers[best], cosines[best], scores[best]
    order = np.lexsort((numbers, -scores))
    return numbers[order], cosines[order]


def _in_dataset(
    matrix: Matrix, asked: Vectors, query: Retrieval, by_words: tuple[Numbers, Scores], only: Numbers | None
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
    return matrix.numbers[chosen], cosines[chosen], (1 - weight) * terms[chosen] + weight * cosines[chosen]


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
    db: apsw.Connection, query: Retrieval, analysed: Query, numbers: Numbers, cosines: Vectors
) -> list[Row]:
    """The candidates over the threshold as rows with RAGFlow's three similarities, best first."""
    weight = query.vector_similarity_weight
    threshold = query.similarity_threshold if weight > 0 else 0.0
    by_number = dict(zip(numbers.tolist(), cosines.tolist(), strict=True))
    found = rows(db, _SELECT, (str(list(by_number)),))
    for each in found:
        each["term_similarity"] = term_similarity(analysed, each.pop("terms"))
        each["vector_similarity"] = by_number[each["row"]]
        each["similarity"] = similarity(each["term_similarity"], each["vector_similarity"], weight)
    kept = [each for each in found if each["similarity"] >= threshold]
    return sorted(kept, key=lambda each: (-each["similarity"], each["row"]))


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
        "image_id": "",
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
