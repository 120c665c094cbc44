"""Parsing in the background: progress, failures, cancelling, resuming, several processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ragflow_integrations.local.embed import HashedEmbedder
from ragflow_integrations.local.engine import Engine, Retrieval
from ragflow_integrations.local.models import Choice
from ragflow_integrations.local.problems import InUse, Missing, Refused
from ragflow_integrations.local.store import Store, scalar
from tests.local.knowledge import ALL, LONG_TEXT, NEWEST, TEXTS, check_truth, finished, parsed


class HeldEmbedder(HashedEmbedder):
    """The built-in embedder, which waits at its first call until it is released."""

    def __init__(self) -> None:
        self.reached, self.release = threading.Event(), threading.Event()
        self.calls = 0

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls += 1
        self.reached.set()
        assert self.release.wait(20)
        return super().embed(texts)


class FailingEmbedder(HashedEmbedder):
    """The built-in embedder, which fails on texts that hold the word "moon"."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if any("moon is" in text for text in texts):
            raise ConnectionError("no answer from the model")
        return super().embed(texts)


@pytest.fixture(params=["memory", "folder"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the engine keeps its knowledge."""
    return ":memory:" if request.param == "memory" else str(tmp_path / "kb")


@pytest.fixture
def held(path: str) -> Iterator[tuple[Engine, HeldEmbedder, dict[str, Any]]]:
    """An engine whose parser stands in the middle of a document."""
    embedder = HeldEmbedder()
    with Engine(path, Choice(embedding=embedder)) as engine:
        dataset = engine.create_dataset({"name": "kb"})
        document = engine.add_document(dataset["id"], "a.txt", TEXTS["atlantis.txt"])
        engine.start_parsing([document["id"]])
        assert embedder.reached.wait(20)
        yield engine, embedder, document
        embedder.release.set()


def test_a_document_is_parsed(path: str) -> None:
    """Queued, running, done: with chunks in order, counters, progress and what happened, line by line."""
    with Engine(path) as engine:
        dataset = engine.create_dataset({"name": "kb", "parser_config": {"chunk_token_num": 128}})
        document = engine.add_document(dataset["id"], "long.txt", LONG_TEXT)
        assert (document["run"], document["progress"], document["chunk_count"]) == ("UNSTART", 0.0, 0)
        [done] = parsed(engine, [document["id"]])
        assert (done["run"], done["progress"]) == ("DONE", 1.0)
        assert done["process_begin_at"] is not None
        assert done["process_duration"] > 0
        for line in ("Task has been received.", f"Generate {done['chunk_count']} chunks", "Task done"):
            assert line in done["progress_msg"]
        chunks, total = engine.list_chunks(document["id"], **ALL)
        assert total == done["chunk_count"] > 100
        assert "".join(chunk["content"] for chunk in chunks).split() == LONG_TEXT.decode().split()
        assert [chunk["positions"][0][0] for chunk in chunks] == list(range(1, total + 1))
        check_truth(engine)


def test_one_bad_document_does_not_stop_the_others(path: str) -> None:
    """Files that cannot be parsed fail one by one, each with its reason; the rest is parsed."""
    with Engine(path, Choice(embedding=FailingEmbedder())) as engine:
        dataset = engine.create_dataset({"name": "kb"})
        files = {"empty.txt": b"", "picture.xyz": b"\0", **TEXTS}
        ids = {name: engine.add_document(dataset["id"], name, data)["id"] for name, data in files.items()}
        documents = dict(zip(ids, parsed(engine, ids.values()), strict=True))
        failed = {name for name, document in documents.items() if document["run"] == "FAIL"}
        assert failed == {"empty.txt", "picture.xyz", "moon.md"}
        assert {documents[name]["progress"] for name in failed} == {-1.0}
        assert "ConnectionError: no answer from the model" in documents["moon.md"]["progress_msg"]
        assert all("[ERROR]" in documents[name]["progress_msg"] for name in failed)
        assert {documents[name]["run"] for name in ids.keys() - failed} == {"DONE"}
        check_truth(engine)


def test_a_chunk_method_we_lack_fails_by_name(path: str) -> None:
    """A method of RAGFlow's that the engine does not have is named in the failure."""
    with Engine(path) as engine:
        dataset = engine.create_dataset({"name": "kb", "chunk_method": "paper"})
        document = engine.add_document(dataset["id"], "a.txt", b"text")
        [failed] = parsed(engine, [document["id"]])
        assert failed["run"] == "FAIL"
        assert "paper" in failed["progress_msg"]


def test_parsing_again_replaces_the_chunks(path: str) -> None:
    """A second run with other settings leaves the second run's chunks only, added ones included."""
    with Engine(path) as engine:
        dataset = engine.create_dataset({"name": "kb"})
        document = engine.add_document(dataset["id"], "long.txt", LONG_TEXT)
        [first] = parsed(engine, [document["id"]])
        engine.add_chunk(document["id"], "Added by hand.")
        engine.update_document(document["id"], {"parser_config": {"chunk_token_num": 64}})
        [second] = parsed(engine, [document["id"]])
        assert second["chunk_count"] > 2 * first["chunk_count"]
        contents = [chunk["content"] for chunk in engine.list_chunks(document["id"], **ALL)[0]]
        assert "Added by hand." not in contents
        check_truth(engine)


def test_running_documents_are_not_started_again(held: tuple[Engine, HeldEmbedder, dict[str, Any]]) -> None:
    """Starting what is being parsed is refused, in RAGFlow's words."""
    engine, _, document = held
    assert engine.get_document(document["id"])["run"] == "RUNNING"  # type: ignore[index]
    with pytest.raises(InUse, match="currently being processed"):
        engine.start_parsing([document["id"]])


def test_cancelling_in_the_middle(held: tuple[Engine, HeldEmbedder, dict[str, Any]]) -> None:
    """A cancelled document stays without chunks although its parsing was under way; a new start works."""
    engine, embedder, document = held
    engine.stop_parsing([document["id"]])
    assert engine.get_document(document["id"])["run"] == "CANCEL"  # type: ignore[index]
    engine.start_parsing([document["id"]])
    embedder.release.set()
    assert finished(engine, document["id"])["run"] == "DONE"
    check_truth(engine)


def test_stopping_what_does_not_run(path: str) -> None:
    """Stopping a document that is not queued, and parsing or stopping an unknown one, are refused."""
    with Engine(path) as engine:
        document = engine.add_document(engine.create_dataset({"name": "kb"})["id"], "a.txt", b"x")
        with pytest.raises(Refused, match="not started or already completed"):
            engine.stop_parsing([document["id"]])
        for call in (engine.start_parsing, engine.stop_parsing):
            with pytest.raises(Missing, match="you don't own the document nothing"):
                call(["nothing"])


def test_deleting_in_the_middle(held: tuple[Engine, HeldEmbedder, dict[str, Any]]) -> None:
    """A document or dataset deleted while it is parsed leaves nothing behind, and the parser goes on."""
    engine, embedder, document = held
    other = engine.add_document(document["dataset_id"], "b.txt", TEXTS["zebra.txt"])
    engine.start_parsing([other["id"]])
    engine.delete_documents(document["dataset_id"], [document["id"]])
    embedder.release.set()
    assert finished(engine, other["id"])["run"] == "DONE"
    check_truth(engine)


def test_changes_in_the_middle_count(held: tuple[Engine, HeldEmbedder, dict[str, Any]]) -> None:
    """A document that is renamed and switched off while it is parsed is so when it is done."""
    engine, embedder, document = held
    engine.update_document(document["id"], {"name": "hippopotamus.txt", "enabled": 0})
    embedder.release.set()
    finished(engine, document["id"])
    query = Retrieval("hippopotamus", [document["dataset_id"]])
    assert engine.retrieve(query).chunks == []
    engine.update_document(document["id"], {"enabled": 1})
    [found] = engine.retrieve(query).chunks
    assert (found["document_keyword"], found["term_similarity"]) == (
        "hippopotamus.txt",
        pytest.approx(1.0, abs=0.01),
    )
    check_truth(engine)


def test_progress_is_seen(tmp_path: Path) -> None:
    """A document that takes its time shows a progress between 0 and 1."""

    class SlowEmbedder(HashedEmbedder):
        def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            threading.Event().wait(0.2)
            return super().embed(texts)

    with Engine(tmp_path, Choice(embedding=SlowEmbedder())) as engine:
        dataset = engine.create_dataset({"name": "kb", "parser_config": {"chunk_token_num": 64}})
        document = engine.add_document(dataset["id"], "long.txt", LONG_TEXT)
        engine.start_parsing([document["id"]])
        seen = []
        while (now := engine.get_document(document["id"])) and now["run"] == "RUNNING":
            seen.append(now["progress"])
        assert seen == sorted(seen)
        assert len({progress for progress in seen if 0 < progress < 1}) >= 2


def test_closing_keeps_the_queue(tmp_path: Path) -> None:
    """close() ends in the middle of a document; the next engine in the folder parses it and the others."""
    embedder = HeldEmbedder()
    engine = Engine(tmp_path, Choice(embedding=embedder))
    dataset = engine.create_dataset({"name": "kb", "parser_config": {"chunk_token_num": 64}})
    ids = [engine.add_document(dataset["id"], "long.txt", LONG_TEXT)["id"] for _ in range(3)]
    engine.start_parsing(ids)
    assert embedder.reached.wait(20)
    closing = threading.Thread(target=engine.close)
    closing.start()
    while not engine._shared.parser._worker.is_closing:
        threading.Event().wait(0.01)
    embedder.release.set()
    closing.join()
    assert embedder.calls == 1
    with Engine(tmp_path) as again:
        assert [finished(again, identifier)["run"] for identifier in ids] == ["DONE"] * 3
        check_truth(again)


def test_the_parser_sleeps_when_there_is_nothing_to_do(tmp_path: Path) -> None:
    """No thread is left once the queue is empty, and none is made before there is work."""
    with Engine(tmp_path) as engine:
        assert engine._shared.parser._worker._thread is None
        document = engine.add_document(engine.create_dataset({"name": "kb"})["id"], "a.txt", b"x")
        parsed(engine, [document["id"]])
        for _ in range(200):
            if engine._shared.parser._worker._thread is None:
                break
            threading.Event().wait(0.01)
        assert engine._shared.parser._worker._thread is None


def test_two_processes_share_the_work(tmp_path: Path) -> None:
    """Two processes that queue documents in the same folder at the same time have all of them parsed."""
    code = """
import sys
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice
from tests.local.knowledge import LONG_TEXT, finished
engine = Engine(sys.argv[1])
ids = [engine.add_document(sys.argv[2], "theirs.txt", LONG_TEXT)["id"] for _ in range(4)]
engine.start_parsing(ids)
for identifier in ids:
    assert finished(engine, identifier)["run"] == "DONE"
engine.close()
"""
    with Engine(tmp_path) as engine:
        dataset = engine.create_dataset({"name": "kb", "parser_config": {"chunk_token_num": 64}})
        theirs = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), dataset["id"]])
        ids = [engine.add_document(dataset["id"], "ours.txt", LONG_TEXT)["id"] for _ in range(4)]
        assert {document["run"] for document in parsed(engine, ids)} == {"DONE"}
        assert theirs.wait(30) == 0
        documents, total = engine.list_documents(dataset["id"], **NEWEST)
        assert total == 8
        assert {document["chunk_count"] for document in documents} == {documents[0]["chunk_count"]}
        check_truth(engine)


