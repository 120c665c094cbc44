"""Parents: the texts that chunks are parts of, where a dataset searches in small parts and answers with large ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import apsw

from .fields import chunk_id, dumped, loaded
from .store import Row, rows

__all__ = ["add", "delete", "parent_id", "put_in_place"]


def parent_id(text: str) -> str:
    """The id of a parent: the same for the same text, as in RAGFlow."""
    return chunk_id(text, "") if text else ""


def add(
    db: apsw.Connection, document_id: str, parents: Iterable[tuple[str, Sequence[Sequence[int]]]]
) -> None:
    """Keep the parents (text and positions) of a document's chunks; "" is none."""
    db.executemany(
        "INSERT OR REPLACE INTO parent VALUES (?, ?, ?, ?)",
        [(document_id, parent_id(text), text, dumped(positions)) for text, positions in parents if text],
    )


def delete(db: apsw.Connection, document_id: str) -> None:
    """Forget the parents of a document."""
    db.execute("DELETE FROM parent WHERE document_id = ?", (document_id,))


def put_in_place(db: apsw.Connection, found: Sequence[Row]) -> list[Row]:
    """Retrieved chunks with each family's children replaced by their parent, which has their mean similarity."""
    families: dict[tuple[str, str], list[Row]] = {}
    for chunk in found:
        families.setdefault((chunk["document_id"], chunk["mom_id"] or chunk["id"]), []).append(chunk)
    if not any(chunk["mom_id"] for chunk in found):
        return list(found)
    parents = {
        (each["document_id"], each["id"]): loaded(each)
        for each in rows(
            db,
            "SELECT * FROM parent WHERE document_id IN (SELECT value FROM json_each(?))",
            (dumped([document_id for document_id, _ in families]),),
        )
    }
    merged = [
        _merged(parents[key], children) if key in parents else children[0]
        for key, children in families.items()
    ]
    return sorted(merged, key=lambda chunk: -chunk["similarity"])


def _merged(parent: Row, children: Sequence[Row]) -> Row:
    mean = sum(child["similarity"] for child in children) / len(children)
    return {
        **children[0],
        "id": parent["id"],
        "content": parent["content"],
        "content_ltks": " ".join(child["content_ltks"] for child in children),
        "important_keywords": [word for child in children for word in child["important_keywords"]],
        "similarity": mean,
        "vector_similarity": mean,
        "term_similarity": mean,
        "positions": parent["positions"],
        "mom_id": "",
    }
