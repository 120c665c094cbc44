"""The run that a call belongs to: what the developer's code is told, to say whose call it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config, var_child_runnable_config

__all__ = ["RunContext", "called_with", "this_run"]


class RunContext(NamedTuple):
    """What functions given as ``scope=`` or ``user=`` are told; the developer's code made it, no model did."""

    context: Any
    """What a graph or an agent was given as ``context=`` (``runtime.context``); elsewhere ``None``."""

    config: RunnableConfig
    """The call's config; ``config["configurable"]`` and ``config["metadata"]`` are there, maybe empty."""


_config: ContextVar[RunnableConfig | None] = ContextVar("langchain_ragflow_config", default=None)


@contextmanager
def called_with(config: RunnableConfig | None) -> Iterator[None]:
    """Keep a call's config for ``this_run``: LangChain hands it to tools and graph nodes, to others not."""
    token = _config.set(config)
    try:
        yield
    finally:
        _config.reset(token)


def this_run() -> RunContext:
    """The run that the present call belongs to."""
    config = ensure_config(_config.get())
    config.setdefault("configurable", {})
    return RunContext(_context(), config)


def _context() -> Any:
    """LangGraph's; without it in this process there is no graph whose run this could be."""
    if "langgraph.runtime" not in sys.modules or not var_child_runnable_config.get():
        return None
    from langgraph.runtime import get_runtime

    try:
        runtime = get_runtime()
    except (KeyError, RuntimeError):  # not in a graph
        return None
    return getattr(runtime, "context", None)
