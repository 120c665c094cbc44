"""``book``, ``laws``, ``manual``, ``paper``: texts cut at their headings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ...tokens import count_tokens
from ..base import Chunk, File, Section
from ..formats import read_sections
from ..headings import BODY, Numbering, numbering_of, without_contents
from ..merging import Draft, finished, merged
from ..settings import Settings

__all__ = ["book", "laws", "manual", "paper"]

_LEAST, _MOST = 32, 1024  # tokens of a manual's chunk
_LOOSE = 218  # tokens up to which a book's paragraphs without a heading stand together
_OUTLINED = 0.03  # titles a line, from which on a PDF's own table of contents counts
_ALIKE = 0.8
_CLOSE = 1.0  # heights of a line that may be between two lines of a paragraph
_ABSTRACT = ("abstract", "摘要")
_ABSTRACT_WORDS = ("abstract", "总结", "概括", "summary", "summarize")
_ABSTRACT_LINES = 60
_TOP = 32  # lines within which an abstract begins


def book(file: File, settings: Settings) -> list[Chunk]:
    """Each paragraph below the headings that lead to it; without numbered headings the text is cut as by ``naive``."""
    sections = without_contents(read_sections(file, settings))
    tables = [_table(section) for section in sections if section.is_table]
    texts = [section for section in sections if not section.is_table]
    numbering = numbering_of(texts)
    if not numbering.is_there and not any(section.level for section in texts):
        return [*tables, *finished(merged(texts, settings), settings)]
    paragraphs = _paragraphs(texts, numbering)
    return [*tables, *finished(_below_headings(paragraphs, numbering), settings)]


def laws(file: File, settings: Settings) -> list[Chunk]:
    """Each article or section with the headings that lead to it; the two largest kinds of headings count."""
    sections = without_contents(read_sections(file, settings))
    numbering = numbering_of(sections)
    levels = [_level(file, section, numbering) for section in sections]
    return finished(_tree(sections, levels), settings)


def manual(file: File, settings: Settings) -> list[Chunk]:
    """Sections of a PDF, those of some tokens put together up to 1024; of a docx the text below each heading."""
    sections = read_sections(file, settings)
    if file.suffix == "docx":
        tables = [_table(section) for section in sections if section.is_table]
        return [*tables, *_below_each_heading([each for each in sections if not each.is_table])]
    levels, most = _outlined(file, sections) or _numbered(sections)
    return finished(_joined_sections(sections, _section_numbers(levels, most)), settings)


def paper(file: File, settings: Settings) -> list[Chunk]:
    """The abstract as one chunk with keywords that find it, then the sections between the most frequent headings."""
    lines = list(read_sections(file, settings))
    first, end = _abstract(lines)
    chunks = []
    if end > first:
        draft = _draft(lines[first:end])
        found = finished([draft], replace(settings, children=None))
        chunks = [replace(each, important_keywords=_ABSTRACT_WORDS) for each in found]
        lines = lines[:first] + lines[end:]
    levels, most = _numbered(lines)
    sections = _runs(lines, _section_numbers(levels, most))
    return [*chunks, *finished(map(_draft, sections), settings)]


def _draft(sections: Sequence[Section]) -> Draft:
    boxes = tuple(box for section in sections for box in section.boxes)
    return Draft("\n".join(section.text for section in sections), boxes)


def _table(section: Section) -> Chunk:
    return Chunk(section.text, doc_type="table")


@dataclass
class _Heading:
    level: int
    sections: list[Section]
    """The heading itself, and in a tree the text before its first subheading."""
    above: list[_Heading]
    is_used: bool = False

    def path(self) -> list[Section]:
        """What leads to this heading, and itself."""
        return [section for heading in (*self.above, self) for section in heading.sections]


def _paragraphs(sections: Iterable[Section], numbering: Numbering) -> Iterator[Section]:
    """Lines of a page that stand close together as one section; sections without places as they are."""
    paragraph: Section | None = None
    for section in sections:
        if paragraph is not None:
            if numbering.level(section) == BODY and _is_next_line(paragraph, section):
                joined = f"{paragraph.text}\n{section.text}"
                paragraph = Section(joined, boxes=(*paragraph.boxes, *section.boxes))
                continue
            yield paragraph
            paragraph = None
        if section.boxes and numbering.level(section) == BODY:
            paragraph = section
        else:
            yield section
    if paragraph is not None:
        yield paragraph


def _is_next_line(upper: Section, lower: Section) -> bool:
    if not (upper.boxes and lower.boxes):
        return False
    page, _, _, top, bottom = upper.boxes[-1]
    next_page, _, _, next_top, _ = lower.boxes[0]
    return page == next_page and -1 <= next_top - bottom < _CLOSE * (bottom - top)


def _below_headings(sections: Iterable[Section], numbering: Numbering) -> Iterator[Draft]:
    """Each text with its headings; texts before any heading stand together as far as they are short."""
    stack: list[_Heading] = []
    loose: list[Section] = []
    count = 0
    for section in sections:
        level = numbering.level(section)
        if level < BODY:
            yield from _unused(stack, level)
            stack = [each for each in stack if each.level < level]
            stack.append(_Heading(level, [section], list(stack)))
        elif stack:
            for each in stack:
                each.is_used = True
            yield _draft([*stack[-1].path(), section])
        else:
            tokens = count_tokens(section.text)
            if loose and count + tokens >= _LOOSE:
                yield _draft(loose)
                loose, count = [], 0
            loose.append(section)
            count += tokens
            continue
        if loose:
            yield _draft(loose)
            loose = []
    if loose:
        yield _draft(loose)
    yield from _unused(stack, 0)


def _unused(stack: Sequence[_Heading], level: int) -> Iterator[Draft]:
    """The headings that end before ``level`` without any text below them."""
    if stack and stack[-1].level >= level and not stack[-1].is_used:
        yield _draft(stack[-1].path())


def _level(file: File, section: Section, numbering: Numbering) -> int:
    """The style of a docx comes before the number, and both are on the same scale."""
    if file.suffix == "docx" and (section.is_table or section.level):
        return BODY if section.is_table else section.level
    return numbering.level(section)


def _tree(sections: Sequence[Section], levels: Sequence[int]) -> Iterator[Draft]:
    """For each heading without subheadings what leads to it and is below it; other headings are text."""
    deepest = _second_level(set(levels))
    stack: list[_Heading] = []
    loose: list[Section] = []
    for section, level in zip(sections, levels, strict=True):
        if level > deepest:
            (stack[-1].sections if stack else loose).append(section)
            continue
        if loose:
            yield _draft(loose)
            loose = []
        if stack and stack[-1].level >= level:
            yield _draft(stack[-1].path())
        stack = [each for each in stack if each.level < level]
        stack.append(_Heading(level, [section], list(stack)))
    if loose:
        yield _draft(loose)
    if stack:
        yield _draft(stack[-1].path())


def _second_level(levels: set[int]) -> int:
    """The second largest kind of headings that there is, or the only one; 0 if there is none."""
    headings = sorted(levels - {BODY})
    return headings[min(1, len(headings) - 1)] if headings else 0


def _below_each_heading(sections: Iterable[Section]) -> list[Chunk]:
    """Of a docx: the text below each heading, with the headings that lead to it; as in RAGFlow without positions."""
    chunks: list[Chunk] = []
    above: list[Section] = []
    below: list[Section] = []
    for section in sections:
        if not section.level:
            below.append(section)
            continue
        if below:
            chunks.append(Chunk(_draft([*above, *below]).text))
            below = []
        above = [*(each for each in above if each.level < section.level), section]
    return [*chunks, Chunk(_draft([*above, *below]).text)] if below or not chunks else chunks


def _numbered(sections: Sequence[Section]) -> tuple[list[int], int]:
    """The level of each section, and the most frequent one among headings."""
    numbering = numbering_of(sections)
    levels = [numbering.level(section) for section in sections]
    counted = Counter(level for level in levels if level < BODY)
    return levels, counted.most_common(1)[0][0] if counted else 0


def _outlined(file: File, sections: Sequence[Section]) -> tuple[list[int], int] | None:
    """Levels by the PDF's own table of contents, if it is detailed enough; the last but one of them counts."""
    from ..pdf import outline_of  # with it comes a library that only PDFs need

    titles = [(_pairs_of(title), depth) for title, depth in outline_of(file) if title.strip()]
    if len(titles) <= _OUTLINED * len(sections):
        return None
    deepest = max(depth for _, depth in titles)
    levels = [_depth_of(section.text, titles, deepest + 1) for section in sections]
    return levels, max(0, deepest - 1)


