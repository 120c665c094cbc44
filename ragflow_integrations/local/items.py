"""Items beside a dataset's documents: small JSON objects, each under a namespace and a key.

RAGFlow has none. They are what a store of LangGraph keeps exactly, whatever is indexed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import apsw

from .fields import dumped, now_ms
from .store import Row, row, rows

__all__ = ["delete", "get", "listed", "namespaces", "put"]

_COLUMNS = "namespace, key, value_json, create_time, update_time"
_BELOW = " AND namespace >= ? AND namespace < ?"


def get(db: apsw.Connection, dataset_id: str, namespace: Sequence[str], key: str) -> Row | None:
    """One item, or None."""
    sql = f"SELECT {_COLUMNS} FROM item WHERE dataset_id = ? AND namespace = ? AND key = ?"
    found = row(db, sql, (dataset_id, _packed(namespace), key))
    return None if found is None else _wire(found)


def listed(db: apsw.Connection, dataset_id: str, prefix: Sequence[str], limit: int, offset: int) -> list[Row]:
    """The items below a namespace, grouped by namespace: the oldest namespace first, in it the oldest item."""
    below, bindings = _below(prefix)
    sql = f"SELECT {_COLUMNS} FROM item WHERE dataset_id = ?{below} ORDER BY space, id LIMIT ? OFFSET ?"
    return [_wire(each) for each in rows(db, sql, (dataset_id, *bindings, limit, offset))]


def namespaces(db: apsw.Connection, dataset_id: str, prefix: Sequence[str]) -> list[list[str]]:
    """The namespaces below one that hold items, the oldest first."""
    below, bindings = _below(prefix)
    sql = f"SELECT namespace FROM item WHERE dataset_id = ?{below} GROUP BY namespace ORDER BY min(space)"
    return [_unpacked(text) for (text,) in db.execute(sql, (dataset_id, *bindings))]


def put(db: apsw.Connection, dataset_id: str, namespace: Sequence[str], key: str, value: Row) -> None:
    """Keep an item; one that is there gets the new value and keeps its place."""
    now, packed = now_ms(), _packed(namespace)
    db.execute(
        "INSERT INTO item(dataset_id, namespace, space, key, value_json, create_time, update_time) VALUES (?1, ?2,"
        " coalesce((SELECT space FROM item WHERE dataset_id = ?1 AND namespace = ?2 LIMIT 1),"
        " (SELECT coalesce(max(space), 0) + 1 FROM item WHERE dataset_id = ?1)), ?3, ?4, ?5, ?5)"
        " ON CONFLICT DO UPDATE SET value_json = excluded.value_json, update_time = excluded.update_time",
        (dataset_id, packed, key, dumped(value), now),
    )


def delete(db: apsw.Connection, dataset_id: str, namespace: Sequence[str], key: str) -> None:
    """Delete an item; one that is not there is passed over."""
    db.execute(
        "DELETE FROM item WHERE dataset_id = ? AND namespace = ? AND key = ?",
        (dataset_id, _packed(namespace), key),
    )


def _packed(namespace: Iterable[str]) -> str:
    """Such that a text begins with another exactly where the namespace does: each label ends with ``",``."""
    return "".join(f"{dumped(label)}," for label in namespace)


def _unpacked(text: str) -> list[str]:
    labels: list[str] = json.loads(f"[{text[:-1]}]")
    return labels


def _below(prefix: Sequence[str]) -> tuple[str, list[str]]:
    """As a range, which the index finds: what begins with the prefix comes before the prefix with a later end."""
    packed = _packed(prefix)
    return (_BELOW, [packed, packed[:-1] + "-"]) if packed else ("", [])


def _wire(found: Row) -> Row:
    return {
        "namespace": _unpacked(found["namespace"]),
        "key": found["key"],
        "value": json.loads(found["value_json"]),
        "create_time": found["create_time"],
        "update_time": found["update_time"],
    }
