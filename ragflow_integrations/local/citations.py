"""Citations ``[ID:n]`` in what a language model says: put right while they come, put in where there are none.

``n`` counts the chunks that the model was given, from 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .embed import Embedder
from .rank import analyse, index_terms, similarity, term_similarity

__all__ = ["Citations", "cited"]

_MARKER = re.compile(
    r"\s?(?:\[\s*ID[\s:：]*(\d+)\s*\]|\(\s*ID[\s:：]*(\d+)\s*\)|【\s*ID[\s:：]*(\d+)\s*】)", re.ASCII
)
_BEGUN = re.compile(r"\s?(?:[\[(【](?:\s{0,3}(?:I|ID[\s:：]{0,4}\d{0,6}\s{0,3})?)?)?\Z")
_SENTENCE = re.compile(r"(?<=[.!?。！？；;])\s+|(?<=[。！？；])|\n+")
_CODE = re.compile(r"(```.*?(?:```|$))", re.DOTALL)
_SHORT = 5  # characters; a sentence of less says nothing that could be cited
_CLEAR, _STEP, _VAGUE = 0.63, 0.8, 0.3  # similarities: asked for at first, lowered by, never below
_MOST = 4  # citations of a sentence


class Citations:
    """The markers of one answer, which comes in deltas: other spellings become ``[ID:n]``, numbers of no chunk go.

    ``found`` has the numbers cited so far.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._held = ""
        self.found: set[int] = set()

    def feed(self, delta: str) -> str:
        """What can be said by now; a marker that has begun is held back."""
        text = _MARKER.sub(self._right, self._held + delta)
        begun = _BEGUN.search(text)
        cut = begun.start() if begun else len(text)
        self._held = text[cut:]
        return text[:cut]

    def rest(self) -> str:
        """What was held back, at the end of the answer."""
        held, self._held = self._held, ""
        return held

    def _right(self, marker: re.Match[str]) -> str:
        number = int(next(filter(None, marker.groups())))
        if number >= self._count:
            return marker[0] if "(" in marker[0] else ""  # "(ID: 4711)" may be somebody's number
        self.found.add(number)
        space = marker[0][:1] if marker[0][:1].isspace() else ""
        return f"{space}[ID:{number}]"


def cited(
    answer: str, contents: Sequence[str], vectors: NDArray[np.float32], embedder: Embedder, weight: float
) -> tuple[str, set[int]]:
    """``answer`` with a citation after each sentence that a chunk says as well, each chunk cited once.

    As on RAGFlow: the similarity of a sentence and a chunk counts (``weight`` is the vector's part); if no sentence
    is clearly a chunk's, a lower one will do. Code is left alone. ``vectors`` are those of ``contents``.
    """
    pieces = [piece for part in _CODE.split(answer) for piece in _pieces(part)]
    said = [place for place, piece in enumerate(pieces) if _says_something(piece)]
    if not said or not contents:
        return answer, set()
    near = _similarities([pieces[place] for place in said], contents, vectors, embedder, weight)
    enough = _CLEAR
    while near.max() < enough:
        enough *= _STEP
        if enough <= _VAGUE:
            return answer, set()
    found: set[int] = set()
    for place, scores in zip(said, near, strict=True):
        if scores.max() < enough:
            continue
        best = [int(number) for number in np.flatnonzero(scores >= 0.99 * scores.max())][:_MOST]
        new = [number for number in best if number not in found]
        found |= set(new)
        body = pieces[place].rstrip()
        pieces[place] = body + "".join(f" [ID:{number}]" for number in new) + pieces[place][len(body) :]
    return "".join(pieces), found


def _pieces(part: str) -> list[str]:
    """A text cut into sentences, which make it up together; code stays whole."""
    if part.startswith("```"):
        return [part]
    ends = [found.end() for found in _SENTENCE.finditer(part)]
    return [part[start:end] for start, end in zip([0, *ends], [*ends, len(part)], strict=True)]


def _says_something(piece: str) -> bool:
    return len(piece.strip()) >= _SHORT and not piece.startswith("```")


def _similarities(
    sentences: Sequence[str],
    contents: Sequence[str],
    vectors: NDArray[np.float32],
    embedder: Embedder,
    weight: float,
) -> NDArray[np.float64]:
    """A row for each sentence, a column for each chunk."""
    cosines = embedder.embed(list(sentences)) @ vectors.T
    held = [
        index_terms(title="", content=content, important_keywords=(), questions=()) for content in contents
    ]
    terms = [[term_similarity(query, each) for each in held] for query in map(analyse, sentences)]
    return np.asarray(
        [
            [similarity(term, float(cosine), weight) for term, cosine in zip(*row, strict=True)]
            for row in zip(terms, cosines, strict=True)
        ]
    )
