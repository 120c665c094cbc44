"""A session as a message history: what was asked and answered, with citations; nothing else can be added."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import ConfigurableField
from langchain_core.runnables.history import RunnableWithMessageHistory
from pydantic import ValidationError

from langchain_ragflow import ChatRAGFlow, ChatRAGFlowAgent, RAGFlowChatMessageHistory
from ragflow_integrations import NotFoundError, RAGFlow
from tests.langchain.conftest import QUESTION, KnowledgeBase, build
from tests.langchain.test_agent import ECHO

LEAVE = "How many days of leave does a keeper have?"


@pytest.fixture(scope="module", params=["0.27", "0.24"])
def base(request: pytest.FixtureRequest) -> Iterator[KnowledgeBase]:
    """The knowledge base on an engine, in both dialects."""
    with RAGFlow.local(api_version=request.param) as client:
        yield build(client)


@pytest.fixture
def session(base: KnowledgeBase) -> dict[str, Any]:
    """Where a new session is."""
    made = base.client.chat(base.chat_id).create_session()
    return {"client": base.client, "chat_id": base.chat_id, "session_id": made.id}


async def test_what_was_asked_and_answered(session: dict[str, Any]) -> None:
    """The opener, the question, and the answer with the citations it had; sync and async."""
    answered = await ChatRAGFlow(**session).ainvoke(QUESTION)
    history = RAGFlowChatMessageHistory(**session)
    for messages in (await history.aget_messages(), await asyncio.to_thread(lambda: history.messages)):
        opener, question, answer = messages
        assert (opener.type, question, answer.text) == (
            "ai",
            HumanMessage(QUESTION, id=question.id),
            answered.text,
        )
        cited, told = (each.content_blocks[0]["annotations"] for each in (answer, answered))
        places = [
            [(one["start_index"], one["end_index"], one["title"]) for one in each] for each in (cited, told)
        ]
        assert places[0] == places[1] != []


@pytest.mark.filterwarnings("ignore:RunnableWithMessageHistory is deprecated")
@pytest.mark.filterwarnings("ignore:The class `RunnableWithMessageHistory` was deprecated")
async def test_around_a_model_in_the_same_session(session: dict[str, Any]) -> None:
    """Code with ``RunnableWithMessageHistory`` goes on working; each message is in the session once."""
    place = {name: session[name] for name in ("client", "chat_id")}
    model = ChatRAGFlow(**place).configurable_fields(session_id=ConfigurableField(id="session_id"))
    chain = RunnableWithMessageHistory(
        model, lambda session_id: RAGFlowChatMessageHistory(**place, session_id=session_id)
    )
    config: Any = {"configurable": {"session_id": session["session_id"]}}
    assert "six weeks" in (await chain.ainvoke([HumanMessage(QUESTION)], config)).text
    assert "thirty days" in (await asyncio.to_thread(chain.invoke, [HumanMessage(LEAVE)], config)).text
    messages = await RAGFlowChatMessageHistory(**session).aget_messages()
    assert [one.text for one in messages if one.type == "human"] == [QUESTION, LEAVE]


async def test_nothing_else_can_be_added(session: dict[str, Any]) -> None:
    """What the session does not end with is refused, and says how messages come in; what it does is fine."""
    history = RAGFlowChatMessageHistory(**session)
    with pytest.raises(NotImplementedError, match="ChatRAGFlow\\(session_id="):
        await history.aadd_messages([HumanMessage("x")])
    with pytest.raises(NotImplementedError, match="by asking in them"):
        await asyncio.to_thread(history.add_user_message, "x")
    answer = await ChatRAGFlow(**session, stop=["weeks"]).ainvoke(QUESTION)
    await history.aadd_messages([HumanMessage(QUESTION), answer])
    await history.aadd_messages([])
    with pytest.raises(NotImplementedError):
        await history.aadd_messages([HumanMessage(QUESTION), AIMessage("Something else")])


@pytest.mark.parametrize("way", ["sync", "async"])
def test_clearing_deletes_the_session(session: dict[str, Any], way: str) -> None:
    """It is gone then: reading is an error and no empty list."""
    history = RAGFlowChatMessageHistory(**session)
    assert len(history.messages) == 1
    history.clear() if way == "sync" else asyncio.run(history.aclear())
    with pytest.raises(NotFoundError):
        history.messages  # noqa: B018


def test_a_session_of_an_agent(base: KnowledgeBase) -> None:
    """The same for agents."""
    made = base.client.create_agent(f"echo {id(base)}", ECHO)
    place: dict[str, Any] = {"client": base.client, "agent_id": made.id}
    session_id = ChatRAGFlowAgent(**place).invoke("Good day").response_metadata["session_id"]
    history = RAGFlowChatMessageHistory(**place, session_id=session_id)
    assert [one.text for one in history.messages][-2:] == ["Good day", "You said: Good day"]
    history.clear()
    with pytest.raises(NotFoundError):
        history.messages  # noqa: B018


@pytest.mark.parametrize("fields", [{}, {"chat_id": "a", "agent_id": "b"}, {"chat_id": "a", "sesion": "s"}])
def test_wrong_constructors(base: KnowledgeBase, fields: dict[str, Any]) -> None:
    """Neither or both of chat and agent, and what is misspelt."""
    with pytest.raises(ValidationError):
        RAGFlowChatMessageHistory(client=base.client, session_id="s", **fields)
