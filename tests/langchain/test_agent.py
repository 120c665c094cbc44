"""The chat model of an agent: sessions, values that a run asks for, citations by the agent's own numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import ValidationError

from langchain_ragflow import ChatRAGFlowAgent
from ragflow_integrations import (
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RAGFlow,
    Scope,
    UnsupportedError,
)
from tests.canvases import ECHO, FORM, searching
from tests.langchain.conftest import QUESTION, build


@pytest.fixture(params=["0.27", "0.24"])
def client(request: pytest.FixtureRequest) -> Iterator[RAGFlow]:
    """An empty engine, in both dialects."""
    with RAGFlow.local(api_version=request.param) as opened:
        yield opened


def agent(client: RAGFlow, dsl: dict[str, Any], **fields: Any) -> ChatRAGFlowAgent:
    """A model of a new agent."""
    made = client.create_agent("guide", dsl)
    return ChatRAGFlowAgent(client=client, agent_id=made.id, **fields)


async def collected(pieces: Any) -> Any:
    """The sum of a stream."""
    whole = None
    async for piece in pieces:
        whole = piece if whole is None else whole + piece
    return whole


async def test_it_answers_in_all_four_ways(client: RAGFlow) -> None:
    """Whole and streamed, sync and async; each time in a session of its own, which the answer names."""
    model = await asyncio.to_thread(agent, client, ECHO)
    answers = [
        await model.ainvoke("Good day"),
        await collected(model.astream("Good day")),
        await asyncio.to_thread(model.invoke, "Good day"),
        (await asyncio.to_thread(lambda: [*model.stream("Good day")]))[-1],
    ]
    assert [answer.text for answer in answers[:3]] == ["You said: Good day"] * 3
    assert len({answer.response_metadata["session_id"] for answer in answers}) == 4
    for answer in answers:
        assert answer.response_metadata["model_name"] == model.agent_id
        assert answer.response_metadata["citations"] == []


def test_a_session_goes_on(client: RAGFlow) -> None:
    """What the first answer began is asked in again, and has both questions."""
    model = agent(client, ECHO)
    session_id = model.invoke("One").response_metadata["session_id"]
    again = model.invoke([HumanMessage("One"), AIMessage("…"), HumanMessage("Two")], session_id=session_id)
    assert (again.text, again.response_metadata["session_id"]) == ("You said: Two", session_id)
    messages = client.get_agent(model.agent_id).get_session(session_id).messages
    assert [message.content for message in messages if message.role == "user"] == ["One", "Two"]
    with pytest.warns(UserWarning, match="last human message only"):
        model.invoke([HumanMessage("One"), AIMessage("…"), HumanMessage("Two")])


async def test_citations_are_those_of_the_text(client: RAGFlow) -> None:
    """The agent's number leads to the chunk, and to its place in the reference; streamed or not."""
    kb = await asyncio.to_thread(build, client)
    model = await asyncio.to_thread(agent, client, searching(kb.dataset_id))
    for answer in (await model.ainvoke(QUESTION), await collected(model.astream(QUESTION))):
        (block,) = answer.content_blocks
        for citation in block["annotations"]:
            assert answer.text[citation["start_index"] : citation["end_index"]].startswith("[ID:")
            cited = answer.response_metadata["reference"][citation["extras"]["reference"]]
            assert cited["content"] == citation["cited_text"]
        assert "notice.txt" in {citation["title"] for citation in block["annotations"]}


def test_a_run_that_waits_for_values(client: RAGFlow) -> None:
    """What it asks for is in the metadata, and is answered with ``inputs`` in its session."""
    model = agent(client, FORM)
    waiting = model.invoke("Good day").response_metadata
    assert (waiting["tips"], [*waiting["user_inputs"]]) == ("Who is it?", ["who"])
    answer = model.invoke("", session_id=waiting["session_id"], inputs={"who": "Bob"})
    assert answer.text == "Hello Bob"
    assert "user_inputs" not in answer.response_metadata


def test_the_cache_tells_calls_apart(client: RAGFlow) -> None:
    """Another session or other values are another question."""
    model = agent(client, ECHO, cache=InMemoryCache())
    first, again = (model.invoke("One").response_metadata["session_id"] for _ in range(2))
    inside = model.invoke("One", session_id=model.invoke("Two").response_metadata["session_id"])
    assert (first == again, inside.response_metadata["session_id"] == first) == (True, False)


def test_what_is_refused(client: RAGFlow) -> None:
    """Unknown agents and sessions, misspelt fields, what is no question, and a scope, which no agent keeps."""
    model = agent(client, ECHO)
    unknown = "4c1e1a10e5cf11f1b81e813d689ac929"
    with pytest.raises((NotFoundError, PermissionDeniedError)):
        ChatRAGFlowAgent(client=client, agent_id=unknown).invoke("x")
    with pytest.raises(NotFoundError):
        model.invoke("x", session_id=unknown)
    with pytest.raises(ValidationError, match="sesion"):
        asyncio.run(model.ainvoke("x", sesion_id="s"))
    with pytest.raises(InvalidRequestError):
        model.invoke([AIMessage("x")])
    with pytest.raises(UnsupportedError, match="scope"):
        ChatRAGFlowAgent(client=client, agent_id=model.agent_id, scope=Scope([unknown])).invoke("x")
    with pytest.raises(NotImplementedError, match=r"RAGFlowToolkit\("):
        model.bind_tools([])
