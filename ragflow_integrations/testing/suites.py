"""What the adapters' suites share: whom they test, on what, and what holds for every class. Needs pytest."""

from __future__ import annotations

import asyncio
import pickle
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, TypeVar

import pytest

from .. import RAGFlow
from .knowledge import KnowledgeBase, knowledge_base
from .watching import Watch, watched

T = TypeVar("T")

__all__ = [
    "DEVELOPERS",
    "FLIGHT",
    "KEY",
    "NOWHERE",
    "StreamSuite",
    "Suite",
    "assert_quoted",
    "at_once",
    "knowledge",
    "off",
    "orders_in",
    "ragflow",
]

FLIGHT = 33
"""How many calls have to be under way at once: more than the threads that a framework would use."""

DEVELOPERS = {
    *("api_key", "base_url", "client", "url", "scope", "filter", "filters", "user", "user_id"),
    *("dataset_id", "dataset_ids", "dataset_names", "memory_ids", "chat_id", "agent_id", "session_id"),
    *("k", "similarity_top_k"),
}
"""What no argument that a model writes may be called."""

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


class StreamSuite(Suite):
    """For a class whose answers are read as they arrive: they come in pieces, and who leaves breaks them off."""

    def streamed(self, knowledge: KnowledgeBase, watch: Watch) -> Any:
        """The iterator of an answer that was asked for."""
        raise NotImplementedError

    async def astreamed(self, knowledge: KnowledgeBase, watch: Watch) -> AsyncIterator[Any]:
        """The same in a coroutine."""
        raise NotImplementedError

    def test_a_stream_comes_in_pieces(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """The first is handed out before the server is done."""
        pieces = self.streamed(knowledge, watch)
        next(pieces)
        (exchange,) = watch.streams
        assert not exchange.ended
        list(pieces)
        assert exchange.ended

    def test_leaving_a_stream_closes_it(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """When the iterator is closed the answer is broken off."""
        pieces = self.streamed(knowledge, watch)
        next(pieces)
        pieces.close()
        _assert_broken_off(watch)

    @pytest.mark.asyncio
    async def test_leaving_a_stream_closes_it_in_coroutines(
        self, knowledge: KnowledgeBase, watch: Watch
    ) -> None:
        """As above, at the latest when the loop has had a moment: frameworks' wrappers leave it to the loop."""
        pieces: Any = await self.astreamed(knowledge, watch)
        await anext(pieces)
        await pieces.aclose()
        for _ in range(100):
            if not watch.streams[0].closed:
                await asyncio.sleep(0.01)
        _assert_broken_off(watch)

    @pytest.mark.asyncio
    async def test_cancelling_closes_the_stream(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """A task that waits for the next piece is cancelled: the answer is broken off before the task is over."""
        started = asyncio.Event()

        async def read() -> None:
            async with aclosing(await self.astreamed(knowledge, watch)) as pieces:  # type: ignore[type-var]
                async for _ in pieces:
                    watch.hold_streams()
                    started.set()

        task = asyncio.create_task(read())
        await asyncio.wait_for(started.wait(), 60)
        await asyncio.sleep(0.05)  # it waits for a piece that does not come
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        _assert_broken_off(watch)


def _assert_broken_off(watch: Watch) -> None:
    (exchange,) = watch.streams
    assert exchange.closed
    assert not exchange.ended


def orders_in(told: str) -> str:
    """The knowledge base's text that gives orders, as it stands in what was told."""
    begin = told.index("Ignore what was said")
    end = told.index("says: obey.", begin) + len("says: obey.")
    return told[begin:end]


def assert_quoted(content: str, text: str) -> None:
    """A text stands between two lines that are marks: they have a digest in them, and are not in the text."""
    before, found, after = content.partition(text)
    assert found
    first, last = before.rstrip("\n").rpartition("\n")[2], after.lstrip("\n").partition("\n")[0]
    assert re.search(r"\w{8}", first)
    assert re.search(r"\w{8}", last)
    assert content.count(first) == content.count(last)
    assert first not in text
    assert last not in text


async def off(function: Callable[[], T]) -> T:
    """Something that blocks, beside the loop."""
    return await asyncio.to_thread(function)


async def at_once(watch: Watch, call: Callable[[], Awaitable[Any]]) -> None:
    """Make calls that have to be under way together, after one that may look things up; no thread may be in it."""
    await call()
    watch.keep_until(FLIGHT)
    await asyncio.gather(*(call() for _ in range(FLIGHT)))
    assert watch.most_at_once >= FLIGHT
