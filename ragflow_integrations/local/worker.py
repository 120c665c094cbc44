"""Background threads that work off a queue, which is a query: what it finds first is done next."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from .store import Row, Store, row

__all__ = ["Worker"]

_log = logging.getLogger(__name__)
_PATIENCE = 5.0  # seconds that closing waits for the job that is being done
_RETRY = 0.25  # seconds between two tries for another process's lock
_LOOK = 0.25  # seconds between two looks at what other processes have queued


class Worker:
    """Does jobs, up to ``hands`` at once, each in a thread of its own; without jobs there are no threads.

    ``next_job`` is a query for the row that is to be done next, of those whose ``key`` is not in the JSON list
    ``:taken``: these are being done. ``do`` does a job so that the query finds it no more, which it brings about in
    one transaction: after a crash it is done again or it is done. Among the processes that have the folder open, the
    one that holds the file ``{name}.lock`` works.
    """

    def __init__(
        self, store: Store, name: str, next_job: str, do: Callable[[Row], None], *, hands: int = 1
    ) -> None:
        self._store, self._name, self._next, self._do, self._hands = store, name, next_job, do, hands
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._news = threading.Event()  # there is something to do, or a hand is free
        self._thread: threading.Thread | None = None
        self._taken: dict[str, threading.Thread] = {}

    def wake(self) -> None:
        """See to it that the queue is worked off."""
        if self._job() is None:
            return
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._work, name=f"ragflow-{self._name}", daemon=True)
                self._thread.start()
        self._news.set()

    def stop(self) -> None:
        """Begin no more jobs."""
        self._closing.set()
        self._news.set()

    def close(self) -> None:
        """Stop after the jobs that are being done, left to themselves after 5 seconds; the others stay queued."""
        self.stop()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(_PATIENCE)

    @property
    def is_closing(self) -> bool:
        """Whether what a job computes is of no use any more."""
        return self._closing.is_set()

    def _job(self) -> Row | None:
        with self._store.read() as db:
            return row(db, self._next, {"taken": json.dumps(list(self._taken))})

    def _work(self) -> None:
        while not self._closing.is_set():
            try:
                self._take_turn()
                with self._lock:
                    if self._closing.is_set() or self._job() is None:
                        self._thread = None
                        return
            except Exception:  # noqa: BLE001 - whatever it was, the queue must go on
                self._wait_a_second()

    def _take_turn(self) -> None:
        with _sole(self._store.folder, self._name) as alone:
            try:
                while alone and self._hand_out():
                    self._news.wait(_LOOK)
            finally:  # before the lock is given up
                for hand in list(self._taken.values()):
                    hand.join()
        if not alone:
            self._closing.wait(_RETRY)

    def _hand_out(self) -> bool:
        """Begin the jobs that there are hands for; whether there is anything to wait for."""
        self._news.clear()
        while not self._closing.is_set() and len(self._taken) < self._hands:
            job = self._job()
            if job is None:
                break
            self._begin(job)
        return bool(self._taken) and not self._closing.is_set()

    def _begin(self, job: Row) -> None:
        name = f"ragflow-{self._name}-hand"
        self._taken[job["key"]] = hand = threading.Thread(
            target=self._finish, args=(job,), name=name, daemon=True
        )
        try:
            hand.start()
        except BaseException:  # no more threads to be had
            del self._taken[job["key"]]
            raise

    def _finish(self, job: Row) -> None:
        try:
            self._do(job)
        except Exception:  # noqa: BLE001 - whatever it was, the queue must go on
            self._wait_a_second()
        finally:
            del self._taken[job["key"]]
            self._news.set()

    def _wait_a_second(self) -> None:
        _log.exception("%s stopped; trying again in a second", self._name)
        self._closing.wait(1)


@contextmanager
def _sole(folder: Path | None, name: str) -> Iterator[bool]:
    """Whether this is the folder's only worker of that name, for the length of the block or of the process."""
    if folder is None:
        yield True
        return
    lock = apsw.Connection(str(folder / f"{name}.lock"))
    try:
        try:
            lock.execute("BEGIN EXCLUSIVE")
            alone = True
        except apsw.BusyError:
            alone = False
        yield alone
    finally:
        lock.close()
