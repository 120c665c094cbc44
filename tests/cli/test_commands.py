"""Every command as users run it: what it prints for people and for programs, and how it ends."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest

from ragflow_integrations.cli import main
from tests.cli.command import COMMAND, ROOT, Command, Ended
from tests.local.server.process import environment

CHUNK = {
    "similarity",
    "term_similarity",
    "vector_similarity",
    "dataset_id",
    "document_id",
    "document_name",
    "chunk_id",
    "page",
    "content",
}


def test_from_files_to_an_answer(command: Command, docs: Path) -> None:
    """Ingest, list, search and ask, as text: each shows what a person looks for."""
    done = command("ingest", docs, "--dataset", "office")
    assert (done.code, done.errors) == (0, "")
    assert (
        done.out == "+ leave.md\n+ travel.txt\noffice: 2 added, 0 changed, 0 removed, 0 unchanged, 0 failed\n"
    )
    listed = command("datasets").out.splitlines()
    assert listed[0].split() == "name documents chunks embedding model id".split()
    assert listed[1].split()[:3] == ["office", "2", "2"]
    documents = command("documents", "--dataset", "office").out
    assert "leave.md    DONE" in documents
    found = command(
        "search", "How many days of leave?", "--dataset", "office", "--limit", "1"
    ).out.splitlines()
    assert found[0].split() == ["#", "score", "terms", "vectors", "document", "text"]
    assert "leave.md" in found[1]
    assert len(found) == 2
    answer = command("ask", "How many days of leave does everyone have?", "--dataset", "office")
    assert answer.code == 0
    assert answer.out.startswith("Everyone has thirty days of leave a year. [ID:0]\n\nID  score  document")
    assert command("chats", "--json").out == ""  # the one that was asked is gone


def test_in_a_process_of_its_own(local: Command, docs: Path) -> None:
    """What a shell sees: files go in, an answer comes out, the exit code tells failures from wrong usage."""
    assert local.process("ingest", docs, "--dataset", "office").code == 0
    asked = local.process("ask", "How many days of leave does everyone have?", "--dataset", "office")
    assert (asked.code, asked.errors) == (0, "")
    assert asked.out.startswith("Everyone has thirty days of leave a year. [ID:0]\n")
    failed = local.process("search", "x", "--dataset", "nope")
    assert (failed.code, failed.out) == (1, "")
    assert failed.errors.startswith("ragflow-integrations: ")
    assert local.process("unknown").code == 2


def test_json_for_programs(command: Command, docs: Path) -> None:
    """``--json``: one object, or one a line, with the documented keys."""
    done = command("ingest", docs, "--dataset", "office", "--json").json
    assert set(done) == {"dataset_id", "dataset", "added", "changed", "removed", "unchanged", "failed"}
    assert (done["added"], done["failed"]) == (["leave.md", "travel.txt"], [])
    [dataset] = command("datasets", "--json").lines
    assert set(dataset) == {"name", "document_count", "chunk_count", "embedding_model", "id"}
    assert dataset["id"] == done["dataset_id"]
    documents = command("documents", "--dataset", dataset["id"], "--json").lines
    assert {each["name"]: each["run"] for each in documents} == {"leave.md": "DONE", "travel.txt": "DONE"}
    assert set(documents[0]) == {"name", "run", "chunk_count", "token_count", "size", "progress_msg", "id"}
    found = command("search", "days of leave", "--dataset", "office", "--json").lines
    assert set(found[0]) == {"rank", *CHUNK}
    assert [each["rank"] for each in found] == list(range(1, len(found) + 1))
    answer = command(
        "ask", "How many days of leave does everyone have?", "--dataset", "office", "--json"
    ).json
    assert set(answer) == {"question", "answer", "cited", "reference"}
    assert set(answer["reference"][0]) == CHUNK
    assert answer["cited"] == [0]
    health = command("doctor", "--json").json
    assert set(health) == {"ok", "checks"}
    assert health["ok"] is True
    assert {"name", "status", "detail", "advice"} == set(health["checks"][0])
    by_name = {check["name"]: check for check in health["checks"]}
    assert "v0.27.0" in by_name["server"]["detail"]
    assert by_name["retrieval"]["detail"].startswith("1 chunk of 'office'")


def test_ids_do_for_names(command: Command, docs: Path) -> None:
    """A dataset's id means the dataset, and makes none that is called so; an id of nothing is said to be one."""
    done = command("ingest", docs / "leave.md", "--dataset", "office", "--json").json
    again = command("ingest", docs, "--dataset", done["dataset_id"], "--json").json
    assert (again["dataset_id"], again["added"]) == (done["dataset_id"], ["leave.md", "travel.txt"])
    unknown = command("ingest", docs, "--dataset", "0" * 32)
    assert (unknown.code, unknown.out) == (1, "")
    assert len(command("datasets", "--json").lines) == 1


