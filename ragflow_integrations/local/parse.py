"""A file's text: which file types are read, and how their bytes become text."""

from __future__ import annotations

import codecs
from pathlib import PurePath

__all__ = ["HTML", "MARKDOWN", "SUFFIXES", "ParseError", "parse"]

MARKDOWN = frozenset({"markdown", "md", "mdx"})
HTML = frozenset({"htm", "html"})
PLAIN = frozenset("c cpp cs go h java js kt php py sh sql ts txt".split())
SUFFIXES = PLAIN | MARKDOWN | HTML

_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class ParseError(Exception):
    """A document cannot be parsed; the message is the reason its owner reads."""


def parse(name: str, data: bytes) -> tuple[str, str]:
    """The file's type (one of ``SUFFIXES``, from ``name``) and its text, with ``\\n`` at the end of lines.

    The text is read as its byte order mark says, else as UTF-8, else as GB18030 if all of it is valid so, else as
    Windows-1252. ``ParseError`` if the type is none of ``SUFFIXES``, the file is empty or holds no text.
    """
    suffix = PurePath(name).suffix[1:].lower()
    if suffix not in SUFFIXES:
        known = ", ".join(sorted(SUFFIXES))
        raise ParseError(f"The local engine cannot read {name!r}: it reads files ending in {known}.")
    if not data:
        raise ParseError(f"The file {name!r} is empty.")
    text = _decode(data)
    if "\0" in text:
        raise ParseError(f"The file {name!r} is not text: it holds zero bytes. Save it as UTF-8 text.")
    if not text.strip():
        raise ParseError(f"The file {name!r} holds no text.")
    return suffix, text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    for encoding in ("utf-8", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("windows-1252", errors="replace")