def test_one_process_parses_at_a_time(tmp_path: Path) -> None:
    """While one process parses, another one leaves the queue alone; when it is killed, the other takes over."""
    code = """
import sys, threading
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice
from tests.local.test_jobs import HeldEmbedder
embedder = HeldEmbedder()
engine = Engine(sys.argv[1], Choice(embedding=embedder))
document = engine.add_document(engine.create_dataset({"name": "kb"})["id"], "a.txt", b"some text")
engine.start_parsing([document["id"]])
embedder.reached.wait()
print(document["id"], flush=True)
threading.Event().wait()
"""
    first = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    document_id = first.stdout.readline().strip()
    embedder = HeldEmbedder()
    embedder.release.set()
    with Engine(tmp_path, Choice(embedding=embedder)) as second:
        assert not embedder.reached.wait(1)
        first.kill()
        first.communicate()
        assert finished(second, document_id)["run"] == "DONE"
        assert embedder.reached.is_set()
        check_truth(second)


def test_what_a_process_left_behind_is_parsed(tmp_path: Path) -> None:
    """A document whose process queued it and ended is parsed by the process in which somebody looks at it."""
    code = """
import sys
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice
from tests.local.knowledge import LONG_TEXT
engine = Engine(sys.argv[1])
document = engine.add_document(sys.argv[2], "a.txt", LONG_TEXT * 10)
engine.start_parsing([document["id"]])
engine.close()
"""
    with Engine(tmp_path) as engine:
        dataset = engine.create_dataset({"name": "kb"})
        subprocess.run([sys.executable, "-c", code, str(tmp_path), dataset["id"]], check=True, timeout=60)
        [document] = engine.list_documents(dataset["id"], **NEWEST)[0]
        assert document["run"] == "RUNNING"
        assert finished(engine, document["id"])["run"] == "DONE"


def test_closing_does_not_wait_for_a_page_that_never_ends(tmp_path: Path) -> None:
    """close() leaves a document behind that takes minutes to be read; it stays queued."""
    code = """
import sys, time
from ragflow_integrations.local import worker
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice
worker._PATIENCE = 0.5
engine = Engine(sys.argv[1])
found = engine.list_documents(sys.argv[2], page=1, page_size=1, orderby="name", desc=True)[0]
engine.start_parsing([found[0]["id"]])
time.sleep(1)
begun = time.monotonic()
engine.close()
assert time.monotonic() - begun < 10
"""
    with Engine(tmp_path) as engine:
        dataset_id = engine.create_dataset({"name": "kb"})["id"]
        document = engine.add_document(dataset_id, "a.html", b"x<!-- " * 100_000)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), dataset_id], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    with Store(tmp_path).read() as db:
        assert scalar(db, "SELECT document_id FROM job") == document["id"]
