"""The vectors of a dataset in memory, brought up to date before each use.

A dataset's counters ``appended`` and ``removed`` say what happened since, in this process or another. New
chunks have higher numbers than all before them, so after additions only those are read; after removals (or
when chunks were switched off or on) the numbers are compared first.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

import apsw
import numpy as np
from numpy.typing import NDArray

from .index import VECTOR
from .store import row

__all__ = ["Matrices", "Matrix", "Numbers", "Vectors"]

Numbers = NDArray[np.int64]
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Matrix:
    """``vectors[i]`` belongs to chunk ``numbers[i]``; numbers ascend. Not changed once handed out."""

    numbers: Numbers
    vectors: Vectors
    appended: int
    removed: int

    def places(self, numbers: Numbers) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Where these ascending chunk numbers are, and which of them are here at all."""
        places = np.searchsorted(self.numbers, numbers)
        known = places < len(self.numbers)
        known[known] = self.numbers[places[known]] == numbers[known]
        return places[known], known


class Matrices:
    """The matrices of the datasets searched so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._growing: dict[str, _Growing] = {}

    def get(self, db: apsw.Connection, dataset_id: str) -> Matrix:
        """The vectors of a dataset's searchable chunks, at least as new as what ``db`` sees."""
        state = row(db, "SELECT appended, removed, dimensions FROM dataset WHERE id = ?", (dataset_id,))
        assert state is not None, "the caller has found the dataset in the same snapshot"
        with self._lock:
            growing = self._growing.setdefault(dataset_id, _Growing(dataset_id, state["dimensions"]))
            growing.catch_up(db, state["appended"], state["removed"])
            return growing.view()

    def forget(self, dataset_ids: Iterable[str]) -> None:
        """Give the memory of deleted datasets back."""
        with self._lock:
            for dataset_id in dataset_ids:
                self._growing.pop(dataset_id, None)


class _Growing:
    """A matrix with room at its end, so that one more chunk does not copy all others.

    Views share the filled part, which is written once; a removal makes new arrays.
    """

    def __init__(self, dataset_id: str, dimensions: int) -> None:
        self._dataset_id = dataset_id
        self._size = self._appended = self._removed = 0
        self._numbers: Numbers = np.empty(0, np.int64)
        self._vectors: Vectors = np.empty((0, dimensions), np.float32)

    def view(self) -> Matrix:
        return Matrix(self._numbers[: self._size], self._vectors[: self._size], self._appended, self._removed)

    def catch_up(self, db: apsw.Connection, appended: int, removed: int) -> None:
        if self._appended >= appended and self._removed >= removed:
            return
        have = self._numbers[: self._size]
        if self._removed == removed:
            added = self._searchable(db, int(have[-1]) if len(have) else 0)
        else:
            current = self._searchable(db, 0)
            self._keep(np.isin(have, current, assume_unique=True))
            added = np.setdiff1d(current, have, assume_unique=True)
        if len(added):
            self._add(added, _read(db, added, self._vectors.shape[1]))
        self._appended, self._removed = appended, removed

    def _searchable(self, db: apsw.Connection, after: int) -> Numbers:
        sql = "SELECT row FROM chunk WHERE dataset_id = ? AND available AND row > ? ORDER BY row"
        return np.fromiter((number for (number,) in db.execute(sql, (self._dataset_id, after))), np.int64)

    def _keep(self, kept: NDArray[np.bool_]) -> None:
        self._numbers, self._vectors = self._numbers[: self._size][kept], self._vectors[: self._size][kept]
        self._size = len(self._numbers)

    def _add(self, numbers: Numbers, vectors: Vectors) -> None:
        start, end = self._size, self._size + len(numbers)
        if end > len(self._numbers):
            self._grow(max(end, 2 * start))
        self._numbers[start:end], self._vectors[start:end] = numbers, vectors
        self._size = end
        if start and numbers[0] < self._numbers[start - 1]:
            order = np.argsort(self._numbers[:end])
            self._numbers, self._vectors = self._numbers[:end][order], self._vectors[:end][order]

    def _grow(self, capacity: int) -> None:
        numbers, vectors = self._numbers, self._vectors
        self._numbers = np.empty(capacity, np.int64)
        self._vectors = np.empty((capacity, vectors.shape[1]), np.float32)
        self._numbers[: self._size], self._vectors[: self._size] = (
            numbers[: self._size],
            vectors[: self._size],
        )


def _read(db: apsw.Connection, numbers: Numbers, dimensions: int) -> Vectors:
    sql = "SELECT vector FROM chunk_index WHERE row IN (SELECT value FROM json_each(?)) ORDER BY row"
    stored = b"".join(vector for (vector,) in db.execute(sql, (str(numbers.tolist()),)))
    return np.frombuffer(stored, VECTOR).reshape(len(numbers), dimensions)
