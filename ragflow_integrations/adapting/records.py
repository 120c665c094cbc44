"""What a vector store keeps as documents of RAGFlow: names made of ids, metadata that comes back exactly."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import uuid4

from .. import InvalidRequestError

__all__ = ["Record", "check_json", "checked_metadata", "checked_text", "kept", "mark", "marks_of", "record"]

_MARK = re.compile(r"[0-9a-f]{32}")


class Record(NamedTuple):
    """A text with its id as RAGFlow is given it."""

    id: str
    name: str
    content: str
    meta_fields: dict[str, Any]


def record(
    id: str, content: str, metadata: Mapping[str, Any], *, marks: list[str], key: str, keep: Mapping[str, Any]
) -> Record:
    """A new version of what has this id: each version has a name of its own, which begins with the ``marks``.

    ``keep`` is kept exactly, as JSON under the ``key`` of ``meta_fields``, which take texts and numbers only; those of
    ``metadata`` that RAGFlow can search by stand beside it.
    """
    name = "-".join([*marks, uuid4().hex[:8]])
    told = {**_searchable(metadata), key: json.dumps(keep, ensure_ascii=False)}
    return Record(id, f"{name}.txt", content, told)


def mark(id: str) -> str:
    """What names have for an id. Names are found at once, while metadata is indexed first."""
    return hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def marks_of(name: str) -> list[str]:
    """The marks that a name has."""
    return _MARK.findall(name)


def kept(meta_fields: Mapping[str, Any] | None, key: str) -> dict[str, Any] | None:
    """What was kept under a key; ``None`` if nothing was."""
    text = (meta_fields or {}).get(key)
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except ValueError:  # a user's own field of this name
        return None
    return found if isinstance(found, dict) else None


def checked_text(where: str, text: str) -> str:
    """The text; ``InvalidRequestError`` for one that RAGFlow cannot keep."""
    if not text.strip():
        raise InvalidRequestError(f"{where} is blank: RAGFlow keeps no chunk without text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"{where} is no text that can be stored: {error}") from None
    return text


def checked_metadata(where: str, metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """The metadata; ``InvalidRequestError`` if it would not come back as it is."""
    for name, value in metadata.items():
        check_json(f"{where}: metadata[{name!r}]", value)
    return metadata


def check_json(what: str, value: Any) -> None:
    """``InvalidRequestError`` for a value that would not come back from JSON as it is."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        same = json.loads(text.encode()) == value
    except (TypeError, ValueError, RecursionError):
        same = False
    if not same:
        raise InvalidRequestError(
            f"{what}={value!r} is no JSON and would not come back as it is: give texts, numbers, booleans, None, "
            "and lists and dicts of these"
        )


def _searchable(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What RAGFlow can search by, all as texts: its index refuses a field that is now a number, now a text."""
    found = {}
    for name, value in metadata.items():
        texts = [str(each) for each in (value if isinstance(value, list) else [value]) if _is_plain(each)]
        if name.strip() and texts:
            found[name] = texts if isinstance(value, list) else texts[0]
    return found


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and bool(str(value).strip())
