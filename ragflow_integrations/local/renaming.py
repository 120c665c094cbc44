"""A renamed document's chunks under its new name in the search index, a part at a time.

The name itself changes at once. That the index has to follow is kept in the table ``renamed``, so that it does also
after a crash; the parts are transactions of their own, between which others may write.
"""

from __future__ import annotations

import time

import apsw

from . import chunks
from .store import Row, Store, row, rows

__all__ = ["follow", "mark"]

_PART = 128  # chunks that change in one transaction
_PAUSE = 0.001  # seconds for others to take their turn
_CHUNKS = (
    "SELECT chunk.*, terms FROM chunk JOIN chunk_index USING (row)"
    " WHERE document_id = ? AND chunk.row > ? ORDER BY chunk.row LIMIT ?"
)


def mark(db: apsw.Connection, document_id: str, old: str, new: str) -> None:
    """Keep that a document has another name than its chunks in the index."""
    sql = "INSERT OR REPLACE INTO renamed(document_id, old, new) VALUES (?, ?, ?)"
    db.execute(sql, (document_id, old, new))


def follow(store: Store, document_id: str) -> None:
    """Index the chunks under the name of the document; the vectors stay, as on RAGFlow.

    If it is renamed again meanwhile, whoever did that goes on from here.
    """
    with store.read() as db:
        names = _names(db, document_id)
    last: int | None = 0
    while names is not None and last is not None:
        last = _follow_part(store, document_id, names, last)
        time.sleep(_PAUSE)


def _follow_part(store: Store, document_id: str, names: Row, after: int) -> int | None:
    """The number of the last chunk that was changed; None if nothing is left to be done here."""
    with store.read() as db:
        part = rows(db, _CHUNKS, (document_id, after, _PART))
    terms = {each["row"]: chunks.retitled(each, names["old"], names["new"]) for each in part}
    with store.write() as db:
        if _names(db, document_id) != names:
            return None
        if not part:
            db.execute("DELETE FROM renamed WHERE document_id = ?", (document_id,))
            return None
        chunks.change_terms(db, terms)
    return int(part[-1]["row"])


def _names(db: apsw.Connection, document_id: str) -> Row | None:
    return row(db, "SELECT id, old, new FROM renamed WHERE document_id = ?", (document_id,))
