"""The file: durable, refused when it is not ours, consistent for readers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.problems import Refused
from ragflow_integrations.local.schema import APPLICATION_ID, MIGRATIONS
from ragflow_integrations.local.store import Store, define, row, rows, scalar


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new file."""
    store = Store(tmp_path)
    yield store
    store.close()


def put(store: Store, name: str) -> None:
    """Commit a row of this name."""
    with store.write() as db:
        db.execute("INSERT INTO setting VALUES (?, '')", (name,))


def names(db: apsw.Connection) -> list[str]:
    """The names of the rows that ``put`` made."""
    return [name for (name,) in db.execute("SELECT name FROM setting ORDER BY name")]


def test_every_connection_is_durable(store: Store) -> None:
    """Writers and readers run with the settings on which "acknowledged means on disk" stands."""
    with store.write() as writer, store.read() as reader:
        for db in (writer, reader):
            assert scalar(db, "PRAGMA journal_mode") == "wal"
            assert scalar(db, "PRAGMA synchronous") == 2
            assert scalar(db, "PRAGMA fullfsync") == 1
            assert scalar(db, "PRAGMA foreign_keys") == 1


def test_one_in_memory_is_as_one_in_a_file(store: Store) -> None:
    """The same tables with the same numbers, and none has what another was given."""
    how = (
        "SELECT type, name, sql FROM sqlite_schema UNION ALL SELECT 'setting of term', k, v FROM term_config"
    )
    held = []
    for _ in range(2):
        memory = Store(":memory:")
        put(memory, "a")
        with memory.read() as db, store.read() as file:
            assert names(db) == ["a"]
            for question in (how, "PRAGMA user_version", "PRAGMA application_id", "PRAGMA foreign_keys"):
                assert db.execute(question).fetchall() == file.execute(question).fetchall()
            held.append(db.execute("SELECT count(*) FROM sqlite_schema").fetchall())
        memory.close()
    assert held[0] == held[1] != [(0,)]


def test_a_failed_block_leaves_nothing(store: Store) -> None:
    """A transaction that raises is undone as a whole, and the store goes on working."""
    with pytest.raises(ZeroDivisionError), store.write() as db:
        db.execute("INSERT INTO setting VALUES ('half', '')")
        raise ZeroDivisionError
    put(store, "whole")
    with store.read() as db:
        assert names(db) == ["whole"]


def test_readers_see_a_snapshot(store: Store) -> None:
    """What is committed while a block reads is seen by the next block, not in the middle of this one."""
    with store.read() as db:
        assert names(db) == []
        thread = threading.Thread(target=put, args=(store, "later"))
        thread.start()
        thread.join()
        assert names(db) == []
    with store.read() as db:
        assert names(db) == ["later"]


def test_memory_readers_wait_for_writers() -> None:
    """In memory there is one connection: a reader in another thread never sees half a transaction."""
    store, seen, started = Store(":memory:"), list[list[str]](), threading.Event()

    def read() -> None:
        started.set()
        with store.read() as db:
            seen.append(names(db))

    thread = threading.Thread(target=read)
    with store.write() as db:
        db.execute("INSERT INTO setting VALUES ('a', '')")
        thread.start()
        started.wait()
        db.execute("INSERT INTO setting VALUES ('b', '')")
    thread.join()
    store.close()
    assert seen == [["a", "b"]]


def test_connections_are_used_again(store: Store) -> None:
    """One reading thread at a time needs one connection, however many blocks and threads come and go."""
    used = set()
    for _ in range(5):

        def read() -> None:
            with store.read() as db:
                used.add(id(db))

        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    assert len(used) == 1


def test_a_text_file_is_refused(tmp_path: Path) -> None:
    """A knowledge.db that is no SQLite file is named in the error and left as it is."""
    file = tmp_path / "knowledge.db"
    file.write_text("my notes " * 500)
    with pytest.raises(Refused, match=r"knowledge\.db is not an SQLite file; use another folder"):
        Store(tmp_path)
    assert file.read_text() == "my notes " * 500


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    """An SQLite file that we did not make is not touched, not even its journal mode."""
    file = tmp_path / "knowledge.db"
    with apsw.Connection(str(file)) as foreign:
        foreign.execute("CREATE TABLE theirs(x)")
    foreign.close()
    before = file.read_bytes()
    with pytest.raises(Refused, match="another program's SQLite file"):
        Store(tmp_path)
    assert file.read_bytes() == before


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """A file of a later version says so, with both numbers and what to do."""
    store = Store(tmp_path)
    with store.write() as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    store.close()
    with pytest.raises(Refused, match=rf"schema {len(MIGRATIONS) + 1}, newer than .* upgrade"):
        Store(tmp_path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """Damage is reported as damage."""
    Store(tmp_path).close()
    with (tmp_path / "knowledge.db").open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3000)
    with pytest.raises(Refused, match=r"knowledge\.db is damaged"):
        Store(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """A path that is a file is refused by name."""
    file = tmp_path / "kb"
    file.write_text("x")
    with pytest.raises(Refused, match=r"kb is a file; the local engine needs a folder"):
        Store(file)


@pytest.mark.parametrize("path", [None, ":memory:"])
def test_a_closed_store_says_so(tmp_path: Path, path: str | None) -> None:
    """After close() reading and writing are refused, and closing again does no harm."""
    store = Store(path or tmp_path)
    store.close()
    store.close()
    with pytest.raises(Refused, match="closed"), store.read():
        pass
    with pytest.raises(Refused, match="closed"), store.write():
        pass


def test_closing_waits_for_nobody_and_breaks_nobody(tmp_path: Path) -> None:
    """A block that is reading when the store is closed ends in peace."""
    store = Store(tmp_path)
    put(store, "kept")
    with store.read() as db:
        store.close()
        assert names(db) == ["kept"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_is_refused(tmp_path: Path) -> None:
    """SQLite connections do not survive a fork, so the child gets a clear error instead of a damaged file."""
    code = """
import os, sys
from ragflow_integrations.local.engine import open_engine
from ragflow_integrations.local.problems import Refused
engine = open_engine(sys.argv[1])
if os.fork() == 0:
    try:
        engine.get_dataset("x")
    except Refused as error:
        assert "forked" in str(error)
        own = open_engine(sys.argv[1])
        assert own is not engine and own.get_dataset("x") is None
        os._exit(7)
    os._exit(1)
_, status = os.wait()
sys.exit(os.waitstatus_to_exitcode(status))
"""
    assert (
        subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(tmp_path)], check=False).returncode
        == 7
    )