def test_search_settings(command: Command, docs: Path) -> None:
    """Threshold and weight are those that are given."""
    command("ingest", docs, "--dataset", "office")
    both = command(
        "search", "leave", "--dataset", "office", "--threshold", "0", "--vector-weight", "1", "--json"
    ).lines
    assert len(both) == 2
    assert both[0]["similarity"] == pytest.approx(both[0]["vector_similarity"])
    nothing = command("search", "leave", "--dataset", "office", "--threshold", "1")
    assert (nothing.code, nothing.out) == (
        0,
        "nothing is found with a similarity of 1.0 or more; try a lower --threshold\n",
    )
    assert command("search", "leave", "--dataset", "office", "--threshold", "1", "--json").out == ""


def test_folders_are_kept_in_step(local: Command, docs: Path) -> None:
    """A second run says what changed; files that fail are named and make the exit code 1."""
    local("ingest", docs, "--dataset", "office")
    (docs / "leave.md").write_text("Everyone has forty days of leave.")
    (docs / "travel.txt").unlink()
    (docs / "tool.exe").write_bytes(b"\0")
    again = local("ingest", docs, "--dataset", "office")
    assert again.code == 1
    assert again.out.splitlines() == [
        "~ leave.md",
        "- travel.txt",
        "! tool.exe: This type of file has not been supported yet!",
        "office: 0 added, 1 changed, 1 removed, 0 unchanged, 1 failed",
    ]
    assert local("ingest", docs, "--dataset", "office", "--exclude", "*.exe").code == 0
    (docs / "new.txt").write_text("Something new.")
    (docs / "leave.md").unlink()
    kept = local("ingest", docs, "--dataset", "office", "--exclude", "*.exe", "--keep-removed", "--json").json
    assert (kept["added"], kept["removed"]) == (["new.txt"], [])
    files = local("ingest", docs / "new.txt", "--dataset", "other", "--json").json
    assert files["added"] == ["new.txt"]


def test_archives_and_copies(command: Command, docs: Path, tmp_path: Path) -> None:
    """Export, import, push and pull: text for people, counts by kind for programs; again makes nothing twice."""
    command("ingest", docs, "--dataset", "office")
    command("ingest", docs, "--dataset", "second")
    assert command("export", "all.zip").out == "carried over: 2 datasets, 4 documents\n"
    assert command("export", "one", "--dataset", "office", "--json").json == {
        "done": {"dataset": 1, "document": 2},
        "kept": {},
        "left": {},
        "failed": {},
        "notes": [],
    }
    assert (
        command("import", "all.zip", "--base-url", "local:copy").out
        == "carried over: 2 datasets, 4 documents\n"
    )
    assert command("import", "all.zip", "--base-url", "local:copy", "--json").json["done"] == {}
    assert (
        command("pull", "local:pulled", "--dataset", "office").out == "carried over: 1 dataset, 2 documents\n"
    )
    again = command("pull", "local:pulled", "--dataset", "office").out
    assert again == "carried over: nothing\nthere already: 1 dataset, 2 documents\n"
    assert command("push", "local:pulled", "--ids", "ids.ndjson").code == 0
    assert (tmp_path / "ids.ndjson").exists()
    assert [each["name"] for each in command("datasets", "--json").lines] == ["office(1)", "second", "office"]


# --- how commands end -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["datasets"], "no knowledge base in"),
        (["search", "x", "--dataset", "nope"], "no knowledge base in"),
        (["export", "there"], "no knowledge base in"),
        (["import", "nowhere.zip"], "nowhere.zip"),
        (["ingest", "nowhere", "--dataset", "x"], "nowhere: there is no such file or folder"),
        (["datasets", "--base-url", "ftp://x"], "base_url='ftp://x'"),
        (["datasets", "--base-url", "http://127.0.0.1:1"], "no API key"),
        (["datasets", "--base-url", "http://127.0.0.1:1", "--api-key", "k"], "no RAGFlow server answers"),
        (["push", "local:nothing"], "no knowledge base in"),
        (["push", "http://127.0.0.1:1"], "RAGFLOW_OTHER_API_KEY"),
    ],
)
def test_failures_are_one_line(local: Command, arguments: list[str], told: str) -> None:
    """What cannot be done: exit code 1, nothing on stdout, one line on stderr that says what is wrong."""
    ended = local(*arguments)
    assert (ended.code, ended.out) == (1, "")
    [line] = ended.errors.splitlines()
    assert line.startswith("ragflow-integrations: ")
    assert told in line


