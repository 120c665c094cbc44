"""Search tokens: the words of a text in the form the index, the query and the term similarity compare."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from threading import Lock

import snowballstemmer

__all__ = ["ASKED", "CJK", "LONGEST", "words"]

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"  # for use in a regular expression's [ ]
LONGEST = 64  # letters; what is longer is no word but data (base64, say), of which nothing is kept in memory
ASKED = 1 << 15  # characters of a question that are searched for: embedding models read no more of it either
_RUN = re.compile(rf"(?P<cjk>[{CJK}]+)|_+|[^\W_{CJK}]+")
_CANNOT = re.compile(r"\bcannot\b")
_stemmer = snowballstemmer.stemmer("english")
_stemmer_lock = Lock()  # a stemmer keeps the word it works on in itself


def words(text: str) -> list[str]:
    """The search tokens of ``text`` in order, as RAGFlow v0.27's tokenizer makes them for English.

    Lower-cased, full-width forms folded, punctuation dropped, English words stemmed (Snowball). A run of
    Chinese, Japanese or Korean characters becomes its overlapping pairs (RAGFlow cuts it with a dictionary
    of its own), so a question of one such character finds only that character standing alone.
    """
    tokens: list[str] = []
    for run in _RUN.finditer(_fold(text)):
        if run["cjk"]:
            tokens += _pairs(run[0])
        else:
            tokens.append(_stem(run[0]) if len(run[0]) <= LONGEST else run[0])
    return tokens


def _fold(text: str) -> str:
    text = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).lower()
    return _CANNOT.sub("can not", text)


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    if not (word.isascii() and word.isalpha()):
        return word
    with _stemmer_lock:
        return str(_stemmer.stemWord(word))
