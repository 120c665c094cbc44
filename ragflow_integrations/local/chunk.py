"""RAGFlow v0.27's naive chunker: text is cut at the delimiters, and the pieces are put together into chunks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .parse import HTML, MARKDOWN, ParseError, parse
from .parse_html import read_html
from .parse_markdown import is_heading, read_markdown
from .tokens import count_tokens
from .words import CJK, words

__all__ = ["chunk_document"]

_QUOTED = re.compile(r"`([^`]+)`")
_ESCAPES = {r"\n": "\n", r"\r": "\n", r"\t": "\t"}
_SHORT_HEADING = 50  # tokens; a shorter heading does not end a chunk
_ATOM = re.compile(rf"[{CJK}]|[^\s{CJK}]+|\s+")


def chunk_document(
    name: str, data: bytes, *, chunk_method: str, parser_config: Mapping[str, Any]
) -> list[str]:
    """The chunks of a file in order, as RAGFlow v0.27 makes them with ``chunk_method`` ``"naive"``.

    Read from ``parser_config``: ``chunk_token_num`` (cl100k_base tokens, default 128), ``delimiter`` (default
    newline: each character is one, text in back quotes is one as a whole; ``\\n`` and ``\\t`` may be written as
    escapes) and ``overlapped_percent`` (0 to 90, or 0 to 1; default 0). A chunk is closed by the piece that takes
    it over ``chunk_token_num``; a piece longer than that is a chunk of its own. As in RAGFlow, chunks of plain text
    and HTML begin with a newline.

    ``ParseError`` says why there are no chunks: file type, chunk method, settings, or a file without text.
    """
    if chunk_method != "naive":
        raise ParseError(f"The local engine has no chunk_method {chunk_method!r}: use 'naive'.")
    if (parser_config.get("parent_child") or {}).get("use_parent_child"):
        raise ParseError("The local engine has no parent_child chunks: set use_parent_child to false.")
    suffix, text = parse(name, data)
    size = int(_number(parser_config, "chunk_token_num", 128))
    delimiter = parser_config.get("delimiter") or "\n"
    overlap = _percent(_number(parser_config, "overlapped_percent", 0))
    if suffix in MARKDOWN:
        chunks = _join_sections(read_markdown(text, _pattern(delimiter)), size, overlap)
    else:
        blocks = _html_blocks(text, size) if suffix in HTML else _text_blocks(text, size, delimiter)
        chunks = _merge(blocks, size, delimiter, overlap)
    chunks = [chunk for chunk in chunks if chunk.strip()]
    if not chunks:
        raise ParseError(f"The file {name!r} holds no text.")
    return chunks


def _text_blocks(text: str, size: int, delimiter: str) -> list[str]:
    """RAGFlow cuts plain text twice; the first time, pieces are joined by newlines whatever cut them."""
    return ["\n".join(group) for group in _group(_pieces(text, delimiter), size, size)]


def _html_blocks(page: str, size: int) -> list[str]:
    """Blocks of a page joined up to ``size`` search tokens, long ones cut; then the tables."""
    texts, tables = read_html(page)
    blocks: list[str] = []
    count = 0
    for text in texts:
        for part in _cut(text, size):
            tokens = len(words(part))
            if blocks and count + tokens <= size:
                blocks[-1] += "\n" + part
                count += tokens
            else:
                blocks.append(part)
                count = tokens
    return blocks + tables


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


def _merge(blocks: Sequence[str], size: int, delimiter: str, overlap: int) -> list[str]:
    pieces = ["\n" + piece for block in blocks for piece in _pieces(block, delimiter)]
    if _QUOTED.search(delimiter):
        return pieces
    chunks = ["".join(group) for group in _group(pieces, size, size * (100 - overlap) / 100)]
    return _overlapped(chunks, overlap) if overlap else chunks


def _group(pieces: Sequence[str], size: int, full: float) -> list[list[str]]:
    """Pieces in groups: one of more than ``size`` tokens alone, others until a group has more than ``full``."""
    groups: list[list[str]] = []
    count: float = 0
    closed = True
    for piece in pieces:
        tokens = count_tokens(piece)
        if closed or tokens > size or count > full:
            groups.append([])
            count = 0
        groups[-1].append(piece)
        count += tokens
        closed = tokens > size
    return groups


def _overlapped(chunks: Sequence[str], percent: int) -> list[str]:
    """Each chunk with the end of the one before it, overlap included, in front."""
    result: list[str] = []
    for chunk in chunks:
        before = result[-1] if result else ""
        result.append(before[int(len(before) * (100 - percent) / 100) :] + chunk)
    return result


def _join_sections(sections: Sequence[str], size: int, overlap: int) -> list[str]:
    """Markdown sections joined while they fit into ``size`` tokens; a short heading never ends a chunk."""
    chunks: list[str] = []
    current, count = "", 0
    for section in sections:
        tokens = count_tokens(section)
        if current and count + tokens > size and not _is_short_heading(current):
            chunks.append(current)
            current = current[len(current) - len(current) * overlap // 100 :]
            count = count_tokens(current)
        current = f"{current}\n{section}" if current else section
        count += tokens
    return [*chunks, current]


def _is_short_heading(text: str) -> bool:
    return is_heading(text) and count_tokens(text) < _SHORT_HEADING


def _pieces(text: str, delimiter: str) -> list[str]:
    return [piece for piece in _pattern(delimiter).split(text) if piece]


def _pattern(delimiter: str) -> re.Pattern[str]:
    """Matches any of the delimiters a ``delimiter`` field names, the longest first.

    v0.24 reads escapes, v0.27 takes them letter by letter and so would cut at every "n": we read them.
    """
    for escape, character in _ESCAPES.items():
        delimiter = delimiter.replace(escape, character)
    delimiter = delimiter.replace("\r\n", "\n").replace("\r", "\n")
    found = {*_QUOTED.findall(delimiter), *_QUOTED.sub("", delimiter)}
    return re.compile("|".join(re.escape(text) for text in sorted(found, key=len, reverse=True)))


def _percent(number: float) -> int:
    return max(0, min(90, int(number * 100 if 0 < number < 1 else number)))


def _number(parser_config: Mapping[str, Any], field: str, default: float) -> float:
    value = parser_config.get(field)
    try:
        return float(default if value is None else value)
    except (TypeError, ValueError):
        raise ParseError(f"parser_config.{field} is {value!r}: it has to be a number.") from None
