"""The examples of v0.24's Python document about chats, sessions and agents, as they stand there.

Only the loop that prints a streamed answer differs: it is of a time when servers repeated the whole text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from ragflow_integrations import Chat, Message, RAGFlow
from tests.client.conftest import Place
from tests.protocol.recorded import recorded
from tests.recordings.replay import Replay

QUESTION = "What is the capital of Atlantis?"
ANSWER = f"FAKE-LLM says: you asked '{QUESTION}'. The capital of Atlantis is Poseidonia."


@pytest.fixture
def rag_object(library: Place) -> Iterator[RAGFlow]:
    """The knowledge base that all tests share, without chats."""
    with RAGFlow(api_key=library.api_key, base_url=library.base_url) as client:
        client.delete_chats(ids=None)
        yield client


def printed(stream: Iterable[Message]) -> str:
    """What a loop shows that prints each piece as it comes."""
    return "".join(ans.content for ans in stream)


def test_chat_assistants(rag_object: RAGFlow) -> None:
    """Made, changed, listed and deleted."""
    datasets = rag_object.list_datasets(name="facts")
    dataset_ids = []
    for dataset in datasets:
        dataset_ids.append(dataset.id)
    assistant = rag_object.create_chat("Miss R", dataset_ids=dataset_ids)
    assistant.update({"name": "Stefan", "llm": {"temperature": 0.8}, "prompt": {"top_n": 8}})
    (listed,) = rag_object.list_chats()
    assert (listed.name, listed.llm.temperature, listed.prompt.top_n) == ("Stefan", 0.8, 8)
    assert listed.dataset_ids == dataset_ids
    rag_object.delete_chats(ids=[assistant.id])
    assert rag_object.list_chats() == []


def test_settings_in_classes(rag_object: RAGFlow) -> None:
    """``Chat.LLM`` and ``Chat.Prompt`` with all that the document names come back as they were given."""
    prompt = Chat.Prompt(
        similarity_threshold=0.2,
        keywords_similarity_weight=0.7,
        top_n=8,
        variables=[{"key": "knowledge", "optional": True}],
        rerank_model="",
        top_k=1024,
        empty_response=None,
        opener="Hi! I am your assistant, can I help you?",
        show_quote=True,
        prompt="You know {knowledge}",
    )
    llm = Chat.LLM(model_name=None, temperature=0.1, top_p=0.3, presence_penalty=0.2, frequency_penalty=0.7)
    made = rag_object.create_chat("Miss R", "", [], llm, prompt)
    for chat in (made, rag_object.get_chat(made.id), made.update({"llm": llm, "prompt": prompt})):
        given = {**prompt.model_dump(exclude_none=True), "variables": chat.prompt.variables}
        assert chat.prompt.model_dump(include=set(given)) == given
        assert (chat.prompt.variables or [])[0] == {"key": "knowledge", "optional": True}
        assert chat.llm.model_dump(exclude={"model_name"}, exclude_none=True) == llm.model_dump(
            exclude_none=True
        )


def test_sessions(rag_object: RAGFlow) -> None:
    """Made, renamed, listed, asked and deleted."""
    ids = [dataset.id for dataset in rag_object.list_datasets(name="facts")]
    rag_object.create_chat("Miss R", dataset_ids=ids)
    assistant = rag_object.list_chats(name="Miss R")[0]
    session = assistant.create_session("session_name")
    assert session.message[0].role == "assistant"
    assert session.chat_id == assistant.id
    session.update({"name": "updated_name"})
    assert [session.name for session in assistant.list_sessions()] == ["updated_name"]
    whole = session.ask(QUESTION)
    assert "Poseidonia" in whole.content
    assert printed(session.ask(QUESTION, stream=True)) == whole.content
    assistant.delete_sessions(ids=[session.id])
    assert assistant.list_sessions() == []


def test_agents(replay_v024: Replay) -> None:
    """Found by its id, asked in a session, whole and streamed; its sessions are listed."""
    agent_id = recorded("v0.24", "agent.sess.create").path.split("/")[4]
    rag_object = RAGFlow(api_key="key", base_url=replay_v024.url)
    agent = rag_object.list_agents(id=agent_id)[0]
    session = agent.create_session()
    assert session.message[0].content == "Hi! I am your assistant."
    assert session.ask(QUESTION).content == ANSWER
    assert printed(session.ask(QUESTION, stream=True)) == ANSWER
    assert session.id in [session.id for session in agent.list_sessions(orderby="create_time")]
    rag_object.close()
