"""One key, many users: adapters that are given a client with a scope keep within it, on every path."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest
from llama_index.core.llms import MockLLM
from llama_index.core.schema import QueryBundle

from llamaindex_ragflow import RAGFlowQueryEngine, RAGFlowRetriever
from ragflow_integrations import ConfigurationError, NotFoundError, RAGFlow, Scope, UnsupportedError
from tests.llamaindex.conftest import HARBOUR, KnowledgeBase


def scoped(kb: KnowledgeBase, *names: str) -> RAGFlow:
    """A client for these documents of the handbook."""
    return kb.client.scoped(Scope([kb.dataset_id], [kb.documents[name] for name in names]))


def files(nodes: list[Any]) -> set[str]:
    """The documents that nodes are of."""
    return {each.node.metadata["document_name"] for each in nodes}


async def streamed(engine: Any) -> list[Any]:
    """The sources of a streamed answer, which are there when it has been read."""
    response = await engine.aquery(HARBOUR)
    assert "".join([piece async for piece in response.response_gen])
    return list(response.source_nodes)


def test_a_retriever(kb: KnowledgeBase) -> None:
    """Both ways of calling, by ids and by names, and what is not in the scope is not found."""
    client = scoped(kb, "boats.txt")
    ways: list[dict[str, Any]] = [
        {"dataset_ids": [kb.dataset_id, kb.ships_id]},
        {"dataset_names": ["handbook"]},
    ]
    for where in ways:
        retriever = RAGFlowRetriever(**where, client=client, similarity_threshold=0.0)
        assert (
            files(retriever.retrieve(HARBOUR))
            == files(asyncio.run(retriever.aretrieve(HARBOUR)))
            == {"boats.txt"}
        )
    with pytest.raises(NotFoundError):
        RAGFlowRetriever(dataset_names=["ships"], client=client).retrieve(HARBOUR)


def test_an_assistant(kb: KnowledgeBase) -> None:
    """It answers from the scope's documents in all ways; from nodes of others it does not answer at all."""
    client = scoped(kb, "boats.txt")
    engine = RAGFlowQueryEngine(chat_name="helpdesk", client=client)
    assert files(engine.query(HARBOUR).source_nodes) == {"boats.txt"}
    assert files(asyncio.run(engine.aquery(HARBOUR)).source_nodes) == {"boats.txt"}
    streaming: Any = RAGFlowQueryEngine(chat_id=kb.chat_id, client=client, streaming=True)
    response = streaming.query(HARBOUR)
    assert "".join(response.response_gen)
    assert files(response.source_nodes) == {"boats.txt"}
    assert files(asyncio.run(streamed(streaming))) == {"boats.txt"}
    lamps = RAGFlowRetriever([kb.dataset_id], client=scoped(kb, "lamps.txt")).retrieve(
        "When are the lamps lit?"
    )
    with pytest.raises(Exception, match="none of the documents"):
        engine.synthesize(QueryBundle(HARBOUR), lamps)


def test_what_an_answer_would_rest_on(kb: KnowledgeBase) -> None:
    """``retrieve`` of an engine is within the scope, as is an answer by another model from it."""
    client = scoped(kb, "boats.txt", "lamps.txt")
    chat = RAGFlowQueryEngine(chat_id=kb.chat_id, client=client)
    assert files(chat.retrieve(QueryBundle(HARBOUR))) <= {"boats.txt", "lamps.txt"}
    assert files(asyncio.run(chat.aretrieve(QueryBundle(HARBOUR)))) <= {"boats.txt", "lamps.txt"}
    own = RAGFlowQueryEngine(dataset_ids=[kb.dataset_id], llm=MockLLM(), client=client)
    assert files(own.query(HARBOUR).source_nodes) <= {"boats.txt", "lamps.txt"}
    assert files(asyncio.run(own.aquery(HARBOUR)).source_nodes) <= {"boats.txt", "lamps.txt"}


def test_where_it_cannot_be_kept(kb: KnowledgeBase) -> None:
    """A chat outside is not there; metadata in a question to a chat is refused, streamed or not."""
    elsewhere = RAGFlowQueryEngine(chat_id=kb.chat_id, client=kb.client.scoped(Scope([kb.ships_id])))
    with pytest.raises(NotFoundError):
        elsewhere.query(HARBOUR)
    metadata = {"conditions": [{"name": "team", "comparison_operator": "is", "value": "red"}]}
    tagged = RAGFlowQueryEngine(chat_id=kb.chat_id, client=kb.client.scoped(Scope(metadata=metadata)))
    with pytest.raises(UnsupportedError):
        asyncio.run(tagged.aquery(HARBOUR))


def test_two_clients_have_one_scope() -> None:
    """Or one of the two ways would see more than the other."""
    with RAGFlow("key", "http://127.0.0.1:9") as client:
        narrow = client.scoped(Scope(["a"]))
        RAGFlowRetriever(["a"], client=narrow, async_client=narrow.as_async())
        with pytest.raises(ConfigurationError, match="scopes"):
            RAGFlowRetriever(["a"], client=narrow, async_client=client.as_async())


def test_a_pickle_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With both its clients."""
    monkeypatch.setenv("RAGFLOW_API_KEY", "key")
    with RAGFlow("key", "http://127.0.0.1:9") as client:
        retriever = RAGFlowRetriever(["a"], client=client.scoped(Scope(["a"])))
        connection = pickle.loads(pickle.dumps(retriever._connection))  # noqa: S301 - our own
        assert connection.client.scope == connection.async_client.scope == Scope(["a"])
        connection.close()
