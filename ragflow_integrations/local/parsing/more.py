"""Formats that the extra ``[parse]`` adds: kreuzberg reads them, without OCR, cache or network."""

from __future__ import annotations

from .base import File, ParseError, Section
from .sheets import Sheet

__all__ = ["MORE", "is_installed", "read_more", "read_more_sheets"]

MORE = {
    "doc": "application/msword",
    "msg": "application/vnd.ms-outlook",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "ppt": "application/vnd.ms-powerpoint",
    "rtf": "application/rtf",
    "xls": "application/vnd.ms-excel",
}


def is_installed() -> bool:
    """Whether the extra is there."""
    from importlib.util import find_spec

    return find_spec("kreuzberg") is not None


def read_more(file: File) -> list[Section]:
    """The lines of a file in one of the formats ``MORE``; ``ParseError`` if it is damaged or the extra is missing."""
    content, _ = _extracted(file)
    return [Section(line) for line in content.split("\n") if line.strip()]


def read_more_sheets(file: File) -> list[Sheet]:
    """The sheets of an old Excel or an OpenDocument file, in their order, without names."""
    _, tables = _extracted(file)
    if not tables:
        raise ParseError(f"The file {file.name!r} holds no cells with a value.")
    return [Sheet(f"Sheet{number}", rows) for number, rows in enumerate(tables, start=1)]


def _extracted(file: File) -> tuple[str, list[list[list[str]]]]:
    if not is_installed():
        raise ParseError(
            f"To read .{file.suffix} files takes the extra parse: pip install 'ragflow-integrations[parse]'."
        )
    from kreuzberg import ExtractionConfig, KreuzbergError, extract_bytes_sync

    config = ExtractionConfig(use_cache=False)
    try:
        result = extract_bytes_sync(file.data, MORE[file.suffix], config)
    except KreuzbergError as error:
        raise ParseError(f"The file {file.name!r} is damaged or no {file.suffix} file: {error}.") from None
    return result.content, [table.cells for table in result.tables]
