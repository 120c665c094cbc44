"""The comparison of answers with results sees what is lost, changed or invented."""

from __future__ import annotations

from typing import Any

import pytest

from ragflow_integrations.models import ChunkFields, DocumentFields, Message, Page

from .kept import lost_or_invented

CHUNK = {"id": "i", "content_with_weight": "c", "doc_id": "d", "similarity": 0.5, "new": [1]}
PAGE = {"chunks": [CHUNK], "total": 7}


@pytest.mark.parametrize(
    ("sent", "result"),
    [
        (CHUNK, ChunkFields.model_validate(CHUNK)),
        (PAGE, Page([ChunkFields.model_validate(CHUNK)], 7)),
        ({"answer": "a", "reference": PAGE}, Message(content="a", total=7, reference=[CHUNK])),
        ({"run": "3", "name": None}, DocumentFields(run="3", name=None)),
        ({"nobody": None}, DocumentFields()),
        ([], None),
    ],
)  # fmt: skip
def test_kept(sent: Any, result: Any) -> None:
    """Spellings, containers that became lists, a digit for a state, and nulls are no loss."""
    assert lost_or_invented(sent, result) == []


@pytest.mark.parametrize(
    ("sent", "result", "problem"),
    [
        (CHUNK, ChunkFields(id="i", content="c", document_id="d", similarity=0.5), "data: lost ['new=[1]']"),
        (CHUNK, ChunkFields.model_validate({**CHUNK, "doc_id": "e"}), "data: lost [\"doc_id='d'\"]"),
        (PAGE, Page([], 7), "data.chunks[0]: lost"),
        (PAGE, Page([ChunkFields.model_validate(CHUNK)]), "data: lost ['total=7']"),
        ([CHUNK, CHUNK], [ChunkFields.model_validate(CHUNK)], "data[1]: lost"),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {}}}, "data.a.b: lost"),
        ({"id": "i"}, ChunkFields(id="i", url="u"), "ChunkFields.url was not sent"),
        ({"run": "3"}, DocumentFields(run="4"), "data: lost [\"run='3'\"]"),
    ],
)
def test_lost(sent: Any, result: Any, problem: str) -> None:
    """A field, a value, an object, one of two equal ones, and a field that nobody sent."""
    (found,) = lost_or_invented(sent, result)
    assert found.startswith(problem)


def test_what_the_client_makes_itself() -> None:
    """It is named, and nothing else is let through."""
    message = Message(content="a", final=True)
    assert lost_or_invented({"answer": "a"}, message) == ["Message.final was not sent"]
    assert lost_or_invented({"answer": "a"}, message, frozenset({"final"})) == []
