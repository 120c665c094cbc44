"""How the classes find their server, what they share, and that no key gets out."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd, dumps
from langchain_core.runnables import ConfigurableField
from pydantic import ValidationError

from langchain_ragflow import ChatRAGFlow, RAGFlowRetriever
from ragflow_integrations import (
    AsyncRAGFlow,
    ConfigurationError,
    ConflictError,
    ConnectError,
    NotFoundError,
    RAGFlow,
)
from tests.langchain.conftest import QUESTION, build
from tests.langchain.scripted import Script
from tests.transport.raw_server import http, serving

KEY = "ragflow-very-secret"
NOWHERE = "http://127.0.0.1:9"
Adapter = RAGFlowRetriever | ChatRAGFlow


def retriever(**fields: Any) -> RAGFlowRetriever:
    return RAGFlowRetriever(dataset_ids=["d1"], **fields)


def chat(**fields: Any) -> ChatRAGFlow:
    return ChatRAGFlow(chat_id="c1", **fields)


def close(adapter: Adapter) -> None:
    """Close the connections of a client that an adapter made for itself."""
    assert adapter.client is not None
    adapter.client.close()


@pytest.fixture(params=[retriever, chat])
def make(request: pytest.FixtureRequest) -> Callable[..., Adapter]:
    """Either class."""
    return request.param


class Traced(BaseCallbackHandler):
    """Keeps everything that a tracer gets."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_retriever_start(self, *args: Any, **kwargs: Any) -> None:
        self.seen += [args, kwargs]

    on_chat_model_start = on_retriever_start
    on_retriever_error = on_retriever_start
    on_llm_error = on_retriever_start


# --- finding the server -------------------------------------------------------------------------------------


def test_settings_from_the_environment(
    make: Callable[..., Adapter], script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Address and key come from the environment; an argument goes over it."""
    monkeypatch.setenv("RAGFLOW_BASE_URL", f"{script.base_url}/")
    monkeypatch.setenv("RAGFLOW_API_KEY", "from-environment")
    assert make().base_url == script.base_url
    for model in (chat(), chat(api_key="from-argument")):
        model.invoke("x")
        close(model)
    assert script.keys == ["from-environment", "from-argument"]
    assert make(base_url=NOWHERE).base_url == NOWHERE


def test_missing_settings_are_named(make: Callable[..., Adapter]) -> None:
    """The client's own error, not wrapped in pydantic's."""
    with pytest.raises(ConfigurationError, match="RAGFLOW_BASE_URL"):
        make()
    with pytest.raises(ConfigurationError, match="RAGFLOW_API_KEY"):
        make(base_url=NOWHERE)


async def test_nothing_is_opened_before_the_first_call(make: Callable[..., Adapter]) -> None:
    """A server that is not there is noticed by the question, sync and async, with the client's error."""
    adapter = make(base_url=NOWHERE, api_key=KEY, max_retries=0)
    with pytest.raises(ConnectError, match="is it running"):
        await adapter.ainvoke(QUESTION)
    with pytest.raises(ConnectError, match="is it running"):
        await asyncio.to_thread(adapter.invoke, QUESTION)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"client": AsyncRAGFlow(KEY, NOWHERE)}, "an AsyncRAGFlow into async_client="),
        ({"async_client": RAGFlow(KEY, NOWHERE)}, "a RAGFlow goes into client="),
        ({"client": NOWHERE}, "client=<str>: give a RAGFlow"),
        ({"client": RAGFlow(KEY, NOWHERE), "api_key": KEY}, "not both"),
        ({"client": RAGFlow(KEY, NOWHERE), "base_url": "http://other:1"}, "not both"),
        ({"client": RAGFlow(KEY, NOWHERE), "timeout": 3}, "not both"),
        ({"async_client": AsyncRAGFlow(KEY, NOWHERE), "max_retries": 9}, "not both"),
        (
            {"client": RAGFlow(KEY, NOWHERE), "async_client": AsyncRAGFlow(KEY, "http://b:1")},
            "different servers",
        ),
        ({"client": RAGFlow.local(), "async_client": AsyncRAGFlow.local()}, "engines in memory"),
        ({"base_url": "ftp://x", "api_key": KEY}, "http://host:port"),
        ({"base_url": NOWHERE, "api_key": KEY, "timeout": -1}, "timeout"),
    ],
)
def test_wrong_clients_and_settings(make: Callable[..., Adapter], fields: dict[str, Any], said: str) -> None:
    """Each mistake is named, and none of the messages has the key."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        make(**fields)
    assert KEY not in str(caught.value)


# --- sharing ------------------------------------------------------------------------------------------------


def test_an_engine_in_memory_through_an_adapter() -> None:
    """``base_url=":memory:"`` has one engine: filled by the adapter's client, asked in both ways, in any copy."""
    found = RAGFlowRetriever(base_url=":memory:")
    assert found.client is not None
    kb = build(found.client)
    fields = found.configurable_fields(k=ConfigurableField(id="k"))
    asked = {"dataset_ids": [kb.dataset_id]}
    both = [
        found.invoke(QUESTION, **asked),
        asyncio.run(found.ainvoke(QUESTION, **asked)),
        fields.invoke(QUESTION, {"configurable": {"k": 5}}, **asked),
        asyncio.run(fields.ainvoke(QUESTION, {"configurable": {"k": 5}}, **asked)),
        RAGFlowRetriever(client=found.client).invoke(QUESTION, **asked),
        found.model_copy().invoke(QUESTION, **asked),
    ]
    assert both[0][0].metadata["source"] == "notice.txt"
    assert all(one == both[0] for one in both)
    found.client.close()


