"""Chunks: rows, index entries and counters change together, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Required, TypedDict, Unpack

import apsw
import numpy as np
from numpy.typing import NDArray

from . import index, parents
from .embed import Embedder
from .fields import chunk_id, dumped, loaded, now_ms
from .index import match
from .parsing import Chunk
from .problems import Missing
from .rank import analyse, index_terms
from .store import Row, conditions, page_of, row, rows, scalar
from .tokens import count_tokens

__all__ = [
    "Extras",
    "Filters",
    "Prepared",
    "add",
    "change_terms",
    "delete",
    "delete_of",
    "delete_parsed",
    "equip",
    "get",
    "image",
    "listed",
    "number",
    "prepare",
    "replace",
    "retitled",
    "switch",
    "wire",
]

_KEPT = (  # when a chunk's text is changed
    "place, positions_json, doc_type, tags_json, mom_id, available, tag_features_json, has_image"
)
_COLUMNS = "chunk.*, document.name AS document_name"
_TITLE_SHARE = 0.1  # of the vector, as RAGFlow's filename_embd_weight


@dataclass(frozen=True)
class Prepared:
    """A chunk with all that is computed from it before the transaction begins."""

    chunk: Chunk
    token_count: int
    terms: str
    vector: NDArray[np.float32]


def prepare(
    embedder: Embedder,
    title: str,
    found: Sequence[Chunk],
) -> list[Prepared]:
    """Tokens, terms and vectors of chunks of the document named ``title``.

    ``questions`` stand for the content in the vector, as on RAGFlow.
    """
    texts = ["\n".join(chunk.questions) or chunk.content for chunk in found]
    embedded = embedder.embed([title, *texts])
    mixed = _TITLE_SHARE * embedded[0] + (1 - _TITLE_SHARE) * embedded[1:]
    vectors = mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-12)
    return [
        Prepared(
            chunk=chunk,
            token_count=chunk.token_count or count_tokens(chunk.content),
            terms=_terms(title, chunk.content, chunk.important_keywords, chunk.questions),
            vector=vector,
        )
        for chunk, vector in zip(found, vectors.astype(np.float32), strict=True)
    ]


def add(
    db: apsw.Connection, document: Row, prepared: Sequence[Prepared], *, first_place: int | None = None
) -> list[str]:
    """Store, index and count chunks of a document; one with the same text is replaced. Returns their ids.

    ``first_place`` is that of the first one among the parsed chunks; None if they were not parsed but added. As on
    RAGFlow each adding counts in the counters, also of what is there already.
    """
    by_id = {chunk_id(each.chunk.content, document["id"]): each for each in prepared}
    replaced = _numbers(db, document["id"], list(by_id))
    if first_place is None:
        index.remove(db, document["dataset_id"], replaced)
    else:
        _remove(db, document, replaced)
    fixed = {"available": int(document["status"] == "1"), "create_time": now_ms()}
    for number, (identifier, each) in enumerate(by_id.items()):
        place = None if first_place is None else first_place + number
        _insert(db, document, each, {"id": identifier, "place": place, **fixed})
    parents.add(db, document["id"], ((each.chunk.parent, each.chunk.positions) for each in prepared))
    _count(db, document, len(by_id), sum(each.token_count for each in by_id.values()))
    return list(by_id)


def replace(db: apsw.Connection, document: Row, identifier: str, prepared: Prepared, extras: Extras) -> None:
    """Put something else in the place of a stored chunk, under its id; ``Missing`` if it is gone.

    What neither ``prepared`` nor ``extras`` have stays as it was.
    """
    sql = f"SELECT row, create_time, {_KEPT} FROM chunk WHERE id = ? AND document_id = ?"
    old = row(db, sql, (identifier, document["id"]))
    if old is None:
        raise Missing(f"Can't find this chunk {identifier}")
    kept_image = image(db, identifier) if old["has_image"] else None
    # Under a new number, which tells the matrices in memory that the vector is another one.
    _remove(db, document, [old.pop("row")])
    _insert(db, document, prepared, {"id": identifier, **old, **_columns(extras)})
    _count(db, document, 1, prepared.token_count)
    _keep_image(db, identifier, extras.get("image", kept_image))


def number(db: apsw.Connection, identifier: str) -> int | None:
    """The number of a chunk, which is another one after each change; None if it is gone."""
    found = row(db, "SELECT row FROM chunk WHERE id = ?", (identifier,))
    return None if found is None else int(found["row"])


class Extras(TypedDict, total=False):
    """What may be put to a chunk besides its text, keywords and questions; ``image`` is a file's bytes."""

    available: bool
    positions: Sequence[Sequence[int]]
    tags: Sequence[str]
    tag_features: Mapping[str, float]
    image: bytes


def equip(db: apsw.Connection, identifier: str, extras: Extras) -> None:
    """Put these to a chunk that is not searched by them; ``available`` is for ``switch``."""
    columns = _columns(extras)
    for name, value in columns.items():
        db.execute(f"UPDATE chunk SET {name} = ? WHERE id = ?", (value, identifier))
    _keep_image(db, identifier, extras.get("image"))