def test_processes_make_one_file_together(tmp_path: Path) -> None:
    """Several processes that open a new folder at the same moment all get the same knowledge base."""
    code = "import sys; from ragflow_integrations.local.engine import Engine; print(Engine(sys.argv[1]).tenant_id)"
    command = [sys.executable, "-c", code, str(tmp_path)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    tenants = {process.communicate()[0] for process in started}
    assert [process.returncode for process in started] == [0, 0, 0]
    with Engine(tmp_path) as engine:
        assert tenants == {engine.tenant_id + "\n"}


def test_rows_are_dicts(store: Store) -> None:
    """Rows come with their columns' names, also when there are none."""
    with store.read() as db:
        assert rows(db, "SELECT 1 AS a, 'x' AS b") == [{"a": 1, "b": "x"}]
        assert rows(db, "SELECT 1 AS a WHERE 0") == []


def test_a_full_disk_is_named(store: Store) -> None:
    """A write that finds no room is refused in words and leaves nothing; the next smaller one succeeds."""
    put(store, "kept")
    with store.write() as db:
        pages = scalar(db, "PRAGMA page_count")
        list(db.execute(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(Refused, match="the disk is full"):
        put(store, "x" * 1_000_000)
    put(store, "small")
    with store.read() as db:
        assert names(db) == ["kept", "small"]


def test_a_folder_of_the_first_schema_is_migrated(tmp_path: Path) -> None:
    """What was there before tenants keeps its ids, chunks and sessions, and belongs to the folder's owner."""
    with apsw.Connection(str(tmp_path / "knowledge.db")) as db:
        define(db)
        db.execute(MIGRATIONS[0])
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")
        db.execute("INSERT INTO setting VALUES ('tenant_id', 'me')")
        db.execute("INSERT INTO dataset VALUES ('d', 'laws', '{}', 'e', 4, 1, 1, 9, 1, 0, 5, 6)")
        db.execute("INSERT INTO chunk VALUES (7, 'k', 'd', 'f', 0, 'text', '[]', '[]', 1, 1, 5)")
        db.execute("INSERT INTO chat VALUES ('c', 'lawyer', '[\"d\"]', '{}', 5, 6)")
        db.execute("INSERT INTO session VALUES ('s', 'c', 'first', '[]', '[]', 5, 6)")
    db.close()
    store = Store(tmp_path)
    try:
        with store.read() as db:
            assert row(db, "SELECT tenant_id, name, token_num FROM dataset WHERE id = 'd'") == {
                "tenant_id": "me",
                "name": "laws",
                "token_num": 9,
            }
            assert scalar(db, "SELECT tenant_id FROM chat WHERE id = 'c'") == "me"
            assert scalar(db, "SELECT count(*) FROM session") == 1
            assert scalar(db, "SELECT content FROM chunk WHERE row = 7") == "text"
            assert scalar(db, "PRAGMA foreign_keys") == 1
            assert scalar(db, "PRAGMA user_version") == len(MIGRATIONS)
    finally:
        store.close()


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such rights")
def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Nobody else can read it or what SQLite keeps beside it, since API keys are in it."""
    store = Store(tmp_path)
    put(store, "kept")
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    store.close()
    assert set(modes) >= {"knowledge.db", "knowledge.db-wal"}
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("query", ["SELECT name FROM setting", "SELECT count(*) FROM setting"])
def test_a_statement_that_somebody_holds(store: Store, query: str) -> None:
    """As a debugger may, which looks at all objects: nobody after it reads from its old snapshot."""
    held: list[apsw.Cursor] = []

    def holding(connection: apsw.Connection) -> apsw.Cursor:
        held.append(apsw.Cursor(connection))
        return held[-1]

    put(store, "a")
    with store.read() as db:
        db.cursor_factory = holding
        next(iter(db.execute(query)))
        scalar(db, query)
    put(store, "b")
    with store.read() as db:
        assert {"a", "b"} <= set(names(db))
    assert len(held) > 1
