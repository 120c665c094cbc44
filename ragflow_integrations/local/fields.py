"""Small things all tables share: ids, times, names, JSON."""

from __future__ import annotations

import copy
import json
import re
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import Any

__all__ = [
    "NotPlain",
    "chunk_id",
    "dated",
    "dumped",
    "free_name",
    "given_json",
    "iso",
    "loaded",
    "merged",
    "new_id",
    "now_ms",
    "seconds",
]

_LEVELS = 200  # of lists and objects in each other: whoever walks through them takes a few frames for each
_NODE = secrets.randbits(48) | 1 << 40  # the multicast bit says that this is no machine's address


def new_id() -> str:
    """A new id in RAGFlow's form: 32 hex digits of a UUID of version 1."""
    return uuid.uuid1(node=_NODE).hex


def chunk_id(content: str, document_id: str) -> str:
    """A chunk's id: 16 hex digits; the same text in the same document has the same id."""
    return blake2b((content + document_id).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def iso(milliseconds: int) -> str:
    """A time as RAGFlow writes it: local time, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(milliseconds // 1000))


def seconds(milliseconds: int) -> str:
    """A time as RAGFlow's memories have it: local time, to the second, with a blank between date and time."""
    return iso(milliseconds).replace("T", " ")


def dated(row: dict[str, Any]) -> dict[str, Any]:
    """``row`` with the two dates that go with its two times."""
    return {**row, "create_date": iso(row["create_time"]), "update_date": iso(row["update_time"])}


def dumped(value: Any) -> str:
    """JSON text of a value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class NotPlain(ValueError):
    """What Python reads as JSON and nobody else does: NaN, an infinity, half of a surrogate pair."""


def given_json(text: str) -> Any:
    """The value of JSON from outside, which can be kept and answered again.

    ``ValueError`` if it is no JSON or nested in over 200 levels, ``NotPlain`` if JSON has no such value.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _is_deep(value):
        raise ValueError("it is nested too deeply")
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise NotPlain(str(error)) from None
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_LEVELS):
        level = [
            each
            for outer in level
            if isinstance(outer, dict | list)
            for each in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def loaded(row: dict[str, Any]) -> dict[str, Any]:
    """``row`` with its ``*_json`` columns decoded under their plain names."""
    return {
        key.removesuffix("_json"): json.loads(value) if key.endswith("_json") else value
        for key, value in row.items()
    }


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes`` laid over it, objects inside objects merged as well."""
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result


def free_name(name: str, taken: Callable[[str], bool]) -> str:
    """``name``, or ``stem(1).suffix`` with the first number that is not taken.

    As RAGFlow does it, ``folder/stem.suffix`` loses its folder with that.
    """
    path = PurePosixPath(name)
    counted = re.fullmatch(r"(.*?)\((\d+)\)", path.stem, re.DOTALL)
    base, number = (counted[1].rstrip(), int(counted[2])) if counted else (path.stem, 0)
    while taken(name):
        number += 1
        name = f"{base}({number}){path.suffix}"
    return name
