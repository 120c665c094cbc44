"""Answers that come compressed, because ``headers=`` ask for it or a proxy does so unasked."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Self

__all__ = ["Unpacker"]

_PIECE = 1 << 20  # bytes that are unpacked at once
_HARMLESS = 64 << 20  # bytes that an answer may unpack to, however short it is
_RATIO = 200  # what text, JSON and documents stay far below
_EITHER = 47  # zlib's number for a header of gzip or of zlib


class Unpacker:
    """Unpacks gzip and deflate, a mebibyte at a time; raises ``zlib.error`` for what is neither, or is a bomb."""

    def __init__(self) -> None:
        self._inflating = zlib.decompressobj(_EITHER)
        self._packed = self._unpacked = 0

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self | None:
        """For an answer with these headers; ``None`` if it comes as it is."""
        encoding = headers.get("content-encoding", "").strip().lower()
        if encoding in ("", "identity"):
            return None
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise zlib.error(f"it is packed as {encoding!r}; ask for 'gzip' in headers=")
        return cls()

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """What these bytes unpack to."""
        self._packed += len(packed)
        while packed and not self._inflating.eof:
            piece = self._inflating.decompress(packed, _PIECE)
            packed = self._inflating.unconsumed_tail
            self._unpacked += len(piece)
            if self._unpacked > max(_HARMLESS, _RATIO * self._packed):
                raise zlib.error(f"its {self._packed} bytes unpack to more than {self._unpacked}")
            if piece:
                yield piece

    def end(self) -> None:
        """The answer has ended: so must what is packed in it."""
        if self._packed and not self._inflating.eof:
            raise zlib.error("what is packed in it is cut off")
