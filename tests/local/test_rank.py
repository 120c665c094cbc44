"""RAGFlow's score, against scores that a RAGFlow v0.27.0 server gave."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragflow_integrations.local.rank import analyse, index_terms, similarity, term_similarity
from ragflow_integrations.local.words import ASKED
from tests.local.truth import chunks, recorded


def held(asked: str, content: str, **more: str) -> float:
    terms = index_terms(
        title=more.get("title", "a.txt"),
        content=content,
        important_keywords=[more["keyword"]] if "keyword" in more else [],
        questions=[more["question"]] if "question" in more else [],
    )
    return term_similarity(analyse(asked), terms)


def test_term_similarity_is_ragflows() -> None:
    """Of 2430 recorded values all but five are met within 0.02, none is far off, and each question is right."""
    errors: dict[str, list[float]] = defaultdict(list)
    for line in recorded("truth_retrieval"):
        query = analyse(line["question"])
        for row in line["chunks"]:
            text = chunks()[row["document"], row["chunk"]]
            terms = index_terms(title=row["document"], content=text, important_keywords=(), questions=())
            errors[line["question"]].append(abs(term_similarity(query, terms) - row["term_similarity"]))
    every = [error for found in errors.values() for error in found]
    near = sum(error <= 0.02 for error in every)
    assert len(every) == 2430
    assert near >= 2425
    assert max(every) < 0.04
    assert {question: found for question, found in errors.items() if statistics.median(found) > 1e-4} == {}


def test_similarity_is_ragflows() -> None:
    """The recorded ``similarity`` is the mix of the recorded parts."""
    for line in recorded("truth_retrieval"):
        for row in line["chunks"]:
            mixed = similarity(
                row["term_similarity"], row["vector_similarity"], line["vector_similarity_weight"]
            )
            assert mixed == pytest.approx(row["similarity"], abs=2e-6)


@pytest.mark.parametrize(
    ("question", "content", "expected"),
    [
        ("Python", "about Python", 0.571429),
        ("nonlocal", "nonlocal names", 0.285714),
        ("decorators", "decorators of functions", 0.090909),
        ("decorators", "decoration of interiors", 0.090909),
        ("decorators", "nothing of it", 0),
        ("the", "the end", 0.571429),
    ],
)
def test_small_cases(question: str, content: str, expected: float) -> None:
    """Keywords count as typed and as stems; "Python", "nonlocal" and "decorators" have the recorded values."""
    assert held(question, content) == pytest.approx(expected, abs=1e-6)


def test_neighbours_count_more_than_the_words_alone() -> None:
    """Two words that stand together in a chunk, where they first occur, score higher than apart."""
    assert held("unary arithmetic", "unary arithmetic") > held("unary arithmetic", "arithmetic is unary")


@pytest.mark.parametrize("place", ["title", "keyword", "question"])
def test_title_keywords_and_questions_count(place: str) -> None:
    """A word in the document's name, an important keyword or a question of the chunk is held by the chunk."""
    word = "decorators"
    assert (
        held(word, "nothing", **{place: f"{word}.txt" if place == "title" else word}) == held(word, word) > 0
    )


def test_index_terms() -> None:
    """Content words once, title twice without suffix, keywords five and questions six times; no table tags."""
    terms = index_terms(
        title="my file.txt",
        content="<table><tr><td>one</td></tr></table> one two",
        important_keywords=["key"],
        questions=["why"],
    )
    assert terms.split() == ["one", "two", *["my", "file"] * 2, *["key"] * 5, *["whi"] * 6]


@pytest.mark.parametrize("question", ["", "???", " \n", "__ "])
def test_questions_without_a_word_match_nothing(question: str) -> None:
    """They score 0 everywhere, rather than 1 as on the server."""
    assert held(question, "anything at all") == 0


@pytest.mark.parametrize(
    ("question", "terms"),
    [
        ("How does the yield expression work?", ("yield", "express", "work")),
        ("什么是数据集？", ("数据", "据集")),
        ("how to do", ("do",)),
        ("yield yield", ("yield",)),
    ],
)
def test_terms(question: str, terms: tuple[str, ...]) -> None:
    """Terms are distinct, without question words and fillers unless nothing else is left."""
    assert analyse(question).terms == terms


def test_a_fitting_chunk_beats_others_in_chinese() -> None:
    """Chinese questions find the chunk that speaks of it, although nothing is between the words."""
    assert (
        held("如何创建数据集？", "创建数据集需要一个名称。")
        > 0.5
        > held("如何创建数据集？", "今天天气很好。")
        == 0
    )


@given(st.text(), st.text())
def test_between_zero_and_one(question: str, content: str) -> None:
    """Whatever the texts, a share is a share."""
    assert 0 <= held(question, content) <= 1 + 1e-9


@pytest.mark.parametrize(("weight", "expected"), [(0, 0.2), (0.3, 0.38), (1, 0.8)])
def test_similarity(weight: float, expected: float) -> None:
    """Weight 0 is the terms alone, 1 the vector alone."""
    assert similarity(0.2, 0.8, weight) == pytest.approx(expected)


@pytest.mark.parametrize("question", ["是" * 20_000, "是" * 20_000 + "x"])
def test_one_character_in_masses_takes_linear_time(question: str) -> None:
    """A question that repeats a filler's first character is not tried at each place to its end."""
    begun = time.thread_time()
    analyse(question)
    assert time.thread_time() - begun < 5


@pytest.mark.parametrize(
    ("question", "terms"),
    [
        ("是谁是吗数据", ("数据",)),
        ("数据是不是是对的", ("数据", "据对", "对的")),
        ("是是数据", ("是是", "是数", "数据")),
    ],
)
def test_chinese_question_words_go_with_what_surrounds_them(question: str, terms: tuple[str, ...]) -> None:
    """The copula goes with a question word at its side, and stays where there is none."""
    assert analyse(question).terms == terms


def test_a_question_without_an_end() -> None:
    """Of megabytes the beginning is searched for, and of many words the synonyms of the first."""
    endless = "harbour money " * 500_000
    assert analyse(endless) == analyse(endless[:ASKED])
    others = ["".join(letters) for letters in product("bcdfghjk", repeat=3)][:300]
    assert "seaport" in analyse(" ".join(["harbour", *others])).weights
    assert "seaport" not in analyse(" ".join([*others, "harbour"])).weights
