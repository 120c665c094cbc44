"""What the adapters' suites share: whom they test, on what, and what holds for every class. Needs pytest."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from .. import RAGFlow
from .knowledge import KnowledgeBase, knowledge_base
from .watching import Watch, watched

T = TypeVar("T")

__all__ = ["FLIGHT", "KEY", "NOWHERE", "Suite", "at_once", "knowledge", "off", "ragflow"]

FLIGHT = 33
"""How many calls have to be under way at once: more than the threads that a framework would use."""

KEY = "ragflow-conformance-secret"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="session")
def ragflow() -> Iterator[RAGFlow]:
    """The server to run on: that of ``RAGFLOW_BASE_URL`` and ``RAGFLOW_API_KEY``."""
    with RAGFlow() as client:
        yield client


@pytest.fixture(scope="session")
def knowledge(ragflow: RAGFlow) -> Iterator[KnowledgeBase]:
    """A knowledge base of the kit's own on that server, removed at the end."""
    with knowledge_base(ragflow) as made:
        yield made


class Suite:
    """Tests of one class. A subclass may say which, by ``constructor``, and how it is made, by ``params``."""

    @property
    def constructor(self) -> Callable[..., Any]:
        """What is tested."""
        raise NotImplementedError

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        """The arguments of the constructor, but for the client."""
        raise NotImplementedError

    @contextmanager
    def prepared(self, knowledge: KnowledgeBase) -> Iterator[None]:
        """What a test needs on the server beside the knowledge base, as long as it runs."""
        yield

    @pytest.fixture(autouse=True)
    def _prepared(self, knowledge: KnowledgeBase) -> Iterator[None]:
        with self.prepared(knowledge):
            yield

    @pytest.fixture
    def watch(self, knowledge: KnowledgeBase) -> Iterator[Watch]:
        """A client whose exchanges are seen."""
        with watched(knowledge.client) as watch:
            yield watch

    def made(self, client: RAGFlow, knowledge: KnowledgeBase, **more: Any) -> Any:
        """What is tested, on a client; ``more`` replaces its parameters."""
        return self.constructor(**{"client": client, **self.params(knowledge), **more})

    def test_a_misspelt_argument_is_refused(self, knowledge: KnowledgeBase) -> None:
        """Frameworks' own classes pass over what they do not know."""
        with pytest.raises((TypeError, ValueError), match="misspelt_argument"):
            self.made(knowledge.client, knowledge, misspelt_argument=1)

    def test_the_key_is_not_told(self, knowledge: KnowledgeBase) -> None:
        """It is in no repr, text or pickle."""
        made = self.constructor(base_url=NOWHERE, api_key=KEY, **self.params(knowledge))
        assert KEY not in f"{made!r} {made}"
        try:
            pickled = pickle.dumps(made)
        except (TypeError, AttributeError, pickle.PicklingError):
            return  # what is not pickled tells nothing
        assert KEY.encode() not in pickled


async def off(function: Callable[[], T]) -> T:
    """Something that blocks, beside the loop."""
    return await asyncio.to_thread(function)


async def at_once(watch: Watch, call: Callable[[], Awaitable[Any]]) -> None:
    """Make calls that have to be under way together, after one that may look things up; no thread may be in it."""
    await call()
    watch.keep_until(FLIGHT)
    await asyncio.gather(*(call() for _ in range(FLIGHT)))
    assert watch.most_at_once >= FLIGHT
