"""Keeps a client's secrets out of its errors: a server, or a proxy before it, may repeat what it was sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .config import Settings
from .errors import RAGFlowError

__all__ = ["keep_secrets_out"]

_SHORTEST = 16  # characters: shorter ones are no keys, but words that a message may need
_MASK = "**********"  # as pydantic shows a secret


def keep_secrets_out(error: BaseException, settings: Settings) -> None:
    """Mask the key, and the values of ``headers=``, in all texts of ``error`` and of our errors that led to it."""
    key = settings.api_key.get_secret_value() if settings.api_key is not None else ""
    secrets = [each for each in (key, *settings.headers.values()) if len(each) >= _SHORTEST]
    for each in _chain(error):
        if isinstance(each, RAGFlowError):
            each.args = _masked(each.args, secrets)
            vars(each).update(_masked(vars(each), secrets))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """What led to it may be its caller's, where ``raise … from …`` can have made a circle."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _masked(value: Any, secrets: Sequence[str]) -> Any:
    match value:
        case str():
            for secret in secrets:
                value = value.replace(secret, _MASK)
            return value
        case dict():
            return {_masked(key, secrets): _masked(each, secrets) for key, each in value.items()}
        case list():
            return [_masked(each, secrets) for each in value]
        case tuple():
            return tuple(_masked(each, secrets) for each in value)
        case _:
            return value
