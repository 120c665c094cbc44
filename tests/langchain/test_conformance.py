"""The conformance kit: our classes pass it on every kind of engine, and what one writes first does not."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.memory import InMemoryStore

from langchain_ragflow import testing
from langchain_ragflow.testing import (
    ChatTests,
    LoaderTests,
    RetrieverTests,
    Suite,
    ToolkitTests,
    middleware,
    server,
    store,
)
from langchain_ragflow.testing.middleware import MemoryMiddlewareTests, RetrievalMiddlewareTests
from langchain_ragflow.testing.store import StoreTests
from ragflow_integrations import RAGFlow
from ragflow_integrations.local.engine import open_engine
from ragflow_integrations.local.serve import running_server
from ragflow_integrations.testing import KnowledgeBase, knowledge_base, watched, watching
from tests.langchain import naive

ROOT = Path(__file__).resolve().parents[2]
HERE, LOOPBACK, AS_V024 = "in this process", "on loopback", "as v0.24"


def on(*engines: str) -> pytest.MarkDecorator:
    """Where a suite runs: on loopback as on a server, and elsewhere if the class does something else there."""
    return pytest.mark.parametrize("ragflow", engines, indirect=True, scope="module")


@pytest.fixture(scope="module")
def ragflow(request: pytest.FixtureRequest) -> Iterator[RAGFlow]:
    """An empty engine of the kind that a suite is ``on``."""
    if request.param == LOOPBACK:
        with (
            open_engine(":memory:") as engine,
            running_server(engine) as running,
            RAGFlow(running.api_key, running.base_url) as client,
        ):
            yield client
        return
    with RAGFlow.local(api_version="0.24" if request.param == AS_V024 else "0.27") as client:
        yield client


@pytest.fixture(scope="module")
def knowledge(ragflow: RAGFlow) -> Iterator[KnowledgeBase]:
    """The kit's own, of which nothing is left behind."""
    with knowledge_base(ragflow) as made:
        yield made
    assert (ragflow.list_datasets(), ragflow.list_chats()) == ([], [])


@on(LOOPBACK)
class TestRetriever(server.TestRetriever):
    """The kit's suite."""


@on(LOOPBACK)
class TestLoader(server.TestLoader):
    """The kit's suite."""


@on(HERE)
class TestDocumentLoader(LoaderTests):
    """The kit's suite, on whole documents."""

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"dataset_ids": [knowledge.dataset_id], "mode": "documents"}

    def expected(self, knowledge: KnowledgeBase) -> int:
        return len(knowledge.documents)


@on(HERE, LOOPBACK, AS_V024)
class TestChat(server.TestChat):
    """The kit's suite; the engine's own model always says the same."""

    deterministic = True


@on(LOOPBACK)
class TestChatInOpenAIsForm(server.TestChatInOpenAIsForm):
    """The kit's suite."""

    deterministic = True


@on(LOOPBACK, AS_V024)
class TestToolkit(server.TestToolkit):
    """The kit's suite."""

    varying = frozenset()


@on(HERE)
class TestStore(StoreTests):
    """The kit's suite, on the engine's own table."""


@on(AS_V024)
class TestStoreOnAServer(StoreTests):
    """The kit's suite, as on a server that has no such table, where another store keeps the items."""

    @contextmanager
    def prepared(self, knowledge: KnowledgeBase) -> Iterator[None]:
        self.kv = InMemoryStore()
        with super().prepared(knowledge):
            yield


@on(LOOPBACK)
class TestRetrievalMiddleware(server.TestRetrievalMiddleware):
    """The kit's suite."""


@on(LOOPBACK)
class TestMemoryMiddleware(server.TestMemoryMiddleware):
    """The kit's suite."""