def test_reading_makes_no_folder(local: Command, tmp_path: Path) -> None:
    """A mistyped folder is not made by a command that only reads."""
    assert local("datasets", "--base-url", "local:mistyped").code == 1
    assert not (tmp_path / "mistyped").exists()


def test_places_that_cannot_be_written(local: Command, docs: Path) -> None:
    """A path below a file is one line that names it, and no traceback; so is a folder that is no knowledge base."""
    local("ingest", docs, "--dataset", "office")
    below = docs / "leave.md" / "deep"
    for arguments in (["export", below], ["push", f"local:{local.folder / 'kb'}", "--ids", below]):
        ended = (
            local(*arguments, RAGFLOW_BASE_URL="local:other") if "push" in arguments else local(*arguments)
        )
        assert ended.code == 1
        assert "leave.md" in ended.errors


def test_what_could_not_be_parsed_says_why(local: Command, docs: Path) -> None:
    """Below the list of documents there is a line for each failure; an empty list says so."""
    (docs / "broken.pdf").write_bytes(b"no PDF")
    assert local("ingest", docs, "--dataset", "office").code == 1
    table, failures = local("documents", "--dataset", "office").out.split("\n!")
    assert "FAIL" in table
    assert failures.startswith(" broken.pdf: ")
    assert len(failures.splitlines()) == 1
    assert local("chats").out == "there are none\n"


def test_version(local: Command) -> None:
    """``--version`` is the installed version."""
    assert local("--version") == Ended(0, f"ragflow-integrations {version('ragflow-integrations')}\n", "")


