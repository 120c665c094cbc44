"""The search index: full-text rows and vectors, written in the transaction that writes the chunks.

What is in the index is what can be found: chunks that are switched off are taken out and put back. A dataset
counts what was ``appended`` and ``removed``, so that a matrix in memory (``matrix.py``) knows when it is
stale, whichever process wrote.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw
import numpy as np
from numpy.typing import NDArray

from .fields import dumped
from .store import Row

__all__ = ["VECTOR", "add", "change_terms", "match", "remove", "remove_dataset", "switch", "vectors"]

VECTOR = np.dtype("<f4")  # as stored
_TAKE_OUT = "DELETE FROM term WHERE rowid IN (SELECT value FROM json_each(?))"
_PUT_BACK = (
    "INSERT INTO term(rowid, terms, dataset_id, document_id)"
    " SELECT row, terms, dataset_id, document_id FROM chunk JOIN chunk_index USING (row)"
    " WHERE row IN (SELECT value FROM json_each(?))"
)


def add(db: apsw.Connection, chunk: Row, terms: str, vector: NDArray[np.float32]) -> None:
    """Index one chunk (``row dataset_id document_id``); it can be found if it is ``available``."""
    db.execute(
        "INSERT INTO chunk_index VALUES (?, ?, ?)",
        (chunk["row"], terms, vector.astype(VECTOR, copy=False).tobytes()),
    )
    if chunk["available"]:
        _insert_terms(db, chunk["row"], terms, chunk["dataset_id"], chunk["document_id"])
    db.execute("UPDATE dataset SET appended = appended + 1 WHERE id = ?", (chunk["dataset_id"],))


def remove(db: apsw.Connection, dataset_id: str, chunk_rows: Sequence[int]) -> None:
    """Forget these chunks of one dataset, the chunks themselves included."""
    if not chunk_rows:
        return
    numbers = dumped(list(chunk_rows))
    for table, key in (("term", "rowid"), ("chunk_index", "row"), ("chunk", "row")):
        db.execute(f"DELETE FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))", (numbers,))
    _count_removal(db, dataset_id)


def remove_dataset(db: apsw.Connection, dataset_id: str) -> None:
    """Forget all chunks of a dataset."""
    remove(
        db,
        dataset_id,
        [number for (number,) in db.execute("SELECT row FROM chunk WHERE dataset_id = ?", (dataset_id,))],
    )


def switch(db: apsw.Connection, dataset_id: str, chunk_rows: Sequence[int], on: bool) -> None:
    """Make these chunks of one dataset findable, or unfindable, but keep them."""
    sql = "SELECT row FROM chunk WHERE available <> ? AND row IN (SELECT value FROM json_each(?))"
    other = [number for (number,) in db.execute(sql, (on, dumped(list(chunk_rows))))]
    if not other:
        return
    numbers = dumped(other)
    db.execute("UPDATE chunk SET available = ? WHERE row IN (SELECT value FROM json_each(?))", (on, numbers))
    db.execute(_PUT_BACK if on else _TAKE_OUT, (numbers,))
    _count_removal(db, dataset_id)


def change_terms(db: apsw.Connection, chunk: Row, terms: str) -> None:
    """Give an indexed chunk (``row``, ``dataset_id``, ``document_id``, ``available``) other terms."""
    db.execute("UPDATE chunk_index SET terms = ? WHERE row = ?", (terms, chunk["row"]))
    if chunk["available"]:
        db.execute("DELETE FROM term WHERE rowid = ?", (chunk["row"],))
        _insert_terms(db, chunk["row"], terms, chunk["dataset_id"], chunk["document_id"])


def vectors(db: apsw.Connection, ids: Sequence[str]) -> NDArray[np.float32]:
    """The vectors of these chunks, a row for each id; one that is gone by now has zeros."""
    sql = "SELECT id, vector FROM chunk JOIN chunk_index USING (row) WHERE id IN (SELECT value FROM json_each(?))"
    found = {
        identifier: np.frombuffer(vector, VECTOR)
        for identifier, vector in db.execute(sql, (dumped(list(ids)),))
    }
    empty = np.zeros(len(next(iter(found.values()), ())), VECTOR)
    return np.stack([found.get(identifier, empty) for identifier in ids])


def match(terms: Sequence[str], *, dataset_ids: Sequence[str] = (), document_ids: Sequence[str] = ()) -> str:
    """The full-text query: any of the terms, in these datasets and documents (empty: in all)."""
    parts = [
        f"{column} : ({_any(values)})"
        for column, values in _columns(terms, dataset_ids, document_ids)
        if values
    ]
    return " AND ".join(parts)


def _columns(*values: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    return list(zip(("terms", "dataset_id", "document_id"), values, strict=True))


def _any(values: Sequence[str]) -> str:
    # FTS5 reads a query up to its first zero byte, which is in no term
    return " OR ".join('"' + value.replace('"', '""').replace("\0", " ") + '"' for value in values)


def _insert_terms(db: apsw.Connection, number: int, terms: str, dataset_id: str, document_id: str) -> None:
    db.execute(
        "INSERT INTO term(rowid, terms, dataset_id, document_id) VALUES (?, ?, ?, ?)",
        (number, terms, dataset_id, document_id),
    )


def _count_removal(db: apsw.Connection, dataset_id: str) -> None:
    db.execute("UPDATE dataset SET removed = removed + 1 WHERE id = ?", (dataset_id,))
