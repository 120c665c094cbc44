"""Children and parents, tags and positions: what parsing knows of chunks, from the file to the search."""

from __future__ import annotations

import pytest

from ragflow_integrations.local.engine import Engine, Retrieval
from tests.local.knowledge import ALL, check_truth, parsed
from tests.local.parsing.files import pdf


@pytest.fixture
def engine() -> Engine:
    """An engine in memory."""
    return Engine(":memory:")


def test_children_are_found_and_parents_answer(engine: Engine) -> None:
    """The search compares sentences and answers with the text they are a part of, once, with their mean similarity."""
    with engine:
        config = {"children_delimiter": ".", "chunk_token_num": 128}
        dataset = engine.create_dataset({"name": "kb", "parser_config": config})
        text = b"Zebras live in Africa. Lions live in Africa. Whales live in the sea."
        document = engine.add_document(dataset["id"], "a.txt", text)
        [done] = parsed(engine, [document["id"]])
        assert done["chunk_count"] == 3
        children, _ = engine.list_chunks(document["id"], **ALL)
        assert children[0]["content"].strip() == "Zebras live in Africa."
        found = engine.retrieve(Retrieval("live in Africa", [dataset["id"]], similarity_threshold=0.0))
        [parent] = found.chunks
        assert parent["content"] == text.decode()
        assert parent["id"] not in {child["id"] for child in children}
        assert parent["similarity"] == parent["term_similarity"] == parent["vector_similarity"]
        check_truth(engine)
        engine.delete_documents(dataset["id"], [document["id"]])
        check_truth(engine)


def test_positions_of_a_pdf(engine: Engine) -> None:
    """Page and box of a chunk are in its list and in what the search finds, also after its text was changed."""
    with engine:
        dataset = engine.create_dataset({"name": "kb", "parser_config": {"chunk_token_num": 2}})
        document = engine.add_document(
            dataset["id"], "a.pdf", pdf(["Zebras live in Africa."], ["Whales in the sea."])
        )
        [done] = parsed(engine, [document["id"]])
        assert done["run"] == "DONE", done["progress_msg"]
        chunks, _ = engine.list_chunks(document["id"], **ALL)
        listed = {chunk["id"]: chunk["positions"] for chunk in chunks}
        assert [positions[0][0] for positions in listed.values()] == [1, 2]
        engine.update_chunk(chunks[1]["id"], {"content": "Whales swim."})
        found = engine.retrieve(Retrieval("Whales", [dataset["id"]], similarity_threshold=0.0))
        assert found.chunks[0]["content"] == "Whales swim."
        assert found.chunks[0]["positions"] == listed[found.chunks[0]["id"]]


def test_tags(engine: Engine) -> None:
    """Tags of the method "tag" are those of the chunk."""
    with engine:
        dataset = engine.create_dataset({"name": "kb", "chunk_method": "tag"})
        document = engine.add_document(dataset["id"], "a.csv", b'stripes,"zebra, horse"\n')
        parsed(engine, [document["id"]])
        [chunk], _ = engine.list_chunks(document["id"], **ALL)
        assert (chunk["content"].strip(), chunk["tag_kwd"]) == ("stripes", ["zebra", "horse"])
        assert chunk["doc_type_kwd"] == "text"


def test_a_hostile_file_fails_and_the_queue_goes_on(engine: Engine) -> None:
    """A file of another kind than its name says fails with the reason; the next one is parsed."""
    with engine:
        dataset = engine.create_dataset({"name": "kb"})
        files = {"a.pdf": b"\x89PNG\r\n\x1a\n", "b.png": b"\x89PNG\r\n\x1a\n", "c.html": b"<p>Zebras</p>"}
        ids = [engine.add_document(dataset["id"], name, data)["id"] for name, data in files.items()]
        first, second, third = parsed(engine, ids)
        assert [each["run"] for each in (first, second, third)] == ["FAIL", "FAIL", "DONE"]
        assert "'a.pdf' is no PDF: its content is a PNG image" in first["progress_msg"]
        assert "'picture' takes OCR" in second["progress_msg"]
