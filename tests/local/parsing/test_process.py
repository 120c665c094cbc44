"""The process that parses: what a hostile file does to it, and that nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ragflow_integrations.local.parsing import Chunk, ParseError, chunk_document
from ragflow_integrations.local.parsing.pool import Limits, ParserPool, ParserProcess
from tests.local.parsing.files import docx, packed, pdf, xlsx
from tests.local.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the limits are those of POSIX systems")

PAGE = b"<p>Zebras live in Africa.</p>"
ENDLESS = b"x<!-- " * 200_000  # which Python's HTML parser reads in quadratic time
READ: dict[str, Any] = {"chunk_method": "naive", "parser_config": {}, "language": "English"}


@pytest.fixture
def process() -> Iterator[ParserProcess]:
    """A process that may take a while, on a machine that has other things to do."""
    process = ParserProcess(Limits(seconds=60, memory=1 << 29))
    yield process
    process.close()


def read(process: ParserProcess, name: str, data: bytes, **more: Any) -> list[Chunk]:
    return process.parse(name, data, **{**READ, "tell": lambda share, line: None, **more})


def pid_of(process: ParserProcess) -> int:
    assert process._running is not None
    return process._running._process.pid


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" if Path("/proc").exists() else True


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.html", PAGE),
        ("a.pdf", pdf(["Zebras live in Africa."])),
        ("a.docx", docx("# Zebras", "live in Africa")),
        ("a.xlsx", xlsx({"Animals": [["name"], ["zebra"]]})),
        ("a.txt", b"x\n" * 50_000),
    ],
)
def test_the_same_chunks(process: ParserProcess, name: str, data: bytes) -> None:
    """What comes out of the process is what the reading gives, with positions and token counts."""
    expected = chunk_document(name, data, **READ)
    found = read(process, name, data)
    assert [(each.content, each.token_count) for each in found] == [
        (each.content, each.token_count) for each in expected
    ]
    assert [list(each.positions) for each in found] == [list(each.positions) for each in expected]


def test_one_process_for_many_files(process: ParserProcess) -> None:
    """The process is kept, also after a file that could not be read."""
    read(process, "a.html", PAGE)
    first = pid_of(process)
    with pytest.raises(ParseError, match="'a.pdf' is damaged or no PDF"):
        read(process, "a.pdf", b"%PDF-")
    read(process, "a.html", PAGE)
    assert pid_of(process) == first


def test_as_many_processes_as_files_at_once() -> None:
    """Small texts need no process, files one after the other share one, and two at once have one each."""
    with closing(ParserPool()) as pool:
        how: Any = {**READ, "tell": lambda share, line: None}
        pool.parse("a.txt", b"text", **how)
        assert pool._all == []
        pool.parse("a.html", PAGE, **how)
        pool.parse("b.html", PAGE, **how)
        [first] = pool._all

        def meanwhile(share: float, line: str) -> None:
            pool.parse("c.html", PAGE, **how)
            raise InterruptedError

        with pytest.raises(InterruptedError):
            pool.parse("endless.html", ENDLESS, **{**how, "tell": meanwhile})
        [_, second] = pool._all
        assert (first._running, is_running(pid_of(second))) == (None, True)
        pid = pid_of(second)
    assert not is_running(pid)
    with pytest.raises(ParseError, match="being closed"):
        pool.parse("a.html", PAGE, **how)


def test_one_process_for_many_files_of_a_large_owner() -> None:
    """What the owner needs of memory is not counted against the process."""
    large = b"x" * (1 << 30)
    with closing(ParserProcess()) as process:
        read(process, "a.html", PAGE)
        first = pid_of(process)
        read(process, "a.html", PAGE)
        assert pid_of(process) == first
    assert len(large) == 1 << 30


def test_a_file_that_takes_too_long() -> None:
    """A file that takes more computing than allowed fails with the limit."""
    with closing(ParserProcess(Limits(seconds=2))) as process:
        with pytest.raises(ParseError, match="'a.html' takes longer than 2 seconds"):
            read(process, "a.html", ENDLESS)
        assert process._running is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
def test_a_file_that_takes_too_much_memory(process: ParserProcess) -> None:
    """A file that needs more memory than allowed fails with the limit, and the next one is read."""
    with pytest.raises(ParseError, match="takes more than 512 MB of memory"):
        read(process, "a.json", b"[" + b"{}," * 5_000_000 + b"{}]")
    assert read(process, "b.html", PAGE)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"_rels/.rels": b"<R/>" + b" " * (64 << 20)}, "too large once unpacked: at most 256 MB"),
        (
            {
                "_rels/.rels": b'<!DOCTYPE R [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
                b'<R><R Id="&b;" Type="x/officeDocument" Target="x"/></R>'
            },
            "document type, which is not read",
        ),
        (
            {"_rels/.rels": '<!DOCTYPE R SYSTEM "http://x.example/a.dtd"><R/>'.encode("utf-16")},
            "document type",
        ),
        ({f"{number}": b"" for number in range(20_001)}, "too large once unpacked"),
    ],
)
def test_bombs(process: ParserProcess, parts: dict[str, bytes], reason: str) -> None:
    """Archives that unpack to too much, and XML that defines entities or names other files, are refused."""
    bomb = packed(parts)
    for suffix in ("docx", "xlsx", "pptx"):
        with pytest.raises(ParseError, match=reason):
            read(process, f"a.{suffix}", bomb)


def test_a_crash_fails_the_file(process: ParserProcess) -> None:
    """A process that a file breaks is told of with its signal, and replaced."""

    def broken(share: float, line: str) -> None:
        os.kill(pid_of(process), signal.SIGSEGV)

    with pytest.raises(ParseError, match=r"'a.html' breaks the process that reads it \(signal SIGSEGV\)"):
        read(process, "a.html", ENDLESS, tell=broken)
    assert read(process, "b.html", PAGE)


def test_a_process_that_has_ended_for_want_of_work_is_replaced(process: ParserProcess) -> None:
    """The process may end between two files: the second one is read all the same."""
    read(process, "a.html", PAGE)
    os.kill(pid_of(process), signal.SIGTERM)
    assert read(process, "b.html", PAGE)


def test_what_tell_raises_ends_the_parsing(process: ParserProcess) -> None:
    """Who listens to the progress can end the parsing, which leaves no process behind."""

    class Stopped(Exception):
        pass

    pids = []

    def stop(share: float, line: str) -> None:
        pids.append(pid_of(process))
        raise Stopped

    with pytest.raises(Stopped):
        read(process, "a.html", ENDLESS, tell=stop)
    assert not is_running(pids[0])


def test_progress_comes_while_the_file_is_read(process: ParserProcess) -> None:
    """A long PDF tells how far it is, page by page."""
    said: list[tuple[float, str]] = []
    read(process, "a.pdf", pdf(*[["x"]] * 120), tell=lambda share, line: said.append((share, line)))
    assert [line for _, line in said if line] == ["Page 50 of 120 read.", "Page 100 of 120 read."]
    shares = [share for share, _ in said]
    assert shares == sorted(shares)
    assert len(set(shares)) > 50


def test_closing_ends_it(process: ParserProcess) -> None:
    """close() ends a parsing that is under way, and nothing is started afterwards."""
    failed: list[ParseError] = []

    def work() -> None:
        try:
            read(process, "a.html", ENDLESS)
        except ParseError as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: process._running is not None)
    pid = pid_of(process)
    process.close()
    thread.join(20)
    assert (len(failed), is_running(pid)) == (1, False)
    with pytest.raises(ParseError, match="being closed"):
        read(process, "a.html", PAGE)


@pytest.mark.parametrize("busy", [True, False])
def test_it_ends_with_its_parent(tmp_path: Path, busy: bool) -> None:
    """kill -9 of the program ends the process too, at once, whatever it is doing."""
    script = tmp_path / "script.py"  # without a guard for __main__
    script.write_text(f"""
import sys, threading
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from ragflow_integrations.local.parsing.pool import ParserProcess
process = ParserProcess()
def tell(share, line):
    print(process._running._process.pid, flush=True)
read = dict(chunk_method="naive", parser_config={{}}, language="English", tell=tell)
process.parse("a.html", {(ENDLESS if busy else PAGE)!r}, **read)
tell(0, "")
threading.Event().wait()
""")
    program = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert program.stdout is not None
    pid = int(program.stdout.readline())
    assert is_running(pid)
    program.kill()
    program.wait()
    program.stdout.close()
    wait_until(lambda: not is_running(pid))


def test_it_is_light_and_has_no_secrets(process: ParserProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process has neither database, arrays nor HTTP in it, and no key from the environment."""
    code = """
import sys
from ragflow_integrations.local.parsing import worker
print(*sorted({"apsw", "numpy", "httpx", "starlette", "pydantic"} & set(sys.modules)))
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []
    if not Path("/proc").exists():
        return
    monkeypatch.setenv("RAGFLOW_API_KEY", "ragflow-secret")
    read(process, "a.html", PAGE)
    assert b"ragflow-secret" not in Path(f"/proc/{pid_of(process)}/environ").read_bytes()
