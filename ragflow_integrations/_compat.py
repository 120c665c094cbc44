"""Pairs of names that differ only by spelling, so that the generated sync twins stay readable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

__all__ = ["afinish", "asleep", "awork", "finish", "sleep", "work"]

asleep = asyncio.sleep
sleep = time.sleep


async def awork(run: Callable[[], T]) -> T:
    """What ``run`` returns, run in a thread: the loop goes on meanwhile."""
    return await asyncio.to_thread(run)


def work(run: Callable[[], T]) -> T:
    """What ``run`` returns."""
    return run()


async def afinish(cleaning: Coroutine[Any, Any, T]) -> T:
    """What ``cleaning`` returns; once begun it goes on to its end, however often who waits for it is cancelled."""
    import anyio

    task = asyncio.create_task(cleaning)
    _under_way.add(task)
    task.add_done_callback(_forget)
    with anyio.CancelScope(shield=True):  # in a cancelled scope of anyio's, as in FastAPI, every await fails
        await asyncio.shield(task)
    return task.result()


def finish(cleaned: T) -> T:
    """What it has returned."""
    return cleaned


_under_way: set[asyncio.Task[Any]] = set()  # the event loop alone would let them be collected


def _forget(task: asyncio.Task[Any]) -> None:
    _under_way.discard(task)
    if not task.cancelled():
        task.exception()  # who waited for it may be gone: asyncio logs what nobody has looked at
