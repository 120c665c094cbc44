"""The built-in embedder: repeatable, normalised, calibrated to RAGFlow's defaults."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ragflow_integrations.local.embed import HashedEmbedder
from ragflow_integrations.local.rank import analyse, index_terms, similarity, term_similarity
from tests.local.truth import TOPICS, chunks

DIGEST = (
    "import hashlib, numpy as np; from ragflow_integrations.local.embed import HashedEmbedder as H;"
    "v = H().embed(['How does the yield expression work?', '创建数据集']);"
    "print(hashlib.sha256(np.round(v * 1e5).astype('<i4').tobytes()).hexdigest())"
)
ELSEWHERE = [
    "xxyyzz qqq",
    "What is the best pizza in Naples?",
    "How do I cook rice?",
    "Who won the world cup in 1998?",
]


@given(st.lists(st.text(), max_size=5))
def test_rows_have_length_one(texts: list[str]) -> None:
    """Any text, also an empty one, gets a float32 row of length 1."""
    rows = HashedEmbedder().embed(texts)
    assert rows.shape == (len(texts), HashedEmbedder.dimensions)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_same_vectors_in_another_process() -> None:
    """A process with another hash seed makes the same vectors: they can be kept on disk."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    ]
    rows = HashedEmbedder().embed(["How does the yield expression work?", "创建数据集"])
    here = hashlib.sha256(np.round(rows * 1e5).astype("<i4").tobytes()).hexdigest()
    assert [run.stdout.strip() for run in runs] == [here, here]


@pytest.mark.parametrize(
    ("question", "related", "unrelated"),
    [
        (
            "How do I install the package?",
            "Installing: run the installer of the package.",
            "Zebras live in Africa.",
        ),
        ("如何创建数据集", "创建数据集需要一个名称。", "今天天气很好。"),
        ("Wie heißt die Hauptstadt?", "Die Hauptstadt heißt Poseidonia.", "Zebras live in Africa."),
    ],
)
def test_related_texts_are_nearer(question: str, related: str, unrelated: str) -> None:
    """Cosines lie where a model's do: unrelated texts below 0.5, related ones above 0.6."""
    asked, near, far = HashedEmbedder().embed([question, related, unrelated])
    assert asked @ near > 0.6
    assert 0.3 < asked @ far < 0.5


def plain_question(topic: str) -> str:
    heading = TOPICS[topic].strip().split("\n")[0].replace('"', "")
    statement = re.fullmatch(r"The (\w+) statement", heading)
    subject = heading[0].lower() + heading[1:]
    return f"What does the {statement[1]} statement do?" if statement else f"How do {subject} work?"


@pytest.fixture(scope="module")
def scores() -> dict[str, NDArray[np.float64]]:
    """The similarity of all chunks, in the order of ``chunks()``, to each question, at RAGFlow's default weight."""
    embedder = HashedEmbedder()
    vectors = embedder.embed(list(chunks().values()))
    indexed = [
        index_terms(title=name, content=text, important_keywords=(), questions=())
        for (name, _), text in chunks().items()
    ]
    questions = [*map(plain_question, sorted(TOPICS)), "How does the yield expression work?", *ELSEWHERE]
    found = {}
    for question, vector in zip(questions, embedder.embed(questions), strict=True):
        query = analyse(question)
        terms = [term_similarity(query, line) for line in indexed]
        cosines = vectors @ vector
        found[question] = np.array(
            [similarity(t, float(c), 0.3) for t, c in zip(terms, cosines, strict=True)]
        )
    return found


@pytest.mark.parametrize(
    ("question", "topic"),
    [("How does the yield expression work?", "yield"), ("What does the del statement do?", "del")],
)
def test_a_plain_question_finds_its_topic_first(
    scores: dict[str, NDArray[np.float64]], question: str, topic: str
) -> None:
    """At the default weight and threshold, the best of all 844 chunks is one of the topic asked about."""
    names = [name for name, _ in chunks()]
    assert scores[question].max() >= 0.2
    assert names[int(scores[question].argmax())] == f"{topic}.txt"


def test_plain_questions_find_their_topics(scores: dict[str, NDArray[np.float64]]) -> None:
    """A question made of each topic's heading finds it: 53 of 79 first, 70 among five, over the threshold."""
    names = [name for name, _ in chunks()]
    first = among_five = 0
    for topic in sorted(TOPICS):
        score = scores[plain_question(topic)]
        best = [names[n] for n in np.argsort(-score, kind="stable")[:5] if score[n] >= 0.2]
        first += best[:1] == [f"{topic}.txt"]
        among_five += f"{topic}.txt" in best
    assert first >= 50
    assert among_five >= 68


@pytest.mark.parametrize("question", ELSEWHERE)
def test_questions_about_something_else_find_nothing(
    scores: dict[str, NDArray[np.float64]], question: str
) -> None:
    """No chunk of the language reference reaches the default threshold."""
    assert scores[question].max() < 0.2


def test_data_is_no_word() -> None:
    """Millions of letters in a row cost neither seconds of computing nor memory that stays."""
    begun = time.thread_time()
    HashedEmbedder().embed(["ab" * 1_000_000])
    assert time.thread_time() - begun < 5