@pytest.mark.parametrize("unknown", [["search", "x"], ["ask", "x"], ["documents"]])
def test_unknown_datasets_and_chats(local: Command, docs: Path, unknown: list[str]) -> None:
    """A name that nothing has, and an id that nothing has, are one line that says which."""
    local("ingest", docs, "--dataset", "office")
    for name in ("nope", "0" * 32):
        ended = local(*unknown, "--dataset", name)
        assert ended.code == 1
        assert name in ended.errors
    assert "no chat 'nope'" in local("ask", "x", "--chat", "nope").errors


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["unknown"],
        ["ask", "question"],
        ["ask", "question", "--dataset", "a", "--chat", "b"],
        ["search", "x", "--dataset", "a", "--limit", "0"],
        ["search", "x", "--dataset", "a", "--threshold", "2"],
        ["search", "x", "--dataset", "a", "--vector-weight", "x"],
        ["ingest", ".", "README.md", "--dataset", "a"],
        ["ingest", "README.md", "--dataset", "a", "--keep-removed"],
        ["ingest", "", "--dataset", "a"],
    ],
)
def test_wrong_usage(local: Command, arguments: list[str]) -> None:
    """A command that is called in a wrong way ends with 2 and says how it goes."""
    ended = local(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "usage:" in ended.errors or "--help" in ended.errors


@contextmanager
def heeding(number: signal.Signals) -> Iterator[None]:
    """Processes started meanwhile heed a signal, also where the tests run in a shell's background, which ignores it."""
    before = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("signalled", [signal.SIGINT])
def test_interrupted(local: Command, docs: Path, signalled: signal.Signals) -> None:
    """Ctrl+C ends a command that is under way with 130 and one line; run again it goes on."""
    for number in range(400):
        (docs / f"{number}.txt").write_text(f"Note {number} of many. " * 100)
    env = environment(PYTHONPATH=str(ROOT), **local.variables)
    with heeding(signalled):
        process = subprocess.Popen(
            [*COMMAND, "ingest", str(docs), "--dataset", "office"],
            cwd=local.folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    with process:
        while not (local.folder / "kb" / "knowledge.db-wal").exists():
            assert process.poll() is None
        os.kill(process.pid, signalled)
        out, errors = process.communicate(timeout=300)
    assert (process.returncode, out) == (130, "")
    assert errors == "ragflow-integrations: interrupted\n"


def test_whoever_reads_may_stop(local: Command, docs: Path) -> None:
    """``… | head -1``: no traceback when the pipe is closed."""
    local("ingest", docs, "--dataset", "office")
    command = " ".join(COMMAND)
    ended = subprocess.run(
        f"{command} documents --dataset office --json | head -c 1",
        shell=True,
        cwd=local.folder,
        env=environment(PYTHONPATH=str(ROOT), **local.variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout == "{"
    assert "Traceback" not in ended.stderr
    assert "BrokenPipe" not in ended.stderr


def test_nowhere_to_write(local: Command, docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed stdout is no error, a full disk is one line."""
    local("ingest", docs, "--dataset", "office")
    monkeypatch.chdir(local.folder)
    monkeypatch.setattr("sys.stdout", None)
    for arguments in (["datasets"], ["datasets", "--json"], ["ask", "leave", "--dataset", "office"]):
        assert main([*arguments, "--base-url", "local:kb"]) == 0
    errors = io.StringIO()
    monkeypatch.setattr("sys.stderr", errors)
    for arguments in (["--version"], ["datasets", "--base-url", "local:kb"]):
        with contextlib.suppress(OSError), Path("/dev/full").open("w", buffering=1) as full:
            monkeypatch.setattr("sys.stdout", full)
            assert main(arguments) == 1
    assert errors.getvalue().count("No space left on device\n") == len(errors.getvalue().splitlines()) == 2


def test_terminals_without_unicode(local: Command, docs: Path) -> None:
    """Where stdout takes ASCII only, other characters become question marks and not a traceback."""
    ended = local.process("ingest", docs, "--dataset", "büro", PYTHONIOENCODING="ascii")
    assert (ended.code, ended.errors) == (0, "")
    assert ended.out.endswith("b?ro: 2 added, 0 changed, 0 removed, 0 unchanged, 0 failed\n")


# --- secrets, light start, other people's names ---------------------------------------------------------


def test_no_key_is_shown(local: Command, docs: Path) -> None:
    """Neither ``doctor`` nor an error shows a key, wherever it was put."""
    secret = "ragflow-SECRETSECRETSECRETSECRET"
    for arguments in (
        ["doctor", "--base-url", "http://127.0.0.1:1", "--api-key", secret],
        ["doctor", "--base-url", f"http://user:{secret}@127.0.0.1:1"],
        ["doctor", "--base-url", f"http://127.0.0.1:1/?key={secret}"],
        ["doctor", "--base-url", secret],
        ["datasets", "--base-url", f"http://user:{secret}@127.0.0.1:1"],
    ):
        ended = local(*arguments, "--json", RAGFLOW_API_KEY=secret)
        assert ended.code == 1
        assert secret not in ended.out + ended.errors


def test_doctor_says_what_to_do(local: Command) -> None:
    """No server set, one that does not answer, a wrong key: each has its advice."""
    assert "RAGFLOW_BASE_URL" in local("doctor", RAGFLOW_BASE_URL="").out
    gone = local("doctor", "--base-url", "http://127.0.0.1:1", "--api-key", "k")
    assert gone.code == 1
    assert "is the server running" in gone.out


def test_help_needs_nothing(local: Command) -> None:
    """``--help`` works without any extra, and loads neither the client nor the engine."""
    code = (
        "import sys\nfor name in ('apsw', 'numpy', 'rich', 'httpx', 'starlette'): sys.modules[name] = None\n"
        "from ragflow_integrations.cli.main import make_parser\nmake_parser().format_help()\n"
        "assert not [name for name in sys.modules if name.startswith(('pydantic', 'ragflow_integrations._sync'))]"
    )
    subprocess.run(
        [COMMAND[0], "-c", code], check=True, cwd=local.folder, env=environment(PYTHONPATH=str(ROOT))
    )


def test_names_cannot_steer_the_terminal(local: Command, docs: Path) -> None:
    """Escape sequences in a document's name or text are not printed, and a file's name makes no line of its own."""
    (docs / "evil.txt").write_text("before \x1b[31m red \x07 after")
    (docs / "x\n- leave.md").write_text("a name in two lines")
    said = local("ingest", docs, "--dataset", "a\x1b]0;title\x07b").out.splitlines()
    assert [line[0] for line in said] == ["+", "+", "+", "!", "a"]
    assert "\x1b" not in local("datasets").out
    found = local("search", "before red after", "--dataset", "a\x1b]0;title\x07b")
    assert "before" in found.out
    assert "\x1b" not in found.out
