"""Models of LangChain and LlamaIndex and plain functions as models of the engine."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models import FakeListLLM, GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import RunnableLambda
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle

from ragflow_integrations.local.models import Choice, Models, Reasoning, question_vector
from ragflow_integrations.local.problems import ModelFailed

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]


def deltas(llm: Any, messages: Sequence[dict[str, str]] = MESSAGES) -> list[str]:
    return list(Models(Choice(llm=llm)).needed_llm("x").chat(messages, temperature=0.1))


def test_langchain_chat_models() -> None:
    """A chat model of LangChain is streamed."""
    assert deltas(GenericFakeChatModel(messages=iter([AIMessage("Hello there")]))) == ["Hello", " ", "there"]


def test_langchain_blocks() -> None:
    """Content in blocks is text and reasoning; a model that is no chat model gives text at once."""
    blocks = [{"type": "reasoning", "reasoning": "Hm."}, {"type": "text", "text": "Hi."}]

    def stream(asked: Any) -> Iterator[Any]:
        yield AIMessageChunk(content=blocks)
        yield AIMessageChunk(content="", additional_kwargs={"reasoning_content": "So."})

    found = deltas(RunnableLambda(stream))
    assert [(str(each), isinstance(each, Reasoning)) for each in found] == [
        ("Hm.", True),
        ("Hi.", False),
        ("So.", True),
    ]
    assert "".join(deltas(FakeListLLM(responses=["Well."]))) == "Well."


def test_llamaindex_llms() -> None:
    """An LLM of LlamaIndex is streamed, or asked for the whole answer if it cannot."""

    class Whole(MockLLM):
        def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Any:
            raise NotImplementedError

        def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
            said = " ".join(f"{each.role.value}:{each.content}" for each in messages)
            return ChatResponse(message=ChatMessage(role="assistant", content=said))

    streamed = deltas(MockLLM())
    assert len(streamed) > 1
    assert "Hello?" in "".join(streamed)
    assert deltas(Whole()) == ["system:Be brief. user:Hello?"]


def test_functions() -> None:
    """A function of ``messages`` has them all, any other the prompt; it answers with a text or with several."""

    def of_messages(messages: list[dict[str, str]]) -> Iterator[str]:
        yield from (each["role"] for each in messages)

    assert deltas(of_messages) == ["system", "user"]
    assert deltas(lambda prompt: prompt) == ["Be brief.\n\nUser: Hello?"]
    assert deltas(str.upper, MESSAGES[1:]) == ["HELLO?"]


def test_what_a_model_does_wrong() -> None:
    """Its exceptions are an error that names it, and so is an answer that is no text."""

    def broken(prompt: str) -> str:
        raise RuntimeError("no more credit")

    for llm, said in ((broken, "broken failed: RuntimeError: no more credit"), (len, "len failed")):
        with pytest.raises(ModelFailed, match=said):
            deltas(llm)
    with pytest.raises(ModelFailed, match="gave int in place of text"):
        deltas(lambda prompt: [1])


@pytest.mark.parametrize(
    ("model", "dimensions"),
    [
        (DeterministicFakeEmbedding(size=7), 7),
        (MockEmbedding(embed_dim=5), 5),
        (lambda texts: [[len(text), 1, 1] for text in texts], 3),
        (lambda texts: np.ones((len(texts), 2)), 2),
    ],
)
def test_embeddings(model: Any, dimensions: int) -> None:
    """Vectors of any source have length 1, and a dataset's embedder is found again by name and dimensions."""
    models = Models(Choice(embedding=model))
    embedder = models.embedder()
    vectors = embedder.embed(["a", "bb"])
    assert vectors.shape == (2, dimensions) == (2, embedder.dimensions)
    assert np.allclose(np.linalg.norm([*vectors, question_vector(embedder, "c")], axis=1), 1)
    assert embedder.embed([]).shape == (0, dimensions)
    assert models.keeper(embedder.name, dimensions) is embedder


def test_questions_have_a_way_of_their_own() -> None:
    """A model that tells questions from texts is asked for a question's vector in its own way."""

    class Asymmetric:
        model_name = "two-ways"

        def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
            return [[1.0, 0.0] for _ in texts]

        def embed_query(self, text: str) -> list[float]:
            return [0.0, 2.0]

    embedder = Models(Choice(embedding=Asymmetric())).embedder()
    assert embedder.name.endswith("Asymmetric:two-ways")
    assert question_vector(embedder, "?").tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    "wrong", [lambda texts: [], lambda texts: [["a"]], lambda texts: [[math.nan]] * len(texts)]
)
def test_vectors_that_are_none(wrong: Callable[..., Any]) -> None:
    """Too few vectors, no numbers and NaN are errors before anything is stored."""
    with pytest.raises(ModelFailed, match=r"failed|no vector for each of 1 texts"):
        Models(Choice(embedding=wrong)).embedder().embed(["a"])


class Compressor(BaseDocumentCompressor):
    """Drops what has no "b" and scores the others."""

    def compress_documents(self, documents: Sequence[Document], query: str, callbacks: Any = None) -> Any:
        for each in documents:
            each.metadata["relevance_score"] = 0.5
        return [each for each in documents if query in each.page_content]


class Postprocessor(BaseNodePostprocessor):
    """Scores by the length."""

    def _postprocess_nodes(self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None) -> Any:
        return [NodeWithScore(node=each.node, score=len(each.node.get_content())) for each in nodes][::-1]


class CrossEncoder:
    """Scores pairs beyond 0 to 1, as cross encoders do."""

    def score(self, text_pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [8.0 if question in text else -2.0 for question, text in text_pairs]


@pytest.mark.parametrize(
    ("model", "scores"),
    [
        (Compressor(), [0.0, 0.5, 0.5]),
        (Postprocessor(), [0.0, 0.5, 1.0]),
        (CrossEncoder(), [0.0, 1.0, 1.0]),
        (lambda question, texts: [text.count(question) / 2 for text in texts], [0.0, 0.5, 1.0]),
    ],
)
def test_rerankers(model: Any, scores: list[float]) -> None:
    """Scores are in the order of the texts and from 0 to 1, whoever makes them."""
    reranker = Models(Choice(reranker=model)).reranker()
    assert reranker.score("b", ["a", "ab", "abb"]) == scores
    assert reranker.score("b", []) == []


def test_the_built_in_reranker() -> None:
    """It finds the one sentence that answers, in a long text among others."""
    other = "Cheese is made of milk. " * 30
    scores = (
        Models()
        .reranker()
        .score("the capital of Atlantis", [other, f"{other}The capital of Atlantis is Ys."])
    )
    assert scores[1] > 0.7 > scores[0]


def test_wordllama_without_a_network() -> None:
    """The extra's vectors are there without a download, know what is related, and are loaded at their first use."""
    code = """
import socket
def refuse(*_, **__): raise OSError("no network here")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import sys
from ragflow_integrations.local.models import Choice, Models
embedder = Models(Choice(embedding="wordllama")).embedder()
assert "wordllama" not in sys.modules
rows = embedder.embed(["a doctor in a hospital", "physicians and clinics", "the price of bread", ""])
assert rows.shape == (4, embedder.dimensions) == (4, 256), rows.shape
assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.1, rows @ rows.T
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
