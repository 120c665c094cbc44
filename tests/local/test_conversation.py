"""Chats over a real collection of texts: Python's language reference."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ragflow_integrations.local.chats import EMPTY_RESPONSE
from ragflow_integrations.local.conversation import Delta, Final, Question
from ragflow_integrations.local.engine import Engine, Retrieval
from tests.local.knowledge import filled
from tests.local.truth import TOPICS


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """An engine with the 79 topics, and a chat on them that takes any chunk from a similarity of 0.1 on."""
    with Engine(":memory:") as engine:
        dataset = filled(engine, {f"{name}.txt": text.encode() for name, text in TOPICS.items()})
        engine.create_chat({"name": "python", "dataset_ids": [dataset["id"]], "similarity_threshold": 0.1})
        yield engine


def asked(engine: Engine, question: str) -> tuple[str, Final]:
    """The text that the chat streams, and its end."""
    [chat], _ = engine.list_chats(page=1, page_size=1, orderby="create_time", desc=True)
    *deltas, final = engine.converse(chat, Question([{"role": "user", "content": question}]))
    assert isinstance(final, Final)
    return "".join(delta.text for delta in deltas if isinstance(delta, Delta)) or final.answer, final


@pytest.mark.parametrize("question", ["xxyyzz qqq", "What is the best pizza in Naples?"])
def test_chunks_about_something_else_are_no_answer(engine: Engine, question: str) -> None:
    """Although chunks are over the threshold, the chat says that it found nothing, and refers to nothing."""
    [dataset], _ = engine.list_datasets(page=1, page_size=1, orderby="create_time", desc=True)
    assert engine.retrieve(Retrieval(question, [dataset["id"]], similarity_threshold=0.1)).total > 0
    text, final = asked(engine, question)
    assert text == final.answer == EMPTY_RESPONSE
    assert final.reference == {"total": 0, "chunks": [], "doc_aggs": []}
    assert question in final.prompt


@pytest.mark.parametrize(
    ("question", "beginning", "document"),
    [
        ("How does the yield expression work?", 'A "yield" statement is semantically', "yield.txt"),
        ("What does the pass statement do?", '"pass" is a null operation', "pass.txt"),
        ("What does the global statement do?", 'The "global" statement is a declaration', "global.txt"),
        ("What does the del statement do?", "Deletion of a name removes the binding", "del.txt"),
    ],
)
def test_an_answer_begins_with_a_definition(
    engine: Engine, question: str, beginning: str, document: str
) -> None:
    """What the thing is comes first, quoted from the document about it; no heading, grammar or example before."""
    text, final = asked(engine, question)
    assert text.startswith(beginning)
    assert final.reference is not None
    assert final.reference["chunks"][0]["document_name"] == document


def test_each_topic_is_answered(engine: Engine) -> None:
    """A question with a topic's first words gets an answer, never the empty response; no markup is in it."""
    for name, text in TOPICS.items():
        heading = text.strip().split("\n")[0]
        answer, _ = asked(engine, f"What about {heading}?")
        assert answer != EMPTY_RESPONSE, name
        assert "::=" not in answer, name
        assert "***" not in answer, name
        assert ">>>" not in answer, name
