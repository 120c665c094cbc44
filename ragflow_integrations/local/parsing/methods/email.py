"""``email``: header lines and text in chunks, then the files that are attached."""

from __future__ import annotations

from dataclasses import replace

from ..base import Chunk, File, ParseError, Section
from ..formats import html_blocks, opened, read_sections
from ..mail import read_mail
from ..merging import finished, grouped, merged, pieces
from ..settings import Settings

__all__ = ["email"]

_TEXT_SIZE, _TEXT_DELIMITER = 128, "\n!?;。；！？"  # of the first cut, as in RAGFlow


def email(file: File, settings: Settings) -> list[Chunk]:
    """The message, then each attached file as ``naive`` cuts it; one that cannot be read is told of and left out."""
    if file.suffix != "eml":
        return finished(merged(read_sections(file, settings), settings), settings)
    mail = read_mail(file)
    sections = [*_text_sections(mail.text), *html_blocks(mail.html, settings.size)]
    chunks = finished(merged(sections, settings), settings)
    for name, data in mail.attachments:
        chunks += _attached(name, data, file, settings)
    return chunks


def _text_sections(text: str) -> list[Section]:
    found = pieces(text, _TEXT_DELIMITER)
    groups = grouped(found, _TEXT_SIZE, _TEXT_SIZE)
    return [Section("\n".join(found[start:end])) for start, end in groups]


def _attached(name: str, data: bytes, mail: File, settings: Settings) -> list[Chunk]:
    from . import cut  # which knows this method

    try:
        return cut(replace(opened(name, data), tell=mail.tell), "naive", settings)
    except ParseError as error:
        mail.tell(1.0, f"The attached file {name!r} is left out: {error}")
        return []
