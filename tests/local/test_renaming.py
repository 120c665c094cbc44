"""A renamed document is found by its new name, also after a crash, and nobody waits for it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from ragflow_integrations.local import renaming
from ragflow_integrations.local.engine import Engine, Retrieval
from ragflow_integrations.local.store import rows
from ragflow_integrations.local.words import words
from tests.local.knowledge import LONG_TEXT, check_truth, filled, finished, parsed


def names_found(engine: Engine, dataset_id: str, question: str) -> set[str]:
    """The names of the documents that are found by a question whose words are in their names only."""
    found = engine.retrieve(
        Retrieval(question, [dataset_id], vector_similarity_weight=0.0, similarity_threshold=0.1)
    )
    return {chunk["document_keyword"] for chunk in found.chunks if chunk["term_similarity"] > 0.1}


def follow(engine: Engine) -> None:
    """Wait until no document has chunks under an earlier name."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with engine._shared.store.read() as db:
            if not rows(db, "SELECT * FROM renamed"):
                return
        time.sleep(0.01)
    raise AssertionError("chunks still have an earlier name after two minutes")


@pytest.mark.parametrize("keywords", [(), ("mouse",)])
@pytest.mark.parametrize("patience", [0.0, 60.0])
def test_the_search_follows(
    tmp_path: Path, keywords: tuple[str, ...], patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All chunks are found under the new name and no more under the old one, added ones with keywords too.

    At once if there is time enough; else the rest follows in the background.
    """
    monkeypatch.setattr(renaming, "_PATIENCE", patience)
    monkeypatch.setattr(renaming, "_PART", 16)
    with Engine(tmp_path) as engine:
        dataset = filled(engine, {"hippopotamus.txt": LONG_TEXT})
        [document], _ = engine.list_documents(dataset["id"], page=1, page_size=1, orderby="name", desc=True)
        engine.add_chunk(document["id"], "Added.", important_keywords=keywords)
        engine.update_document(document["id"], {"name": "crocodile.txt"})
        if patience:
            with engine._shared.store.read() as db:
                assert rows(db, "SELECT * FROM renamed") == []
        follow(engine)
        assert names_found(engine, dataset["id"], "hippopotamus") == set()
        assert names_found(engine, dataset["id"], "crocodile") == {"crocodile.txt"}
        with engine._shared.store.read() as db:
            terms = [text for (text,) in db.execute("SELECT terms FROM chunk_index")]
            assert len(terms) > 100
            assert all("crocodil" in text and "hippopotamu" not in text for text in terms)
        check_truth(engine)


def test_what_a_crash_left_behind(tmp_path: Path) -> None:
    """A name whose chunks have not followed when the process ended is followed by the next engine."""
    with Engine(tmp_path) as engine:
        dataset = filled(engine, {"hippopotamus.txt": b"Some text."})
        [document], _ = engine.list_documents(dataset["id"], page=1, page_size=1, orderby="name", desc=True)
        with engine._shared.store.write() as db:
            db.execute("UPDATE document SET name = 'crocodile.txt'")
            renaming.mark(db, document["id"], "something else", "crocodile.txt")
    with Engine(tmp_path) as engine:
        deadline = time.monotonic() + 120
        while not names_found(engine, dataset["id"], "crocodile") and time.monotonic() < deadline:
            time.sleep(0.02)
        assert names_found(engine, dataset["id"], "crocodile") == {"crocodile.txt"}
        check_truth(engine)


def test_renaming_by_many_at_once(tmp_path: Path) -> None:
    """Of names that are given at the same time the last one is what the document is found by."""
    with Engine(tmp_path) as engine:
        dataset = filled(engine, {"start.txt": LONG_TEXT})
        [document], _ = engine.list_documents(dataset["id"], page=1, page_size=1, orderby="name", desc=True)
        names = ["crocodile.txt", "hippopotamus.txt", "crocodile.txt", "elephant.txt"]
        threads = [
            threading.Thread(target=engine.update_document, args=(document["id"], {"name": name}))
            for name in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        follow(engine)
        last = engine.get_document(document["id"])
        assert last is not None
        with engine._shared.store.read() as db:
            [word] = words(last["name"].removesuffix(".txt"))
            assert all(
                text.endswith(f" {word} {word}") for (text,) in db.execute("SELECT terms FROM chunk_index")
            )


def test_others_write_meanwhile(tmp_path: Path) -> None:
    """While a long document is stored and renamed, another writer gets its turn again and again."""
    with Engine(tmp_path) as engine:
        dataset = engine.create_dataset({"name": "kb", "parser_config": {"chunk_token_num": 16}})
        document = engine.add_document(dataset["id"], "a.txt", LONG_TEXT * 4)
        other = engine.create_dataset({"name": "other"})
        written: list[int] = []

        def write_while(thread: threading.Thread) -> int:
            written.clear()
            while thread.is_alive():
                engine.update_dataset(other["id"], {"description": str(len(written))})
                written.append(1)
            return len(written)

        engine.start_parsing([document["id"]])
        parsing = threading.Thread(target=finished, args=(engine, document["id"]))
        parsing.start()
        assert write_while(parsing) > 10
        renaming_ = threading.Thread(target=engine.update_document, args=(document["id"], {"name": "b.txt"}))
        renaming_.start()
        assert write_while(renaming_) > 10
        check_truth(engine)


def test_stopping_while_chunks_are_stored(tmp_path: Path) -> None:
    """A document that is stopped has no chunks left, and can be parsed again."""
    with Engine(tmp_path) as engine:
        dataset = engine.create_dataset({"name": "kb", "parser_config": {"chunk_token_num": 16}})
        document = engine.add_document(dataset["id"], "a.txt", LONG_TEXT * 4)
        engine.start_parsing([document["id"]])
        while (
            (now := engine.get_document(document["id"]))
            and not now["chunk_count"]
            and now["run"] == "RUNNING"
        ):
            time.sleep(0.001)
        if now and now["run"] == "RUNNING":
            engine.stop_parsing([document["id"]])
            stopped = engine.get_document(document["id"])
            assert stopped is not None
            assert (stopped["run"], stopped["chunk_count"]) == ("CANCEL", 0)
        check_truth(engine)
        [done] = parsed(engine, [document["id"]])
        assert done["run"] == "DONE"
        check_truth(engine)
