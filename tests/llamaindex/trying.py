"""One test of a conformance suite, run on a class that it is to find fault with."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from llamaindex_ragflow.testing import _memory
from ragflow_integrations.testing import KnowledgeBase, watched, watching
from ragflow_integrations.testing.suites import Suite

FOUND = (AssertionError, TimeoutError, RuntimeError, ImportError, pytest.fail.Exception)
"""How a test of a suite says that something is wrong, instead of stumbling over it."""


@contextmanager
def impatient() -> Iterator[None]:
    """What does not come is not waited for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "_PATIENCE", 0.3)
        patch.setattr(_memory, "_PATIENCE", 1)
        yield


def fails(suite: Suite, name: str, knowledge: KnowledgeBase, caplog: pytest.LogCaptureFixture) -> None:
    """Raises if the test of this name has no fault to find."""
    test = getattr(suite, name)
    with impatient(), watched(knowledge.client) as watch, ExitStack() as fixtures:
        given = {"knowledge": knowledge, "watch": watch, "caplog": caplog}
        named = {one: _fixture(suite, one, given, fixtures) for one in inspect.signature(test).parameters}
        with pytest.raises(FOUND):
            asyncio.run(test(**named)) if inspect.iscoroutinefunction(test) else test(**named)


def _fixture(suite: Suite, name: str, given: dict[str, Any], fixtures: ExitStack) -> Any:
    """What pytest would give: one of these, or what the suite's own fixture makes of them."""
    if name in given:
        return given[name]
    make = getattr(type(suite), name).__wrapped__
    arguments = [given[one] for one in list(inspect.signature(make).parameters)[1:]]
    return fixtures.enter_context(contextmanager(make)(suite, *arguments))
