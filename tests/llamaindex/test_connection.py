"""How the classes reach their server, and that the key stays where it belongs."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.llms import MockLLM
from pydantic import SecretStr

import llamaindex_ragflow
from llamaindex_ragflow import RAGFlowQueryEngine, RAGFlowRetriever
from llamaindex_ragflow._client import Connection
from llamaindex_ragflow._component import ConnectedComponent
from ragflow_integrations import (
    AsyncRAGFlow,
    ConfigurationError,
    NotFoundError,
    RAGFlow,
    RequestTimeoutError,
)
from tests.llamaindex.conftest import QUESTION, Call, KnowledgeBase, Seen
from tests.llamaindex.scripted import COMPLETIONS, KEY, RETRIEVAL, Script, chunk, found


async def test_each_client_brings_its_twin(kb: KnowledgeBase) -> None:
    """One kind of client is enough for both ways; the twin is on the same engine, and made once."""
    for given in ({"client": kb.client}, {"async_client": kb.async_client}):
        async with RAGFlowRetriever([kb.dataset_id], **given) as retriever:
            plain = await asyncio.to_thread(retriever.retrieve, QUESTION)
            assert plain == await retriever.aretrieve(QUESTION) != []
            connection = retriever._connection
            assert connection.client is connection.client
            assert connection.async_client is connection.async_client


def test_every_class_takes_the_same() -> None:
    """How a server is reached: the same names, types and defaults, in the signature that users look up."""
    wanted = inspect.signature(Connection).parameters
    constructors: list[Any] = [
        getattr(llamaindex_ragflow, name)
        for name in llamaindex_ragflow.__all__
        if name.startswith("RAGFlow") and name not in ("RAGFlowAutoRetriever", "RAGFlowServerSideEmbedding")
    ]
    for made in constructors:
        takes = made.__init__ if not issubclass(made, ConnectedComponent) else ConnectedComponent.__init__
        found = inspect.signature(takes).parameters
        for name, parameter in wanted.items():
            assert (found[name].annotation, found[name].default) == (
                parameter.annotation,
                parameter.default,
            ), (made, name)
            assert found[name].kind == inspect.Parameter.KEYWORD_ONLY
    assert len(constructors) > 10


def test_settings_make_the_client(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """From arguments, the key as text or secret, or from the environment."""
    script.answers[RETRIEVAL] = lambda body: found([chunk(1)])
    for key in (KEY, SecretStr(KEY)):
        with RAGFlowRetriever(["d"], base_url=script.base_url, api_key=key) as retriever:
            assert len(retriever.retrieve("Why?")) == 1
    monkeypatch.setenv("RAGFLOW_BASE_URL", script.base_url)
    monkeypatch.setenv("RAGFLOW_API_KEY", KEY)
    with RAGFlowRetriever(["d"]) as retriever:
        assert len(retriever.retrieve("Why?")) == 1


def test_timeout_holds(script: Script) -> None:
    """Seconds as given, and a server that takes longer is an error."""
    answered = threading.Event()
    script.answers[RETRIEVAL] = lambda body: found([chunk(answered.wait(5))])
    settings: dict[str, Any] = {"timeout": 0.05, "max_retries": 0}
    with RAGFlowRetriever(["d"], base_url=script.base_url, api_key=KEY, **settings) as retriever:
        with pytest.raises(RequestTimeoutError, match="did not answer"):
            retriever.retrieve("Why?")
        answered.set()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "RAGFLOW_BASE_URL"),
        ({"base_url": "http://localhost:1"}, "RAGFLOW_API_KEY"),
        ({"client": "http://localhost"}, "client=<str>: give a RAGFlow"),
        ({"async_client": "local"}, "async_client=<RAGFlow>: give a AsyncRAGFlow"),
        ({"client": "local", "base_url": ":memory:"}, "not both"),
        ({"client": "local", "timeout": 5.0}, "not both"),
        ({"client": "local", "async_client": AsyncRAGFlow(KEY, "http://b:1")}, "different servers"),
        ({"client": "local", "async_client": AsyncRAGFlow.local()}, "engines in memory"),
    ],
)
def test_connections_that_make_no_sense(arguments: dict[str, Any], message: str) -> None:
    """Missing, contradicting and wrong ones are refused at once, naming what would be right."""
    with RAGFlow.local() as local:
        arguments = {name: local if value == "local" else value for name, value in arguments.items()}
        with pytest.raises(ConfigurationError, match=message):
            RAGFlowRetriever(["d"], **arguments)


def test_closing_frees_what_was_made() -> None:
    """Both clients made of settings let go of their engine, from a plain call and from a coroutine."""
    plain = Connection(base_url=":memory:")
    plain.close()
    with pytest.raises(ConfigurationError, match="was closed"):
        plain.client.list_datasets()

    async def main() -> None:
        connection = Connection(base_url=":memory:")
        await connection.aclose()
        with pytest.raises(ConfigurationError, match="was closed"):
            await connection.async_client.list_datasets()

    asyncio.run(main())


def test_closing_inside_a_running_loop() -> None:
    """As in a notebook."""

    async def cell() -> None:
        with RAGFlowRetriever(["d"], base_url=":memory:") as retriever:
            assert isinstance(retriever._connection.async_client, AsyncRAGFlow)

    asyncio.run(cell())


async def test_clients_that_were_passed_in_stay_open(kb: KnowledgeBase, call: Call) -> None:
    """They are their owner's."""
    async with RAGFlowQueryEngine(chat_id=kb.chat_id, **kb.clients) as engine:
        await call(engine, "query", QUESTION)
    with RAGFlowRetriever([kb.dataset_id], **kb.clients) as retriever:
        pass
    assert await call(retriever, "retrieve", QUESTION) != []


