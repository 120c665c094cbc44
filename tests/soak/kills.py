"""kill -9 at random moments while people work: what was acknowledged is there after each restart."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

from ragflow_integrations import RAGFlow
from ragflow_integrations.local.engine import Engine
from tests.local.knowledge import NEWEST, check_truth
from tests.local.server.process import served

from .ledger import Ledger
from .traffic import Worker, place

__all__ = ["survive"]

_LOOK_INSIDE = 20  # rounds between two looks at tables, index and counters


def survive(folder: Path, rounds: int, *, workers: int = 6, seed: int = 1) -> Ledger:
    """Kill and restart ``rounds`` times; ``AssertionError`` names what was lost. Returns what was acknowledged."""
    chance, ledger = random.Random(seed), Ledger()
    for number in range(rounds):
        with served(folder) as server, _client(server.base_url, server.api_key) as client:
            at = place(client)
            ledger.check(client, at.dataset, at.chat, at.memory)
            crew = [
                Worker(at, ledger, chance.random(), threading.Event(), tidy=False) for _ in range(workers)
            ]
            _watch(crew, ledger, chance.randint(5, 40))
            time.sleep(chance.uniform(0, 0.3))
            server.process.kill()
            server.process.wait(timeout=10)
            _end(crew)
        if number % _LOOK_INSIDE == _LOOK_INSIDE - 1:
            _look_inside(folder, ledger)
    _look_inside(folder, ledger)
    with served(folder) as server, _client(server.base_url, server.api_key) as client:
        at = place(client)
        ledger.check(client, at.dataset, at.chat, at.memory)
    return ledger


def _client(base_url: str, api_key: str) -> RAGFlow:
    return RAGFlow(api_key, base_url, max_retries=0, timeout=30)


def _watch(crew: list[Worker], ledger: Ledger, calls: int) -> None:
    """Let them work until so many more calls were answered."""
    wanted, give_up = ledger.acknowledged + calls, time.monotonic() + 60
    for worker in crew:
        worker.start()
    while ledger.acknowledged < wanted and all(worker.is_alive() for worker in crew):
        assert time.monotonic() < give_up, "a minute was not enough for a few calls"
        time.sleep(0.005)


def _end(crew: list[Worker]) -> None:
    for worker in crew:
        worker.join(timeout=60)
        assert not worker.is_alive(), "a call hangs although the server is gone"
        if worker.failure is not None:
            raise AssertionError("a call failed in another way than by the kill") from worker.failure


def _look_inside(folder: Path, ledger: Ledger) -> None:
    """Tables, index and counters agree, and everything that was to be parsed is."""
    with Engine(folder) as engine:
        check_truth(engine)
        [dataset] = [each for each in engine.list_datasets(**NEWEST)[0] if each["name"] == "soak"]
        give_up = time.monotonic() + 300
        while engine.list_documents(dataset["id"], **{**NEWEST, "page_size": 1}, run=["RUNNING"])[1]:
            assert time.monotonic() < give_up, "documents are still being parsed after 5 minutes"
            time.sleep(0.05)
        for identifier in ledger.parsing - ledger.unsure:
            document = engine.get_document(identifier)
            assert document is not None
            assert document["run"] == "DONE", document["progress_msg"]
            assert document["chunk_count"] > 0
        check_truth(engine)
