"""The conformance kit: our classes pass it on every kind of engine, and what one writes first does not."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from langchain_ragflow import testing
from langchain_ragflow.testing import (
    ChatTests,
    LoaderTests,
    RetrieverTests,
    Suite,
    ToolkitTests,
    middleware,
    server,
)
from langchain_ragflow.testing.middleware import MemoryMiddlewareTests, RetrievalMiddlewareTests
from ragflow_integrations import RAGFlow
from ragflow_integrations.local.engine import open_engine
from ragflow_integrations.local.serve import running_server
from ragflow_integrations.testing import KnowledgeBase, knowledge_base, watched, watching
from tests.langchain import naive


@pytest.fixture(scope="module", params=["in-process", "loopback", "in-process as v0.24"])
def ragflow(request: pytest.FixtureRequest) -> Iterator[RAGFlow]:
    """An empty engine."""
    if request.param == "loopback":
        with (
            open_engine(":memory:") as engine,
            running_server(engine) as running,
            RAGFlow(running.api_key, running.base_url) as client,
        ):
            yield client
        return
    with RAGFlow.local(api_version="0.24" if "v0.24" in request.param else "0.27") as client:
        yield client


@pytest.fixture(scope="module")
def knowledge(ragflow: RAGFlow) -> Iterator[KnowledgeBase]:
    """The kit's own, of which nothing is left behind."""
    with knowledge_base(ragflow) as made:
        yield made
    assert (ragflow.list_datasets(), ragflow.list_chats()) == ([], [])


class TestRetriever(server.TestRetriever):
    """The kit's suite."""


class TestLoader(server.TestLoader):
    """The kit's suite."""


class TestDocumentLoader(LoaderTests):
    """The kit's suite, on whole documents."""

    def params(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        return {"dataset_ids": [knowledge.dataset_id], "mode": "documents"}

    def expected(self, knowledge: KnowledgeBase) -> int:
        return len(knowledge.documents)


class TestChat(server.TestChat):
    """The kit's suite; the engine's own model always says the same."""

    deterministic = True


class TestChatInOpenAIsForm(server.TestChatInOpenAIsForm):
    """The kit's suite."""

    deterministic = True


class TestToolkit(server.TestToolkit):
    """The kit's suite."""

    varying = frozenset()


class TestRetrievalMiddleware(server.TestRetrievalMiddleware):
    """The kit's suite."""


class TestMemoryMiddleware(server.TestMemoryMiddleware):
    """The kit's suite."""


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
}
KIT = {**vars(testing), **vars(middleware)}.values()
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
