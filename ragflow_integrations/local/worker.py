"""One background thread that works off a queue, which is a query: what it finds first is done next."""

from __future__ import annotations

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


class Worker:
    """Does jobs in a thread, which lives only while there are some.

    ``next_job`` is a query for one row; ``do`` does that job so that the query finds it no more, which it brings about
    in one transaction: after a crash it is done again or it is done. Among the processes that have the folder open, the
    one that holds the file ``{name}.lock`` works.
    """

    def __init__(self, store: Store, name: str, next_job: str, do: Callable[[Row], None]) -> None:
        self._store, self._name, self._next, self._do = store, name, next_job, do
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """See to it that the queue is worked off."""
        if self._job() is None:
            return
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._work, name=f"ragflow-{self._name}", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Begin no more jobs."""
        self._closing.set()

    def close(self) -> None:
        """Stop after the current job, which is left to itself after 5 seconds; the others stay queued."""
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
            return row(db, self._next)

    def _work(self) -> None:
        while True:
            try:
                self._take_turn()
            except Exception:  # noqa: BLE001 - whatever it was, the queue must go on
                _log.exception("%s stopped; trying again in a second", self._name)
                self._closing.wait(1)
            with self._lock:
                if self._closing.is_set() or self._job() is None:
                    self._thread = None
                    return

    def _take_turn(self) -> None:
        with _sole(self._store.folder, self._name) as alone:
            while alone and not self._closing.is_set():
                job = self._job()
                if job is None:
                    return
                self._do(job)
        if not alone:
            self._closing.wait(_RETRY)


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
