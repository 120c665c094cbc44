"""Text files: how their bytes become text."""

from __future__ import annotations

import codecs
import re

from .base import File, ParseError

__all__ = ["decode", "read_text"]

_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HIGH = re.compile(rb"[\x80-\xff]+")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_SAMPLE = 1 << 20  # bytes from which the encoding is guessed


def read_text(file: File) -> str:
    """The text of a file, with ``\\n`` at the end of lines; ``ParseError`` if it is none, or blank."""
    text = decode(file.data)
    if "\0" in text:
        raise ParseError(f"The file {file.name!r} is not text: it holds zero bytes. Save it as UTF-8 text.")
    if not text.strip():
        raise ParseError(f"The file {file.name!r} holds no text.")
    return text


def decode(data: bytes, declared: str | None = None) -> str:
    """Text as its byte order mark or its ``declared`` encoding says; else as UTF-8, GB18030 or Windows-1252.

    UTF-8 with a few damaged bytes stays UTF-8: each becomes U+FFFD. Line ends become ``\\n``.
    """
    text = _decoded(data, declared)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(data: bytes, declared: str | None) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    for name in ("utf-8", declared, "gb18030" if _comes_in_pairs(data) else None):
        if name is None:
            continue
        try:
            return data.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("utf-8" if _is_damaged_utf8(data) else "windows-1252", errors="replace")


def _comes_in_pairs(data: bytes) -> bool:
    """Whether the bytes beyond ASCII mostly stand together, as in Chinese, rather than single, as accents do."""
    runs = _HIGH.findall(data, 0, _SAMPLE)
    return 2 * sum(len(run) > 1 for run in runs) > len(runs)


def _is_damaged_utf8(data: bytes) -> bool:
    sample = data[:_SAMPLE].decode("utf-8", errors="replace")
    beyond = len(_NOT_ASCII.findall(sample))
    return beyond > 3 * sample.count("\ufffd")
