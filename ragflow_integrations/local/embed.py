"""Vectors for texts. The built-in embedder needs no model, no download and no other machine."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .words import LONGEST, words

__all__ = ["FUNCTION_WORDS", "Embedder", "HashedEmbedder"]

FUNCTION_WORDS = frozenset(
    """a about all also am an and ani are as at be been but by can could did do doe for from had has have he her hi
    how i if in into is it its may me might must my no not of on onli or other our out over shall she should so some
    such than that the their them then there these they this those to too under up us was we were what when where
    which while who whi will with would you your""".split()
)
_FUNCTION_WORD = 0.1  # counts so much of a word
_GRAM = 4
_GRAMS = 0.8  # all four-letter pieces of a word together, beside the word's own 1
_SHARED = 0.4  # the cosine of two texts that have nothing in common


class Embedder(Protocol):
    """What the engine needs of an embedding model.

    ``name`` is kept with each dataset, for vectors of different embedders cannot be compared; ``embed`` returns an
    array of shape ``(len(texts), dimensions)`` whose rows have length 1.
    """

    @property
    def name(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


class HashedEmbedder:
    """The built-in embedder: search tokens and their four-letter pieces, hashed into 512 dimensions.

    Equal texts give equal vectors in every process and on every machine. It finds words and their relatives in
    spelling, not in meaning. All vectors share one component, so that cosines lie where RAGFlow's default
    ``similarity_threshold`` (0.2) expects those of a model: about 0.4 for texts without a word in common, 0.55 to
    0.75 for a question and a passage that answers it.
    """

    name = "hashed-512"
    dimensions = 512

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row of length 1 for each text; a text without a word has the shared component alone."""
        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            self._fill(row, text)
        return rows

    def _fill(self, row: NDArray[np.float32], text: str) -> None:
        counts = Counter(words(text))
        if not counts:
            row[0] = 1.0
            return
        features = [_features(word[:LONGEST]) for word in counts]
        factors = np.repeat([1 + math.log(count) for count in counts.values()], [len(p) for p, _ in features])
        places = np.concatenate([places for places, _ in features])
        amounts = np.concatenate([amounts for _, amounts in features]) * factors
        own = np.bincount(places, amounts, minlength=self.dimensions)
        row[:] = own * (math.sqrt(1 - _SHARED) / (float(np.linalg.norm(own)) or 1.0))
        row[0] = math.sqrt(1 - float(row @ row))  # the shared component, all of it if the words cancel out


@lru_cache(maxsize=16384)  # 18 MB; what is asked often stays
def _features(word: str) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The places of a word and of its pieces in a vector (0 is the shared component's), and what each counts."""
    weight = _FUNCTION_WORD if word in FUNCTION_WORDS else 1.0
    bounded = f"<{word}>"
    pieces = [bounded[i : i + _GRAM] for i in range(len(bounded) - _GRAM + 1)] if len(word) >= _GRAM else []
    counts = np.full(1 + len(pieces), weight)
    counts[1:] *= _GRAMS / math.sqrt(len(pieces) or 1)
    hashes = np.array(
        [zlib.crc32(text.encode()) for text in (word, *(f"#{piece}" for piece in pieces))], dtype=np.int64
    )
    return 1 + hashes % (HashedEmbedder.dimensions - 1), np.where(hashes >> 31, counts, -counts)
