"""What takes several calls, written once for both kinds of client: a generator that yields the calls."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeVar

from .. import AsyncRAGFlow, RAGFlow

T = TypeVar("T")

__all__ = ["Flow", "arun", "ask", "run", "work"]


class _Step(NamedTuple):
    """A call of the client, or work on this machine that may take a moment."""

    call: Callable[[Any], Any] | None = None
    work: Callable[[], Any] | None = None


Flow = Generator[_Step, Any, T]


def ask(call: Callable[[RAGFlow], T]) -> Flow[T]:
    """One call; with an ``AsyncRAGFlow`` it is awaited."""
    answer: T = yield _Step(call=call)
    return answer


def work(function: Callable[[], T]) -> Flow[T]:
    """Something that blocks, e.g. reading a file; beside an event loop it runs in a thread."""
    answer: T = yield _Step(work=function)
    return answer


def run(flow: Flow[T], client: RAGFlow) -> T:
    """Drive a flow; what goes wrong with a step is raised inside it."""
    try:
        step = next(flow)
        while True:
            try:
                answer = step.work() if step.work else _called(step, client)
            except Exception as error:  # noqa: BLE001 - the flow raises it again
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


async def arun(flow: Flow[T], client: AsyncRAGFlow) -> T:
    """Drive a flow in a coroutine; what goes wrong with a step is raised inside it."""
    try:
        step = next(flow)
        while True:
            try:
                answer = await (asyncio.to_thread(step.work) if step.work else _awaited(step, client))
            except Exception as error:  # noqa: BLE001 - the flow raises it again
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


async def _awaited(step: _Step, client: AsyncRAGFlow) -> Any:
    answer = _called(step, client)
    return await answer if inspect.isawaitable(answer) else answer


def _called(step: _Step, client: RAGFlow | AsyncRAGFlow) -> Any:
    assert step.call is not None, "a step is a call or work"
    return step.call(client)
