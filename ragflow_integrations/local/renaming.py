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
_PATIENCE = 2.0  # seconds for which somebody waits for the index
_CHUNKS = (
    "SELECT chunk.*, terms FROM chunk JOIN chunk_index USING (row)"
    " WHERE document_id = ? AND chunk.row > ? ORDER BY chunk.row LIMIT ?"
)


def mark(db: apsw.Connection, document_id: str, old: str, new: str) -> None:
    """Keep that a document has another name than its chunks in the index."""
    sql = "INSERT OR REPLACE INTO renamed(document_id, old, new) VALUES (?, ?, ?)"
    db.execute(sql, (document_id, old, new))


def follow(store: Store, document_id: str) -> bool:
    """Index the chunks under the name of the document, as far as that goes in two seconds; whether it is done.

    The vectors stay, as on RAGFlow. If it is renamed again meanwhile, whoever did that goes on from here.
    """
    until = time.monotonic() + _PATIENCE
    while _follow_part(store, document_id):
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE)
    return True


def _follow_part(store: Store, document_id: str) -> bool:
    """Whether something may be left to be done."""
    with store.read() as db:
        begun = _renamed(db, document_id)
        part = rows(db, _CHUNKS, (document_id, begun["done"], _PART)) if begun else []
    if begun is None:
        return False
    terms = {each["row"]: chunks.retitled(each, begun["old"], begun["new"]) for each in part}
    with store.write() as db:
        if _renamed(db, document_id) == begun:  # else somebody else has done it, or renamed it again
            chunks.change_terms(db, terms)
            if part:
                db.execute("UPDATE renamed SET done = ? WHERE id = ?", (part[-1]["row"], begun["id"]))
            else:
                db.execute("DELETE FROM renamed WHERE id = ?", (begun["id"],))
    return True


def _renamed(db: apsw.Connection, document_id: str) -> Row | None:
    return row(db, "SELECT id, old, new, done FROM renamed WHERE document_id = ?", (document_id,))
