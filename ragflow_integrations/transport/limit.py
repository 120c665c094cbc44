"""One limit of requests at once per server, shared by every client, thread and event loop of a process.

A server that answers one request at a time is not helped by two hundred open connections: their answers
come later than their timeouts. So the requests wait here, in the order in which they came, and the time
that a request may take begins when its turn has come.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict, defaultdict, deque
from typing import TypeVar
from weakref import WeakValueDictionary

from ..errors import BusyError

W = TypeVar("W", bound="_Waiter")

__all__ = ["Limit", "limit_of"]


class Limit:
    """How many requests are under way to one server, and who waits to begin one.

    Each caller brings the ``size`` it was configured with and enters while fewer than that are under
    way; waiters enter in the order in which they came, except that one with a larger ``size`` may pass
    one that has to wait for more to end. ``timeout`` is in seconds (``None``: wait for ever).
    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._lock = threading.Lock()
        self._in_use = 0
        self._waiting: defaultdict[int, OrderedDict[_Waiter, None]] = defaultdict(OrderedDict)  # by size
        self._moved: dict[int, float] = {}  # by size, when one of these waiters had a turn
        self._admitted: set[_Waiter] = set()  # they have a slot and do not know it yet
        self._leaving: deque[_Waiter | None] = deque()  # slots given back, and waiters that gave up

    @property
    def in_use(self) -> int:
        """How many requests are under way, with those that were just let in."""
        return self._in_use

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return sum(len(queue) for queue in list(self._waiting.values()))

    def acquire(self, size: int, timeout: float | None) -> None:
        """Wait for a turn, blocking this thread; ``BusyError`` when the queue stands for ``timeout`` seconds."""
        if (waiter := self._enter(size, _ThreadWaiter)) is None:
            return
        try:
            while not self._take_up(waiter):
                waiter.wait(self._patience(waiter, timeout))
        except BaseException:
            self._leave(waiter)
            raise

    async def acquire_async(self, size: int, timeout: float | None) -> None:
        """Wait for a turn without blocking the loop; ``BusyError`` when the queue stands for ``timeout`` seconds.

        Cancelling leaves the queue; a slot that was given in that moment goes to the next.
        """
        if (waiter := self._enter(size, _LoopWaiter)) is None:
            return
        try:
            while not self._take_up(waiter):
                await waiter.wait(self._patience(waiter, timeout))
        except BaseException:
            self._leave(waiter)
            raise

    def release(self) -> None:
        """Give a slot back: from any thread or loop, and from a finalizer at whatever moment it runs."""
        self._leave(None)

    def _enter(self, size: int, kind: type[W]) -> W | None:
        """``None`` if the request may begin at once."""
        with self._lock:
            if self._in_use < size:
                self._in_use += 1
                waiter = None
            else:
                waiter = kind(size)
                self._waiting[size][waiter] = None
                self._admit()
        self._settle()
        return waiter

    def _take_up(self, waiter: _Waiter) -> bool:
        """Whether it has a slot, which is its caller's from now on."""
        with self._lock:
            self._admit()
            admitted = waiter in self._admitted
            self._admitted.discard(waiter)
        self._settle()
        return admitted

    def _patience(self, waiter: _Waiter, timeout: float | None) -> float | None:
        """How many seconds it waits on, counted from when its queue moved last."""
        if timeout is None:
            return None
        seconds = max(waiter.since, self._moved.get(waiter.size, 0.0)) + timeout - time.monotonic()
        if seconds <= 0:
            raise BusyError(
                f"no request to {self._base_url} could begin for {timeout} s, since {self._in_use} others are "
                "under way; make fewer calls at once, or allow more with max_concurrency= or timeout="
            )
        return seconds

    def _leave(self, waiter: _Waiter | None) -> None:
        self._leaving.append(waiter)
        self._settle()

    def _settle(self) -> None:
        """Finalizers come here while their own thread holds the lock: then its holder does this afterwards."""
        while self._leaving and self._lock.acquire(blocking=False):
            try:
                self._admit()
            finally:
                self._lock.release()

    def _admit(self) -> None:
        """With the lock: take out who left, and let one in for each slot that this gives back."""
        while self._leaving:
            self._remove(self._leaving.popleft())
        for waiter in [each for each in self._admitted if each.is_gone()]:
            self._remove(waiter)

    def _remove(self, waiter: _Waiter | None) -> None:
        if waiter is not None and waiter not in self._admitted:
            self._waiting[waiter.size].pop(waiter, None)
            return
        if waiter is not None:
            self._admitted.remove(waiter)
        self._in_use -= 1
        self._let_in(self._in_use + 1)

    def _let_in(self, size: int) -> None:
        """The next of this size: those of a larger one would not be waiting, a smaller one still has to."""
        queue = self._waiting.get(size)
        while queue:
            waiter, _ = queue.popitem(last=False)
            if waiter.wake():
                self._in_use += 1
                self._admitted.add(waiter)
                self._moved[size] = time.monotonic()
                return


class _Waiter(ABC):
    def __init__(self, size: int) -> None:
        self.size, self.since = size, time.monotonic()

    @abstractmethod
    def wake(self) -> bool:
        """Whether there is still somebody to wake."""

    @abstractmethod
    def is_gone(self) -> bool:
        """Whether it can not have noticed that it was woken."""


class _ThreadWaiter(_Waiter):
    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._gate = threading.Lock()  # not an Event: that one's own lock would stop a finalizer
        self._gate.acquire()

    def wait(self, timeout: float | None) -> None:
        self._gate.acquire(timeout=-1 if timeout is None else min(timeout, threading.TIMEOUT_MAX))

    def wake(self) -> bool:
        self._gate.release()
        return True

    def is_gone(self) -> bool:
        return False


class _LoopWaiter(_Waiter):
    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._loop = asyncio.get_running_loop()
        self._turn: asyncio.Future[None] = self._loop.create_future()

    async def wait(self, timeout: float | None) -> None:
        await asyncio.wait([self._turn], timeout=timeout)

    def wake(self) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._come)
        except RuntimeError:  # the loop was closed
            return False
        return True

    def is_gone(self) -> bool:
        return self._loop.is_closed()

    def _come(self) -> None:
        if not self._turn.done():
            self._turn.set_result(None)


_limits: WeakValueDictionary[str, Limit] = WeakValueDictionary()
_limits_lock = threading.Lock()


def limit_of(base_url: str) -> Limit:
    """The limit of a server in this process: the same object while anybody holds it.

    A forked child has its own: ask again in each process.
    """
    with _limits_lock:
        limit = _limits.get(base_url)
        if limit is None:
            limit = _limits[base_url] = Limit(base_url)
        return limit


def _start_afresh() -> None:
    """In a forked child: the parent's threads, and the requests that they had under way, are not there."""
    global _limits, _limits_lock
    _limits, _limits_lock = WeakValueDictionary(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
