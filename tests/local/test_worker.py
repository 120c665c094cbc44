"""The worker: jobs in the order of their queue, several at once, each until it is done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ragflow_integrations.local.store import Row, Store
from ragflow_integrations.local.worker import Worker
from tests.local.waiting import wait_until

NEXT = (
    "SELECT name AS key FROM setting WHERE name LIKE 'job %' AND name NOT IN (SELECT value FROM json_each(:taken))"
    " ORDER BY name LIMIT 1"
)
HANDS = 2


class Jobs:
    """A queue in a table; each job is done when it is allowed to be."""

    def __init__(self, store: Store) -> None:
        self.begun: list[str] = []
        self._store = store
        self._allowed: dict[str, threading.Event] = {}

    def add(self, *keys: str) -> None:
        for key in keys:
            self._allowed[key] = threading.Event()
        with self._store.write() as db:
            db.executemany("INSERT INTO setting(name, value) VALUES (?, '')", [(key,) for key in keys])

    def allow(self, *keys: str) -> None:
        for key in keys:
            self._allowed[key].set()

    def do(self, job: Row) -> None:
        self.begun.append(job["key"])
        assert self._allowed[job["key"]].wait(20)
        if self.begun.count(job["key"]) == 1 and job["key"].endswith("fails once"):
            raise ConnectionError
        with self._store.write() as db:
            db.execute("DELETE FROM setting WHERE name = ?", (job["key"],))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A folder's tables."""
    store = Store(tmp_path)
    yield store
    store.close()


def test_several_at_once_in_order(store: Store) -> None:
    """As many jobs are done as there are hands, begun in their order; a free hand takes the next one."""
    jobs = Jobs(store)
    worker = Worker(store, "trial", NEXT, jobs.do, hands=HANDS)
    jobs.add("job 1", "job 2", "job 3", "job 4")
    worker.wake()
    wait_until(lambda: len(jobs.begun) == HANDS)
    jobs.allow("job 2", "job 3")
    wait_until(lambda: jobs.begun[2:] == ["job 3", "job 4"])
    jobs.allow("job 1", "job 4")
    wait_until(lambda: worker._thread is None)
    assert sorted(jobs.begun) == ["job 1", "job 2", "job 3", "job 4"]
    worker.close()


def test_what_another_process_has_queued(store: Store) -> None:
    """A free hand finds what nobody here was told of, although another hand is busy."""
    jobs = Jobs(store)
    worker = Worker(store, "trial", NEXT, jobs.do, hands=HANDS)
    jobs.add("job 1")
    worker.wake()
    wait_until(lambda: jobs.begun == ["job 1"])
    jobs.add("job 2")
    wait_until(lambda: jobs.begun == ["job 1", "job 2"])
    jobs.allow("job 1", "job 2")
    worker.close()


def test_a_job_that_fails_is_done_again(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """What a job raises is logged, and it is done again in a second; the others do not wait for it."""
    jobs = Jobs(store)
    worker = Worker(store, "trial", NEXT, jobs.do, hands=HANDS)
    jobs.add("job 1 fails once", "job 2", "job 3")
    jobs.allow("job 1 fails once", "job 2", "job 3")
    worker.wake()
    wait_until(lambda: len(jobs.begun) == 4)
    assert jobs.begun[-1] == "job 1 fails once"
    assert "trial stopped; trying again in a second" in caplog.text
    worker.close()


def test_closing_waits_for_all_hands(store: Store) -> None:
    """close() begins nothing more and returns when the jobs that were begun are done; the rest stays queued."""
    jobs = Jobs(store)
    worker = Worker(store, "trial", NEXT, jobs.do, hands=HANDS)
    jobs.add("job 1", "job 2", "job 3")
    worker.wake()
    wait_until(lambda: len(jobs.begun) == HANDS)
    closing = threading.Thread(target=worker.close)
    closing.start()
    wait_until(lambda: worker.is_closing)
    jobs.allow("job 1", "job 3")
    wait_until(lambda: "job 1" not in worker._taken)
    assert closing.is_alive()
    jobs.allow("job 2")
    closing.join(20)
    assert (sorted(jobs.begun), worker._taken) == (["job 1", "job 2"], {})
