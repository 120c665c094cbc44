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


def together(flows: Iterable[Flow[T]]) -> Flow[list[T]]:
    """What the flows return, in their order; the first error is raised and those that wait do not begin."""
    begun = list(flows)
    return ask(lambda client: _driven(begun, client))


def _driven(flows: list[Flow[Any]], client: RAGFlow | AsyncRAGFlow) -> Any:
    return _as_tasks(flows, client) if isinstance(client, AsyncRAGFlow) else _in_threads(flows, client)


def _in_threads(flows: list[Flow[Any]], client: RAGFlow) -> list[Any]:
    with ThreadPoolExecutor(_THREADS) as pool:
        futures = [pool.submit(copy_context().run, run, flow, client) for flow in flows]
        try:
            return [future.result() for future in futures]
        finally:
            pool.shutdown(cancel_futures=True)


async def _as_tasks(flows: list[Flow[Any]], client: AsyncRAGFlow) -> list[Any]:
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(arun(flow, client)) for flow in flows]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]
