"""Several flows at once: in threads with a ``RAGFlow``, as tasks with an ``AsyncRAGFlow``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from .. import AsyncRAGFlow, RAGFlow
from .flow import Flow, arun, ask, run

T = TypeVar("T")

__all__ = ["together"]

_THREADS = 8


def together(flows: Iterable[Flow[T]], at_once: int | None = None) -> Flow[list[T]]:
    """What the flows return, in their order; the first error is raised and those that wait do not begin.

    ``at_once`` are under way at a time: by default eight threads, or as many tasks as the client lets send.
    """
    begun = list(flows)
    return ask(lambda client: _driven(begun, client, at_once))


def _driven(flows: list[Flow[Any]], client: RAGFlow | AsyncRAGFlow, at_once: int | None) -> Any:
    if isinstance(client, AsyncRAGFlow):
        return _as_tasks(flows, client, at_once or len(flows))
    return _in_threads(flows, client, at_once or _THREADS)


def _in_threads(flows: list[Flow[Any]], client: RAGFlow, at_once: int) -> list[Any]:
    if len(flows) < 2:
        return [run(flow, client) for flow in flows]
    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(copy_context().run, run, flow, client) for flow in flows]
        try:
            return [future.result() for future in futures]
        finally:
            pool.shutdown(cancel_futures=True)


async def _as_tasks(flows: list[Flow[Any]], client: AsyncRAGFlow, at_once: int) -> list[Any]:
    turns = asyncio.Semaphore(at_once)

    async def in_turn(flow: Flow[Any]) -> Any:
        async with turns:
            return await arun(flow, client)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(in_turn(flow)) for flow in flows]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]
