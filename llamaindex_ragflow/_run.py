"""The run that a call belongs to: what the developer's code is told, to say whose call it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

__all__ = ["OfRun", "RunContext", "called_with", "this_run"]


class RunContext(NamedTuple):
    """What functions given as ``scope=`` or ``user=`` are told; the developer's code made it, no model did."""

    context: Any
    """The ``Context`` of the workflow or agent that runs; elsewhere ``None``."""


OfRun = Callable[[RunContext], T | Awaitable[T]]
"""A function of the run; a coroutine function, which can await ``run.context.store``, serves coroutines only."""

_context: ContextVar[Any] = ContextVar("llamaindex_ragflow_context", default=None)


@contextmanager
def called_with(context: Any) -> Iterator[None]:
    """Keep a workflow's context for ``this_run``."""
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)


def this_run() -> RunContext:
    """The run that the present call belongs to."""
    return RunContext(_context.get())
