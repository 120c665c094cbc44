"""Retriever and chat models on what real servers answered, v0.24.0 and v0.27.0."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from langchain_ragflow import ChatRAGFlow, ChatRAGFlowAgent, RAGFlowRetriever
from ragflow_integrations import RAGFlow
from tests.protocol.recorded import recorded
from tests.recordings.replay import replay

QUESTION = "What is the capital of Atlantis?"


@pytest.fixture(scope="module", params=["v0.24", "v0.27"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, RAGFlow]]:
    """A version, and a client of a server that answers as that one did."""
    with replay(request.param) as running, RAGFlow("key", running.url, max_retries=0) as client:
        yield request.param, client


def test_what_was_found(server: tuple[str, RAGFlow]) -> None:
    """Texts, names and scores are the server's, sync and async; what it did not send is absent."""
    version, client = server
    exchange = recorded(version, "ret.ok")
    sent = exchange.body["data"]["chunks"]
    retriever = RAGFlowRetriever(client=client, dataset_ids=exchange.request_body["dataset_ids"], k=30)
    found = retriever.invoke(QUESTION)
    assert found == asyncio.run(retriever.ainvoke(QUESTION))
    assert [(one.id, one.page_content) for one in found] == [(one["id"], one["content"]) for one in sent]
    for one, chunk in zip(found, sent, strict=True):
        assert one.metadata["source"] == chunk["document_keyword"]
        for name in ("similarity", "vector_similarity", "term_similarity", "document_id"):
            assert one.metadata[name] == chunk[name]
        assert None not in one.metadata.values()


async def in_all_ways(model: Any) -> list[AIMessage]:
    """The answer, whole and streamed, sync and async."""
    pieces = [
        await asyncio.to_thread(lambda: list(model.stream(QUESTION))),
        [piece async for piece in model.astream(QUESTION)],
    ]
    return [
        await model.ainvoke(QUESTION),
        await asyncio.to_thread(model.invoke, QUESTION),
        *(sum(each[1:], each[0]) for each in pieces),
    ]


NATIVE = {"v0.24": "comp.nostream", "v0.27": "comp.new.nostream"}


@pytest.mark.parametrize("route", ["native", "openai"])
async def test_what_was_answered(server: tuple[str, RAGFlow], route: str) -> None:
    """The same in all ways: the server's text, and citations that are its markers and what they cite."""
    version, client = server
    exchange = recorded(version, "oai.reference.nostream")
    model = ChatRAGFlow(client=client, chat_id=exchange.path.split("/")[4], api="openai")
    text = exchange.body["choices"][0]["message"]["content"]
    if route == "native":
        exchange = recorded(version, NATIVE[version])
        session_id = exchange.request_body["session_id"]
        model = ChatRAGFlow(client=client, chat_id=model.chat_id, session_id=session_id)
        text = exchange.body["data"]["answer"]
    for answer in await in_all_ways(model):
        assert answer.text == text
        assert (answer.usage_metadata is None) == (route == "native")
        (citation,) = answer.response_metadata["citations"]
        assert text[citation["start_index"] : citation["end_index"]] == "[ID:0]"
        (source,) = answer.response_metadata["reference"]
        assert (citation["title"], citation["cited_text"]) == ("atlantis.txt", source["content"])


async def test_what_an_agent_answered(server: tuple[str, RAGFlow]) -> None:
    """In its session; whole and streamed."""
    version, client = server
    asked = recorded(version, "ac.nostream.session")
    agent_id = asked.request_body.get("agent_id") or asked.path.split("/")[4]
    session_id = asked.request_body["session_id"]
    model = ChatRAGFlowAgent(client=client, agent_id=agent_id, session_id=session_id)
    told = {(one.text, one.response_metadata["session_id"]) for one in await in_all_ways(model)}
    assert len(told) == 1
    assert "Poseidonia" in told.pop()[0]
