"""The tags of a dataset's chunks, and what those of a question add to the similarity of chunks that have them.

A dataset may name others, its ``tag_kb_ids``, whose chunks say which words go with which tags. The question gets the
tags that stand out among their chunks with its words; a chunk has its own in ``tag_feas``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

import apsw

from .fields import dumped
from .index import match
from .store import conditions

__all__ = ["closeness", "counted", "exchange", "of_question"]

_SMOOTHING = 1000  # which RAGFlow adds to how often a tag is there
_MOST = 10.0  # what a chunk with the question's tags gains
_NAMED = (  # the datasets that these ones get their tags from; foreign ones are none
    "SELECT DISTINCT named.id FROM dataset, json_each(dataset.settings_json, '$.parser_config.tag_kb_ids')"
    " JOIN dataset AS named ON named.id = value AND named.tenant_id = dataset.tenant_id"
    " WHERE dataset.id IN (SELECT value FROM json_each(?))"
)


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


def of_question(db: apsw.Connection, dataset_ids: Sequence[str], words: Sequence[str]) -> dict[str, int]:
    """The weights of a question's tags, as RAGFlow finds them; none if these datasets get their tags from nowhere."""
    named = [identifier for (identifier,) in db.execute(_NAMED, (dumped(list(dataset_ids)),))]
    if not named or not words:
        return {}
    everywhere = counted(db, named)
    among = sum(count for _, count in everywhere) + _SMOOTHING
    portions = {tag: (count + 1) / among for tag, count in everywhere}
    found = _beside(db, named, words)
    here = sum(count for _, count in found) + _SMOOTHING
    weights = [(tag, round(0.1 * (count + 1) / here / portions[tag])) for tag, count in found]
    weights.sort(key=lambda each: -each[1])
    most = _topn(db, dataset_ids[-1])
    return {tag.replace(".", "_"): max(1, weight) for tag, weight in weights[:most]}


def closeness(asked: Mapping[str, float], features: Mapping[str, float]) -> float:
    """What a chunk with these ``tag_feas`` gains: ten times the cosine between them and the question's tags."""
    lengths = math.hypot(*asked.values()) * math.hypot(*features.values())
    if not lengths:
        return 0.0
    return _MOST * sum(asked.get(tag, 0.0) * weight for tag, weight in features.items()) / lengths


def _beside(db: apsw.Connection, dataset_ids: Sequence[str], words: Sequence[str]) -> list[tuple[str, int]]:
    """The tags of the chunks that hold one of the words, and how many of them have each."""
    sql = (
        "SELECT value, count(*) FROM term JOIN chunk ON chunk.row = term.rowid, json_each(tags_json)"
        " WHERE term MATCH ? GROUP BY value ORDER BY 2 DESC, 1"
    )
    return list(db.execute(sql, (match(words, dataset_ids=dataset_ids),)))


def _topn(db: apsw.Connection, dataset_id: str) -> int:
    sql = "SELECT settings_json -> '$.parser_config.topn_tags' FROM dataset WHERE id = ?"
    for (stored,) in db.execute(sql, (dataset_id,)):
        return int(json.loads(stored or "null") or 3)
    return 3
