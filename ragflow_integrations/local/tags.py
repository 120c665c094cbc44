"""The tags of a dataset's chunks."""

from __future__ import annotations

import json
from collections.abc import Sequence

import apsw

from .fields import dumped
from .store import conditions

__all__ = ["counted", "exchange"]


def counted(db: apsw.Connection, dataset_ids: Sequence[str]) -> list[tuple[str, int]]:
    """All tags of these datasets and how many chunks have each, the most frequent first."""
    where, bindings = conditions({"dataset_id IN": dataset_ids})
    sql = f"SELECT value, count(*) FROM chunk, json_each(tags_json){where} GROUP BY value ORDER BY 2 DESC, 1"
    return list(db.execute(sql, bindings))


def exchange(db: apsw.Connection, dataset_id: str, tag: str, others: Sequence[str]) -> None:
    """Put other tags in the place of one, or none."""
    found = db.execute(
        "SELECT row, tags_json FROM chunk"
        " WHERE dataset_id = ? AND ? IN (SELECT value FROM json_each(tags_json))",
        (dataset_id, tag),
    )
    changed = []
    for row, text in list(found):
        kept = [new for old in json.loads(text) for new in (others if old == tag else [old])]
        changed.append((dumped(list(dict.fromkeys(kept))), row))
    db.executemany("UPDATE chunk SET tags_json = ? WHERE row = ?", changed)
