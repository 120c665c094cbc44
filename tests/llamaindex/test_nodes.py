"""Chunks as nodes."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.schema import MetadataMode, NodeRelationship, ObjectType, TextNode
from llama_index.core.storage.docstore.utils import doc_to_json, json_to_doc

from llamaindex_ragflow.nodes import to_node, to_nodes
from ragflow_integrations import Chunk
from tests.llamaindex.scripted import chunk

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings" / "v0.27"


def recorded(file: str, name: str) -> dict[str, Any]:
    """``data`` of a recorded answer of a v0.27 server."""
    for line in (RECORDINGS / file).read_text("utf-8").splitlines():
        exchange = json.loads(line)
        if exchange["name"] == name:
            return dict(exchange["response_body"]["data"])
    raise LookupError(name)


def test_a_retrieved_chunk() -> None:
    """What a real server sent is in the node: chunk as id, similarity as score, document as source."""
    (wire,) = recorded("04_chunks_retrieval.jsonl", "ret.ok")["chunks"]
    found = to_node(Chunk.model_validate(wire))
    assert (found.node_id, found.text, found.score) == (wire["id"], wire["content"], wire["similarity"])
    assert found.metadata == {
        "chunk_id": wire["id"],
        "document_id": wire["document_id"],
        "document_name": "a.txt",
        "file_name": "a.txt",
        "dataset_id": wire["dataset_id"],
        "positions": [[1, 0, 0, 0, 0]],
        "similarity": wire["similarity"],
        "vector_similarity": wire["vector_similarity"],
        "term_similarity": wire["term_similarity"],
    }
    source = found.node.source_node
    assert source is not None
    assert (source.node_id, source.node_type) == (wire["document_id"], ObjectType.DOCUMENT)
    assert source.metadata == {"document_name": "a.txt", "dataset_id": wire["dataset_id"]}
    assert found.node.ref_doc_id == wire["document_id"]


def test_a_cited_chunk_is_the_same_node() -> None:
    """Retrieval and references spell a chunk's fields differently; the metadata's keys are the same."""
    (retrieved,) = recorded("04_chunks_retrieval.jsonl", "ret.ok")["chunks"]
    (cited,) = recorded("06_completions.jsonl", "comp.new.nostream")["reference"]["chunks"]
    assert set(to_node(Chunk.model_validate(cited)).metadata) == set(
        to_node(Chunk.model_validate(retrieved)).metadata
    )


@pytest.mark.parametrize(
    ("positions", "label"),
    [
        ([[3, 72, 520, 90, 110], [4, 72, 520, 40, 60]], "3"),
        ([[7, 6, 6, 6, 6]], None),
        ([[1, 0, 0, 0, 0]], None),
        ([], None),
    ],
)
def test_only_a_box_on_a_page_gives_a_page(positions: list[list[int]], label: str | None) -> None:
    """The server puts the chunk's number where a plain text has no page; that is not passed on as a page."""
    assert to_node(Chunk.model_validate(chunk(1, positions=positions))).metadata.get("page_label") == label


def test_a_language_model_sees_name_page_and_url() -> None:
    """Scores and ids are for programs; the document's own metadata is shown, but cannot replace ours."""
    wire = chunk(
        1,
        url="https://example.org/1",
        positions=[[2, 1, 9, 1, 9]],
        document_metadata={"author": "Ann", "similarity": "fake", "cited": "yes"},
    )
    node = to_node(Chunk.model_validate(wire)).node
    shown = "document_name: 1.txt\npage_label: 2\nurl: https://example.org/1\nauthor: Ann\n\nText 1."
    assert node.get_content(MetadataMode.LLM) == shown
    assert node.get_content(MetadataMode.EMBED) == shown
    assert node.metadata["similarity"] == 0.5
    assert "cited" not in node.metadata


def test_what_the_knowledge_graph_says_is_told_apart() -> None:
    """It is of no document and gets another id each time: ours stays the same, and there is no source."""
    graph = chunk(1, document_id="", document_keyword="Related content in Knowledge Graph")
    first, second = (to_node(Chunk.model_validate({**graph, "id": id})) for id in ("a", "b"))
    assert first.node_id == second.node_id != "a"
    assert first.metadata["node_kind"] == "knowledge_graph"
    assert NodeRelationship.SOURCE not in first.node.relationships
    other = to_node(Chunk.model_validate({**graph, "content": "Other."}))
    assert other.node_id != first.node_id


def test_the_hash_is_the_chunks_own() -> None:
    """Two questions score a chunk differently, yet it stays one chunk; another text is another one."""
    asked_once, asked_again = (to_node(Chunk.model_validate(chunk(1, score))).node for score in (0.4, 0.6))
    assert asked_once.hash == asked_again.hash
    assert asked_once != asked_again
    assert to_node(Chunk.model_validate(chunk(1, content="New."))).node.hash != asked_once.hash


def test_round_trips() -> None:
    """A node comes back equal from a dict, a pickle and a document store's form."""
    found = to_node(Chunk.model_validate(chunk(1, positions=[[2, 1, 9, 1, 9]], important_keywords=["x"])))
    node = found.node
    assert type(node).from_dict(node.to_dict()) == node
    assert TextNode.from_dict(node.to_dict()) == node
    assert node == TextNode.from_dict(node.to_dict())
    assert json_to_doc(doc_to_json(node)) == node
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301
    assert node != TextNode(text="Text 1.")


def test_equal_chunks_are_one_node() -> None:
    """A chunk that comes twice is one node, in its first place."""
    chunks = [Chunk.model_validate(chunk(n, score)) for n, score in ((3, 0.9), (1, 0.8), (3, 0.7), (2, 0.6))]
    assert [(node.node_id, node.score) for node in to_nodes(chunks)] == [
        ("chunk3", 0.9),
        ("chunk1", 0.8),
        ("chunk2", 0.6),
    ]
