"""JSON from the wire: what is long by orjson, where that is installed."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import from_json

try:
    from orjson import loads as _first_try
except ImportError:
    from json import loads as _first_try  # type: ignore[assignment]

__all__ = ["decode"]

_SHORT = 4096  # bytes; orjson's preparations cost more than reading these


def decode(data: bytes) -> Any:
    """The value in ``data``; ``ValueError`` for what is not JSON or nested too deeply.

    ``NaN``, infinite numbers and halves of surrogate pairs, which RAGFlow may write, are read too.
    """
    try:
        return from_json(data) if len(data) < _SHORT else _first_try(data)
    except (ValueError, RecursionError):
        return _tolerant(data)


def _tolerant(data: bytes) -> Any:
    """They refuse more than Python's own reader does."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
