"""Prints how many function calls a retrieval takes, ``sync`` or ``async``, from the server at an address.

In a process of its own, where nothing is switched on that another test has left behind.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import sys

from ragflow_integrations import AsyncRAGFlow, RAGFlow

ROUNDS = 8  # an answer may arrive in more pieces: the least counts, and the first opens the connection


def calls(profile: cProfile.Profile) -> int:
    """All that was called."""
    total: int = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]
    return total


def counted(url: str) -> list[int]:
    """Of each of some retrievals."""
    found = []
    with RAGFlow("key", url) as client:
        for _ in range(ROUNDS):
            with cProfile.Profile() as profile:
                assert len(client.retrieve("q", ["d"])) == 30
            found.append(calls(profile))
    return found


async def acounted(url: str) -> list[int]:
    """The same awaited, with the event loop's own calls."""
    found = []
    async with AsyncRAGFlow("key", url) as client:
        for _ in range(ROUNDS):
            with cProfile.Profile() as profile:
                assert len(await client.retrieve("q", ["d"])) == 30
            found.append(calls(profile))
    return found


if __name__ == "__main__":
    which, address = sys.argv[1:]
    print(min((counted(address) if which == "sync" else asyncio.run(acounted(address)))[1:]))
