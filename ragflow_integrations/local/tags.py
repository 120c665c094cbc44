"""The tags of a dataset's chunks, and what those of a question add to the similarity of chunks that have them.

A dataset may name others, its ``tag_kb_ids``, whose chunks say which words go with which tags. A question, and a chunk
that is parsed, get the tags that stand out among their chunks with its words; a chunk keeps them in ``tag_feas``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import apsw

from .fields import dumped
from .index import match
from .store import conditions

__all__ = ["Source", "closeness", "counted", "exchange", "named", "source"]

_SMOOTHING = 1000  # which RAGFlow adds to how often a tag is there
_MOST = 10.0  # what a chunk with the question's tags gains
_NAMED = (  # the datasets that these ones get their tags from; foreign ones are none
    "SELECT DISTINCT named.id FROM dataset, json_each(dataset.settings_json, '$.parser_config.tag_kb_ids')"
    " JOIN dataset AS named ON named.id = value AND named.tenant_id = dataset.tenant_id"
    " WHERE dataset.id IN (SELECT value FROM json_each(?))"
)
_BESIDE = (
    "WITH found AS (SELECT term.rowid AS number FROM json_each(?) AS asked CROSS JOIN term"
    " WHERE term MATCH asked.value GROUP BY 1 HAVING count(*) >= ?)"
    " SELECT tag.value, count(*) FROM found CROSS JOIN chunk ON chunk.row = number, json_each(tags_json) AS tag"
    " GROUP BY 1 ORDER BY 2 DESC, 1"
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


@dataclass(frozen=True)
class Source:
    """Where datasets get their tags from: other ones' ids, how often each tag is there, and how many to take."""

    dataset_ids: Sequence[str]
    everywhere: Mapping[str, int]
    topn: int

    def of_question(self, db: apsw.Connection, words: Sequence[str]) -> dict[str, int]:
        """The weights of a question's tags."""
        return {
            tag: max(1, weight) for tag, weight in self._standing_out(_beside(db, self.dataset_ids, words))
        }

    def of_text(self, db: apsw.Connection, words: Sequence[str]) -> dict[str, int]:
        """The weights of a text's tags by its weightiest ``words``; none where nothing stands out, as on RAGFlow."""
        least = max(1, min(3, round(len(words) / 10)))
        found = self._standing_out(_beside(db, self.dataset_ids, words, least))
        return {tag: weight for tag, weight in found if weight > 0}

    def _standing_out(self, found: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """What is more frequent among what was found than it is everywhere, and how much."""
        among = sum(self.everywhere.values()) + _SMOOTHING
        here = sum(count for _, count in found) + _SMOOTHING
        weights = [
            (named(tag), round(0.1 * (count + 1) / here * among / (self.everywhere.get(tag, 0) + 1)))
            for tag, count in found
        ]
        return sorted(weights, key=lambda each: -each[1])[: self.topn]


def source(db: apsw.Connection, dataset_ids: Sequence[str]) -> Source | None:
    """Where these datasets get their tags from; None if from nowhere, or if there is no tag."""
    given = [identifier for (identifier,) in db.execute(_NAMED, (dumped(list(dataset_ids)),))]
    everywhere = dict(counted(db, given)) if given else {}
    return Source(given, everywhere, _topn(db, dataset_ids[-1])) if everywhere else None


def named(tag: str) -> str:
    """A tag's name in ``tag_feas``, as RAGFlow keeps it."""
    return tag.replace(".", "_")


def closeness(asked: Mapping[str, float], features: Mapping[str, float]) -> float:
    """What a chunk with these ``tag_feas`` gains: ten times the cosine between them and the question's tags."""
    lengths = math.hypot(*asked.values()) * math.hypot(*features.values())
    if not lengths:
        return 0.0
    return _MOST * sum(asked.get(tag, 0.0) * weight for tag, weight in features.items()) / lengths


def _beside(
    db: apsw.Connection, dataset_ids: Sequence[str], words: Sequence[str], least: int = 1
) -> list[tuple[str, int]]:
    """The tags of the chunks that hold ``least`` of the words, and how many of them have each."""
    asked = dumped([match([word], dataset_ids=dataset_ids) for word in words])
    return list(db.execute(_BESIDE, (asked, least)))


def _topn(db: apsw.Connection, dataset_id: str) -> int:
    sql = "SELECT settings_json -> '$.parser_config.topn_tags' FROM dataset WHERE id = ?"
    for (stored,) in db.execute(sql, (dataset_id,)):
        return int(json.loads(stored or "null") or 3)
    return 3
