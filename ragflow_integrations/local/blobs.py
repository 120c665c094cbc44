"""The files' bytes, stored once however many documents have them."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import apsw

from .store import scalar

__all__ = ["drop_unused", "read", "store"]


def store(db: apsw.Connection, data: bytes) -> str:
    """Keep ``data``; its SHA-256 in hex is its key."""
    key = sha256(data).hexdigest()
    db.execute("INSERT OR IGNORE INTO blob VALUES (?, ?)", (key, data))
    return key


def read(db: apsw.Connection, key: str) -> bytes:
    """The bytes kept under a key."""
    return bytes(scalar(db, "SELECT data FROM blob WHERE sha256 = ?", (key,)))


def drop_unused(db: apsw.Connection, keys: Iterable[str]) -> None:
    """Delete those of these files that no document and no file has any more."""
    used = (
        f"EXISTS (SELECT 1 FROM {table} WHERE {table}.sha256 = blob.sha256)" for table in ("document", "file")
    )
    unused = f"sha256 = ? AND NOT ({' OR '.join(used)})"
    db.executemany(f"DELETE FROM blob WHERE {unused}", [(key,) for key in keys])
