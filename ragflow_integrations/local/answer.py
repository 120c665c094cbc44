"""Extractive answers: no model writes here, the sentences are those of the retrieved chunks, each with its source."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .embed import FUNCTION_WORDS
from .parsing.markdown import is_heading
from .rank import analyse
from .words import words

__all__ = ["answer"]

_MOST = 4  # sentences, all of them nearly as good as the best
_NEARLY = 0.7
_ENOUGH = 1 / 3  # of the question's worth; what shares less is about something else
_LONG = 40  # words; what a sentence has over that makes it no better
_AROUND = 0.3  # counts so much of a word that is not in the sentence, but in its chunk
_DEFINING = 2.0  # counts so much more: a sentence whose subject is what is asked for
_LEANING = 0.5  # and so much less: one that needs the sentence before it
_WRAPPED = 48  # characters; a line as long may go on in the next one
_GROUP = 2  # words in a delta

_END = re.compile(
    r"(?<=[.!?])(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bcf\.)(?<!\bvs\.)(?<!\bMr\.)(?<!\bDr\.)"
    r"""["'”’)\]*]*\s+(?=["'“‘(\[*`]*[A-Z0-9]|["“*`]+\w)"""
    r"""|(?<=[。！？])["”’）」]?"""
)
_WHOLE = re.compile(
    r"""(?:["'“‘(\[*`]*[^\Wa-z]|(?P<small>["“*`]+\w)).*[.!?。！？]["'”’)\]*`）」]*""", re.DOTALL
)
_ASKING = frozenset("explain happen mean use work".split())  # in "how does x work?" it is x that is asked for
_SUBJECT = re.compile(r"(.{1,60}?)(?: \([^()]*\))? (?:is|are|means?|can be|may be)\b")
_LEANS = re.compile(
    r"[a-z(]|(?:For (?:example|instance|details|full details|more)|Note|See|It|This|These|That|Those|Such|They|Then"
    r"|Here|However|Otherwise|Also|But|And|So|Thus|Hence|If (?:so|not)|(?:Changed|New|Added|Deprecated) in)\b"
)
_BULLET = re.compile(r"\s*(?:[-*+•]|\d+[.)])\s+")
_UNDERLINE = re.compile(r"([*=~^+\"'#-])\1{2,}\s*")
_CODE = re.compile(r"::=|^\s*(?:>>>|\.\.\.|\||```|~~~)|^\s*(?:def|class|import|from|return|print)\b.*[:(]")
_CITATION = re.compile(r"\[(ID:\s*\d+\s*)\]")
_TAG = re.compile(r"</?(?:caption|table|tbody|td|tfoot|th|thead|tr)\b[^<>]*>")
_PLAIN = re.compile(r"[\"'“‘(\[*]*(?:[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+(?:[.,]\d+)*)[\"'”’)\]*.,:;!?。，！？]*")


@dataclass(frozen=True)
class _Sentence:
    source: int
    text: str
    tokens: tuple[str, ...]


def answer(question: str, contents: Sequence[str], *, cite: bool = True) -> Iterator[str]:
    """The one to four sentences of ``contents`` that say most about ``question``, in deltas of a few words.

    They come whole, in the order of the chunks and none twice, with ``cite`` each followed by its citation
    ``[ID:n]`` (``n`` counts ``contents`` from 0). If they share too little with the question (words like "the"
    do not count), or there is no text, nothing is yielded. Equal arguments give equal deltas.
    """
    sentences = list(_distinct(_sentences(contents)))
    for number, sentence in enumerate(_best(question, contents, sentences)):
        text = _CITATION.sub(r"(\1)", sentence.text)  # what a document itself marks so is no citation of ours
        parts = (f"{text} [ID:{sentence.source}]" if cite else text).split(" ")
        for start in range(0, len(parts), _GROUP):
            delta = " ".join(parts[start : start + _GROUP])
            yield f" {delta}" if number or start else delta


def _best(question: str, contents: Sequence[str], sentences: Sequence[_Sentence]) -> list[_Sentence]:
    """The chosen sentences in their order."""
    chunks = [frozenset(words(content)) for content in contents]
    worth = _worth(question, sentences, frozenset().union(*chunks))
    scores = [_score(sentence, worth, chunks[sentence.source]) for sentence in sentences]
    ranked = sorted((n for n, score in enumerate(scores) if score > 0), key=lambda n: -scores[n])
    chosen = [n for n in ranked[:_MOST] if scores[n] >= _NEARLY * scores[ranked[0]]]
    first = [n for n in ranked if sentences[n].source == sentences[0].source]
    if not set(first) & set(chosen):
        # the chunk found first may speak of it in its heading alone
        chosen = [*chosen[: _MOST - 1], *first[:1]]
    shared = {term for n in chosen for term in worth if term in chunks[sentences[n].source]}
    return [sentences[n] for n in sorted(chosen)] if chosen and _is_enough(shared, worth) else []


