"""Models as they are written down: in ``models.toml``, in the environment, as a short text.

::

    [default]                                  # what names without an entry of their own stand for
    chat = "http://127.0.0.1:11434/v1#llama3.2"
    embedding = "wordllama"

    [chat."gpt-4o-mini@OpenAI"]                # further names
    base_url = "https://api.openai.com/v1"
    model = "gpt-4o-mini"
    api_key_env = "OPENAI_API_KEY"             # or api_key = "…"
    timeout = 60                               # seconds
    context = 8192                             # tokens that a chat model can be given

    [embedding]
    "text-embedding-v3@Tongyi-Qianwen" = "default"
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from .base import CONTEXT, ModelMistake
from .embedders import BUILT_IN, embedder_from
from .endpoint import Address, EndpointEmbedding, EndpointLLM, EndpointReranker
from .llms import llm_from
from .names import KINDS, Kind
from .rerankers import PassageReranker, reranker_from

__all__ = ["DEFAULT", "made", "read_file", "sections"]

DEFAULT = "default"
_KEYS = {"base_url", "model", "api_key", "api_key_env", "timeout"}
_ENDPOINTS = {"embedding": EndpointEmbedding, "chat": EndpointLLM, "rerank": EndpointReranker}
_FROM = {"embedding": embedder_from, "chat": llm_from, "rerank": reranker_from}
_NAMED: Mapping[str, Mapping[str, Any]] = {
    "embedding": BUILT_IN,
    "chat": {},
    "rerank": {"passages": PassageReranker},
}


def made(kind: Kind, given: Any) -> Any:
    """The model that is meant: a text (``address#model``, or the name of one that is built in), a table with
    ``base_url`` and ``model``, or an object of the kinds that ``embedder_from``, ``llm_from`` and
    ``reranker_from`` take.
    """
    if isinstance(given, str):
        given = _read(kind, given)
    elif isinstance(given, Mapping):
        given = _endpoint(kind, given)
    return _FROM[kind](given)


def read_file(path: Path, *, must: bool = False) -> dict[str, Any]:
    """The tables of a ``models.toml``; empty if there is no such file, unless it ``must`` be there."""
    if not must and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelMistake(f"{path} cannot be read: {error}") from None


def sections(tables: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The tables ``default embedding chat rerank``, checked to be no others and to hold entries."""
    for name, table in tables.items():
        if name not in (DEFAULT, *KINDS) or not isinstance(table, Mapping):
            raise ModelMistake(f"models: {name!r} is none of the tables {DEFAULT}, {', '.join(KINDS)}")
    if unknown := set(tables.get(DEFAULT, ())) - set(KINDS):
        raise ModelMistake(f"models: {DEFAULT} has {', '.join(KINDS)}, not {', '.join(sorted(unknown))}")
    return {name: tables.get(name, {}) for name in (DEFAULT, *KINDS)}


def _read(kind: Kind, text: str) -> Any:
    if text.startswith(("http://", "https://")):
        base_url, _, model = text.partition("#")
        return _endpoint(kind, {"base_url": base_url, "model": model})
    if text in _NAMED[kind]:
        return _NAMED[kind][text]()
    raise ModelMistake(
        f"{kind} {text!r}: give {', '.join(map(repr, (*_NAMED[kind], 'http://host/v1#model')))}"
    )


def _endpoint(kind: Kind, table: Mapping[str, Any]) -> Any:
    keys = {*_KEYS, "context"} if kind == "chat" else _KEYS
    if unknown := set(table) - keys:
        raise ModelMistake(
            f"{kind}: {', '.join(sorted(map(str, unknown)))} is none of {', '.join(sorted(keys))}"
        )
    for name in ("base_url", "model"):
        if not isinstance(table.get(name), str):
            raise ModelMistake(f"{kind}: {name}={table.get(name)!r}, give it as text")
    timeout = table.get("timeout", 60.0)
    if not isinstance(timeout, int | float) or isinstance(timeout, bool) or timeout <= 0:
        raise ModelMistake(f"{kind}: timeout={timeout!r}, give seconds above 0")
    context = table.get("context", CONTEXT)
    if not isinstance(context, int) or isinstance(context, bool) or context <= 0:
        raise ModelMistake(f"{kind}: context={context!r}, give a number of tokens above 0")
    where = (table["base_url"], table["model"], _key(kind, table))
    return _ENDPOINTS[kind](Address(*where, float(timeout), context))


def _key(kind: Kind, table: Mapping[str, Any]) -> SecretStr | None:
    key, variable = table.get("api_key"), table.get("api_key_env")
    if variable is not None:
        key = os.environ.get(str(variable))
        if not key:
            raise ModelMistake(f"{kind}: the environment has no {variable}, which api_key_env names")
    if isinstance(key, SecretStr) or key is None:
        return key
    if not isinstance(key, str):
        raise ModelMistake(f"{kind}: api_key is no text")
    return SecretStr(key)
