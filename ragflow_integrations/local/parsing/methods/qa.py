"""``qa``: a question and its answer are a chunk."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..base import Box, Chunk, File, ParseError, Section, boxes_to_positions
from ..formats import MARKDOWN, read_sections
from ..settings import Settings
from ..text import read_text
from .rows import numbered_rows, pairs_of_sheets

__all__ = ["qa"]

_PREFIX = re.compile(r"(?:问题|答案|回答|user|assistant|Q|A|Question|Answer|问|答)[\t:： ]+", re.IGNORECASE)
_LABELS = {True: ("Question: ", "Answer: "), False: ("问题：", "回答：")}
_LEVELS = 6  # headings below this level are part of an answer
_QUESTION = re.compile(
    r"(?:第(?:[零一二三四五六七八九十百]|[0-9])+[问条]|[(（](?:[零一二三四五六七八九十百]+|[0-9]{1,2})[)）]"
    r"|[0-9]{1,2}[. 、]|[零一二三四五六七八九十百]+[ 、]|QUESTION (?:[A-Z]+|[0-9]+)|Q(?:uestion)?[0-9 ]*[.:：])"
)

Pair = tuple[str, str, tuple[Box, ...]]


def qa(file: File, settings: Settings) -> list[Chunk]:
    """Each pair as ``Question: …`` tab ``Answer: …``, or in Chinese where the dataset's language is not English."""
    question, answer = _LABELS[settings.language.lower() == "english"]
    chunks = [
        Chunk(f"{question}{_bare(asked)}\t{answer}{_bare(told)}", boxes_to_positions(boxes))
        for asked, told, boxes in _pairs(file, settings)
    ]
    if not chunks:
        raise ParseError(
            f"The file {file.name!r} holds no pairs of questions and answers. Needed are two columns (csv, txt, xlsx) "
            "or questions as headings (md, docx) or with numbers (pdf)."
        )
    return chunks


def _pairs(file: File, settings: Settings) -> Iterable[Pair]:
    if file.suffix in ("txt", "csv", "tsv"):
        return _of_lines(file)
    if file.suffix in MARKDOWN:
        return _of_headings(_markdown_sections(read_text(file)))
    if file.suffix == "docx":
        return _of_headings(read_sections(file, settings))
    if file.suffix == "pdf":
        return _of_numbers(read_sections(file, settings))
    return ((asked, told, ()) for asked, told in pairs_of_sheets(file))


def _of_lines(file: File) -> Iterator[Pair]:
    """A line of two columns begins a pair, any other one goes on with the answer."""
    question = answer = ""
    for columns, line in numbered_rows(file):
        if len(columns) != 2:
            answer = f"{answer}\n{line}" if question else ""
            continue
        if question and answer:
            yield question, answer, ()
        question, answer = columns
    if question and answer.strip():
        yield question, answer, ()


def _of_headings(sections: Iterable[Section]) -> Iterator[Pair]:
    """Headings, with those above them, are the question of what stands below them."""
    above: list[tuple[int, str]] = []
    answer: list[str] = []
    for section in sections:
        if not 0 < section.level <= _LEVELS:
            answer.append(section.text)
            continue
        yield from _told(above, answer)
        answer = []
        above = [*(each for each in above if each[0] < section.level), (section.level, section.text)]
    yield from _told(above, answer)


def _told(above: list[tuple[int, str]], answer: list[str]) -> Iterator[Pair]:
    text = "\n".join(answer).strip()
    if above and text:
        yield "\n".join(heading for _, heading in above), text, ()


def _markdown_sections(text: str) -> Iterator[Section]:
    """The lines; those that begin with ``#``, outside of code, as headings."""
    in_code = False
    for line in text.split("\n"):
        if line.strip().startswith("```"):
            in_code = not in_code
        level = 0 if in_code else len(line) - len(line.lstrip("#"))
        yield Section(line.lstrip("#").lstrip(), level) if 0 < level <= _LEVELS else Section(line)


def _of_numbers(lines: Iterable[Section]) -> Iterator[Pair]:
    """A numbered line is a question, up to its question mark; what follows is the answer."""
    question, answer = "", ""
    boxes: tuple[Box, ...] = ()
    for line in lines:
        if not _QUESTION.match(line.text):
            answer, boxes = f"{answer}\n{line.text}" if question else "", (*boxes, *line.boxes)
            continue
        if question and answer.strip():
            yield question, answer.strip(), boxes
        asked = re.match(r"[^?？]*[?？]?", line.text)
        question = asked[0] if asked else line.text
        answer, boxes = line.text[len(question) :], line.boxes
    if question and answer.strip():
        yield question, answer.strip(), boxes


def _bare(text: str) -> str:
    return _PREFIX.sub("", text.strip(), count=1) if _PREFIX.match(text.strip()) else text.strip()