def image(db: apsw.Connection, identifier: str) -> bytes | None:
    """The image of a chunk, None if it has none."""
    found = row(db, "SELECT data FROM chunk_image WHERE chunk_id = ?", (identifier,))
    return None if found is None else bytes(found["data"])


def _columns(extras: Extras) -> Row:
    columns: Row = {}
    for name in ("positions", "tags", "tag_features"):
        if name in extras:
            columns[f"{name}_json"] = dumped(extras[name])
    if "available" in extras:
        columns["available"] = int(extras["available"])
    return columns | ({"has_image": 1, "doc_type": "image"} if "image" in extras else {})


def _keep_image(db: apsw.Connection, identifier: str, data: bytes | None) -> None:
    if data is not None:
        db.execute("INSERT OR REPLACE INTO chunk_image VALUES (?, ?)", (identifier, data))


def switch(db: apsw.Connection, document: Row, ids: Sequence[str] | None, on: bool) -> None:
    """Make these chunks of a document (None: all) findable or unfindable; ``Missing`` names those that are unknown."""
    numbers = _numbers(db, document["id"], ids)
    if ids is not None and len(numbers) < len(set(ids)):
        sql = "SELECT id FROM chunk WHERE document_id = ?"
        known = {identifier for (identifier,) in db.execute(sql, (document["id"],))}
        raise Missing(f"Can't find this chunk {', '.join(each for each in ids if each not in known)}")
    index.switch(db, document["dataset_id"], numbers, on)


def wire(stored: Row) -> Row:
    """A stored chunk (with ``document_name``) as RAGFlow lists it."""
    chunk = loaded(stored)
    return {
        "id": chunk["id"],
        "content": chunk["content"],
        "document_id": chunk["document_id"],
        "docnm_kwd": chunk["document_name"],
        "dataset_id": chunk["dataset_id"],
        "important_keywords": chunk["important_keywords"],
        "tag_kwd": chunk["tags"],
        "questions": chunk["questions"],
        "image_id": f"{chunk['dataset_id']}-{chunk['id']}" if chunk["has_image"] else "",
        "doc_type_kwd": chunk["doc_type"],
        "available": bool(chunk["available"]),
        "positions": chunk["positions"],
        "tag_feas": chunk["tag_features"],
        "create_timestamp": chunk["create_time"] / 1000,
    }


def get(db: apsw.Connection, tenant_id: str, identifier: str) -> Row:
    """One chunk as the wire's chunk lists have it; ``Missing`` if there is none with this id."""
    sql = (
        f"SELECT {_COLUMNS} FROM chunk JOIN document ON document.id = document_id"
        " JOIN dataset ON dataset.id = chunk.dataset_id WHERE chunk.id = ? AND tenant_id = ?"
    )
    found = rows(db, sql, (identifier, tenant_id))
    if not found:
        raise Missing(f"Chunk not found: {identifier}")
    return wire(found[0])


class Filters(TypedDict, total=False):
    """Which part of a document's chunks; ``keywords`` finds the chunks with any of these words."""

    page: Required[int]
    page_size: Required[int]
    keywords: str | None
    id: str | None
    ids: Sequence[str] | None
    available: bool | None


def listed(db: apsw.Connection, document_id: str, **filters: Unpack[Filters]) -> tuple[list[Row], int]:
    """One page of a document's chunks, and how many fit.

    Added chunks come first, the newest before the others, then the parsed ones in the document's order; with
    ``keywords`` the best come first.
    """
    source, order = "chunk", "place IS NOT NULL, place, chunk.create_time DESC, chunk.row DESC"
    tests: Row = {
        "chunk.document_id = ?": document_id,
        "chunk.id = ?": filters.get("id"),
        "chunk.id IN": filters.get("ids"),
        "available = ?": filters.get("available"),
    }
    if keywords := filters.get("keywords"):
        source, order = "chunk JOIN term ON term.rowid = chunk.row", "bm25(term), chunk.row"
        tests["term MATCH ?"] = match(analyse(keywords).terms or [keywords], document_ids=[document_id])
    where, bindings = conditions(tests)
    total = scalar(db, f"SELECT count(*) FROM {source}{where}", bindings)
    sql = f"SELECT {_COLUMNS} FROM {source} JOIN document ON document.id = chunk.document_id{where}"
    cut = page_of(filters["page"], filters["page_size"])
    return [wire(each) for each in rows(db, f"{sql} ORDER BY {order}{cut}", bindings)], total


def delete(db: apsw.Connection, document: Row, ids: Sequence[str] | None) -> int:
    """Delete these chunks of a document (None: all) from table and index; unknown ids are passed over."""
    if ids is None:
        parents.delete(db, document["id"])
    return _remove(db, document, _numbers(db, document["id"], ids))


