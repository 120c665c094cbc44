"""Model names as RAGFlow users write them, and how one is looked up.

``model@provider`` or, from RAGFlow v0.26 on, ``model@instance@provider``. A name without a provider is
accepted where it is known under one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from ..problems import Missing

__all__ = ["BUILTIN", "DEFAULTS", "KINDS", "KNOWN", "Kind", "UnknownModel", "find", "is_built_in", "model_of"]

Kind = Literal["embedding", "chat", "rerank"]
KINDS: tuple[Kind, ...] = get_args(Kind)
BUILTIN = "Builtin"

# What RAGFlow's documents and examples start from: the names of the engine's own models where it was given no others.
DEFAULTS: dict[Kind, str] = {
    "embedding": f"BAAI/bge-small-en-v1.5@{BUILTIN}",
    "chat": "glm-4-flash@ZHIPU-AI",
    "rerank": "BAAI/bge-reranker-v2-m3@BAAI",
}
# What the RAGFlow documents of all versions name; each stands for the engine's own model of that kind.
KNOWN: dict[Kind, tuple[str, ...]] = {
    "embedding": (
        "BAAI/bge-large-zh-v1.5@BAAI",
        "BAAI/bge-large-zh-v1.5@SILICONFLOW",
        "BAAI/bge-zh-v1.5@BAAI",
        "embedding-3@ZHIPU-AI",
    ),
    "chat": ("extractive@Builtin", "glm-4-flash@ZHIPU-AI", "qwen-plus@Tongyi-Qianwen"),
    "rerank": (
        "BAAI/bge-reranker-v2-m3@BAAI",
        "BAAI/bge-reranker-v2-m3@SILICONFLOW",
        "maidalun1020/bce-reranker-base_v1@Youdao",
    ),
}


class UnknownModel(Missing):
    """No model of this kind has this name; the text is that of RAGFlow v0.27."""

    def __init__(self, kind: Kind, name: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.name = name


def find(kind: Kind, wanted: str, names: Iterable[str]) -> str:
    """The one of ``names`` that is meant; ``UnknownModel`` if there is none.

    A name that says no instance means any, on both sides.
    """
    model, instance, provider = _parts(wanted)
    known = {name: _parts(name) for name in names}
    if wanted in known:
        return wanted
    if not provider:
        known = {name: parts for name, parts in known.items() if parts[0] == model}
        return _first(known, kind, wanted, f"Provider  not found for model {wanted}.")
    known = {name: parts for name, parts in known.items() if parts[2] == provider}
    _first(known, kind, wanted, f"Provider {provider} not found for model {wanted}.")
    known = {name: parts for name, parts in known.items() if not instance or parts[1] in ("", instance)}
    _first(known, kind, wanted, f"Instance {instance} not found for model {wanted}.")
    known = {name: parts for name, parts in known.items() if parts[0] == model}
    return _first(known, kind, wanted, f"Model {wanted} not found for model {kind}")


def is_built_in(name: str) -> bool:
    """Whether a name stands for the engine's own model, whatever that is."""
    return name.endswith(f"@{BUILTIN}")


def model_of(name: str) -> str:
    """A model's name without its instance and provider; whatever ends in ``@Builtin`` is the same one."""
    return BUILTIN if is_built_in(name) else _parts(name)[0]


def _parts(name: str) -> tuple[str, str, str]:
    """Model, instance and provider, the latter two empty if they are not named."""
    model, *rest = name.rsplit("@", 2)
    if len(rest) == 2 and rest[0] == "default":  # how RAGFlow v0.27 writes it out where none was named
        rest[0] = ""
    return model, rest[0] if len(rest) == 2 else "", rest[-1] if rest else ""


def _first(known: Iterable[str], kind: Kind, wanted: str, otherwise: str) -> str:
    for name in known:
        return name
    raise UnknownModel(kind, wanted, otherwise)
