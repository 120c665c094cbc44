"""Citations in an answer's text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.schema import NodeWithScore

from llamaindex_ragflow.citations import cite, flag
from llamaindex_ragflow.nodes import to_node
from ragflow_integrations import Chunk
from tests.llamaindex.scripted import chunk


def nodes(count: int) -> list[NodeWithScore]:
    """So many sources."""
    return [to_node(Chunk.model_validate(chunk(number))) for number in range(count)]


def test_spans_are_the_markers() -> None:
    """Each marker is found at its place, also spelled with a space or other digits, in the order of the text."""
    text = "One [ID:1], two [ID: 0][ID:٢], one again [ID:1]."
    cited = cite(text, nodes(3))
    assert [text[one["start"] : one["end"]] for one in cited.citations] == [
        "[ID:1]",
        "[ID: 0]",
        "[ID:٢]",
        "[ID:1]",
    ]
    assert [one["index"] for one in cited.citations] == [1, 0, 2, 1]
    assert [one["node_id"] for one in cited.citations] == ["chunk1", "chunk0", "chunk2", "chunk1"]
    assert cited.node_ids == ["chunk1", "chunk0", "chunk2"]
    assert cited.unresolved == []


def test_a_marker_beyond_the_sources_is_reported() -> None:
    """It cites nothing and is not dropped silently."""
    cited = cite("A [ID:0] b [ID:2]", nodes(2))
    assert [one["index"] for one in cited.citations] == [0]
    assert cited.unresolved == [{"index": 2, "start": 11, "end": 17}]


@pytest.mark.parametrize(
    "text", ["x[0] = y[1]", "[ID:]", "[ID:one]", "ID:0", "[ID:-1]", f"[ID:{'9' * 5000}]", ""]
)
def test_other_brackets_are_text(text: str) -> None:
    """Code and broken markers cite nothing."""
    assert cite(text, nodes(2)) == ([], [])


def test_nodes_say_whether_they_are_cited() -> None:
    """Every node has its number, and whether a marker names it."""
    sources = nodes(3)
    flag(sources, cite("[ID:2] [ID:0] [ID:7]", sources))
    assert [node.metadata["citation_index"] for node in sources] == [0, 1, 2]
    assert [node.metadata["cited"] for node in sources] == [True, False, True]


@given(st.lists(st.one_of(st.integers(0, 9), st.text("[]ID: 0x", max_size=8)), max_size=12))
def test_every_marker_is_found_once(parts: list[int | str]) -> None:
    """Whatever stands around them, spans do not overlap and each slice is a marker with that number."""
    text = "".join(f"[ID:{part}]" if isinstance(part, int) else part for part in parts)
    cited = cite(text, nodes(5))
    spans = sorted((one["start"], one["end"], one["index"]) for one in cited.citations + cited.unresolved)
    assert len(spans) >= sum(isinstance(part, int) for part in parts)
    for start, end, index in spans:
        assert text[start:end].startswith("[ID:")
        assert int(text[start + 4 : end - 1]) == index
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
