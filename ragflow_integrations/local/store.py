"""One SQLite file: connections, transactions, schema version.

Readers get a connection of their own and a consistent snapshot; writers take turns. What ``write()`` has
committed is on disk (WAL, ``synchronous=FULL``) before it returns.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypedDict

import apsw

from .fields import dumped
from .problems import InUse, Missing, Refused
from .schema import APPLICATION_ID, MIGRATIONS

__all__ = [
    "MEMORY",
    "Paging",
    "Row",
    "Store",
    "conditions",
    "define",
    "each_row",
    "listed",
    "page_of",
    "row",
    "rows",
    "scalar",
]

Row = dict[str, Any]
MEMORY = ":memory:"
_NAMES = ("name", "title")
_FILE_NAME = "knowledge.db"
_BUSY_MS = 10_000
_WRITER_KIB = 65536  # of pages, each of which it may change several times
_READER_KIB = 2048  # the file is mapped: what each of many readers holds itself is what the WAL has newer
_LAST = 2**63 - 1  # SQLite's largest number
_SETTINGS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = 1",
    "PRAGMA foreign_keys = 1",
    "PRAGMA mmap_size = 1073741824",
    "CREATE VIRTUAL TABLE temp.term_count USING fts5vocab(main, term, row)",
)


class Store:
    """The file ``knowledge.db`` in the folder ``path`` (made if missing), or memory with ``":memory:"``.

    Raises ``Refused`` if the file is not a knowledge base of ours, or was written by a newer version.
    """

    def __init__(self, path: str | Path) -> None:
        self.folder = None if str(path) == MEMORY else _folder(path)
        self._file = MEMORY if self.folder is None else str(self.folder / _FILE_NAME)
        self._named = self._file
        self._pid = os.getpid()
        self._turn = threading.RLock()
        self._pool_lock = threading.Lock()
        self._readers: list[apsw.Connection] = []
        self._closed = False
        self._keep_private()
        self._writer = self._connect(_WRITER_KIB)
        try:
            self._migrate()
        except BaseException:
            self._writer.close()
            raise
        self._named = _FILE_NAME  # where it is is nothing for those who ask over the network

    @contextmanager
    def write(self) -> Iterator[apsw.Connection]:
        """A transaction: committed durably when the block ends, undone when it raises."""
        self._check()
        with self._turn, self._explained():
            self._check()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[apsw.Connection]:
        """A snapshot: all statements of the block see the same state."""
        self._check()
        if self.folder is None:
            # A database in memory has one connection, so its readers take turns with the writers.
            with self._turn:
                self._check()
                yield self._writer
            return
        with self._reader() as db:
            db.execute("BEGIN")
            try:
                yield db
            finally:
                db.execute("ROLLBACK")

    def close(self) -> None:
        """Close all connections; readers that are under way finish first."""
        with self._turn, self._pool_lock:
            self._closed = True
            idle, self._readers = self._readers, []
            for connection in [*idle, self._writer]:
                connection.close()

    @contextmanager
    def _reader(self) -> Iterator[apsw.Connection]:
        with self._pool_lock:
            db = self._readers.pop() if self._readers else None
        db = db or self._connect(_READER_KIB)
        try:
            yield db
        finally:
            # Who still holds a statement (a debugger, say) holds its snapshot, which nobody else is to be shown.
            is_free = db.txn_state() == apsw.SQLITE_TXN_NONE
            with self._pool_lock:
                if is_free and not self._closed:
                    self._readers.append(db)
                else:
                    db.close()

    def _keep_private(self) -> None:
        """A new file is its owner's alone: there are keys in it. SQLite gives the files beside it the same rights."""
        file = Path(self._file)
        if self.folder is None or file.exists():
            return
        try:
            file.touch(mode=0o600)
        except OSError as error:
            raise Refused(
                f"{file} cannot be opened for writing; check the folder's permissions ({error.strerror})"
            ) from None

    def _connect(self, cache_kib: int) -> apsw.Connection:
        with self._explained():
            db = apsw.Connection(self._file)
            try:
                db.set_busy_timeout(_BUSY_MS)
                define(db)
                self._refuse_foreign(db)
                for statement in (*_SETTINGS, f"PRAGMA cache_size = -{cache_kib}"):
                    list(
                        db.execute(statement)
                    )  # one at a time and read to its end: only then it takes effect
            except BaseException:
                db.close()
                raise
        return db

    def _refuse_foreign(self, db: apsw.Connection) -> None:
        # Before anything is written: switching to WAL would already change another program's file.
        owner, version = scalar(db, "PRAGMA application_id"), scalar(db, "PRAGMA user_version")
        if owner != APPLICATION_ID and scalar(db, "SELECT count(*) FROM sqlite_schema"):
            raise Refused(
                f"{self._file} is another program's SQLite file, not a knowledge base; use another folder"
            )
        if owner == APPLICATION_ID and version > len(MIGRATIONS):
            raise Refused(
                f"{self._file} has schema {version}, newer than this version of ragflow-integrations knows "
                f"({len(MIGRATIONS)}); upgrade ragflow-integrations"
            )

    def _migrate(self) -> None:
        if self.folder is None:
            _copy(_empty(), self._writer)
        if scalar(self._writer, "PRAGMA user_version") == len(MIGRATIONS):
            return
        # a table that is made anew must not take along what refers to it
        self._writer.execute("PRAGMA foreign_keys = 0")
        with self.write() as db:
            _upgrade(db)
        self._writer.execute("PRAGMA foreign_keys = 1")

    def _check(self) -> None:
        if self._closed:
            raise Refused("this local engine is closed")
        if os.getpid() != self._pid:
            raise Refused("a local engine cannot be used in a forked process; open it there again")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except apsw.NotADBError:
            raise Refused(f"{self._named} is not an SQLite file; use another folder") from None
        except apsw.CorruptError:
            raise Refused(f"{self._named} is damaged; restore it from a copy") from None
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            raise Refused(
                f"{self._named} cannot be opened for writing; check the folder's permissions"
            ) from None
        except apsw.FullError:
            raise Refused(f"{self._named} cannot grow: the disk is full; nothing was changed") from None
        except apsw.IOError as error:
            raise Refused(f"{self._named} cannot be read or written: {error}") from None
        except apsw.BusyError:
            seconds = _BUSY_MS // 1000
            raise InUse(f"{self._named} was locked by another process for {seconds} seconds") from None


