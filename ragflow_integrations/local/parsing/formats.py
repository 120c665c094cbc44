"""Which files are read, and how each becomes sections in reading order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath

from ..words import CJK, words
from .base import File, ParseError, Section
from .docx import read_docx
from .epub import read_epub
from .html import read_html
from .jsons import read_json
from .mail import Mail, read_mail
from .more import MORE, read_more, read_more_sheets
from .pptx import read_pptx
from .settings import Settings
from .sheets import Sheet, read_csv, row_lines
from .text import decode, read_text
from .xlsx import read_xlsx

__all__ = [
    "ACCEPTED",
    "AUDIO",
    "HTML",
    "IMAGES",
    "JSON",
    "LIGHT",
    "MARKDOWN",
    "PLAIN",
    "SHEETS",
    "SUFFIXES",
    "html_blocks",
    "mail_sections",
    "opened",
    "read_sections",
    "read_sheets",
    "stem",
]

PLAIN = frozenset("c cpp cs go h ini java js kt php py sh sql ts txt xml yml".split())
MARKDOWN = frozenset({"markdown", "md", "mdx"})
HTML = frozenset({"htm", "html"})
JSON = frozenset({"json", "jsonl", "ldjson"})
SHEETS = frozenset({"csv", "ods", "tsv", "xls", "xlsx"})
LIGHT = PLAIN | MARKDOWN
"""What is read in time proportional to its length, without a library."""
SUFFIXES = PLAIN | MARKDOWN | HTML | JSON | SHEETS | set(MORE) | {"docx", "eml", "epub", "pdf", "pptx"}

IMAGES = frozenset(
    "jpg jpeg png tif gif bmp pcx tga exif fpx svg psd cdr pcd dxf ufo eps ai raw webp avif apng icon ico mpg mpeg "
    "avi rm rmvb mov wmv asf dat asx wvx mpe mpa mp4 mkv".split()
)
AUDIO = frozenset("wav flac ape alac wavpack wv mp3 aac ogg vorbis opus".split())
ACCEPTED = SUFFIXES | IMAGES | AUDIO | {"hlp", "key", "numbers", "pages", "wps"}
"""What RAGFlow v0.27 lets in, and what we read besides; of what is not read the parsing fails."""

_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([\w-]{1,40})", re.IGNORECASE)
_HEAD = 4096  # bytes of a page within which it names its encoding
_ATOM = re.compile(rf"[{CJK}]|[^\s{CJK}]+|\s+")
_SUFFIX = re.compile(r"\.[a-zA-Z]+$")


def opened(name: str, data: bytes) -> File:
    """A file whose type is known; ``ParseError`` if it is empty or of a type that is not read."""
    suffix = PurePath(name).suffix[1:].lower()
    if suffix in IMAGES | AUDIO:
        what = (
            "pictures and films takes OCR and a vision model"
            if suffix in IMAGES
            else "sound takes a speech model"
        )
        raise ParseError(
            f"To read {what}, which the local engine does not have; a RAGFlow server has it: {name!r}."
        )
    if suffix not in SUFFIXES:
        raise ParseError(
            f"The local engine cannot read {name!r}: it reads {', '.join(sorted(SUFFIXES))} files."
        )
    if not data:
        raise ParseError(f"The file {name!r} is empty.")
    return File(name, suffix, data)


def stem(name: str) -> str:
    """A file's name without its suffix."""
    return _SUFFIX.sub("", name)


def read_sections(file: File, settings: Settings) -> Sequence[Section]:
    """The file in sections: lines, paragraphs, slides, rows, blocks of a page."""
    sections = _READERS[file.suffix](file, settings)
    if not any(section.text.strip() for section in sections):
        raise ParseError(f"The file {file.name!r} holds no text.")
    return sections


def read_sheets(file: File) -> list[Sheet]:
    """The sheets of a csv, tsv, xlsx, xls or ods file."""
    if file.suffix in MORE:
        return read_more_sheets(file)
    return read_xlsx(file) if file.suffix == "xlsx" else read_csv(file)


def html_blocks(page: str, size: int) -> Iterator[Section]:
    """Blocks of a page joined up to ``size`` search tokens, long ones cut; then the tables."""
    texts, tables = read_html(page)
    block, count = "", 0
    for text in texts:
        for part in _cut(text, size):
            tokens = len(words(part))
            if block and count + tokens > size:
                yield Section(block)
                block, count = "", 0
            block = f"{block}\n{part}" if block else part
            count += tokens
    if block:
        yield Section(block)
    yield from (Section(table) for table in tables)


def mail_sections(mail: Mail, size: int) -> list[Section]:
    """Header lines and text, then the blocks of the HTML part."""
    return [Section(line) for line in mail.text.split("\n")] + list(html_blocks(mail.html, size))


def _pdf(file: File, settings: Settings) -> Sequence[Section]:
    from .pdf import read_pdf  # with it comes a library that only PDFs need

    return read_pdf(file, settings)


def _page(file: File, settings: Settings) -> Sequence[Section]:
    found = _CHARSET.search(file.data, 0, _HEAD)
    return list(html_blocks(decode(file.data, found[1].decode() if found else None), settings.size))


def _book(file: File, settings: Settings) -> Sequence[Section]:
    return [block for page in read_epub(file) for block in html_blocks(page, settings.size)]


def _lines(file: File, settings: Settings) -> Sequence[Section]:
    return [Section(line) for line in read_text(file).split("\n") if line]


_READERS: dict[str, Callable[[File, Settings], Sequence[Section]]] = {
    **dict.fromkeys(PLAIN | MARKDOWN, _lines),
    **dict.fromkeys(HTML, _page),
    **dict.fromkeys(JSON, lambda file, settings: read_json(file, settings.size)),
    **dict.fromkeys(MORE, lambda file, _: read_more(file)),
    **dict.fromkeys(SHEETS, lambda file, _: row_lines(read_sheets(file))),
    "docx": lambda file, _: read_docx(file, stem(file.name)),
    "eml": lambda file, settings: mail_sections(read_mail(file), settings.size),
    "epub": _book,
    "pdf": _pdf,
    "pptx": lambda file, _: [Section(slide) for slide in read_pptx(file)],
}


def _cut(text: str, size: int) -> Iterator[str]:
    """``text`` in parts of at most ``size`` search tokens, cut between words (between characters in Chinese)."""
    part, count = "", 0
    for atom in _ATOM.findall(text) if len(words(text)) > size else [text]:
        tokens = len(words(atom))
        if part and count + tokens > size:
            yield part
            part, count = "", 0
        part += atom
        count += tokens
    yield part
