"""Search tokens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragflow_integrations.local import words as module
from ragflow_integrations.local.words import words


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("?! ... —", []),
        ("How does it work?", ["how", "doe", "it", "work"]),
        ("Running, runs; RUN", ["run", "run", "run"]),
        ("generators generation", ["generat", "generat"]),
        ("object.__init__(self)", ["object", "__", "init", "__", "self"]),
        ("Python 3.11 utf8", ["python", "3", "11", "utf8"]),
        ("It cannot be", ["it", "can", "not", "be"]),
        ("don't", ["don", "t"]),
        ("Größe café", ["größe", "café"]),
    ],
)
def test_words_of_languages_with_blanks(text: str, tokens: list[str]) -> None:
    """Lower case, no punctuation, English stems; identifiers fall apart; accents stay."""
    assert words(text) == tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("数据集", ["数据", "据集"]),
        ("猫", ["猫"]),
        ("用Python写代码", ["用", "python", "写代", "代码"]),
        ("データ", ["デー", "ータ"]),
        ("한국어 문서", ["한국", "국어", "문서"]),
        ("ＡＢＣ１２", ["abc12"]),
    ],
)
def test_chinese_japanese_korean(text: str, tokens: list[str]) -> None:
    """Runs without blanks become overlapping pairs; full-width letters are letters."""
    assert words(text) == tokens


@given(st.text())
def test_tokens_hold_no_blank(text: str) -> None:
    """Tokens can be stored with blanks between them and are found again."""
    found = words(text)
    assert " ".join(found).split() == found


def test_threads_share_the_stemmer() -> None:
    """Stems made in several threads at once are those made in one."""
    vocabulary = [
        f"{stem}{end}" for stem in ("generaliz", "comput", "organ") for end in ("e", "es", "ing", "ation")
    ]
    expected = [words(word) for word in vocabulary]
    module._stem.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(words, vocabulary * 50)) == expected * 50
