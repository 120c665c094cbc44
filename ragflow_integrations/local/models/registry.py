"""Which model a name stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...config import local_model
from ..embed import Embedder, HashedEmbedder
from ..problems import Refused
from .base import LLM, ModelMistake, Reranker
from .names import BUILTIN, DEFAULTS, KINDS, KNOWN, Kind, find, is_built_in
from .rerankers import PassageReranker
from .spec import DEFAULT, made, read_file, sections

__all__ = ["Choice", "Models"]

_FILE_NAME = "models.toml"


@dataclass(frozen=True)
class Choice:
    """The models that a caller opens an engine with; None leaves it to the environment and ``models.toml``.

    ``models`` are further names: the tables of a ``models.toml``, or its path.
    """

    llm: Any = None
    embedding: Any = None
    reranker: Any = None
    models: Mapping[str, Any] | str | Path | None = None

    def differs(self, from_: Choice) -> str | None:
        """The first argument that asks for something else than the choice an engine was opened with."""
        for name in ("llm", "embedding", "reranker", "models"):
            mine, theirs = getattr(self, name), getattr(from_, name)
            if mine is not None and mine is not theirs and mine != theirs:
                return name
        return None


class Models:
    """The models of one engine, by their names.

    ``embedder``, ``llm`` and ``reranker`` take a name as a dataset, a chat or a request has it; None, an empty one
    and whatever ends in ``@Builtin`` stand for the engine's own. ``UnknownModel`` is worded as on RAGFlow v0.27;
    ``Refused`` for a choice that is none.
    """

    def __init__(self, choice: Choice | None = None, folder: Path | None = None) -> None:
        self.choice = choice or Choice()
        self._folder = folder
        try:
            tables = sections(self._tables())
            self._own = {kind: self._own_model(kind, tables[DEFAULT]) for kind in KINDS}
            self._named = {kind: self._by_name(kind, tables[kind]) for kind in KINDS}
        except ModelMistake as mistake:
            raise Refused(str(mistake)) from None

    def embedder(self, name: str | None = None) -> Embedder:
        """The embedder that a name stands for."""
        embedder: Embedder = self._model("embedding", name)
        return embedder

    def llm(self, name: str | None = None) -> LLM | None:
        """The language model that a name stands for; None: the engine was given none, so that it answers by quoting."""
        llm: LLM | None = self._model("chat", name)
        return llm

    def needed_llm(self, feature: str, name: str | None = None) -> LLM:
        """The same for a feature that cannot do without; ``Refused`` names it if there is none."""
        llm = self.llm(name)
        if llm is None:
            raise Refused(
                f"{feature} needs a language model, which this local engine was not given: open it with one (llm=…), "
                "or use a RAGFlow server"
            )
        return llm

    def reranker(self, name: str | None = None) -> Reranker:
        """The reranker that a name stands for."""
        reranker: Reranker = self._model("rerank", name)
        return reranker

    def keeper(self, embedder: str, dimensions: int) -> Embedder | None:
        """The embedder whose name and dimensions were kept with a dataset; None if it is not among the models."""
        for each in self._named["embedding"].values():
            if each.name == embedder and each.dimensions == dimensions:
                found: Embedder = each
                return found
        return None

    def default(self, kind: Kind) -> str:
        """The name of the engine's own model of a kind: its own name if it was chosen, else RAGFlow's default."""
        model = self._own[kind]
        if model is None or type(model) in (HashedEmbedder, PassageReranker):
            return DEFAULTS[kind]
        return f"{model.name.replace('@', '/')}@{BUILTIN}"

    def known(self, kind: Kind, name: str | None) -> str:
        """The name under which a model is registered."""
        if not name:
            return self.default(kind)
        if name not in self._named[kind] and is_built_in(name):
            return self.default(kind)
        return find(kind, name, self._named[kind])

    def names(self, kind: Kind) -> list[str]:
        """All names of a kind, the engine's own first."""
        return list(self._named[kind])

    def close(self) -> None:
        """Give up the connections to other machines."""
        for named in self._named.values():
            for model in named.values():
                close = getattr(model, "close", None)
                if close is not None:
                    close()

    def _model(self, kind: Kind, name: str | None) -> Any:
        return self._named[kind][self.known(kind, name)]

    def _tables(self) -> Mapping[str, Any]:
        """The models written down in the folder, and over them those that were handed over."""
        given = self.choice.models
        kept = read_file(self._folder / _FILE_NAME) if self._folder else {}
        if given is None:
            return kept
        over = given if isinstance(given, Mapping) else read_file(Path(given), must=True)
        sections(over)
        return {name: {**kept.get(name, {}), **over.get(name, {})} for name in {*kept, *over}}

    def _own_model(self, kind: Kind, defaults: Mapping[str, Any]) -> Any:
        argument = {"embedding": "embedding", "chat": "llm", "rerank": "reranker"}[kind]
        for given in (getattr(self.choice, argument), local_model(argument), defaults.get(kind)):
            if given is not None:
                return made(kind, given)
        return {"embedding": HashedEmbedder, "chat": lambda: None, "rerank": PassageReranker}[kind]()

    def _by_name(self, kind: Kind, table: Mapping[str, Any]) -> dict[str, Any]:
        own = self._own[kind]
        named = {self.default(kind): own, **dict.fromkeys(KNOWN[kind], own)}
        if kind == "embedding":  # datasets that were made with it stay of use
            named.setdefault(f"{HashedEmbedder.name}@{BUILTIN}", HashedEmbedder())
        return named | {name: own if given == DEFAULT else made(kind, given) for name, given in table.items()}
