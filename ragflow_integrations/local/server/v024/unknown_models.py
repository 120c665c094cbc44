"""How v0.24 refuses a model: in other words where it lists the model and the tenant only has no key for it."""

from __future__ import annotations

from ...models.names import UnknownModel
from ..envelope import ARGUMENT, Fail, failed

__all__ = ["no_embedding", "no_reranker"]

_PROVIDERS = frozenset(
    "BAAI Builtin Cohere Gemini Jina Mistral OpenAI SILICONFLOW Tongyi-Qianwen VolcEngine Youdao ZHIPU-AI".split()
)
_EMBEDDINGS = frozenset(
    "BAAI/bge-m3@SILICONFLOW embedding-2@ZHIPU-AI embedding-3@ZHIPU-AI text-embedding-3-large@OpenAI"
    " text-embedding-3-small@OpenAI text-embedding-ada-002@OpenAI text-embedding-v2@Tongyi-Qianwen"
    " text-embedding-v3@Tongyi-Qianwen text-embedding-v4@Tongyi-Qianwen".split()
)


def no_embedding(unknown: UnknownModel) -> Fail:
    """The answer to an ``embedding_model`` that is not there."""
    word = "Unauthorized" if unknown.name in _EMBEDDINGS else "Unsupported"
    return Fail(f"{word} model: <{unknown.name}>", ARGUMENT)


def no_reranker(name: str) -> Fail:
    """The answer to a ``rerank_id`` that is not there: names of one part, or of an unknown provider, have none."""
    parts = name.split("@")
    listed = len(parts) > 2 or (len(parts) == 2 and parts[-1] in _PROVIDERS)
    return failed(LookupError(f"Model({name if listed else f'{name}@None'}) not authorized"))
