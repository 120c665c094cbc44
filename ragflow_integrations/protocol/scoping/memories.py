"""Memories within a scope: those that it names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...errors import UnsupportedError
from ...models import MemoryMessage
from ..wire import Call, Flow, ask
from .guard import Guarded, check, known, queried

__all__ = ["add", "find"]


def find(guard: Guarded, call: Call[list[MemoryMessage]]) -> Flow[list[MemoryMessage]]:
    """Messages of memories that are all within the scope."""
    _check(guard, call.request.operation, queried(call.request).get("memory_id", "").split(","))
    found = yield from ask(call)
    for message in found:
        check(message.memory_id in guard.scope.memory_ids)
    return found


def add(guard: Guarded, call: Call[Any]) -> Flow[Any]:
    """A message for memories that are all within the scope."""
    _check(guard, call.request.operation, call.request.body.get("memory_id", []))
    return (yield from ask(call))


def _check(guard: Guarded, operation: str, memory_ids: Iterable[str]) -> None:
    if not guard.scope.memory_ids:
        raise UnsupportedError(
            f"{operation} cannot be kept within a scope that names no memories; name those that may be used: "
            "Scope(…, memory_ids=[…])"
        )
    for memory_id in memory_ids:
        known("memory", memory_id, memory_id in guard.scope.memory_ids)
