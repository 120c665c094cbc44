"""The synonyms that RAGFlow adds to a question: names of a word's senses in WordNet 3.0.

RAGFlow v0.27 asks NLTK for them, so they are found here as NLTK finds them: nouns, verbs, adjectives, adverbs, of
each the word itself, irregular forms from WordNet's lists, and forms with a suffix taken off. The table comes with
the package (see ``data/README.md``; made by ``tools/wordnet.py``) and is unpacked for the first question. It holds,
sorted, a line for each word with its senses' names by part of speech (``=`` is the word itself), then, after an empty
line, a line for each irregular form.
"""

from __future__ import annotations

import lzma
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from importlib import resources

__all__ = ["lemma", "synonyms"]

_MOST = 8
_WORD = re.compile("[a-z]+")
_PARTS = ("noun", "verb", "adj", "adv")
_SUFFIXES = {
    "noun": "s ses:s ves:f xes:x zes:z ches:ch shes:sh men:man ies:y",
    "verb": "s ies:y es:e es ed:e ed ing:e ing",
    "adj": "er est er:e est:e",
    "adv": "",
}
_RULES = {part: [rule.partition(":")[::2] for rule in line.split()] for part, line in _SUFFIXES.items()}


@lru_cache(maxsize=4096)
def synonyms(token: str) -> tuple[str, ...]:
    """RAGFlow's synonyms of a token, most frequent sense first; none unless it is all of a to z.

    RAGFlow puts the names into a Python set and takes eight of them, others in each of its processes. Here it
    is the first eight in WordNet's order. They are names: of several words some, with blanks, and not stemmed.
    """
    if not _WORD.fullmatch(token):
        return ()
    names = (name for part in _PARTS for form in _forms(token, part) for name in _names(form, part))
    return tuple(dict.fromkeys(name for name in names if name != token))[:_MOST]


@lru_cache(maxsize=4096)
def lemma(word: str) -> str:
    """The noun that ``word`` is a form of, or else ``word``: what RAGFlow stems to get the token it looks up.

    It is the shortest of WordNet's, even if that is no form of the word: "pas" of "pass", "ha" of "has".
    """
    return min(_forms(word, "noun"), key=len, default=word) if _WORD.fullmatch(word) else word


def _forms(word: str, part: str) -> Sequence[str]:
    """The words of this part of speech that ``word`` may be a form of; those with fewer suffixes taken off only."""
    irregular = _table()[1].get((word, part))
    if irregular is not None:
        return _known([word, *irregular], part)
    shortened = _shortened([word], part)
    found = _known([word, *shortened], part)
    while shortened and not found:
        shortened = _shortened(shortened, part)
        found = _known(shortened, part)
    return found


def _shortened(words: Iterable[str], part: str) -> list[str]:
    return [word.removesuffix(old) + new for word in words for old, new in _RULES[part] if word.endswith(old)]


def _known(words: Iterable[str], part: str) -> list[str]:
    return [word for word in dict.fromkeys(words) if _names(word, part)]


def _names(word: str, part: str) -> list[str]:
    """The names of the senses of a word as this part of speech."""
    lines = _table()[0]
    place = bisect_left(lines, f"{word}\t")
    found, *fields = lines[place].split("\t") if place < len(lines) else [""]
    number = _PARTS.index(part)
    if found != word or number >= len(fields) or not fields[number]:
        return []
    return [word if name == "=" else name for name in fields[number].split(",")]


@cache
def _table() -> tuple[list[str], dict[tuple[str, str], list[str]]]:
    """The sorted lines of the words, and the words behind each irregular form as each part of speech."""
    packed = resources.files(__package__).joinpath("data/synonyms.xz").read_bytes()
    words, _, irregular = lzma.decompress(packed).decode("ascii").partition("\n\n")
    lines = (line.split("\t") for line in irregular.split("\n"))
    return words.split("\n"), {(form, part): bases.split(",") for form, part, bases in lines}