def delete_of(db: apsw.Connection, dataset_id: str, document_ids: Sequence[str]) -> None:
    """Delete all chunks of these documents of a dataset.

    Together: one document after the other, the index would write out each one's before it takes the next.
    """
    ids = dumped(list(document_ids))
    for each in document_ids:
        parents.delete(db, each)
    sql = "SELECT row FROM chunk WHERE document_id IN (SELECT value FROM json_each(?))"
    index.remove(db, dataset_id, [number for (number,) in db.execute(sql, (ids,))])
    chosen = "WHERE id IN (SELECT value FROM json_each(?))"
    counted = f"SELECT coalesce(sum(chunk_count), 0), coalesce(sum(token_count), 0) FROM document {chosen}"
    [(chunks, tokens)] = db.execute(counted, (ids,))
    db.execute(f"UPDATE document SET chunk_count = 0, token_count = 0 {chosen}", (ids,))
    _count_in_dataset(db, dataset_id, -chunks, -tokens)


def delete_parsed(db: apsw.Connection, document: Row) -> None:
    """Delete what parsing has stored of a document so far, not what was added by hand."""
    parents.delete(db, document["id"])
    sql = "SELECT row FROM chunk WHERE document_id = ? AND place IS NOT NULL"
    _remove(db, document, [number for (number,) in db.execute(sql, (document["id"],))])


def retitled(stored: Row, old: str, new: str) -> str:
    """The terms of a stored chunk (with its ``terms``) of a document that was called ``old`` and is called ``new``."""
    chunk = loaded(stored)
    extras = {key: chunk[key] for key in ("important_keywords", "questions")}
    before, after = (_terms(title, "", **extras) for title in (old, new))
    head = stored["terms"].removesuffix(before)
    if before and head != stored["terms"] and (not head or head.endswith(" ")):
        return f"{head}{after}".rstrip()
    return _terms(new, chunk["content"], **extras)


def change_terms(db: apsw.Connection, terms: Mapping[int, str]) -> None:
    """Index chunks, by their rows, with other terms; those that are gone by now are passed over."""
    sql = "SELECT row, available, dataset_id, document_id FROM chunk WHERE row IN (SELECT value FROM json_each(?))"
    for chunk in rows(db, sql, (dumped(list(terms)),)):
        index.change_terms(db, chunk, terms[chunk["row"]])


def _insert(db: apsw.Connection, document: Row, prepared: Prepared, fixed: Row) -> None:
    """Store and index one chunk; ``fixed`` is ``id place available create_time`` and what is to be kept."""
    chunk = prepared.chunk
    values = {
        "dataset_id": document["dataset_id"],
        "document_id": document["id"],
        "content": chunk.content,
        "important_keywords_json": dumped(chunk.important_keywords),
        "questions_json": dumped(chunk.questions),
        "token_count": prepared.token_count,
        "positions_json": dumped(chunk.positions),
        "doc_type": chunk.doc_type,
        "tags_json": dumped(chunk.tags),
        "tag_features_json": dumped(chunk.tag_features),
        "mom_id": parents.parent_id(chunk.parent),
        **fixed,
    }
    db.execute(
        f"INSERT INTO chunk({', '.join(values)}) VALUES ({', '.join(f':{key}' for key in values)})", values
    )
    index.add(db, values | {"row": db.last_insert_rowid()}, prepared.terms, prepared.vector)


def _terms(title: str, content: str, important_keywords: Sequence[str], questions: Sequence[str]) -> str:
    return index_terms(
        title=title, content=content, important_keywords=important_keywords, questions=questions
    )


def _numbers(db: apsw.Connection, document_id: str, ids: Sequence[str] | None) -> list[int]:
    if ids is None:
        return [
            number for (number,) in db.execute("SELECT row FROM chunk WHERE document_id = ?", (document_id,))
        ]
    sql = "SELECT row FROM chunk WHERE id IN (SELECT value FROM json_each(?)) AND document_id = ?"
    return [number for (number,) in db.execute(sql, (dumped(list(ids)), document_id))]


def _remove(db: apsw.Connection, document: Row, numbers: Sequence[int]) -> int:
    tokens = _tokens_in(db, numbers)
    index.remove(db, document["dataset_id"], numbers)
    _count(db, document, -len(numbers), -tokens)
    return len(numbers)


def _tokens_in(db: apsw.Connection, numbers: Sequence[int]) -> int:
    sql = "SELECT coalesce(sum(token_count), 0) FROM chunk WHERE row IN (SELECT value FROM json_each(?))"
    return int(scalar(db, sql, (dumped(list(numbers)),)))


def _count(db: apsw.Connection, document: Row, chunks: int, tokens: int) -> None:
    db.execute(
        "UPDATE document SET chunk_count = chunk_count + ?, token_count = token_count + ? WHERE id = ?",
        (chunks, tokens, document["id"]),
    )
    _count_in_dataset(db, document["dataset_id"], chunks, tokens)


def _count_in_dataset(db: apsw.Connection, dataset_id: str, chunks: int, tokens: int) -> None:
    db.execute(
        "UPDATE dataset SET chunk_count = chunk_count + ?, token_num = token_num + ? WHERE id = ?",
        (chunks, tokens, dataset_id),
    )
