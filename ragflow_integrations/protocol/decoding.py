"""JSON from the wire, by whichever reader is the quickest for it."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import from_json

__all__ = ["decode", "is_plain"]

_SAMPLE = 4096  # bytes that are looked at to choose a reader


def is_plain(data: bytes) -> bool:
    """Whether pydantic's reader is quick with it: of other scripts than Latin each character takes it long."""
    sample = data[:_SAMPLE]
    return sample.isascii() and 64 * sample.count(b"\\u") < len(sample)


try:
    from orjson import loads as _quick
except ImportError:

    def _quick(data: bytes) -> Any:  # type: ignore[misc]
        return from_json(data) if is_plain(data) else json.loads(data)


def decode(data: bytes) -> Any:
    """The value in ``data``; ``ValueError`` for what is not JSON or nested too deeply.

    ``NaN``, infinite numbers and halves of surrogate pairs, which RAGFlow may write, are read too.
    """
    try:
        return _quick(data)
    except (ValueError, RecursionError):
        return _tolerant(data)


def _tolerant(data: bytes) -> Any:
    """They refuse more than Python's own reader does."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
