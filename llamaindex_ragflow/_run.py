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
    """Keep a workflow's context for ``this_run``, where it was handed over: it goes before the step's own."""
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)


def this_run() -> RunContext:
    """The run that the present call belongs to."""
    context = _context.get()
    return RunContext(_of_step() if context is None else context)


def _of_step() -> Any:
    """The context of the workflow's step that is executed, which agents' tool calls are, too."""
    from workflows import Context
    from workflows.errors import WorkflowRuntimeError

    try:
        return Context.get_step_context()
    except WorkflowRuntimeError:  # not in a step
        return None
