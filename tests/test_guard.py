"""The guard against blocking calls catches each kind and leaves asyncio alone."""

from __future__ import annotations

import asyncio
import importlib
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import apsw
import pytest

from tests.guard import OURS, ROOT, BlockingCallError, watching


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listening socket on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of "our package", which the guard takes for ours by its path."""
    (tmp_path / "our_helper.py").write_text(
        "import os, subprocess, sys\n"
        "def read(path): open(path).close()\n"
        "def make(path): os.mkdir(path)\n"
        "def listing(path): return os.listdir(path)\n"
        "def run(path): return subprocess.Popen([sys.executable, '-c', ''])\n"
        "def load(path): import our_late_import\n"
        "def quote(path): import linecache; linecache.updatecache(path)\n"
    )
    (tmp_path / "our_late_import.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("tests.guard.OURS", (*OURS, f"{tmp_path}/"))
    monkeypatch.delitem(sys.modules, "our_helper", raising=False)
    monkeypatch.delitem(sys.modules, "our_late_import", raising=False)
    return importlib.import_module("our_helper")


def in_loop(call: Callable[[], Any]) -> None:
    """Makes the call in a running event loop that is watched."""

    async def main() -> None:
        call()

    with watching():
        asyncio.run(main())


def refused(call: Callable[[], Any]) -> str:
    """The message with which the guard refuses the call in a loop; outside of one it lets it pass."""
    with pytest.raises(BlockingCallError) as caught:
        in_loop(call)
    with watching():
        call()
    return str(caught.value)


def test_sleeping_is_caught() -> None:
    """time.sleep in a coroutine."""
    assert "time.sleep" in refused(lambda: time.sleep(0.001))


def test_connecting_is_caught(listener: socket.socket) -> None:
    """A blocking connect, as any sync HTTP client makes it."""
    assert "socket." in refused(lambda: socket.create_connection(listener.getsockname()).close())


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("send", lambda left, right: left.send(b"x")),
        ("sendall", lambda left, right: left.sendall(b"x")),
        ("recv", lambda left, right: right.recv(1)),
        ("recv_into", lambda left, right: right.recv_into(bytearray(1))),
    ],
)
def test_traffic_on_a_blocking_socket_is_caught(name: str, call: Callable[..., Any]) -> None:
    """Bytes on a connection that was made before the loop ran."""
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"waiting")
        assert f"socket.{name}" in refused(lambda: call(left, right))


def test_accepting_is_caught(listener: socket.socket) -> None:
    """Waiting for a connection."""
    with socket.create_connection(listener.getsockname()):
        assert "socket.accept" in refused(lambda: listener.accept()[0].close())


def test_looking_up_a_name_is_caught() -> None:
    """Resolving a name asks the network."""
    assert "socket.getaddrinfo" in refused(lambda: socket.getaddrinfo("localhost", 80))


def test_apsw_is_caught(tmp_path: Path) -> None:
    """Opening a database, and a statement on one that was opened elsewhere."""
    assert "apsw.Connection" in refused(lambda: apsw.Connection(str(tmp_path / "x.db")).close())
    connection = apsw.Connection(":memory:")
    assert "apsw: select 1" in refused(lambda: connection.execute("select 1").fetchall())
    connection.close()


def test_sqlite3_is_caught() -> None:
    """The standard library's SQLite."""
    assert "sqlite3.connect" in refused(lambda: sqlite3.connect(":memory:").close())


def test_files_that_our_packages_touch_are_caught(ours: ModuleType, tmp_path: Path) -> None:
    """Reading, making and listing, and starting a process."""
    file = tmp_path / "file"
    file.write_text("text")
    assert "open(" in refused(lambda: ours.read(file))
    assert "os.listdir(" in refused(lambda: ours.listing(tmp_path))
    assert "os.mkdir(" in refused(lambda: ours.make(tmp_path / "folder"))
    assert "subprocess.Popen(" in refused(lambda: ours.run(None).wait())


def test_files_that_others_touch_pass(ours: ModuleType, tmp_path: Path) -> None:
    """Tests read files, pytest and imports do too, also below our code."""
    file = tmp_path / "file"
    file.write_text("text")
    in_loop(file.read_text)
    in_loop(lambda: list(tmp_path.iterdir()))
    in_loop(lambda: ours.load(None))
    assert "our_late_import" in sys.modules


def test_a_swallowed_refusal_still_fails() -> None:
    """Code that catches every exception does not hide the call."""

    def careless() -> None:
        with pytest.raises(BlockingCallError):
            time.sleep(0)

    with pytest.raises(BlockingCallError, match="time.sleep"):
        in_loop(careless)


def test_loops_of_other_threads_are_watched() -> None:
    """A server that runs beside the test is held to the same."""

    async def served() -> None:
        time.sleep(0)  # noqa: ASYNC251

    errors: list[BaseException] = []

    def serve() -> None:
        try:
            asyncio.run(served())
        except BlockingCallError as error:
            errors.append(error)

    thread = threading.Thread(target=serve)
    with pytest.raises(BlockingCallError, match="time.sleep"), watching():
        thread.start()
        thread.join()
    assert errors


def test_nothing_is_refused_when_nobody_watches() -> None:
    """The guard is off outside of async tests."""

    async def main() -> float:
        time.sleep(0)  # noqa: ASYNC251
        return time.monotonic()

    assert asyncio.run(main()) > 0


async def test_asyncio_networking_passes() -> None:
    """A server and a client on asyncio's sockets talk under the guard, as does a worker thread that blocks."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(echo, "localhost") as server:
        host, port = server.sockets[0].getsockname()[:2]
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"hello\n")
        assert await reader.read() == b"hello\n"
        writer.close()
        await writer.wait_closed()
    await asyncio.to_thread(time.sleep, 0.001)
    await asyncio.sleep(0.001)


async def test_subprocesses_of_asyncio_pass() -> None:
    """asyncio starts a process without our code below it."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(1)", stdout=subprocess.PIPE)
    assert await process.communicate() == (b"1\n", None)


async def test_async_tests_are_watched() -> None:
    """The guard is on in an async test without asking for it; what it notes is this test's own."""
    import tests.guard

    with pytest.raises(BlockingCallError):
        time.sleep(0)  # noqa: ASYNC251
    assert tests.guard._caught == ["time.sleep"]
    tests.guard._caught.clear()


def test_an_async_test_that_blocks_fails(tmp_path: Path) -> None:
    """A whole run: the same call fails an async test and passes in a sync one."""
    (tmp_path / "test_it.py").write_text(
        "import time\n"
        "async def test_async(): time.sleep(0)\n"
        "def test_sync(): time.sleep(0)\n"
        "async def test_environment(): assert not [name for name in __import__('os').environ if 'RAGFLOW' in name]\n"
    )
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest"]
    plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "pytest_asyncio.plugin"}
    environment = {**os.environ, **plugins, "RAGFLOW_API_KEY": "of the caller"}
    run = subprocess.run(
        [*command, str(tmp_path)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "test_it.py::test_async - tests.guard.BlockingCallError: time.sleep" in run.stdout
    assert "2 passed" in run.stdout


def test_a_line_that_a_traceback_quotes(ours: ModuleType) -> None:
    """Who tells of an error may look its lines up."""
    in_loop(lambda: ours.quote(ours.__file__))