def test_copies_share_the_connections_of_their_origin(make: Callable[..., Adapter]) -> None:
    """A call with ``configurable`` values makes a copy: neither client is made anew for it."""
    adapter = make(base_url=NOWHERE, api_key=KEY)
    configurable = adapter.configurable_fields(name=ConfigurableField(id="name"))
    copied, _ = configurable.prepare({"configurable": {"name": "other"}})
    assert isinstance(copied, RAGFlowRetriever | ChatRAGFlow)
    assert copied is not adapter
    assert copied._sync() is adapter._sync()
    assert copied._async() is adapter._async()


def test_a_copy_of_one_that_was_given_a_client_keeps_it(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if another object made that client of settings: its key is used, not the environment's."""
    monkeypatch.setenv("RAGFLOW_API_KEY", "from-environment")
    first = chat(base_url=script.base_url, api_key="ours", timeout=7)
    second = chat(client=first.client).configurable_fields(session_id=ConfigurableField(id="session_id"))
    second.invoke("x", {"configurable": {"session_id": "s1"}})
    assert script.keys == ["ours"]
    hasty = chat(client=first.client).configurable_fields(timeout=ConfigurableField(id="timeout"))
    with pytest.raises(ConfigurationError, match="not both"):
        hasty.invoke("x", {"configurable": {"timeout": 9}})
    close(first)


def test_a_name_must_be_one_thing() -> None:
    """Datasets of a team may share a name: neither is taken by chance."""
    rows = [{"id": id, "name": name} for id, name in (("1", "a"), ("2", "b"), ("3", "a"))]
    with serving(http({"code": 0, "data": rows, "total_datasets": 3})) as (_, url):
        for name, error, said in (
            ("a", ConflictError, "'a' is the name of 2 datasets; give the id you mean: 1, 3"),
            ("c", NotFoundError, "no dataset is called 'c'"),
        ):
            retriever = RAGFlowRetriever(dataset_names=[name], base_url=url, api_key="key")
            with pytest.raises(error, match=said):
                retriever.invoke("x")


def test_a_copy_with_another_key_uses_that_key(script: Script) -> None:
    """The key of a tenant that comes with the call is the one that is sent, not its origin's."""
    ours = chat(base_url=script.base_url, api_key="ours")
    model = ours.configurable_fields(api_key=ConfigurableField(id="api_key"))
    theirs, _ = model.prepare({"configurable": {"api_key": "theirs"}})
    assert isinstance(theirs, ChatRAGFlow)
    theirs.invoke("x")
    asyncio.run(theirs.ainvoke("x"))
    asyncio.run(model.ainvoke("x", {"configurable": {"api_key": "theirs-too"}}))
    model.invoke("x")
    assert script.keys == ["theirs", "theirs", "theirs-too", "ours"]
    for one in (ours, theirs):
        close(one)


# --- the key ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [True, False])
def test_the_key_does_not_get_out(make: Callable[..., Adapter], own: bool) -> None:
    """Not by repr, dump, pickle, trace, nor LangChain's own ways to write an object down."""
    settings = {"base_url": NOWHERE, "api_key": KEY, "max_retries": 0}
    adapter = make(**settings) if own else make(client=RAGFlow(KEY, NOWHERE, max_retries=0))
    traced = Traced()
    with pytest.raises(ConnectError) as caught:
        adapter.invoke(QUESTION, {"callbacks": [traced]})
    written = [
        repr(adapter),
        str(adapter),
        repr(adapter.model_dump()),
        adapter.model_dump_json(),
        dumps(adapter),
        repr(dumpd(adapter)),
        repr(pickle.dumps(adapter)),
        repr(traced.seen),
        repr(caught.value),
        repr(adapter.__repr_args__()),
    ]
    if isinstance(adapter, ChatRAGFlow):
        written += [repr(adapter._get_invocation_params()), adapter._get_llm_string()]
    assert len(traced.seen) >= 4
    assert [text for text in written if KEY in text] == []


@pytest.mark.parametrize("wrong", [{"topk": 1}, {"k": 0}, {"timeout": "soon"}, {"dataset_names": []}])
def test_errors_about_arguments_do_not_print_the_key(wrong: dict[str, Any]) -> None:
    """pydantic would print all arguments next to the wrong one."""
    with pytest.raises(ValidationError) as caught:
        RAGFlowRetriever(base_url=NOWHERE, api_key=KEY, dataset_ids=["d1"], **wrong)
    assert KEY not in str(caught.value)


def test_a_pickle_takes_its_key_from_the_environment(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the client's own: the settings travel, the key is where the pickle is read."""
    sent = pickle.dumps(chat(base_url=script.base_url, api_key=KEY, session_id="s1", timeout=7))
    monkeypatch.setenv("RAGFLOW_API_KEY", "key-over-there")
    model: ChatRAGFlow = pickle.loads(sent)  # noqa: S301
    assert (model.base_url, model.session_id, model.timeout) == (script.base_url, "s1", 7)
    assert model.api_key is None
    script.pieces = ["fine"]
    assert model.invoke("x").text == "fine"
    assert asyncio.run(model.ainvoke("x")).text == "fine"
    assert copy.copy(model).invoke("x").text == "fine"
    assert script.keys == ["key-over-there"] * 3
    close(model)
