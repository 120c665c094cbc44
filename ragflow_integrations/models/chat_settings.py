"""A chat assistant's settings in the two spellings there are: v0.24's document, and servers since v0.25.

``llm``, ``prompt`` and ``avatar`` of the document are ``llm_id`` with ``llm_setting``, ``prompt_config`` with the
numbers of the search beside it, and ``icon``. Models carry the newer names; this file has the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Model

__all__ = ["ChatLLM", "ChatPrompt", "document_prompt", "in_server_names"]

_BESIDE = {
    "similarity_threshold": "similarity_threshold",
    "top_n": "top_n",
    "top_k": "top_k",
    "rerank_model": "rerank_id",
}
_INSIDE = {"prompt": "system", "opener": "prologue", "variables": "parameters", "show_quote": "quote"}
_INSIDE_BACK = {new: old for old, new in _INSIDE.items()}
_KEYWORDS, _VECTOR = "keywords_similarity_weight", "vector_similarity_weight"


class _Settings(Model):
    def __init__(self, *given: Any, **fields: Any) -> None:
        super().__init__(**dict(*given[-1:]), **fields)


class ChatLLM(_Settings):
    """The language model of a chat, in the document's names: ``Chat.LLM(model_name=…, temperature=0.2)``.

    What is ``None`` is left to the server, or as it is. As in the official SDK a client and a dict do as well.
    """

    model_name: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    max_tokens: int | None = None


class ChatPrompt(_Settings):
    """What a chat does with a question, in the document's names: ``Chat.Prompt(prompt=…, top_n=8)``.

    ``keywords_similarity_weight`` (0 to 1) is what is left of ``vector_similarity_weight`` to 1. What is
    ``None`` is left to the server, or as it is. As in the official SDK a client and a dict do as well.
    """

    prompt: str | None = None
    opener: str | None = None
    variables: list[dict[str, Any]] | None = None
    empty_response: str | None = None
    show_quote: bool | None = None
    similarity_threshold: float | None = None
    keywords_similarity_weight: float | None = None
    top_n: int | None = None
    top_k: int | None = None
    rerank_model: str | None = None


def in_server_names(fields: Mapping[str, Any]) -> dict[str, Any]:
    """``fields`` with ``avatar``, ``llm`` and ``prompt`` (mappings) as servers since v0.25 call and cut them."""
    renamed = {name: value for name, value in fields.items() if name not in ("avatar", "llm", "prompt")}
    if "avatar" in fields:
        renamed["icon"] = fields["avatar"]
    llm = dict(fields.get("llm", ()))
    if "model_name" in llm:
        renamed["llm_id"] = llm.pop("model_name")
    config: dict[str, Any] = {}
    for name, value in fields.get("prompt", {}).items():
        if name == _KEYWORDS:
            renamed[_VECTOR] = _rest(value)
        elif name in _BESIDE:
            renamed[_BESIDE[name]] = value
        else:
            config[_INSIDE.get(name, name)] = value
    objects = {"llm_setting": llm, "prompt_config": config}
    return renamed | {name: each for name, each in objects.items() if each}


def document_prompt(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The document's ``prompt`` of a chat that has these fields."""
    config = fields.get("prompt_config") or {}
    prompt = {_INSIDE_BACK.get(name, name): value for name, value in config.items()}
    prompt |= {old: fields.get(new) for old, new in _BESIDE.items()}
    return {**prompt, _KEYWORDS: _rest(fields.get(_VECTOR))}


def _rest(weight: Any) -> Any:
    """Rounded, so that 0.7 comes back as 0.3 and not as 0.30000000000000004; what is no number stays."""
    return round(1 - weight, 12) if isinstance(weight, int | float) else weight
