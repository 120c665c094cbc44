"""RAGFlow's own score of a chunk for a question: ``(1 - w) * term similarity + w * cosine``.

The term similarity is that of RAGFlow v0.27 (``term_similarity`` of ``POST /api/v1/retrieval``). It is no BM25 but
the share of the question's weight that a chunk holds. The question becomes a row of keywords, its synonyms among
them; each counts 0.4 of its weight and each two neighbours 0.6 of the heavier one's; a chunk holds a keyword,
or two neighbours, if they stand so among its ``index_terms``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, groupby, islice, pairwise
from operator import add

from .synonyms import lemma, synonyms
from .words import ASKED, words

__all__ = ["Query", "analyse", "index_terms", "similarity", "term_similarity", "weightiest"]

_SINGLE, _PAIR = 0.4, 0.6
_LOOKED_UP = 256  # tokens whose synonyms count

_SEPARATORS = re.compile(r"[\s,:/|?!&^%()\[\]{}<>*~`'\"\\，。？！]+")
_SCRIPT_CHANGE = re.compile("(?<=[a-z0-9])(?=[一-龥])|(?<=[一-龥])(?=[a-z])")
_ASKING = frozenset("how what where which who why".split())
_FILLERS = frozenset(
    """a an and are as at be by did do does done down for go has have i if in is just may me mine my of on or out
    please should so the there to up was were will with would you your""".split()
)
_ASKING_CHINESE = re.compile(
    "(?:(?<!是)是+)?(?:怎么办|什么样的|什么时候|有没有|怎么样|是不是|是否|哪些|哪个|哪家|哪里|哪儿|哪位|多少|如何|怎么|什么|何时|何地"
    "|何人|请问|一下|谁|吗|呢|吧|啊|呀)是*"
)
_TABLE_TAG = re.compile(r"</?(?:caption|table|td|th|tr)(?: [^<>]{0,12})?>")
_SUFFIX = re.compile(r"\.[A-Za-z]+$")
_RUN = re.compile(r"[^\W_]+")
_SPECIAL = re.compile(r"[:{}/\[\]*?\"()|+~^-]")
_ENGLISH = re.compile("[a-z. -]+")


@dataclass(frozen=True)
class Query:
    """An analysed question.

    ``terms`` are its distinct search tokens, for finding candidates. ``weights`` is what a chunk gains by holding
    a token, or two neighbouring tokens (joined), as a share of the whole question: all together at most 1.
    """

    terms: tuple[str, ...]
    weights: Mapping[str, float]

    @cached_property
    def keys(self) -> frozenset[str]:
        """What ``weights`` names."""
        return frozenset(self.weights)


def analyse(question: str) -> Query:
    """The question as ``term_similarity`` needs it. Without a word in it, it has no terms and matches nothing."""
    text = _SEPARATORS.sub(" ", question[:ASKED].lower())
    asked = _SCRIPT_CHANGE.sub(" ", _ASKING_CHINESE.sub("", text)).split()
    once = _without_fillers(asked)
    phrase = _without_fillers(once)
    keywords = list(_phrase_keywords(phrase) if _is_phrase(asked, once) else _sentence_keywords(phrase))
    weights: dict[str, float] = {}
    for key, weight in _features(keywords):
        weights[key] = weights.get(key, 0.0) + weight
    total = math.fsum(weights.values())
    terms = tuple(dict.fromkeys(token for word in phrase for token in words(word)))
    return Query(terms, {key: weight / total for key, weight in weights.items()} if terms else {})


def index_terms(
    *, title: str, content: str, important_keywords: Sequence[str], questions: Sequence[str]
) -> str:
    """The tokens stored with a chunk, space separated: what ``term_similarity`` and the full-text index read.

    As RAGFlow weighs them: each word of ``content`` once, where it first stands; the words of ``title`` (the
    document's name, without its suffix) twice, of ``important_keywords`` five and of ``questions`` six times.
    """
    tokens = list(dict.fromkeys(words(_TABLE_TAG.sub(" ", content))))
    tokens += words(_SUFFIX.sub("", title)) * 2
    tokens += words("\n".join(important_keywords)) * 5
    tokens += words("\n".join(questions)) * 6
    return " ".join(tokens)


def weightiest(text: str, count: int) -> list[str]:
    """The ``count`` words of a text that RAGFlow gives most weight, as search tokens, equal ones as they come."""
    return sorted(dict.fromkeys(words(_TABLE_TAG.sub(" ", text))), key=_weight, reverse=True)[:count]


def term_similarity(query: Query, terms: str) -> float:
    """How much of the question a chunk holds, 0 to 1; ``terms`` is what ``index_terms`` made of the chunk."""
    tokens = terms.split()
    held = query.keys.intersection(chain(tokens, map(add, tokens, tokens[1:])))
    return math.fsum(query.weights[key] for key in held)


def similarity(term: float, vector: float, vector_similarity_weight: float) -> float:
    """RAGFlow's mixed score; ``vector_similarity_weight`` (0 to 1, server's default 0.3) is the cosine's share."""
    return (1 - vector_similarity_weight) * term + vector_similarity_weight * vector


