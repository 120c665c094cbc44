"""One thing for each running event loop, closed when its loop ends."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")

__all__ = ["PerLoop", "call_in"]

_Loop = asyncio.AbstractEventLoop
_Closer = AsyncGenerator[None, None]


class _Kept(NamedTuple, Generic[T]):
    value: T
    closer: _Closer


class PerLoop(Generic[T]):
    """What an owner has in each event loop: closed with the loop, or when the owner is dropped."""

    def __init__(self, owner: object) -> None:
        self._kept: dict[_Loop, _Kept[T]] = {}
        weakref.finalize(owner, _close_forgotten, self._kept).atexit = False

    def get(self) -> T | None:
        """The running loop's."""
        kept = self._kept.get(asyncio.get_running_loop())
        return None if kept is None else kept.value

    async def keep(self, value: T, close: Callable[[], Awaitable[None]]) -> T:
        """Make it the running loop's."""
        loop = asyncio.get_running_loop()
        _forget_ended(self._kept)
        closer = _closing(loop, self._kept, close)
        self._kept[loop] = _Kept(value, closer)
        # Kept until the loop ends it: collected at the loop's very end it would leave its connections open.
        _closers[loop, id(self._kept)] = closer
        await anext(closer)
        return value

    async def aclose(self) -> None:
        """Close the running loop's; those of other loops are closed with their loops."""
        kept = self._kept.get(asyncio.get_running_loop())
        if kept is not None:
            await kept.closer.aclose()


def call_in(loop: _Loop, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a closing in the loop that the connections belong to, from any thread, if that loop still runs."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(lambda: loop.create_task(close()))


_closers: dict[tuple[_Loop, int], _Closer] = {}


async def _closing(
    loop: _Loop, kept: dict[_Loop, _Kept[Any]], close: Callable[[], Awaitable[None]]
) -> _Closer:
    """Once started, ended by its event loop: ``asyncio.run`` closes every async generator before the loop."""
    try:
        yield
    finally:
        del _closers[loop, id(kept)]
        kept.pop(loop, None)
        await close()


def _close_forgotten(all_kept: dict[_Loop, _Kept[Any]]) -> None:
    """The owner was dropped without ``aclose()``: close all, each in its loop."""
    for loop, kept in list(all_kept.items()):
        call_in(loop, kept.closer.aclose)
    _forget_ended(all_kept)


def _forget_ended(all_kept: dict[_Loop, _Kept[Any]]) -> None:
    """Let go of those whose loop was closed without ending its generators, as plain ``loop.close()`` does."""
    for loop in list(all_kept):  # a copy, since other threads add theirs meanwhile
        if loop.is_closed() and all_kept.pop(loop, None) is not None:
            _closers.pop((loop, id(all_kept)), None)