def test_pickles_leave_the_key_out(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes back takes the key from the environment, and works both ways."""
    script.answers[RETRIEVAL] = lambda body: found([chunk(1)])
    retriever = RAGFlowRetriever(["d"], base_url=script.base_url, api_key=KEY)
    retriever.retrieve("Why?")
    retriever._connection.async_client  # noqa: B018 - so that there are two
    dumped = pickle.dumps(retriever)
    assert KEY.encode() not in dumped
    retriever.close()
    monkeypatch.setenv("RAGFLOW_API_KEY", KEY)
    with pickle.loads(dumped) as again:  # noqa: S301
        assert again.retrieve("Why?") == asyncio.run(again.aretrieve("Why?"))
    dumped = pickle.dumps(RAGFlowQueryEngine(chat_id="c", async_client=AsyncRAGFlow(KEY, script.base_url)))
    assert KEY.encode() not in dumped
    assert isinstance(pickle.loads(dumped), RAGFlowQueryEngine)  # noqa: S301


def test_a_pickle_of_an_async_client_closes_its_engine(tmp_path: Path) -> None:
    """What comes back opened its engine itself, so closing it closes the engine."""
    dumped = pickle.dumps(RAGFlowRetriever(["d"], async_client=AsyncRAGFlow.local(str(tmp_path))))
    with pickle.loads(dumped) as again, pytest.raises(NotFoundError):  # noqa: S301
        again.retrieve("Why?")
    with pytest.raises(ConfigurationError, match="was closed"):
        again.retrieve("Why?")


async def test_the_key_is_nowhere_to_be_seen(script: Script, seen: Seen, call: Call) -> None:
    """Not in reprs, attributes, spans, events, nodes or responses, however the key was given."""
    script.answers[RETRIEVAL] = lambda body: found([chunk(1)])
    script.answers[COMPLETIONS] = lambda body: {"answer": "Yes.", "reference": {"chunks": [chunk(1)]}}
    spans = SimpleSpanHandler()
    get_dispatcher().add_span_handler(spans)
    try:
        shown: list[Any] = [spans, seen]
        settings = {"base_url": script.base_url, "api_key": KEY}
        async with RAGFlowRetriever(["d"], **settings) as retriever:
            shown += [retriever, vars(retriever), vars(retriever._connection)]
            shown.append(await call(retriever, "retrieve", "Why?"))
        async with RAGFlowQueryEngine(chat_id="c", **settings) as engine:
            shown += [engine, vars(engine), vars(engine._answers)]
            shown.append(await call(engine, "query", "Why?"))
        async with RAGFlowQueryEngine(dataset_ids=["d"], llm=MockLLM(), **settings) as engine:
            shown.append(await call(engine, "query", "Why?"))
        assert len(spans.completed_spans) >= 6
        shown += [span.model_dump() for span in spans.completed_spans]
        shown += [event.model_dump() for event in seen.events]
    finally:
        get_dispatcher().span_handlers.remove(spans)
    assert [thing for thing in shown if KEY in f"{thing!r} {thing!s}"] == []
