"""What the async clients share: their loop, and many retrievals at once."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

from . import Read

__all__ = ["AtOnce"]

CALLS = 128


class AtOnce(ABC):
    """A number of tasks that share 128 calls, on one client in one loop."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def retrieve_at_once(self, tasks: str) -> Read:
        return self._runner.run(self._all(int(tasks)))

    @abstractmethod
    async def _retrieve(self) -> Read: ...

    async def _all(self, tasks: int) -> Read:
        return _sum(await asyncio.gather(*(self._some(CALLS // tasks) for _ in range(tasks))))

    async def _some(self, calls: int) -> Read:
        return _sum([await self._retrieve() for _ in range(calls)])


def _sum(reads: list[Read]) -> Read:
    return [sum(numbers) for numbers in zip(*reads, strict=True)]
