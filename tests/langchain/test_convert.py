"""Chunks become documents, messages become RAGFlow's: without a server."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_ragflow._convert import document, history, last_question
from ragflow_integrations import Chunk, InvalidRequestError


def test_a_document_has_what_the_server_sent() -> None:
    """All facts of a retrieved chunk under their names, its score as ``score``, its name as ``source``."""
    sent = {
        "id": "k0",
        "content": "The moon is made of cheese.",
        "document_id": "d0",
        "document_keyword": "moon.pdf",
        "kb_id": "s0",
        "image_id": "i0",
        "positions": [[3, 10, 90, 20, 40], [4, 10, 90, 5, 9]],
        "doc_type_kwd": "image",
        "similarity": 0.5,
        "vector_similarity": 0.9,
        "term_similarity": 0.3,
        "important_keywords": ["moon"],
        "highlight": "The <em>moon</em>",
        "document_metadata": {"author": "Ann", "score": 9},
    }
    got = document(Chunk.model_validate(sent))
    assert (got.id, got.page_content) == ("k0", "The moon is made of cheese.")
    assert got.metadata == {
        "source": "moon.pdf",
        "score": 0.5,
        "chunk_id": "k0",
        "page": 3,
        "dataset_id": "s0",
        "document_id": "d0",
        "document_name": "moon.pdf",
        "similarity": 0.5,
        "vector_similarity": 0.9,
        "term_similarity": 0.3,
        "positions": [[3, 10, 90, 20, 40], [4, 10, 90, 5, 9]],
        "image_id": "i0",
        "doc_type": "image",
        "highlight": "The <em>moon</em>",
        "important_keywords": ["moon"],
        "document_metadata": {"author": "Ann", "score": 9},
    }


def test_what_is_absent_stays_absent() -> None:
    """No score of 0 and no empty name stands in for what the server did not send; a score of 0 is kept."""
    assert document(Chunk(content="x")).metadata == {}
    assert document(Chunk(content="x")).id is None
    assert document(Chunk(content="x", similarity=0.0)).metadata == {"score": 0.0, "similarity": 0.0}


@pytest.mark.parametrize("positions", [[], [[1, 0, 0, 0, 0]], [[7, 6, 6, 6, 6]], [[1, 2]], ["x"]])
def test_no_page_without_a_box_on_one(positions: list[object]) -> None:
    """For plain text the server counts chunks in ``positions``: that is no page."""
    assert "page" not in document(Chunk(content="x", positions=positions)).metadata


def test_a_history_keeps_its_order_and_roles() -> None:
    """Text parts become one text."""
    messages = [
        HumanMessage([{"type": "text", "text": "Hello "}, {"type": "text", "text": "there"}]),
        AIMessage("Good day"),
        HumanMessage("What is it?"),
    ]
    assert history(messages) == [
        {"role": "user", "content": "Hello there"},
        {"role": "assistant", "content": "Good day"},
        {"role": "user", "content": "What is it?"},
    ]
    assert last_question(messages) == "What is it?"


def test_reasoning_is_not_sent_back() -> None:
    """Of an earlier answer in blocks only its text is history."""
    blocks = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "Yes"}]
    assert history([AIMessage(blocks)]) == [{"role": "assistant", "content": "Yes"}]


def test_system_messages_are_left_out_with_a_warning() -> None:
    """The server would drop them without a word."""
    with pytest.warns(UserWarning, match="does not send system messages"):
        sent = history([SystemMessage("Be brief"), HumanMessage("Hi")])
    assert sent == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (ToolMessage("4", tool_call_id="t"), "type 'tool'"),
        (HumanMessage([{"type": "image", "url": "https://x.example/a.png"}]), "type 'image'"),
        (
            HumanMessage([{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]),
            "type 'image'",
        ),
    ],
)
def test_what_ragflow_cannot_read_is_refused(message: BaseMessage, said: str) -> None:
    """Nothing of a question is dropped in silence."""
    with pytest.raises(InvalidRequestError, match=said):
        history([message])


@pytest.mark.parametrize("messages", [[], [AIMessage("x")], [HumanMessage("x"), AIMessage("y")]])
def test_a_session_needs_a_question(messages: list[BaseMessage]) -> None:
    """The last message must be the user's."""
    with pytest.raises(InvalidRequestError, match="human message"):
        last_question(messages)
