"""The conformance kit: our classes pass it on every kind of engine, and what one writes first does not."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from llamaindex_ragflow import testing
from llamaindex_ragflow.testing import (
    ChatEngineTests,
    IndexTests,
    LLMTests,
    MemoryBlockTests,
    MemoryTests,
    QueryEngineTests,
    ReaderTests,
    RetrieverTests,
    SourcesTests,
    ToolSpecTests,
    VectorStoreTests,
    server,
)
from llamaindex_ragflow.testing._streams import StreamTests
from llamaindex_ragflow.testing.scripted import ScriptedLLM, agents, answers
from ragflow_integrations import RAGFlow
from ragflow_integrations.local.engine import open_engine
from ragflow_integrations.local.serve import running_server
from ragflow_integrations.testing import KnowledgeBase, knowledge_base
from ragflow_integrations.testing.suites import StreamSuite, Suite
from tests.llamaindex import naive
from tests.llamaindex.trying import fails


@pytest.fixture(scope="module", params=["in-process", "loopback as v0.24"])
def ragflow(request: pytest.FixtureRequest) -> Iterator[RAGFlow]:
    """An empty engine: of this process, and one that is served and answers as the oldest server."""
    if request.param == "in-process":
        with RAGFlow.local() as client:
            yield client
        return
    with (
        open_engine(":memory:") as engine,
        running_server(engine, api_version="0.24") as running,
        RAGFlow(running.api_key, running.base_url) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def knowledge(ragflow: RAGFlow) -> Iterator[KnowledgeBase]:
    """The kit's own, of which nothing is left behind."""
    with knowledge_base(ragflow) as made:
        yield made
    assert (ragflow.list_datasets(), ragflow.list_chats()) == ([], [])


class TestRetriever(server.TestRetriever):
    """The kit's suite."""


class TestQueryEngine(server.TestQueryEngine):
    """The kit's suite; the engine's own model always says the same."""

    deterministic = True


class TestChatEngine(server.TestChatEngine):
    """The kit's suite."""

    deterministic = True


class TestChatEngineWithItsOwnHistory(server.TestChatEngineWithItsOwnHistory):
    """The kit's suite."""

    deterministic = True


class TestToolSpec(server.TestToolSpec):
    """The kit's suite."""

    varying = frozenset()


class TestLLM(server.TestLLM):
    """The kit's suite."""

    deterministic = True


class TestIndex(server.TestIndex):
    """The kit's suite."""


class TestVectorStore(server.TestVectorStore):
    """The kit's suite."""


class TestReader(server.TestReader):
    """The kit's suite."""


class TestMemoryBlock(server.TestMemoryBlock):
    """The kit's suite."""


class TestMemory(server.TestMemory):
    """The kit's suite."""


# --- what the kit finds --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_engine() -> Iterator[KnowledgeBase]:
    """A knowledge base to be naive on."""
    with RAGFlow.local() as client, knowledge_base(client) as made:
        yield made


class NaiveRetriever(RetrieverTests):
    constructor = naive.Retriever


class RetrieverThatRaises(RetrieverTests):
    constructor = naive.RaisesWithItsKey


class RetrieverOfTwoMinds(RetrieverTests):
    constructor = naive.OfTwoMinds


class UntoldRetriever(RetrieverTests):
    constructor = naive.Untold


class NestingRetriever(RetrieverTests):
    constructor = naive.Nesting


class NaiveEngine(QueryEngineTests):
    constructor = naive.Engine


class NaiveChatEngine(ChatEngineTests):
    constructor = naive.ChatEngine


class NaiveSpec(ToolSpecTests):
    constructor = naive.Spec


class SpecOfTwoMinds(ToolSpecTests):
    constructor = naive.SpecOfTwoMinds


class NaiveLLM(LLMTests):
    constructor = naive.Llm


class LLMThatCallsTools(LLMTests):
    def made(self, *_: Any, **__: Any) -> Any:
        return ScriptedLLM(turns=[answers("I need no tool.")])


class NaiveIndex(IndexTests):
    constructor = naive.Index


class NaiveStore(VectorStoreTests):
    constructor = naive.VectorStore


class NaiveReader(ReaderTests):
    constructor = naive.Reader


class NaiveBlock(MemoryBlockTests):
    constructor = naive.Block


class ForgetfulBlock(MemoryBlockTests):
    constructor = naive.ForgetfulBlock


class NaiveMemory(MemoryTests):
    constructor = naive.Memory


BETTER = {  # whom these tests find; all others find the naive one
    (RetrieverTests, "test_both_ways_give_the_same"): RetrieverOfTwoMinds,
    (RetrieverTests, "test_it_is_told"): UntoldRetriever,
    (RetrieverTests, "test_a_plain_call_in_a_running_loop"): NestingRetriever,
    (RetrieverTests, "test_tracers_are_not_told_the_key"): RetrieverThatRaises,
    (ToolSpecTests, "test_both_ways_say_the_same"): SpecOfTwoMinds,
    (LLMTests, "test_an_agent_that_calls_tools_refuses_it"): LLMThatCallsTools,
    (MemoryBlockTests, "test_what_has_no_room_is_kept"): ForgetfulBlock,
}
NAIVE: dict[type[Suite], type[Suite]] = {
    RetrieverTests: NaiveRetriever,
    QueryEngineTests: NaiveEngine,
    ChatEngineTests: NaiveChatEngine,
    ToolSpecTests: NaiveSpec,
    LLMTests: NaiveLLM,
    IndexTests: NaiveIndex,
    VectorStoreTests: NaiveStore,
    ReaderTests: NaiveReader,
    MemoryBlockTests: NaiveBlock,
    MemoryTests: NaiveMemory,
}
OWN = {  # what a suite shares with retrievers is tried with a retriever
    RetrieverTests: RetrieverTests.__mro__,
    QueryEngineTests: (QueryEngineTests, StreamTests, StreamSuite),
    ChatEngineTests: (ChatEngineTests,),
    **{one: one.__mro__ for one in (ToolSpecTests, LLMTests, IndexTests, VectorStoreTests)},
    **{one: one.__mro__ for one in (ReaderTests, MemoryBlockTests, MemoryTests)},
}
CASES = [
    (suite, name)
    for suite, homes in OWN.items()
    for name in dir(suite)
    if name.startswith("test_") and any(name in vars(home) for home in homes)
]
CASES.append((QueryEngineTests, "test_it_is_told"))


@agents
@pytest.mark.parametrize(
    ("suite", "name"), [pytest.param(*one, id=f"{one[0].__name__} {one[1]}") for one in CASES]
)
def test_each_test_fails_on_what_one_writes_first(
    one_engine: KnowledgeBase, suite: type[Suite], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """There is none that would pass whatever is written."""
    fails(BETTER.get((suite, name), NAIVE[suite])(), name, one_engine, caplog)


def test_every_suite_is_tried() -> None:
    """With something naive, and on our own classes."""
    suites = {one for one in vars(testing).values() if inspect.isclass(one)} - {SourcesTests}
    assert suites == set(NAIVE)
    tried = {base for one in vars(server).values() if inspect.isclass(one) for base in one.__bases__}
    assert suites <= tried
