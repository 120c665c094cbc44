"""kill -9: what was acknowledged is there, nothing is half there, and parsing goes on."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from ragflow_integrations.local.engine import Engine
from tests.local.knowledge import ALL, NEWEST, check_truth, finished

# Prints a line after each call that has returned: what the caller may rely on from then on.
WRITER = """
import itertools, sys
from ragflow_integrations.local.engine import Engine
from tests.local.knowledge import LONG_TEXT, NEWEST

def acknowledge(*words):
    print(*words, flush=True)

engine = Engine(sys.argv[1])
found, _ = engine.list_datasets(**NEWEST)
dataset = found[0] if found else engine.create_dataset({"name": "kb", "parser_config": {"chunk_token_num": 64}})
for number in itertools.count():
    document = engine.add_document(dataset["id"], "a.txt", LONG_TEXT[: 20_000 + number])
    acknowledge("document", document["id"], document["size"])
    chunk = engine.add_chunk(document["id"], f"chunk {number} added by hand")
    acknowledge("chunk", document["id"], chunk["id"])
    other = engine.add_document(dataset["id"], "b.txt", LONG_TEXT[: 20_000 - number])
    acknowledge("document", other["id"], other["size"])
    engine.start_parsing([other["id"]])
    acknowledge("queued", other["id"])
    gone = engine.add_document(dataset["id"], "gone.txt", b"gone")
    engine.delete_documents(dataset["id"], [gone["id"]])
    acknowledge("deleted", gone["id"])
"""
ROUNDS = 4


def killed_after(count: int, pause: float, folder: Path) -> list[list[str]]:
    """Kill a writing process some time after its ``count``-th line; returns the lines it had printed in full."""
    command = [sys.executable, "-c", WRITER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(count)]
        time.sleep(pause)
        writer.kill()
        lines += writer.stdout.readlines()
    assert writer.returncode == -9
    return [line.split() for line in lines if line.endswith("\n")]


def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """Several kills in the middle of adding, deleting and parsing lose nothing and leave nothing half done."""
    chance = random.Random(7)
    acknowledged = []
    for _ in range(ROUNDS):
        acknowledged += killed_after(chance.randint(10, 25), chance.uniform(0.0, 0.05), tmp_path)
    assert len(acknowledged) >= 10 * ROUNDS
    with Engine(tmp_path) as engine:
        check_truth(engine)
        for kind, document_id, *rest in acknowledged:
            document = engine.get_document(document_id)
            if kind == "deleted":
                assert document is None
                continue
            assert document is not None, f"{kind} {document_id} is lost"
            if kind == "document":
                assert len(engine.read_document(document_id)) == document["size"] == int(rest[0])
            elif kind == "chunk":
                assert engine.list_chunks(document_id, **ALL, id=rest[0])[1] == 1
            else:
                done = finished(engine, document_id)
                assert (done["run"], done["progress"]) == ("DONE", 1.0)
                assert engine.list_chunks(document_id, **ALL)[1] == done["chunk_count"] > 50
        dataset_id = engine.list_datasets(**NEWEST)[0][0]["id"]
        give_up = time.monotonic() + 20  # one whose parsing was not acknowledged may still be at it
        while engine.list_documents(dataset_id, **NEWEST, run=["RUNNING"])[1] and time.monotonic() < give_up:
            time.sleep(0.02)
        assert engine.list_documents(dataset_id, **NEWEST, run=["RUNNING"])[1] == 0
        check_truth(engine)