def test_the_command_runs_as_it_is_told(tmp_path: Path) -> None:
    """In a folder without settings for pytest, with its plugin for asyncio alone, on the server that is named."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "TestLoader and lazy"]
    done = subprocess.run(
        [*command, "--pyargs", "langchain_ragflow.testing.server"],
        cwd=tmp_path,
        env={
            **os.environ,
            "RAGFLOW_BASE_URL": ":memory:",
            "PYTHONPATH": str(ROOT),
            "PYTEST_ADDOPTS": "",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": "pytest_asyncio.plugin",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


# --- what the kit finds --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_engine() -> Iterator[KnowledgeBase]:
    """A knowledge base to be naive on."""
    with RAGFlow.local() as client, knowledge_base(client) as made:
        yield made


class NaiveRetriever(RetrieverTests):
    constructor = naive.Retriever


class RetrieverOfTwoMinds(RetrieverTests):
    constructor = naive.TwoMinds


class NaiveLoader(LoaderTests):
    constructor = naive.Loader


class LoaderOfAllAtOnce(LoaderTests):
    constructor = naive.AllAtOnce


class NaiveChat(ChatTests):
    constructor = naive.Chat


class ChatThatReadsAhead(ChatTests):
    constructor = naive.ReadsAhead


class NaiveToolkit(ToolkitTests):
    constructor = naive.Toolkit

    def examples(self, knowledge: KnowledgeBase) -> dict[str, dict[str, Any]]:
        return {"search": {"query": knowledge.topic}}


class ToolkitOfTwoMinds(NaiveToolkit):
    constructor = naive.TwoTools


class NaiveRetrieval(RetrievalMiddlewareTests):
    constructor = naive.Retrieval


class RetrievalInBothWays(RetrievalMiddlewareTests):
    constructor = naive.RetrievalInBothWays


class NaiveMemory(MemoryMiddlewareTests):
    constructor = naive.Memory


class NaiveStore(StoreTests):
    constructor = naive.Store


BETTER = {  # whom these tests find; all others find the naive one
    (RetrieverTests, "test_all_ways_of_calling_give_the_same"): RetrieverOfTwoMinds,
    (LoaderTests, "test_all_ways_of_loading_give_the_same"): LoaderOfAllAtOnce,
    (LoaderTests, "test_it_is_lazy_in_coroutines"): LoaderOfAllAtOnce,
    (ChatTests, "test_a_stream_comes_in_pieces"): ChatThatReadsAhead,
    (ToolkitTests, "test_sync_and_async_say_the_same"): ToolkitOfTwoMinds,
    (RetrievalMiddlewareTests, "test_coroutines_take_no_threads"): RetrievalInBothWays,
}
NAIVE: dict[type[Suite], type[Suite]] = {
    RetrieverTests: NaiveRetriever,
    LoaderTests: NaiveLoader,
    ChatTests: NaiveChat,
    ToolkitTests: NaiveToolkit,
    RetrievalMiddlewareTests: NaiveRetrieval,
    MemoryMiddlewareTests: NaiveMemory,
    StoreTests: NaiveStore,
}
KIT = {**vars(testing), **vars(middleware), **vars(store)}.values()
SUITES = [one for one in KIT if inspect.isclass(one) and issubclass(one, Suite) and one is not Suite]
CASES = [(suite, name) for suite in SUITES for name in dir(suite) if name.startswith("test_")]


@pytest.mark.parametrize(
    ("suite", "name"), [pytest.param(*one, id=f"{one[0].__name__} {one[1]}") for one in CASES]
)
def test_each_test_fails_on_what_one_writes_first(
    one_engine: KnowledgeBase, suite: type[Suite], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is none that would pass whatever is written."""
    monkeypatch.setattr(watching, "_PATIENCE", 0.3)
    monkeypatch.setattr(suite, "patience", 0.3, raising=False)
    found = BETTER.get((suite, name), NAIVE[suite])()
    test = getattr(found, name)
    with watched(one_engine.client) as watch, found.prepared(one_engine):
        given = {
            "knowledge": one_engine,
            "watch": watch,
            "output_version": "v0",
            "name": "scope",
            "way": "async",
        }
        named = {one: given[one] for one in inspect.signature(test).parameters}
        with pytest.raises((AssertionError, TimeoutError, NotImplementedError, pytest.fail.Exception)):
            asyncio.run(test(**named)) if inspect.iscoroutinefunction(test) else test(**named)
