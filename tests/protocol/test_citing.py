"""Citations in a text, and filling up what they point to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragflow_integrations import ChunkFields, Citation, Message, NotFoundError, ServerError
from ragflow_integrations.protocol.citing import rehydrated

from .driving import Server

A, B = ChunkFields(id="a"), ChunkFields(id="b")


def test_where_an_answer_cites() -> None:
    """Each marker with its place, its number and its chunk, in the text's order; old servers wrote another one."""
    text = "One [ID:1], two [ID: 0 ] and ##1$$."
    message = Message(content=text, reference=[A, B])
    assert [(text[one.start : one.end], one.index, one.chunk) for one in message.citations()] == [
        ("[ID:1]", 1, B), ("[ID: 0 ]", 0, A), ("##1$$", 1, B),
    ]  # fmt: skip


def test_a_marker_without_a_source() -> None:
    """It is told, with no chunk; other brackets are text."""
    message = Message(content="[ID:7] x[0] [ID:] ##$$ [1]", reference=[A])
    assert message.citations() == [Citation(0, 6, 7, None)]


def test_the_last_message_of_a_stream() -> None:
    """It cites in the whole answer, of which its own content is only the end."""
    message = Message(content="", full_content="So [ID:0].", reference=[A], final=True)
    assert [(one.start, one.chunk) for one in message.citations()] == [(3, A)]


@given(st.text("[ID:] 0١#$", max_size=20))
def test_any_text(text: str) -> None:
    """Whatever stands there, spans are in order, apart, and are markers."""
    found = Citation.found_in(text, [A])
    ends = [place for one in found for place in (one.start, one.end)]
    assert ends == sorted(ends)
    for one in found:
        assert text[one.start : one.end].strip("[ID: ]#$").isdigit()
        assert one.chunk is (A if one.index == 0 else None)


STORED = ChunkFields(id="a", content="cut", document_id="d", dataset_id="k", similarity=0.5, url="u")


def test_rehydrated() -> None:
    """Content, image and keywords are those of the dataset, scores those of the answer."""
    row = {
        "id": "a", "content": "whole", "document_id": "d", "dataset_id": "k", "image_id": "i",
        "docnm_kwd": "n.txt", "important_keywords": ["w"], "positions": [[1, 2, 3, 4, 5]], "available": True,
    }  # fmt: skip
    server = Server([{"chunks": [row], "total": 1}])
    (chunk,) = server.drive(rehydrated([STORED]))
    assert server.asked == [("GET", "/api/v1/datasets/k/documents/d/chunks")]
    assert ("id", "a") in server.requests[0].query
    assert (chunk.content, chunk.image_id, chunk.document_name) == ("whole", "i", "n.txt")
    assert (chunk.important_keywords, chunk.similarity, chunk.url) == (["w"], 0.5, "u")
    assert STORED.content == "cut"


def test_what_cannot_be_rehydrated() -> None:
    """A chunk that is gone, and one that is of no dataset, stay as they were stored; the order stays."""
    web = ChunkFields(content="from the web", url="https://example.com")
    there = {"chunks": [{"id": "b", "document_id": "d", "content": "whole"}], "total": 1}
    server = Server([NotFoundError("Chunk not found!"), there])
    found = server.drive(rehydrated([STORED, web, STORED.model_copy(update={"id": "b"})]))
    assert [chunk.content for chunk in found] == ["cut", "from the web", "whole"]


def test_a_failure_is_no_missing_chunk() -> None:
    """Anything else that goes wrong is raised."""
    with pytest.raises(ServerError, match="down"):
        Server([ServerError("down")]).drive(rehydrated([STORED]))
