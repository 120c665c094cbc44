"""Rerankers of all kinds as the engine's ``Reranker``, and the one that is built in."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from ..embed import HashedEmbedder
from ..problems import ModelFailed, Problem
from .adapt import class_beside, label, methods, said
from .base import ModelMistake, Reranker
from .endpoint import EndpointReranker

__all__ = ["PassageReranker", "reranker_from"]

_PLACE = "ragflow_place"
_Score = Callable[[str, Sequence[str]], Sequence[float]]


def reranker_from(model: Any) -> Reranker:
    """A reranker made of a ``Reranker``, an endpoint, a LangChain cross encoder or document compressor, a LlamaIndex
    node postprocessor, or a function of question and texts that returns a score for each.
    """
    if isinstance(model, EndpointReranker):
        return ModelReranker(model.name, model.score, model.close)
    if methods(model, "compress_documents"):
        return ModelReranker(label(model), lambda question, texts: _compressor(model, question, texts))
    if methods(model, "postprocess_nodes"):
        return ModelReranker(label(model), lambda question, texts: _postprocessor(model, question, texts))
    if methods(model, "score") and isinstance(getattr(model, "name", None), str):
        return model  # type: ignore[no-any-return]
    if methods(model, "score"):
        return ModelReranker(
            label(model), lambda asked, texts: model.score([(asked, text) for text in texts])
        )
    if callable(model):
        return ModelReranker(label(model), model)
    raise ModelMistake(
        f"reranker={model!r}: give a LangChain cross encoder or document compressor, a LlamaIndex node "
        "postprocessor, a function of a question and a list of texts, or 'http://host/v1#model'"
    )


class ModelReranker:
    """Somebody's reranker: scores from 0 to 1, its errors as ``ModelFailed``."""

    def __init__(self, name: str, score: _Score, close: Callable[[], None] | None = None) -> None:
        self.name = name
        self._score = score
        self.close = close or (lambda: None)

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """One score for each text; what goes beyond 0 to 1 is stretched over that range."""
        if not texts:
            return []
        try:
            scores = [float(score) for score in self._score(question, list(texts))]
        except Problem:
            raise
        except Exception as error:  # whatever somebody's model raises
            raise ModelFailed(f"the reranker {self.name} failed: {said(error)}") from error
        if len(scores) != len(texts) or not all(map(math.isfinite, scores)):
            raise ModelFailed(f"the reranker {self.name} gave no score for each of {len(texts)} texts")
        low, high = min(scores), max(scores)
        if low >= 0 and high <= 1:
            return scores
        return [(score - low) / ((high - low) or 1) for score in scores]


class PassageReranker:
    """The built-in reranker: how near the nearest line or sentence of a text is to the question.

    By the built-in embedder, so it knows words and their relatives in spelling; unlike a chunk's vector it finds
    the one sentence in a long text.
    """

    name = "passages"
    _SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|\n+|(?<=[。！？])")
    _MOST = 40  # sentences of a text

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """One score for each text."""
        embedder = HashedEmbedder()
        [asked] = embedder.embed([question])
        return [float(max(embedder.embed(self._passages(text)) @ asked)) for text in texts]

    def _passages(self, text: str) -> list[str]:
        found = [part for part in self._SENTENCE.split(text) if part and part.strip()]
        return found[: self._MOST] or [text]


def _compressor(model: Any, question: str, texts: Sequence[str]) -> list[float]:
    document = class_beside(model, "Document")
    given = [document(page_content=text, metadata={_PLACE: place}) for place, text in enumerate(texts)]
    kept = model.compress_documents(given, question)
    return _by_place(
        [(each.metadata[_PLACE], each.metadata.get("relevance_score")) for each in kept], len(texts)
    )


def _postprocessor(model: Any, question: str, texts: Sequence[str]) -> list[float]:
    scored, node = class_beside(model, "NodeWithScore"), class_beside(model, "TextNode")
    given = [
        scored(node=node(text=text, metadata={_PLACE: place}), score=0.0) for place, text in enumerate(texts)
    ]
    kept = model.postprocess_nodes(given, query_str=question)
    return _by_place([(each.node.metadata[_PLACE], each.score) for each in kept], len(texts))


def _by_place(found: Sequence[tuple[int, float | None]], count: int) -> list[float]:
    """Scores in the order of the texts: what was dropped has 0, and where there are no scores the order counts."""
    scores = [0.0] * count
    for rank, (place, score) in enumerate(found):
        scores[place] = 1 - rank / count if score is None else float(score)
    return scores
