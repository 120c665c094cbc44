"""Embedding models of all kinds as the engine's ``Embedder``."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..embed import Embedder, HashedEmbedder
from ..problems import ModelFailed, Problem
from ..words import ASKED
from .adapt import label, methods, said
from .base import ModelMistake
from .endpoint import EndpointEmbedding

__all__ = ["BUILT_IN", "WordLlamaEmbedder", "embedder_from", "question_vector"]

Vectors = NDArray[np.float32]
_Embed = Callable[[Sequence[str]], Any]


def embedder_from(model: Any) -> Embedder:
    """An embedder made of an ``Embedder``, an endpoint, LangChain ``Embeddings``, a LlamaIndex ``BaseEmbedding``
    or a function from a list of texts to a list of vectors.
    """
    if (
        methods(model, "embed")
        and isinstance(getattr(model, "name", None), str)
        and hasattr(model, "dimensions")
    ):
        return model  # type: ignore[no-any-return]
    if isinstance(model, EndpointEmbedding):
        return ModelEmbedder(model.name, model.embed_documents, None, model.close)
    if methods(model, "embed_documents", "embed_query"):
        return ModelEmbedder(label(model), model.embed_documents, model.embed_query)
    if methods(model, "get_text_embedding_batch", "get_query_embedding"):
        return ModelEmbedder(label(model), model.get_text_embedding_batch, model.get_query_embedding)
    if callable(model):
        return ModelEmbedder(label(model), model, None)
    raise ModelMistake(
        f"embedding={model!r}: give LangChain Embeddings, a LlamaIndex BaseEmbedding, a function from a list of "
        "texts to a list of vectors, 'http://host/v1#model', 'wordllama' or 'hashed'"
    )


def question_vector(embedder: Embedder, question: str) -> Vectors:
    """The vector of a question; some models have a way of their own for these."""
    ask = getattr(embedder, "embed_question", None)
    asked = question[:ASKED]
    vector: Vectors = embedder.embed([asked])[0] if ask is None else ask(asked)
    return vector


class ModelEmbedder:
    """Somebody's model: its vectors as rows of length 1, its errors as ``ModelFailed``."""

    def __init__(
        self,
        name: str,
        embed: _Embed,
        ask: Callable[[str], Any] | None,
        close: Callable[[], None] | None = None,
        dimensions: int | None = None,
    ) -> None:
        self.name = name.replace("@", "/")  # in a model's name "@" parts it from its provider
        self._embed = embed
        self._ask = ask
        self._dimensions = dimensions
        self.close = close or (lambda: None)

    @property
    def dimensions(self) -> int:
        """How long its vectors are; the model is asked once."""
        if self._dimensions is None:
            self._dimensions = self._called(self._embed, ["dimensions"], 1).shape[1]
        return self._dimensions

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row of length 1 for each text."""
        if not texts:
            return np.empty((0, self.dimensions), np.float32)
        return self._checked(self._called(self._embed, list(texts), len(texts)))

    def embed_question(self, question: str) -> Vectors:
        """A row for a question."""
        ask = self._ask
        rows = (
            self.embed([question])
            if ask is None
            else self._called(lambda texts: [ask(texts[0])], [question], 1)
        )
        vector: Vectors = self._checked(rows)[0]
        return vector

    def _called(self, embed: _Embed, texts: list[str], count: int) -> Vectors:
        try:
            vectors = np.asarray(embed(texts), np.float32)
        except Problem:
            raise
        except Exception as error:  # whatever somebody's model raises
            raise ModelFailed(f"the embedding model {self.name} failed: {said(error)}") from error
        if vectors.ndim != 2 or len(vectors) != count or not np.isfinite(vectors).all():
            raise ModelFailed(f"the embedding model {self.name} gave no vector for each of {count} texts")
        return _of_length_1(vectors)

    def _checked(self, vectors: Vectors) -> Vectors:
        if vectors.shape[1] != self.dimensions:
            raise ModelFailed(
                f"the embedding model {self.name} gave {vectors.shape[1]} dimensions, before it was {self.dimensions}"
            )
        return vectors


def _of_length_1(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    normed: Vectors = np.divide(vectors, np.maximum(lengths, 1e-12), dtype=np.float32)
    return normed


class WordLlamaEmbedder:
    """Static word vectors from the package ``wordllama`` (extra ``[embed]``): 256 dimensions, nothing is downloaded."""

    name = "wordllama-256"
    dimensions = 256

    def __init__(self) -> None:
        if importlib.util.find_spec("wordllama") is None:
            raise ModelMistake("embedding='wordllama' needs: pip install 'ragflow-integrations[embed]'")
        self._lock = threading.Lock()
        self._model: Any = None

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row of length 1 for each text; the model is loaded at the first call."""
        with self._lock:  # its tokenizer keeps state
            if self._model is None:
                self._model = self._loaded()
            vectors: Vectors = np.asarray(self._model.embed(list(texts)), np.float32)
        return _of_length_1(vectors)

    @staticmethod
    def _loaded() -> Any:
        import wordllama  # type: ignore[import-untyped]

        # its own search looks past the tokenizer that its wheel brings along, and would download
        folder = Path(wordllama.__file__).parent
        return wordllama.WordLlama.load(dim=256, cache_dir=folder, disable_download=True)


BUILT_IN: Mapping[str, Callable[[], Embedder]] = {"hashed": HashedEmbedder, "wordllama": WordLlamaEmbedder}
