"""Citations in an answer's text."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.schema import NodeWithScore

from llamaindex_ragflow.citations import Cited, Markers, cite, flag, footnotes
from llamaindex_ragflow.nodes import to_node
from ragflow_integrations import AgentMessage, Citation, Message
from tests.llamaindex.scripted import chunk


def answer(text: str, sources: int) -> tuple[Message, list[NodeWithScore]]:
    """An answer with so many sources, and these as nodes."""
    message = Message.model_validate({"content": text, "reference": [chunk(n) for n in range(sources)]})
    return message, [to_node(one) for one in message.reference]


def cited_in(text: str, sources: int) -> Cited:
    """The citations of a text as RAGFlow has it."""
    message, nodes = answer(text, sources)
    markers = Markers("ragflow")
    assert markers.whole(text) == text
    return cite(text, markers.spans, message, nodes)


def test_spans_are_the_markers() -> None:
    """Each marker is found at its place, also spelled with a space or other digits, in the order of the text."""
    text = "One [ID:1], two [ID: 0][ID:٢], one again [ID:1]."
    cited = cited_in(text, 3)
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
    cited = cited_in("A [ID:0] b [ID:2]", 2)
    assert [one["index"] for one in cited.citations] == [0]
    assert cited.unresolved == [{"index": 2, "start": 11, "end": 17}]


@pytest.mark.parametrize(
    "text", ["x[0] = y[1]", "[ID:]", "[ID:one]", "ID:0", "[ID:-1]", f"[ID:{'9' * 5000}]", ""]
)
def test_other_brackets_are_text(text: str) -> None:
    """Code and broken markers cite nothing."""
    assert cited_in(text, 2) == ([], [])


def test_nodes_say_whether_they_are_cited() -> None:
    """Every node has its number, and whether a marker names it."""
    _, sources = answer("", 3)
    flag(sources, cited_in("[ID:2] [ID:0] [ID:7]", 3))
    assert [node.metadata["citation_index"] for node in sources] == [0, 1, 2]
    assert [node.metadata["cited"] for node in sources] == [True, False, True]


@given(st.lists(st.one_of(st.integers(0, 9), st.text("[]ID: 0x", max_size=8)), max_size=12))
def test_every_marker_is_found_once(parts: list[int | str]) -> None:
    """Whatever stands around them, spans do not overlap and each slice is a marker with that number."""
    text = "".join(f"[ID:{part}]" if isinstance(part, int) else part for part in parts)
    cited = cited_in(text, 5)
    spans = sorted((one["start"], one["end"], one["index"]) for one in cited.citations + cited.unresolved)
    assert len(spans) >= sum(isinstance(part, int) for part in parts)
    for start, end, index in spans:
        assert text[start:end].startswith("[ID:")
        assert int(text[start + 4 : end - 1]) == index
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_an_agents_markers_have_keys() -> None:
    """``[ID:7]`` of an agent is the chunk that is kept under 7, wherever that is among its sources."""
    text = "A [ID:7] b [ID:0]."
    chunks = {"12": chunk(0), "7": chunk(1)}
    message = AgentMessage.model_validate({"content": text, "reference": {"chunks": chunks}})
    markers = Markers("ragflow")
    markers.whole(text)
    cited = cite(text, markers.spans, message, [to_node(one) for one in message.reference])
    assert cited.citations == [{"index": 1, "start": 2, "end": 8, "node_id": "chunk1"}]
    assert cited.unresolved == [{"index": 0, "start": 11, "end": 17}]


STYLES = {
    "ragflow": "Six [ID:1] weeks [ID: 0][ID:1].",
    "numeric": "Six [2] weeks [1][2].",
    "markdown": "Six [^2] weeks [^1][^2].",
    "none": "Six weeks.",
}


@pytest.mark.parametrize(("style", "written"), STYLES.items())
def test_styles(style: Any, written: str) -> None:
    """The text is rewritten, and the spans are those of the rewritten text."""
    markers = Markers(style)
    assert markers.whole(STYLES["ragflow"]) == written
    assert [span.number for span in markers.spans] == [1, 0, 1]
    if style != "none":
        as_found = [written[span.start : span.end] for span in markers.spans]
        assert as_found == re.findall(r"\[.*?\]", written)
    else:
        assert [written[: span.start] for span in markers.spans] == ["Six", "Six weeks", "Six weeks"]


TORN = (
    "[",
    "[I",
    "[ID",
    "[ID:",
    "[ID: ",
    "[ID:4",
    "5",
    " ",
    "]",
    " ]",
    "#",
    "##",
    "##6",
    "$",
    "$$",
    "\n",
    "x",
)
PIECES = st.sampled_from(["[ID:1]", "[ID: 22 ]", "##3$$", "[ID:7]", *TORN])


@given(st.lists(PIECES, max_size=30), st.data(), st.sampled_from(sorted(STYLES)))
def test_a_stream_is_the_whole(parts: list[str], data: st.DataObject, style: Any) -> None:
    """However a text is cut, the joined pieces and the spans are those of the whole, and all its markers are there."""
    text = "".join(parts)
    whole, streamed = Markers(style), Markers(style)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    pieces = [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]
    assert "".join([*map(streamed.feed, pieces), streamed.end()]) == whole.whole(text)
    assert streamed.spans == whole.spans
    assert [span.number for span in whole.spans] == [marker.index for marker in Citation.found_in(text, ())]


def test_only_the_beginning_of_a_marker_waits() -> None:
    """Text is handed out as it comes; what cannot become a marker any more is not held back."""
    markers = Markers("numeric")
    fed = [markers.feed(piece) for piece in ("Six [", "ID", ":0", "] weeks [", "a", "] #", "#", " end")]
    assert fed == ["Six ", "", "", "[1] weeks ", "[a", "] ", "", "## end"]
    assert markers.end() == ""


def test_footnotes_name_the_sources() -> None:
    """Each cited document once, with page and a web address; nothing in a name or an address is Markdown."""
    fields = [
        {"document_keyword": "a*b]\n[c](http://evil).pdf", "positions": [[3, 0, 9, 0, 9]]},
        {"url": "https://example.com/lamps"},
        {"url": "javascript:alert(1)"},
    ]
    text = "One [ID:1][ID:0], two [ID:2][ID:1]."
    reference = [chunk(number, **field) for number, field in enumerate(fields)]
    message = Message.model_validate({"content": text, "reference": reference})
    nodes = [to_node(one) for one in message.reference]
    markers = Markers("markdown")
    markers.whole(text)
    assert footnotes(nodes, cite(text, markers.spans, message, nodes)) == (
        "\n\n[^1]: a\\*b\\] \\[c\\]\\(http://evil\\).pdf, page 3\n"
        "[^2]: [1.txt](<https://example.com/lamps>)\n"
        "[^3]: 2.txt"
    )
    assert footnotes(nodes, Cited([], [])) == ""