def _worth(question: str, sentences: Sequence[_Sentence], present: Collection[str]) -> dict[str, float]:
    """What a word of the question is worth: its weight, and more the fewer sentences have it."""
    query = analyse(question)
    content = [term for term in query.terms if term not in FUNCTION_WORDS]
    terms = [term for term in content if term not in _ASKING] or content
    holders = Counter(token for sentence in sentences for token in set(sentence.tokens))
    holding = {term: holders[term] or (1 if term in present else 0.5) for term in terms}
    return {term: query.weights[term] * math.log(1 + len(sentences) / holding[term]) for term in terms}


def _score(sentence: _Sentence, worth: Mapping[str, float], chunk: frozenset[str]) -> float:
    """The worth of the words it shares with the question; later chunks and very long sentences count less."""
    shared = sum(
        value * (1 if term in sentence.tokens else _AROUND) for term, value in worth.items() if term in chunk
    )
    form = _DEFINING if _defines(sentence.text, worth) else _LEANING if _LEANS.match(sentence.text) else 1.0
    return form * shared * 0.95 ** min(sentence.source, 10) * min(1.0, _LONG / (len(sentence.tokens) or 1))


def _defines(text: str, worth: Mapping[str, float]) -> bool:
    """Whether the sentence says what something is, and the question is about that: half the words are its own."""
    found = _SUBJECT.match(text)
    subject = {token for token in words(found[1]) if token not in FUNCTION_WORDS} if found else set()
    asked = subject.intersection(worth)
    return 0 < len(subject) <= 2 * len(asked) and _is_enough(asked, worth)


def _is_enough(shared: Iterable[str], worth: Mapping[str, float]) -> bool:
    return sum(worth[term] for term in shared) >= _ENOUGH * sum(worth.values())


def _distinct(sentences: Iterable[_Sentence]) -> Iterator[_Sentence]:
    seen = set()
    for sentence in sentences:
        if sentence.tokens not in seen:
            seen.add(sentence.tokens)
            yield sentence


def _sentences(contents: Sequence[str]) -> Iterator[_Sentence]:
    """Whole sentences; of a chunk that has none, its paragraphs as they are."""
    for source, content in enumerate(contents):
        paragraphs = list(_paragraphs(content.split("\n"))) or [" ".join(_TAG.sub(" ", content).split())]
        texts = [text.strip() for paragraph in paragraphs for text in _END.split(paragraph)]
        for text in [text for text in texts if _is_whole(text, content)] or paragraphs:
            tokens = tuple(words(text))
            if tokens:
                yield _Sentence(source, text, tokens)


def _is_whole(text: str, content: str) -> bool:
    """Whether it is a sentence of prose that is not cut off; a chunk may begin anywhere in one."""
    whole = _WHOLE.fullmatch(text)
    cut = whole and whole["small"] and " ".join(content.split()).startswith(text)
    return bool(whole) and not cut and _is_prose(text)


def _paragraphs(lines: Sequence[str]) -> Iterator[str]:
    """Wrapped lines put together; headings, code, grammars and rules are left out."""
    paragraph: list[str] = []
    depth = 0
    for line in _prose(lines):
        bullet = _BULLET.match(line)
        indent = bullet.end() if bullet else len(line) - len(line.lstrip())
        if paragraph and (
            bullet or not line.strip() or indent != depth or _stands_alone(paragraph[-1], line)
        ):
            yield " ".join(paragraph)
            paragraph = []
        depth = indent
        if text := " ".join(line[bullet.end() if bullet else 0 :].split()):
            paragraph.append(text)
    if paragraph:
        yield " ".join(paragraph)


def _prose(lines: Sequence[str]) -> Iterator[str]:
    """The lines that hold prose; a blank one in place of what is left out between them."""
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        text = _TAG.sub(" ", line)
        underlined = _UNDERLINE.fullmatch(following) and len(following.strip()) >= len(line.strip())
        left_out = underlined or is_heading(line) or _UNDERLINE.fullmatch(line) or _CODE.search(line)
        yield "" if left_out or not _is_prose(text) else text


def _is_prose(text: str) -> bool:
    found = text.split()
    plain = sum(_PLAIN.fullmatch(word) is not None for word in found)
    return plain >= 0.6 * len(found)


def _stands_alone(before: str, line: str) -> bool:
    """Whether a short line was meant as one, rather than wrapped."""
    return len(before) < _WRAPPED and not line.strip()[0].islower()