def _depth_of(text: str, titles: Sequence[tuple[set[str], int]], otherwise: int) -> int:
    pairs = _pairs_of(text)
    for title, depth in titles:
        if len(title & pairs) > _ALIKE * max(len(title), len(pairs), 1):
            return depth
    return otherwise


def _pairs_of(text: str) -> set[str]:
    return {text[place : place + 2] for place in range(len(text) - 1)}


def _section_numbers(levels: Sequence[int], most: int) -> list[int]:
    """A number for each section of the text, which begins where the level changes to a heading that counts."""
    numbers: list[int] = []
    for place, level in enumerate(levels):
        begins = place > 0 and level <= most and level != levels[place - 1]
        numbers.append((numbers[-1] if numbers else 0) + begins)
    return numbers


def _runs(sections: Sequence[Section], numbers: Sequence[int]) -> Iterator[list[Section]]:
    run: list[Section] = []
    for place, section in enumerate(sections):
        if run and numbers[place] != numbers[place - 1]:
            yield run
            run = []
        run.append(section)
    if run:
        yield run


def _joined_sections(sections: Sequence[Section], numbers: Sequence[int]) -> Iterator[Draft]:
    """Lines of a section together up to ``_MOST`` tokens; fewer than ``_LEAST`` go with the next section."""
    chunk: list[Section] = []
    count = 0
    number = -1
    for section, own in zip(sections, numbers, strict=True):
        if chunk and not (count < _LEAST or (count < _MOST and own == number)):
            yield _draft(chunk)
            chunk, count = [], 0
        if not chunk:
            number = own
        chunk.append(section)
        count += count_tokens(section.text)
    if chunk:
        yield _draft(chunk)


def _abstract(lines: Sequence[Section]) -> tuple[int, int]:
    """The first line of the abstract and the one after it; both 0 if there is none."""
    for first, line in enumerate(lines[:_TOP]):
        if line.text.strip().lower().startswith(_ABSTRACT):
            end = first + 1
            while end < min(first + _ABSTRACT_LINES, len(lines)) and not _ends_abstract(lines[end]):
                end += 1
            return first, end
    return 0, 0


def _ends_abstract(line: Section) -> bool:
    """Whether the introduction, keywords or another heading begins here."""
    text = line.text.strip().lower().lstrip("0123456789. ")
    return line.level > 0 or text.startswith(
        ("introduction", "keywords", "key words", "关键词", "引言", "背景")
    )
