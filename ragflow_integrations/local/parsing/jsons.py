"""JSON, cut into pieces that keep their path, each a JSON object of its own."""

from __future__ import annotations

import json
from typing import Any

from .base import File, ParseError, Section
from .text import read_text

__all__ = ["read_json"]

_SHARE_OF_LINES = 0.8  # of the first ones that have to be JSON in a file of JSON lines
_SAMPLE = 10
_ROOM = 200  # how much less than its size a piece may have before the next one begins
_LEAST = 50


def read_json(file: File, size: int) -> list[Section]:
    """A JSON file, or one of JSON lines, in pieces of about ``size`` to twice ``size`` characters.

    As in RAGFlow, a list becomes an object with its places as keys, and an item that does not fit into a piece is cut
    further. ``ParseError`` if it is neither JSON nor mostly JSON lines.
    """
    text = read_text(file)
    try:
        pieces = _pieces(json.loads(text), size)
    except json.JSONDecodeError as error:
        pieces = _lines(file, text, size, error)
    except RecursionError:
        raise ParseError(f"The file {file.name!r} is nested too deeply to be read.") from None
    return [Section(json.dumps(piece, ensure_ascii=False)) for piece in pieces if not _is_empty(piece)]


def _lines(file: File, text: str, size: int, error: json.JSONDecodeError) -> list[Any]:
    lines = [line for line in text.splitlines() if line.strip()]
    found = [(number, _loaded(line)) for number, line in enumerate(lines)]
    good = sum(value is not _NONE for _, value in found[:_SAMPLE])
    if len(lines) < 2 or good < _SHARE_OF_LINES * min(len(lines), _SAMPLE):
        raise ParseError(f"The file {file.name!r} is not JSON: {error}.") from None
    bad = [str(number + 1) for number, value in found if value is _NONE]
    if bad:
        file.tell(1.0, f"Lines that are not JSON are left out: {', '.join(bad[:5])}{' …' * (len(bad) > 5)}")
    return [piece for _, value in found if value is not _NONE for piece in _pieces(value, size)]


_NONE = object()


def _loaded(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return _NONE


def _pieces(value: Any, size: int) -> list[Any]:
    if not isinstance(value, dict | list):
        return [value]
    pieces: list[Any] = [{}]
    _put(pieces, _without_lists(value), [], size)
    return pieces


def _put(pieces: list[Any], value: Any, path: list[str], size: int) -> None:
    """Puts ``value`` at ``path`` into the last piece, or into new ones."""
    if not isinstance(value, dict):
        _set(pieces[-1], path, value)
        return
    for key, item in value.items():
        held, wanted = _length(pieces[-1]), _length({key: item})
        if wanted < 2 * size - held:
            _set(pieces[-1], [*path, key], item)
            continue
        if held >= max(size - _ROOM, _LEAST):
            pieces.append({})
        _put(pieces, item, [*path, key], size)


def _set(piece: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        piece = piece.setdefault(key, {})
    piece[path[-1]] = value


def _without_lists(value: Any) -> Any:
    """``value`` with each list as an object whose keys are the places."""
    if isinstance(value, list):
        value = {str(place): item for place, item in enumerate(value)}
    return {key: _without_lists(item) for key, item in value.items()} if isinstance(value, dict) else value


def _length(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))


def _is_empty(piece: Any) -> bool:
    return piece is None or (isinstance(piece, dict | str) and not piece)
