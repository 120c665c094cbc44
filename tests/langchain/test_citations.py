"""Citations and chunks of an answer, without a server: spans, markers in pieces, stop sequences."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk

from langchain_ragflow._citations import Cited
from langchain_ragflow._citations import cite as cite_message
from langchain_ragflow._convert import AnswerChunks, answer
from ragflow_integrations import Chunk, Message

REFERENCE = [
    Chunk(
        id="k0",
        content="The moon is made of cheese.",
        document_id="d0",
        document_name="moon.pdf",
        dataset_id="s0",
        similarity=0.5,
        positions=[[3, 10, 90, 20, 40]],
        image_id="i0",
    ),
    Chunk(id="k1", content="Tides follow it.", document_name="tides.html", url="https://sea.example/tides"),
]
TOLD = {"model_name": "c1", "chat_id": "c1", "session_id": None}
TEXT = "Cheese [ID:0]. The naïve 🌙 pulls [ID:1][ID: 0], so they say [ID:7]."


def cite(text: str, reference: list[Chunk]) -> Cited:
    """What a text cites of a reference."""
    return cite_message(text, Message(reference=reference))


def merged(pieces: list[str], stop: list[str] | None = None) -> AIMessageChunk:
    """The sum of the chunks for an answer that arrives in these pieces."""
    chunks = AnswerChunks(TOLD, stop or [])
    out = [chunk for piece in pieces for chunk in chunks.feed(Message(content=piece))]
    out += chunks.feed(Message(final=True, reference=REFERENCE, id="m1"))
    return sum(out[1:], out[0])


def test_a_span_is_the_marker_in_the_text() -> None:
    """Each citation's indices cut exactly its marker out of the text, also after characters beyond ASCII."""
    cited = cite(TEXT, REFERENCE)
    spans = [TEXT[one["start_index"] : one["end_index"]] for one in cited.citations]
    assert spans == ["[ID:0]", "[ID:1]", "[ID: 0]"]
    assert [one["extras"]["reference"] for one in cited.citations] == [0, 1, 0]


def test_digits_of_another_script_cite_too() -> None:
    """The server asks a model to cite, and takes its marker in an Arabic or Persian answer, as it is written there."""
    assert [one["extras"]["chunk_id"] for one in cite("قمر [ID:٠] مد [ID:۱]", REFERENCE).citations] == [
        "k0",
        "k1",
    ]


def test_a_citation_says_what_is_known_of_its_source() -> None:
    """Name, text, ids, score and place of the cited chunk; what the server did not send is absent."""
    moon, tides, _ = cite(TEXT, REFERENCE).citations
    assert moon == {
        "type": "citation",
        "title": "moon.pdf",
        "cited_text": "The moon is made of cheese.",
        "start_index": 7,
        "end_index": 13,
        "extras": {
            "reference": 0,
            "chunk_id": "k0",
            "document_id": "d0",
            "dataset_id": "s0",
            "similarity": 0.5,
            "positions": [[3, 10, 90, 20, 40]],
            "image_id": "i0",
        },
    }
    assert tides["url"] == "https://sea.example/tides"
    assert tides["extras"] == {"reference": 1, "chunk_id": "k1"}


def test_a_marker_without_a_source_is_reported_as_such() -> None:
    """It stays in the text, becomes no citation and is named with its span."""
    (lost,) = cite(TEXT, REFERENCE).unresolved
    assert lost == {"marker": "[ID:7]", "start_index": TEXT.index("[ID:7]"), "end_index": len(TEXT) - 1}
    message = answer(Message(content=TEXT, reference=REFERENCE), TOLD, [])
    assert message.text == TEXT
    assert message.response_metadata["unresolved_citations"] == [lost]


@pytest.mark.parametrize(
    "text", ["", "[ID:]", "[ID:x]", "[id:0]", "ID:0", "[ID:0", "[ID:-1]", f"[ID:{'9' * 5000}]"]
)
def test_what_only_resembles_a_marker_is_text(text: str) -> None:
    """Nothing is cited by it."""
    assert cite(text, REFERENCE) == ([], [])


@given(st.lists(st.integers(0, len(TEXT)), max_size=12))
def test_pieces_do_not_matter(cuts: list[int]) -> None:
    """However an answer is cut into deltas, through markers too, the merged chunks equal the whole answer."""
    places = [0, *sorted(cuts), len(TEXT)]
    got = merged([TEXT[a:b] for a, b in itertools.pairwise(places)])
    whole = answer(Message(content=TEXT, reference=REFERENCE, id="m1"), TOLD, [])
    assert got.content == whole.content
    assert got.response_metadata == whole.response_metadata
    assert got.content_blocks == whole.content_blocks
    assert got.chunk_position == "last"


@given(st.text("abst", max_size=12), st.lists(st.text("abst", min_size=1, max_size=3), max_size=3))
@example("aba", ["b", "aba"])
@example("stab", ["ta", "sta"])
def test_stop_sequences_do_not_depend_on_pieces(text: str, stop: list[str]) -> None:
    """Wherever a stop sequence is split, the text ends where a whole answer's does, and shows nothing of it."""
    whole = answer(Message(content=text, reference=REFERENCE, id="m1"), TOLD, stop)
    assert not any(sequence in whole.text for sequence in stop)
    assert text.startswith(whole.text)
    for cut in range(len(text) + 1):
        assert merged([text[:cut], text[cut:]], stop).content == whole.content
    assert merged([*text], stop).content == whole.content


def test_citations_are_those_of_the_shortened_text() -> None:
    """What stood after a stop sequence cites nothing any more."""
    message = answer(Message(content=TEXT, reference=REFERENCE), TOLD, ["The naïve"])
    assert message.text == "Cheese [ID:0]. "
    assert len(message.response_metadata["citations"]) == 1
    assert len(message.response_metadata["reference"]) == 2


def test_text_is_handed_out_as_soon_as_no_stop_sequence_can_begin_in_it() -> None:
    """Only a possible beginning of a stop sequence is held back."""
    chunks = AnswerChunks(TOLD, ["STOP"])
    assert [c.content for c in chunks.feed(Message(content="one S"))] == ["one "]
    assert [c.content for c in chunks.feed(Message(content="ea ST"))] == ["Sea "]
    assert [c.content for c in chunks.feed(Message(content="OP two"))] == []
    assert [c.content for c in chunks.feed(Message(content=" three", final=True))] == [""]


def test_an_answer_that_was_corrected_after_it_was_streamed() -> None:
    """Where citations were put into it later, the last chunk has the whole text and its spans; else nothing more."""
    cited = "Cheese [ID:0]. Tides [ID:1]."
    chunks = AnswerChunks(TOLD, [])
    out = [*chunks.feed(Message(content="Cheese. Tides."))]
    out += chunks.feed(Message(final=True, reference=REFERENCE, full_content=cited))
    metadata = sum(out[1:], out[0]).response_metadata
    assert metadata["citations"] == []
    assert metadata["final_text"] == cited
    spans = [cited[one["start_index"] : one["end_index"]] for one in metadata["final_citations"]]
    assert spans == ["[ID:0]", "[ID:1]"]
    for stop, text in ((["Tides"], cited), ([], "Cheese. Tides.")):
        chunks = AnswerChunks(TOLD, stop)
        out = [
            *chunks.feed(Message(content="Cheese. Tides.")),
            *chunks.feed(Message(final=True, full_content=text)),
        ]
        assert "final_text" not in out[-1].response_metadata
