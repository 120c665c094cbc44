"""What a file is by its first bytes, whatever its name says."""

from __future__ import annotations

__all__ = ["kind_of"]

_KINDS = (
    (b"%PDF-", "PDF"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old or encrypted Office file"),
    (b"{\\rtf", "RTF"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"<!DOCTYPE html", "HTML"),
    (b"<html", "HTML"),
)


def kind_of(data: bytes) -> str | None:
    """``"PDF"``, ``"zip"`` or another kind in words; None if the first bytes are of none we know."""
    for start, kind in _KINDS:
        if data.startswith(start):
            return kind
    return None
