"""E-mails (eml): their header lines, their text, and what is attached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .base import File
from .text import decode

if TYPE_CHECKING:
    from email.message import MIMEPart

__all__ = ["Mail", "read_mail"]


@dataclass(frozen=True)
class Mail:
    """A message's header lines and plain texts, its HTML, and the attached files by name."""

    text: str
    html: str
    attachments: list[tuple[str, bytes]]


def read_mail(file: File) -> Mail:
    """The parts of an e-mail; nothing that it refers to is fetched."""
    from email import policy  # here, since every process that parses would wait for it
    from email.parser import BytesParser

    message = BytesParser(policy=policy.default).parsebytes(file.data)
    headers = [f"{name}: {value}" for name, value in message.items()]
    texts: dict[str, list[str]] = {"text/plain": headers, "text/html": []}
    for part in _own_parts(message):
        if part.get_content_type() in texts:
            texts[part.get_content_type()].append(_text(part))
    attachments = [(part.get_filename() or "", _bytes(part)) for part in _attached(message)]
    return Mail("\n".join(texts["text/plain"]), "\n".join(texts["text/html"]), attachments)


def _own_parts(part: MIMEPart) -> Iterator[MIMEPart]:
    """The parts that are shown, of parts in parts too."""
    if part.is_multipart():
        for each in part.iter_parts():
            yield from _own_parts(each)
    elif part.get_content_disposition() != "attachment":
        yield part


def _attached(message: MIMEPart) -> Iterator[MIMEPart]:
    for part in message.iter_attachments():
        if part.get_content_disposition() == "attachment" and not part.is_multipart():
            yield part


def _text(part: MIMEPart) -> str:
    return decode(_bytes(part), part.get_content_charset())


def _bytes(part: MIMEPart) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""
