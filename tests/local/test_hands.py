"""Several documents are parsed at once: none waits for another that takes its time."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragflow_integrations.local.embed import HashedEmbedder
from ragflow_integrations.local.engine import Engine, Retrieval
from ragflow_integrations.local.models import Choice
from tests.local.knowledge import LONG_TEXT, TEXTS, check_truth, finished, parsed
from tests.local.test_jobs import HeldEmbedder
from tests.local.waiting import wait_until

ENDLESS = b"x<!-- " * 200_000  # which Python's HTML parser reads in quadratic time, for minutes


def started(engine: Engine, dataset_id: str, name: str, data: bytes) -> str:
    """A document that is queued."""
    document_id: str = engine.add_document(dataset_id, name, data)["id"]
    engine.start_parsing([document_id])
    return document_id


def run_of(engine: Engine, document_id: str) -> str:
    document = engine.get_document(document_id)
    assert document is not None
    return str(document["run"])


def test_a_slow_file_holds_up_nobody(tmp_path: Path) -> None:
    """While a file takes minutes, those behind it are parsed, also another process's; stopped, it alone is."""
    with Engine(tmp_path) as engine, Engine(tmp_path) as other:
        dataset = engine.create_dataset({"name": "kb"})
        slow = started(engine, dataset["id"], "slow.html", ENDLESS)
        wait_until(lambda: bool(engine._shared.parser._tools.processes._all))
        behind = [started(engine, dataset["id"], name, data) for name, data in TEXTS.items()]
        behind.append(started(other, dataset["id"], "page.html", b"<p>Comets have tails.</p>"))
        assert {finished(engine, each)["run"] for each in behind} == {"DONE"}
        assert run_of(engine, slow) == "RUNNING"
        engine.stop_parsing([slow])
        wait_until(lambda: engine._shared.parser._worker._thread is None)
        assert run_of(engine, slow) == "CANCEL"
        assert {run_of(engine, each) for each in behind} == {"DONE"}
        check_truth(engine)


def test_a_model_that_hangs_holds_up_its_own_documents(tmp_path: Path) -> None:
    """A model that does not answer has one hand wait; who waits for it as well can be stopped, and others go on."""
    held = HeldEmbedder()
    held.name = "held"
    with Engine(tmp_path, Choice(models={"embedding": {"held": held}})) as engine:
        hanging = engine.create_dataset({"name": "hanging", "embedding_model": "held"})["id"]
        healthy = engine.create_dataset({"name": "healthy"})["id"]
        first = started(engine, hanging, "a.txt", b"one")
        assert held.reached.wait(20)
        waiting = started(engine, hanging, "b.txt", b"two")
        wait_until(lambda: (engine.find_document(waiting) or {})["progress"] > 0)  # for its turn
        engine.stop_parsing([waiting])
        assert parsed(engine, [engine.add_document(healthy, "c.txt", b"three")["id"]])[0]["run"] == "DONE"
        assert (run_of(engine, first), run_of(engine, waiting), held.calls) == ("RUNNING", "CANCEL", 1)
        held.release.set()
        assert finished(engine, first)["run"] == "DONE"
        check_truth(engine)


def test_a_large_document_takes_turns_with_small_ones() -> None:
    """While a model has thousands of chunks of one document to do, it does those of another in between."""
    with Engine(":memory:") as engine:
        dataset = engine.create_dataset({"name": "kb", "parser_config": {"chunk_token_num": 32}})
        large = started(engine, dataset["id"], "large.txt", LONG_TEXT * 5)
        wait_until(lambda: (engine.find_document(large) or {})["progress"] > 0.4)  # it is read
        for name, data in TEXTS.items():
            assert finished(engine, started(engine, dataset["id"], name, data))["run"] == "DONE"
        assert run_of(engine, large) == "RUNNING"


def test_one_call_of_a_model_at_a_time() -> None:
    """An embedder and a language model that somebody hands over are never called twice at once."""
    busy = {"embed": threading.Lock(), "chat": threading.Lock()}
    calls: list[str] = []
    overlapping: list[str] = []

    def alone(what: str) -> None:
        calls.append(what)
        if not busy[what].acquire(blocking=False):
            overlapping.append(what)
            return
        time.sleep(0.01)
        busy[what].release()

    class Embedder(HashedEmbedder):
        name = "my embedder"

        def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            alone("embed")
            return super().embed(texts)

    class Model:
        name = "my model"

        def chat(self, messages: Sequence[Any], **settings: Any) -> Iterator[str]:
            alone("chat")
            yield "harbour, tide"

    with Engine(":memory:", Choice(embedding=Embedder(), llm=Model())) as engine:
        dataset = engine.create_dataset({"name": "kb", "parser_config": {"auto_keywords": 2}})
        ids = [engine.add_document(dataset["id"], f"{number}.txt", b"text")["id"] for number in range(12)]
        assert {each["run"] for each in parsed(engine, ids)} == {"DONE"}
    assert (calls.count("chat"), calls.count("embed") >= 12, overlapping) == (12, True, [])


def test_a_kill_with_all_hands_full(tmp_path: Path) -> None:
    """Killed while one document is with the model and another waits for it, both are parsed after a restart."""
    code = """
import sys, threading, time
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.models import Choice
from tests.local.test_jobs import HeldEmbedder
held = HeldEmbedder()
engine = Engine(sys.argv[1], Choice(embedding=held))
dataset = engine.create_dataset({"name": "kb"})
ids = [engine.add_document(dataset["id"], name, b"some text")["id"] for name in ("a.txt", "b.txt")]
engine.start_parsing(ids[:1])
assert held.reached.wait(60)
engine.start_parsing(ids[1:])
give_up = time.monotonic() + 15
while engine.get_document(ids[1])["progress"] < 0.4:
    assert time.monotonic() < give_up
    time.sleep(0.01)
print(*ids, flush=True)
threading.Event().wait()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        ids = first.stdout.readline().split()
        first.kill()
    assert len(ids) == 2
    with Engine(tmp_path) as engine:
        for each in ids:
            done = finished(engine, each)
            assert (done["run"], done["chunk_count"]) == ("DONE", 1)
        check_truth(engine)


def test_equals_are_found_in_the_order_of_their_upload() -> None:
    """Which of two documents was parsed first does not show in what is found."""
    with Engine(":memory:") as engine:
        dataset = engine.create_dataset({"name": "kb"})
        ids = [engine.add_document(dataset["id"], "a.txt", b"Zebras live in Africa.")["id"] for _ in range(2)]
        engine.update_document(ids[1], {"name": "b.txt"})
        for each in reversed(ids):
            parsed(engine, [each])
        found = engine.retrieve(Retrieval("zebras", [dataset["id"]])).chunks
        assert [chunk["similarity"] for chunk in found] == [found[0]["similarity"]] * 2
        assert [chunk["document_id"] for chunk in found] == ids
