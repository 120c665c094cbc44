"""Which model a name stands for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ragflow_integrations.local.engine import open_engine
from ragflow_integrations.local.models import Choice, Models, UnknownModel
from ragflow_integrations.local.problems import Refused


class Tiny:
    """Vectors of two dimensions."""

    name = "tiny"
    dimensions = 2

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.tile(np.array([1, 0], np.float32), (len(texts), 1))


def told(prompt: str) -> str:
    return f"You said {prompt}"


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "BAAI/bge-small-en-v1.5@Builtin",
        "BAAI/bge-large-zh-v1.5@BAAI",
        "BAAI/bge-large-zh-v1.5@SILICONFLOW",
        "BAAI/bge-large-zh-v1.5",
        "BAAI/bge-zh-v1.5",
        "embedding-3@ZHIPU-AI",
        "embedding-3@default@ZHIPU-AI",
        "embedding-3@mine@ZHIPU-AI",
    ],
)
def test_what_the_documents_name_is_the_engines_own(name: str | None) -> None:
    """Every name in RAGFlow's documents works out of the box, with and without an instance."""
    own = Tiny()
    assert Models(Choice(embedding=own)).embedder(name) is own
    assert Models().embedder(name).name == "hashed-512"


def test_defaults() -> None:
    """The engine's own go by the names that RAGFlow's documents start from, chosen ones by theirs."""
    assert Models().default("embedding") == "BAAI/bge-small-en-v1.5@Builtin"
    assert Models().default("chat") == "glm-4-flash@ZHIPU-AI"
    assert Models().default("rerank") == "BAAI/bge-reranker-v2-m3@BAAI"
    chosen = Models(Choice(embedding=Tiny(), llm=told))
    assert (chosen.default("embedding"), chosen.default("chat")) == ("tiny@Builtin", "told@Builtin")


def test_names_of_language_models_and_rerankers() -> None:
    """They work as well; without a language model there is none, and what needs one is named."""
    models = Models(Choice(llm=told))
    for name in ("glm-4-flash@ZHIPU-AI", "glm-4-flash@default@ZHIPU-AI", "qwen-plus@Tongyi-Qianwen", None):
        llm = models.llm(name)
        assert llm is not None
        assert list(llm.chat([{"role": "user", "content": "hi"}])) == ["You said hi"]
        assert Models().llm(name) is None
    assert Models().reranker("BAAI/bge-reranker-v2-m3").name == "passages"
    with pytest.raises(Refused, match=r"`keyword` needs a language model.*RAGFlow server"):
        Models().needed_llm("`keyword`")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("foo", "Provider  not found for model foo."),
        ("foo@Bar", "Provider Bar not found for model foo@Bar."),
        ("foo@ZHIPU-AI", "Model foo@ZHIPU-AI not found for model embedding"),
        ("m@other@Mine", "Instance other not found for model m@other@Mine."),
        ("foo@home@Mine", "Model foo@home@Mine not found for model embedding"),
    ],
)
def test_unknown_names_as_the_server_refuses_them(name: str, message: str) -> None:
    """The message says which part of the name is unknown, in RAGFlow's words."""
    models = Models(Choice(models={"embedding": {"m@home@Mine": Tiny()}}))
    with pytest.raises(UnknownModel) as caught:
        models.embedder(name)
    assert str(caught.value) == message


def test_registered_names() -> None:
    """A further name stands for a model of its own or for the engine's, and may be said without its instance."""
    tiny = Tiny()
    tables = {"embedding": {"m@home@Mine": tiny, "n@Mine": "default"}, "default": {"chat": told}}
    models = Models(Choice(models=tables))
    assert models.embedder("m@home@Mine") is models.embedder("m@Mine") is tiny
    assert models.embedder("n@anywhere@Mine") is models.embedder()
    assert models.default("chat") == "told@Builtin"
    assert models.keeper("tiny", 2) is tiny
    assert models.keeper("tiny", 3) is None


def test_the_file_in_the_folder(tmp_path: Path) -> None:
    """``models.toml`` registers names; what is handed over comes before what is written there."""
    (tmp_path / "models.toml").write_text(
        '[default]\nchat = "http://127.0.0.1:1/v1#small"\n'
        '[chat."big@OpenAI"]\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "big"\n'
        '[embedding]\n"mine@Me" = "hashed"\n'
    )
    models = Models(Choice(), tmp_path)
    assert models.default("chat") == "small@Builtin"
    assert models.llm("big@OpenAI").name == "big"  # type: ignore[union-attr]
    assert models.embedder("mine@Me").name == "hashed-512"
    over = Models(Choice(llm=told, models={"chat": {"big@OpenAI": "default"}}), tmp_path)
    assert over.llm("big@OpenAI") is over.llm()
    assert over.default("chat") == "told@Builtin"


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's own language model may come from the environment; the key is in no message."""
    monkeypatch.setenv("RAGFLOW_LOCAL_LLM", "http://127.0.0.1:1/v1#small")
    monkeypatch.setenv("RAGFLOW_LOCAL_LLM_API_KEY", "sk-secret")
    models = Models()
    assert models.default("chat") == "small@Builtin"
    assert "sk-secret" not in repr(models.llm())
    assert Models(Choice(llm=told)).default("chat") == "told@Builtin"


@pytest.mark.parametrize(
    ("choice", "what"),
    [
        (Choice(llm=5), "llm=5"),
        (Choice(embedding="bert"), "'hashed', 'wordllama'"),
        (Choice(llm="http://#x"), "base_url='http://'"),
        (Choice(llm="http://host/v1"), "model: give"),
        (Choice(llm={"base_url": "http://host/v1", "model": "m", "keys": "x"}), "keys is none of"),
        (
            Choice(llm={"base_url": "http://host/v1", "model": "m", "api_key_env": "NO_SUCH_KEY"}),
            "NO_SUCH_KEY",
        ),
        (Choice(llm={"base_url": "http://host/v1", "model": "m", "timeout": 0}), "timeout=0"),
        (
            Choice(llm={"base_url": "http://host/v1", "model": "m", "context": "8k"}),
            "context='8k', give a number",
        ),
        (Choice(embedding={"base_url": "http://host/v1", "model": "m", "context": 9}), "context is none of"),
        (Choice(llm={"base_url": "http://me:secret@host/v1", "model": "m"}), "leave out user"),
        (Choice(models={"chats": {}}), "'chats' is none of the tables"),
        (Choice(models={"default": {"llm": "x"}}), "not llm"),
        (Choice(models="/no/such/models.toml"), "models.toml cannot be read"),
    ],
)
def test_a_choice_that_is_none(choice: Choice, what: str) -> None:
    """A wrong choice is refused when the engine is opened, by what is wrong with it."""
    with pytest.raises(Refused) as caught:
        Models(choice)
    assert what in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_folder_has_one_choice(tmp_path: Path) -> None:
    """Whoever opens a folder a second time gets the models of the first, and is refused with others."""
    with open_engine(tmp_path, Choice(llm=told)) as first:
        with open_engine(tmp_path) as second, open_engine(tmp_path, Choice(llm=told)) as third:
            assert second is third is first
        for other in (Choice(llm=str.upper), Choice(llm=told, embedding="hashed")):
            with pytest.raises(Refused, match="open in this process with another (llm|embedding)="):
                open_engine(tmp_path, other)
