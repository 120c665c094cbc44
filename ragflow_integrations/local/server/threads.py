"""Threads for what may block: who waits for a model holds up those only who wait for the same."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

__all__ = ["in_thread"]

_MOST = 64  # threads of one owner: a path, or all streams
_Result = TypeVar("_Result")
_limits: RunVar[dict[Hashable, CapacityLimiter]] = RunVar("limits")


async def in_thread(owner: Hashable, call: Callable[[], _Result]) -> _Result:
    """What ``call`` returns, made in a thread of its ``owner``; others' threads are not counted."""
    try:
        limits = _limits.get()  # of this event loop
    except LookupError:
        _limits.set(limits := {})
    limiter = limits.setdefault(owner, CapacityLimiter(_MOST))
    return await to_thread.run_sync(call, limiter=limiter)
