"""The messages of a memory: what was said (``raw``), and what was extracted from that.

A message counts against its memory's ``memory_size`` with the bytes of its text and eight for each dimension of
its vector, as RAGFlow documents it. Where there is no room, the forgotten messages go first, then the oldest.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Required, TypedDict, Unpack

import apsw
import numpy as np
from numpy.typing import NDArray

from ..embed import Embedder
from ..fields import dumped, new_id, now_ms, seconds
from ..index import VECTOR
from ..problems import Missing, Refused
from ..rank import analyse, index_terms, similarity, term_similarity
from ..store import Row, conditions, each_row, page_of, row, rows, scalar

__all__ = [
    "Filters",
    "Message",
    "Narrowing",
    "Prepared",
    "Scored",
    "Search",
    "add",
    "best",
    "check_embedder",
    "conversation",
    "forget",
    "get",
    "listed",
    "prepare",
    "queue_extraction",
    "recent",
    "search",
    "set_status",
]

Scored = tuple[float, Row]
"""A message and its similarity."""

_BYTES = 8  # of memory_size for each dimension of a vector
_COLUMNS = (
    "id memory_id source_id message_type user_id agent_id session_id status valid_at invalid_at forget_at"
)
_HEAD = ", ".join(f"message.{column}" for column in _COLUMNS.split())
_STORED = "content user_id agent_id session_id valid_at message_type source_id invalid_at".split()
_REMEMBERED = "forget_at IS NULL"


@dataclass(frozen=True)
class Message:
    """What is to be stored; ``source_id`` 0 for a raw message, else the number of the one it was taken from."""

    content: str
    user_id: str
    agent_id: str
    session_id: str
    valid_at: str
    message_type: str = "raw"
    source_id: int = 0
    invalid_at: str | None = None


@dataclass(frozen=True)
class Prepared:
    """A message with all that is computed from it before the transaction begins."""

    message: Message
    terms: str
    vector: NDArray[np.float32]
    embedder: str

    @property
    def size(self) -> int:
        """The bytes that it takes of its memory."""
        return len(self.message.content.encode("utf-8", "surrogatepass")) + _BYTES * len(self.vector)


@dataclass(frozen=True)
class Search:
    """What to look for, and where: the query of ``GET /messages/search``, with its defaults.

    ``similarity_threshold`` is the least cosine, as on RAGFlow; ``keywords_similarity_weight`` is the share that the
    words have in the order of what is found.
    """

    question: str
    memory_ids: Sequence[str]
    similarity_threshold: float = 0.2
    keywords_similarity_weight: float = 0.7
    top_n: int = 5


def conversation(user_input: Any, agent_response: Any) -> str:
    """A turn of a conversation as a raw message holds it."""
    return f"User Input: {user_input}\nAgent Response: {agent_response}"


def prepare(embedder: Embedder, messages: Sequence[Message]) -> list[Prepared]:
    """Terms and vectors of messages."""
    vectors = embedder.embed([each.content for each in messages])
    return [
        Prepared(
            each,
            index_terms(title="", content=each.content, important_keywords=(), questions=()),
            vector,
            embedder.name,
        )
        for each, vector in zip(messages, vectors, strict=True)
    ]


def add(db: apsw.Connection, memory: Row, prepared: Sequence[Prepared]) -> list[int]:
    """Store messages in a memory and return their numbers; what is too much for its size goes."""
    names = {each.embedder for each in prepared}
    for name in names:
        check_embedder(db, [memory["id"]], name)
        db.execute("UPDATE memory SET embedder = ? WHERE id = ?", (name, memory["id"]))
    _make_room(db, memory, sum(each.size for each in prepared))
    return [_insert(db, memory["id"], each) for each in prepared]


def queue_extraction(db: apsw.Connection, message_id: int) -> None:
    """Have knowledge extracted from a raw message, in the background."""
    said = f"{_now()} Task is queued..."
    db.execute(
        "INSERT INTO memory_task(id, message_id, progress, progress_msg, create_time) VALUES (?, ?, 0, ?, ?)",
        (new_id(), message_id, said, now_ms()),
    )


class Filters(TypedDict, total=False):
    """Which part of a memory's raw messages; ``keywords`` is a part of the session's id."""

    page: Required[int]
    page_size: Required[int]
    agent_ids: Sequence[str] | None
    keywords: str | None


def listed(db: apsw.Connection, memory_id: str, **filters: Unpack[Filters]) -> tuple[list[Row], int]:
    """One page of the raw messages, newest first, each with its ``extract`` and ``task``; and how many fit."""
    tests = {
        "memory_id = ?": memory_id,
        "message_type = ?": "raw",
        "agent_id IN": filters.get("agent_ids") or None,
        "instr(session_id, ?)": filters.get("keywords") or None,
    }
    where, bindings = conditions(tests)
    total = scalar(db, f"SELECT count(*) FROM message{where}", bindings)
    cut = page_of(filters["page"], filters["page_size"])
    sql = f"SELECT {_HEAD} FROM message{where} ORDER BY valid_at DESC, id DESC{cut}"
    found = [_wire(each) for each in rows(db, sql, bindings)]
    ids = dumped([each["message_id"] for each in found])
    names, tasks = _agent_names(db, memory_id), _tasks(db, ids)
    extracts = _extracts(db, ids)
    for each in found:
        each["task"] = tasks.get(each["message_id"], {})
        each["extract"] = extracts.get(each["message_id"], [])
        for one in (each, *each["extract"]):
            one["agent_name"] = names.get(one["agent_id"], "Unknown")
    return found, total


class Narrowing(TypedDict, total=False):
    """Whose messages; what is empty narrows nothing."""

    agent_id: str | None
    session_id: str | None
    user_id: str | None


def recent(
    db: apsw.Connection, memory_ids: Sequence[str], *, limit: int, **narrowing: Unpack[Narrowing]
) -> list[Row]:
    """The newest messages of some memories that are not forgotten."""
    where, bindings = conditions({"memory_id IN": memory_ids, **_narrowed(narrowing)})
    sql = f"SELECT {_HEAD}, content FROM message{where} AND {_REMEMBERED} ORDER BY valid_at DESC, id DESC LIMIT ?"
    return [_wire(each) for each in rows(db, sql, [*bindings, limit])]


def check_embedder(db: apsw.Connection, memory_ids: Sequence[str], embedder: str) -> None:
    """``Refused`` if one of these memories holds vectors of another embedder, which cannot be compared."""
    sql = "SELECT name, embedder FROM memory WHERE size AND embedder <> ? AND id IN (SELECT value FROM json_each(?))"
    found = row(db, sql, (embedder, dumped(list(memory_ids))))
    if found is not None:
        raise Refused(
            f"the memory '{found['name']}' was filled with the embedder {found['embedder']}; "
            f"this engine runs {embedder} in its place; open it with the former"
        )


def search(
    db: apsw.Connection, query: Search, asked: NDArray[np.float32], **narrowing: Unpack[Narrowing]
) -> list[Scored]:
    """The best of the messages that share a word with the question and whose vector is near enough to ``asked``.

    Switched-off and forgotten messages are not found.
    """
    analysed = analyse(query.question)
    if not analysed.terms:
        return []
    tests = {"message_term MATCH ?": _match(analysed.terms, query.memory_ids), **_narrowed(narrowing)}
    where, bindings = conditions(tests)
    sql = (
        f"SELECT {_HEAD}, content, message.terms, vector FROM message_term"
        f" JOIN message ON message.id = message_term.rowid{where} AND status AND {_REMEMBERED}"
    )

    def scored() -> Iterator[Scored]:
        for each in each_row(db, sql, bindings):  # many, whose vectors are not held all at once
            cosine = float(_vector(each.pop("vector")) @ asked)
            term = term_similarity(analysed, each.pop("terms"))
            if cosine >= query.similarity_threshold:
                yield similarity(term, cosine, 1 - query.keywords_similarity_weight), _wire(each)

    return best(scored(), query.top_n)


def best(scored: Iterable[Scored], count: int) -> list[Scored]:
    """Those with the highest scores, of equal ones the newest first."""
    return heapq.nlargest(count, scored, key=lambda pair: (pair[0], pair[1]["message_id"]))


def get(db: apsw.Connection, memory_id: str, message_id: int | str) -> Row:
    """All of a message, forgotten or not, with its vector as ``content_embed``; ``Missing`` if there is none."""
    sql = f"SELECT {_HEAD}, content, vector FROM message WHERE memory_id = ? AND id = ?"
    found = row(db, sql, (memory_id, message_id)) if str(message_id).isdecimal() else None
    if found is None:
        raise Missing(f"Message '{message_id}' in memory '{memory_id}' not found.")
    vector = _vector(found.pop("vector"))
    identifier = f"{memory_id}_{message_id}"
    return {**_wire(found), "id": identifier, "zone_id": 0, "content_embed": vector.tolist()}


def forget(db: apsw.Connection, memory_id: str, message_id: int) -> None:
    """No longer find or show a message as recent; an unknown one is passed over."""
    sql = "UPDATE message SET forget_at = coalesce(forget_at, ?) WHERE memory_id = ? AND id = ?"
    db.execute(sql, (_now(), memory_id, message_id))


def set_status(db: apsw.Connection, memory_id: str, message_id: int, status: bool) -> None:
    """Let a message be found or not; an unknown one is passed over."""
    sql = "UPDATE message SET status = ? WHERE memory_id = ? AND id = ?"
    db.execute(sql, (status, memory_id, message_id))


def _insert(db: apsw.Connection, memory_id: str, prepared: Prepared) -> int:
    message = prepared.message
    values: Row = {
        **{name: getattr(message, name) for name in _STORED},
        "memory_id": memory_id,
        "terms": prepared.terms,
        "vector": prepared.vector.astype(VECTOR, copy=False).tobytes(),
        "size": prepared.size,
    }
    db.execute(
        f"INSERT INTO message({', '.join(values)}) VALUES ({', '.join(f':{key}' for key in values)})", values
    )
    number = db.last_insert_rowid()
    db.execute(
        "INSERT INTO message_term(rowid, terms, memory_id) VALUES (?, ?, ?)",
        (number, prepared.terms, memory_id),
    )
    db.execute("UPDATE memory SET size = size + ? WHERE id = ?", (prepared.size, memory_id))
    return number


def _make_room(db: apsw.Connection, memory: Row, size: int) -> None:
    used = scalar(db, "SELECT size FROM memory WHERE id = ?", (memory["id"],))
    over = used + size - memory["memory_size"]
    if over <= 0:
        return
    freed, gone = 0, []
    sql = "SELECT id, size FROM message WHERE memory_id = ? ORDER BY forget_at IS NULL, forget_at, id"
    for number, each in db.execute(sql, (memory["id"],)):
        if freed >= over:
            break
        freed += each
        gone.append((number,))
    db.executemany("DELETE FROM message_term WHERE rowid = ?", gone)
    db.executemany("DELETE FROM message WHERE id = ?", gone)
    db.execute("UPDATE memory SET size = size - ? WHERE id = ?", (freed, memory["id"]))


def _extracts(db: apsw.Connection, ids: str) -> dict[int, list[Row]]:
    sql = (
        f"SELECT {_HEAD} FROM message WHERE source_id IN (SELECT value FROM json_each(?))"
        " ORDER BY valid_at DESC, id DESC"
    )
    grouped: dict[int, list[Row]] = {}
    for each in rows(db, sql, (ids,)):
        grouped.setdefault(each["source_id"], []).append(_wire(each))
    return grouped


def _tasks(db: apsw.Connection, ids: str) -> dict[int, Row]:
    sql = (
        "SELECT memory_task.*, memory_id AS doc_id FROM memory_task JOIN message ON message.id = message_id"
        " WHERE message_id IN (SELECT value FROM json_each(?))"
    )
    return {
        each.pop("message_id"): {**each, "from_page": 0, "chunk_ids": "", "digest": str(message_id)}
        for each in rows(db, sql, (ids,))
        for message_id in (each["message_id"],)
    }


def _agent_names(db: apsw.Connection, memory_id: str) -> dict[str, str]:
    sql = (
        "SELECT agent.id, title FROM agent JOIN memory USING (tenant_id)"
        " WHERE memory.id = ? AND agent.id IN (SELECT agent_id FROM message WHERE memory_id = memory.id)"
    )
    return dict(db.execute(sql, (memory_id,)))


def _narrowed(narrowing: Narrowing) -> Row:
    return {f"{name} = ?": value or None for name, value in narrowing.items()}


def _match(terms: Sequence[str], memory_ids: Sequence[str]) -> str:
    """The full-text query: any of the terms in any of the memories."""
    return f"terms : ({_any(terms)}) AND memory_id : ({_any(memory_ids)})"


def _any(values: Sequence[str]) -> str:
    return " OR ".join('"' + value.replace('"', '""').replace("\0", " ") + '"' for value in values)


def _vector(stored: bytes) -> NDArray[np.float32]:
    return np.frombuffer(stored, VECTOR)


def _now() -> str:
    return seconds(now_ms())


def _wire(stored: Row) -> Row:
    message = dict(stored)
    number = message.pop("id")
    return {**message, "message_id": number, "status": bool(message["status"])}