def _without_fillers(asked: Sequence[str]) -> list[str]:
    return _drop(_drop(asked, _ASKING), _FILLERS)


def _drop(asked: Sequence[str], fillers: Collection[str]) -> list[str]:
    """RAGFlow's way: never the last word, and of fillers in a row every second one."""
    kept: list[str] = []
    dropped = False
    for position, word in enumerate(asked, start=1):
        dropped = word in fillers and not dropped and position < len(asked)
        if not dropped:
            kept.append(word)
    return kept


def _is_phrase(asked: Sequence[str], once: Sequence[str]) -> bool:
    """Whether RAGFlow takes the question for keywords or Chinese rather than for an English sentence.

    A filler dropped in front leaves a blank there, which RAGFlow counts as one word more.
    """
    blanks = asked[:1] != once[:1]
    count = len(once) + blanks
    foreign = blanks + sum(not (word.isascii() and word.isalpha()) for word in once)
    return count <= 3 or foreign / count >= 0.7


def _sentence_keywords(phrase: Sequence[str]) -> Iterator[str]:
    """The tokens in order, then the synonyms of the first of them, stemmed."""
    tokens = [token for word in phrase for token in _tokens(word)]
    yield from (token for token, _ in tokens)
    for _, looked_up in tokens[:_LOOKED_UP]:
        yield from (" ".join(words(name)) for name in synonyms(looked_up))


def _phrase_keywords(phrase: Sequence[str]) -> Iterator[str]:
    """Words in a row as one keyword, as they were typed, with its synonyms, then each token with its; not stemmed."""
    for row in islice(map(" ".join, _rows(phrase)), _LOOKED_UP):
        yield row
        yield from synonyms(row)
        for token, looked_up in _tokens(row):
            yield token
            yield from map(_escaped, synonyms(looked_up))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """The search tokens of a text, each with the one that RAGFlow has in its place and looks up in WordNet."""
    return zip(words(text), words(_RUN.sub(lambda run: lemma(run[0]), text)), strict=True)


def _escaped(name: str) -> str:
    """A name as RAGFlow quotes it for its query language: it then weighs more and is in no chunk."""
    return _SPECIAL.sub(r"\\\g<0>", name.replace("'", ""))


def _rows(phrase: Sequence[str]) -> Iterator[list[str]]:
    """Words that end in a Latin letter in rows, others (numbers, Chinese) alone."""
    for latin, group in groupby(phrase, key=lambda word: word[-1].isascii() and word[-1].isalpha()):
        row = list(group)
        yield from [row] if latin else [[word] for word in row]


def _features(keywords: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Each keyword and each two neighbours, joined, with what they count."""
    for keyword in keywords:
        yield keyword, _SINGLE * _weight(keyword)
    for left, right in pairwise(keywords):
        yield left + right, _PAIR * max(_weight(left), _weight(right))


def _weight(keyword: str) -> float:
    """RAGFlow's weight of a keyword, where an English one has 1.

    RAGFlow takes English for frequent (0.3 log10(10^7/300) + 0.7 log10(10^9/300) = 5.9), a number for a rare word of
    double weight (2 * 7.7), anything else for rare (7.7) and a word of two letters for nothing.
    """
    if _ENGLISH.fullmatch(keyword):
        return 0.01 if len(keyword) <= 2 and keyword.isalpha() else 1.0
    return 2.6 if keyword.isdecimal() and len(keyword) > 1 else 1.3
