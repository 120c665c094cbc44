"""Models behind an OpenAI-compatible address, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice, Models, Reasoning
from ragflow_integrations.local.problems import ModelFailed
from ragflow_integrations.local.search import Retrieval
from tests.local.models.stand_in import KEY, StandIn, as_json, stand_in

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def server() -> Iterator[StandIn]:
    """An OpenAI-compatible server on the loopback."""
    with stand_in() as running:
        yield running


@pytest.fixture
def models(server: StandIn) -> Iterator[Models]:
    """An engine's models, all behind that server."""
    models = Models(Choice(llm=server.address, embedding=server.address, reranker=server.address))
    yield models
    models.close()


def test_a_streamed_answer(server: StandIn, models: Models) -> None:
    """Deltas come as they were sent, reasoning marked; settings go along, those of others do not."""
    llm = models.needed_llm("x")
    deltas = list(llm.chat(HELLO, temperature=0.5, max_tokens=None, nonsense=1))
    assert deltas == ["Let me see.", "STAND-IN says: ", "hello"]
    assert [isinstance(each, Reasoning) for each in deltas] == [True, False, False]
    assert server.asked == [
        ("/v1/chat/completions", {"model": "small", "messages": HELLO, "stream": True, "temperature": 0.5})
    ]


def test_an_answer_in_one_piece(server: StandIn, models: Models) -> None:
    """A server that does not stream is understood as well."""
    server.answers["/v1/chat/completions"] = lambda body: as_json(
        {"choices": [{"message": {"role": "assistant", "content": "Whole."}}]}
    )
    assert list(models.needed_llm("x").chat(HELLO)) == ["Whole."]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (as_json({"error": {"message": "no such model"}}, 404), "answered HTTP 404.*no such model"),
        (as_json({"error": {"message": "overloaded"}}), "overloaded"),
        ((200, "text/plain", b"{nonsense"), "no JSON"),
        ((200, "text/html", b"<html>a page</html>"), "nothing that is in OpenAI's form"),
        (as_json({"choices": [5]}), "not in OpenAI's form"),
        (as_json({"choices": [{"message": {"content": 5}}]}), "not in OpenAI's form"),
        ((200, "text/plain", b"data: " + b"[" * 100_000), "not in OpenAI's form"),
    ],
)
def test_failures_are_said(
    server: StandIn, models: Models, answer: tuple[int, str, bytes], said: str
) -> None:
    """Whatever the model's server answers wrongly is an error with its name, place and reason, and without the key."""
    server.answers["/v1/chat/completions"] = lambda body: answer
    with pytest.raises(ModelFailed, match=f"(?s)the model small at {server.base_url} .*{said}") as caught:
        list(models.needed_llm("x").chat(HELLO))
    assert KEY not in str(caught.value)


def test_half_a_character(server: StandIn, models: Models) -> None:
    """Half of a character could stand in no answer, and is marked; one that is written in two halves is whole."""
    server.answers["/v1/chat/completions"] = lambda body: (
        (200, "text/plain", rb'data: {"choices": [{"delta": {"content": "a\ud83d, \ud83d\ude00"}}]}')
    )
    assert list(models.needed_llm("x").chat(HELLO)) == ["a\ufffd, \U0001f600"]


def test_nobody_answers() -> None:
    """An address where nothing listens is an error that names it."""
    models = Models(Choice(llm="http://127.0.0.1:9/v1#small"))
    with pytest.raises(ModelFailed, match=r"the model small at http://127.0.0.1:9/v1 did not answer"):
        list(models.needed_llm("x").chat(HELLO))


def test_vectors(server: StandIn, models: Models) -> None:
    """Vectors are put in the order of the texts and have length 1; an empty text is no error."""
    embedder = models.embedder()
    vectors = embedder.embed(["abc", ""])
    assert (embedder.name, embedder.dimensions, vectors.dtype) == ("small", 3, np.float32)
    assert np.allclose(vectors[0], np.array([3, 1, 0]) / 10**0.5)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert len(embedder.embed([f"{n}" for n in range(150)])) == 150
    assert max(len(body["input"]) for _, body in server.asked) == 64


def test_vectors_of_another_length(server: StandIn, models: Models) -> None:
    """A model that was exchanged behind its address is refused instead of mixed in."""
    embedder = models.embedder()
    embedder.embed(["a"])
    server.answers["/v1/embeddings"] = lambda body: as_json({"data": [{"index": 0, "embedding": [1, 2]}]})
    with pytest.raises(ModelFailed, match="gave 2 dimensions, before it was 3"):
        embedder.embed(["a"])


def test_scores(models: Models) -> None:
    """Scores are put in the order of the texts."""
    assert models.reranker().score("b", ["a", "abc"]) == [0.0, 1.0]


def test_a_dataset_with_vectors_from_elsewhere(server: StandIn) -> None:
    """An engine works with such an embedder from chunk to retrieval, and its failure is said, not half done."""
    with Engine(":memory:", Choice(embedding=server.address)) as engine:
        dataset = engine.create_dataset({"name": "kb"})
        assert dataset["embedding_model"] == "small@Builtin"
        document = engine.add_document(dataset["id"], "a.txt", b"x")
        engine.add_chunk(document["id"], "Zebras live in Africa.")
        found = engine.retrieve(Retrieval("zebra", [dataset["id"]]))
        assert [chunk["content"] for chunk in found.chunks] == ["Zebras live in Africa."]
        server.answers["/v1/embeddings"] = lambda body: as_json({}, 500)
        with pytest.raises(ModelFailed, match="answered HTTP 500"):
            engine.add_chunk(document["id"], "Lions as well.")
        assert engine.list_chunks(document["id"], page=1, page_size=9)[1] == 1
