"""What stands where LlamaIndex asks for an embedding model, while RAGFlow embeds."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding

__all__ = ["RAGFlowServerSideEmbedding"]


class RAGFlowServerSideEmbedding(BaseEmbedding):
    """No embedding model: LlamaIndex asks for one, and RAGFlow embeds with the dataset's own.

        index = VectorStoreIndex.from_vector_store(RAGFlowVectorStore(…), RAGFlowServerSideEmbedding())
        IngestionPipeline(transformations=[…, RAGFlowServerSideEmbedding()], vector_store=RAGFlowVectorStore(…))

    Each embedding is an empty list, so that no other store takes it for one. An ``IngestionPipeline`` needs it as its
    last transformation: it stores only what has an embedding.
    """

    model_name: str = "ragflow-server-side"

    @classmethod
    def class_name(cls) -> str:
        """The name it has in LlamaIndex's dumps."""
        return "RAGFlowServerSideEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        return []

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return []

    def _get_text_embedding(self, text: str) -> list[float]:
        return []

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return []

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Any]:
        return [[] for _ in texts]
