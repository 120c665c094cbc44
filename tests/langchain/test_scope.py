"""One key, many users: adapters that are given a client with a scope keep within it, on every path and in caches."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache

from langchain_ragflow import ChatRAGFlow, RAGFlowRetriever
from ragflow_integrations import ConfigurationError, NotFoundError, RAGFlow, Scope, UnsupportedError
from tests.langchain.conftest import HARBOUR, KnowledgeBase
from tests.langchain.scripted import Script


def scope(kb: KnowledgeBase, *names: str) -> Scope:
    """These documents of the handbook."""
    return Scope([kb.dataset_id], [kb.documents[name] for name in names])


async def collected(pieces: AsyncIterator[Any]) -> list[Any]:
    """All of a stream."""
    return [piece async for piece in pieces]


def test_a_retriever(kb: KnowledgeBase) -> None:
    """Both ways of calling, by ids and by names, and what is not in the scope is not found."""
    client = kb.client.scoped(scope(kb, "boats.txt"))
    for fields in ({"dataset_ids": [kb.dataset_id, kb.ships_id]}, {"dataset_names": ["handbook"]}):
        retriever: Any = RAGFlowRetriever(client=client, score_threshold=0.0, **fields)
        for found in (asyncio.run(retriever.ainvoke(HARBOUR)), retriever.batch([HARBOUR])[0]):
            assert {document.metadata["source"] for document in found} == {"boats.txt"}
    with pytest.raises(NotFoundError):
        RAGFlowRetriever(client=client, dataset_names=["ships"]).invoke(HARBOUR)


def test_an_assistant(kb: KnowledgeBase) -> None:
    """It answers from the scope's documents in all four ways; where that cannot be kept it does not answer."""
    model = ChatRAGFlow(client=kb.client.scoped(scope(kb, "boats.txt")), chat_name="helpdesk")
    answers = [model.invoke(HARBOUR), asyncio.run(model.ainvoke(HARBOUR))]
    streamed = [list(model.stream(HARBOUR)), asyncio.run(collected(model.astream(HARBOUR)))]
    for answer in [*answers, *(chunks[-1] for chunks in streamed)]:
        cited = answer.response_metadata["reference"]
        assert {chunk["document_name"] for chunk in cited} == {"boats.txt"}
    metadata = {"conditions": [{"name": "team", "comparison_operator": "is", "value": "red"}]}
    tagged = ChatRAGFlow(client=kb.client.scoped(Scope(metadata=metadata)), chat_id=kb.chat_id)
    with pytest.raises(UnsupportedError):
        asyncio.run(tagged.ainvoke(HARBOUR))
    with pytest.raises(UnsupportedError):
        list(tagged.stream(HARBOUR))
    elsewhere = ChatRAGFlow(client=kb.client.scoped(Scope([kb.ships_id])), chat_id=kb.chat_id)
    with pytest.raises(NotFoundError):
        elsewhere.invoke(HARBOUR)


def test_the_cache_tells_scopes_apart(kb: KnowledgeBase) -> None:
    """Two users with one cache never share an answer; one user does."""
    cache = InMemoryCache()
    scopes = [scope(kb, "boats.txt"), scope(kb, "lamps.txt"), scope(kb, "boats.txt")]
    models = [ChatRAGFlow(client=kb.client.scoped(one), chat_id=kb.chat_id, cache=cache) for one in scopes]
    models.append(ChatRAGFlow(client=kb.client, chat_id=kb.chat_id, cache=cache))
    first, second, first_again, everyone = [model.invoke(HARBOUR) for model in models]
    assert first.text == first_again.text
    assert first.response_metadata["message_id"] == first_again.response_metadata["message_id"]
    assert len({answer.response_metadata["message_id"] for answer in (first, second, everyone)}) == 3


def test_the_cache_tells_keys_apart(script: Script) -> None:
    """Two keys on one assistant: what one account may read is not answered to the other."""
    cache = InMemoryCache()
    for key, said in (("ragflow-one", "one"), ("ragflow-two", "two"), ("ragflow-one", "three")):
        script.pieces = [said]
        with RAGFlow(key, script.base_url) as client:
            answer = ChatRAGFlow(client=client, chat_id="c1", cache=cache).invoke("x")
        assert answer.text == ("two" if key == "ragflow-two" else "one")
    assert script.keys == ["ragflow-one", "ragflow-two"]
    assert "ragflow-one" not in str(cache._cache.keys())


def test_two_clients_have_one_scope() -> None:
    """Or one of the two ways would see more than the other."""
    with RAGFlow("key", "http://127.0.0.1:9") as client:
        scoped = client.scoped(Scope(["a"]))
        RAGFlowRetriever(client=scoped, async_client=scoped.as_async(), dataset_ids=["a"])
        with pytest.raises(ConfigurationError, match="scopes"):
            RAGFlowRetriever(client=scoped, async_client=client.as_async(), dataset_ids=["a"])


def test_copies_keep_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that comes out of a pickle and is then given other settings."""
    monkeypatch.setenv("RAGFLOW_API_KEY", "key")
    client = RAGFlow("key", "http://127.0.0.1:9").scoped(Scope(["a"]))
    retriever = RAGFlowRetriever(client=client, dataset_ids=["a"])
    back = pickle.loads(pickle.dumps(retriever))  # noqa: S301 - our own
    patient = RAGFlowRetriever(**{**dict(back), "client": back.client, "timeout": 99.0})
    for copy in (retriever.model_copy(), back, patient):
        assert copy.client is not None
        assert copy.client.scope == client.scope
        assert copy._async().scope == client.scope