def _upgrade(db: apsw.Connection) -> None:
    for script in MIGRATIONS[scalar(db, "PRAGMA user_version") :]:
        db.execute(script)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


@functools.cache
def _empty() -> bytes:
    """A knowledge base with nothing in it, made once: a copy takes a fiftieth of the time that all migrations take."""
    with closing(apsw.Connection(MEMORY)) as db:
        define(db)
        _upgrade(db)
        return db.serialize("main")


def _copy(image: bytes, into: apsw.Connection) -> None:
    with closing(apsw.Connection(MEMORY)) as held:
        held.deserialize("main", image)
        with into.backup("main", held, "main") as backup:
            backup.step()


def rows(db: apsw.Connection, sql: str, bindings: Sequence[Any] | Row = ()) -> list[Row]:
    """All rows of a query, as dicts."""
    return list(each_row(db, sql, bindings))


def each_row(db: apsw.Connection, sql: str, bindings: Sequence[Any] | Row = ()) -> Iterator[Row]:
    """The same one at a time, to be read to the end."""
    cursor = db.cursor()
    cursor.row_trace = _as_dict
    return iter(cursor.execute(sql, bindings))


def row(db: apsw.Connection, sql: str, bindings: Sequence[Any] | Row = ()) -> Row | None:
    """The first row of a query, or None."""
    found = rows(db, sql, bindings)
    return found[0] if found else None


def scalar(db: apsw.Connection, sql: str, bindings: Sequence[Any] = ()) -> Any:
    """The one value of a query; ``Missing`` if it has no row."""
    found = db.execute(
        sql, bindings
    ).fetchall()  # to its end: a statement that is not keeps its snapshot open
    if not found:
        raise Missing("nothing found")
    return found[0][0]


class Paging(TypedDict):
    """Which part of a list, and how it is sorted; pages count from 1."""

    page: int
    page_size: int
    orderby: str
    desc: bool


def listed(
    db: apsw.Connection, table: str, tests: Mapping[str, Any], paging: Paging, sortable: Sequence[str]
) -> tuple[list[Row], int]:
    """One page of the rows that pass all tests (see ``conditions``), and how many pass.

    Names are sorted whatever their case, equal rows by the order in which they were made. ``Refused`` if ``orderby``
    is not ``sortable``.
    """
    if paging["orderby"] not in sortable:
        raise Refused(f"invalid orderby field: {paging['orderby']}; use one of {', '.join(sortable)}")
    where, bindings = conditions(tests)
    direction = "DESC" if paging["desc"] else "ASC"
    case = " COLLATE ANY_CASE" if paging["orderby"] in _NAMES else ""
    order = f"ORDER BY {paging['orderby']}{case} {direction}, rowid {direction}"
    cut = page_of(paging["page"], paging["page_size"])
    total = scalar(db, f"SELECT count(*) FROM {table}{where}", bindings)
    return rows(db, f"SELECT * FROM {table}{where} {order}{cut}", bindings), total


def conditions(tests: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """``WHERE`` and its bindings from ``{test: value}``; None leaves a test out, ``IN`` takes any number of texts."""
    parts: list[str] = []
    bindings: list[Any] = []
    for test, value in tests.items():
        if value is None:
            continue
        several = test.endswith(" IN")
        parts.append(f"{test} (SELECT value FROM json_each(?))" if several else test)
        bindings.append(dumped(list(value)) if several else value)
    return (" WHERE " + " AND ".join(parts) if parts else ""), bindings


def page_of(page: int, page_size: int) -> str:
    """The SQL that cuts out a page."""
    offset = min((int(page) - 1) * int(page_size), _LAST)
    return f" LIMIT {min(int(page_size), _LAST)} OFFSET {offset}"


def define(db: apsw.Connection) -> None:
    """Give a connection what the schema and the queries need beside SQLite's own."""
    db.create_scalar_function("lower", _folded, 1, deterministic=True)
    db.create_collation("ANY_CASE", _compared)


def _folded(*text: Any) -> str:
    """SQL's ``lower``, whose own knows the letters of ASCII only."""
    return str(text[0]).casefold()


def _compared(left: str, right: str) -> int:
    """Names that differ in case are one name, as on RAGFlow; SQL's ``NOCASE`` knows ASCII's letters only."""
    if left == right:
        return 0
    left, right = left.casefold(), right.casefold()
    return (left > right) - (left < right)


def _as_dict(cursor: apsw.Cursor, values: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.get_description(), values, strict=True)}


def _folder(path: str | Path) -> Path:
    folder = Path(path).expanduser().resolve()
    if folder.exists() and not folder.is_dir():
        raise Refused(f"{folder} is a file; the local engine needs a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"{folder} cannot be made: {error.strerror}") from None
    return folder
