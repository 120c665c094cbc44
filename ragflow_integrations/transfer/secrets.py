"""Leaving out what is secret in settings: keys and passwords of search engines, databases, mail accounts …"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["without_secrets"]

_SECRET = re.compile(
    r"(^|_|-)(api_?key|access_?key|secret_?key|private_?key|secret|passw(or)?d|passphrase|pwd|token|credentials?"
    r"|authorization|cookie|headers?)$|(apikey|accesskey|secretkey|password|secret|token)$",
    re.IGNORECASE,
)


def without_secrets(settings: Any, place: str) -> tuple[Any, list[str]]:
    """Settings whose secrets are empty, and where these were, e.g. ``prompt_config.tavily_api_key``.

    A key's name tells; ``headers`` are left out whole, for they carry tokens.
    """
    places: list[str] = []
    return _cleaned(settings, place, places), places


def _cleaned(value: Any, place: str, places: list[str]) -> Any:
    if isinstance(value, dict):
        return {key: _kept(key, each, f"{place}.{key}", places) for key, each in value.items()}
    if isinstance(value, list):
        return [_cleaned(each, f"{place}[{number}]", places) for number, each in enumerate(value)]
    return value


def _kept(key: str, value: Any, place: str, places: list[str]) -> Any:
    if not value or not isinstance(value, (str, dict, list)) or not _SECRET.search(key):
        return _cleaned(value, place, places)
    places.append(place)
    return type(value)()
