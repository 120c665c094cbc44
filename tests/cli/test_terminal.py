"""What a terminal shows: tables that keep every column, whatever the names."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from ragflow_integrations.cli.output import table
from tests.cli.command import COMMAND, ROOT, Command
from tests.local.server.process import environment

LONG = "Expenses and travel of everybody who works outside of the office, 2024 (final version).txt"


def shown(folder: Path, *arguments: str, columns: int) -> str:
    """The command's output on a terminal of this width, without colours."""
    ours, its = pty.openpty()
    env = environment(
        PYTHONPATH=str(ROOT),
        RAGFLOW_BASE_URL=f"local:{folder / 'kb'}",
        TERM="xterm",
        COLUMNS=str(columns),
        NO_COLOR="1",
    )
    process = subprocess.Popen([*COMMAND, *arguments], cwd=folder, env=env, stdout=its, stderr=its)
    os.close(its)
    pieces = []
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        try:
            while piece := terminal.read(4096):
                pieces.append(piece)
        except OSError:  # how a terminal ends
            pass
    assert process.wait(60) == 0
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", b"".join(pieces).decode())


@pytest.mark.parametrize(("columns", "with_ids"), [(80, False), (120, True)])
def test_no_column_is_lost(local: Command, tmp_path: Path, columns: int, with_ids: bool) -> None:
    """A long name is broken, not the numbers; ids are there where there is room, and then whole."""
    (tmp_path / LONG).write_text("The office books the trains.")
    assert local("ingest", LONG, "--dataset", "office").code == 0
    documents = shown(tmp_path, "documents", "--dataset", "office", columns=columns)
    assert all(heading in documents for heading in ("name", "run", "chunks", "tokens", "size"))
    assert re.search(r"DONE\s+1\s+\d+\s+28", documents)
    assert all(word in documents for word in ("Expenses", "version).txt"))
    assert bool(re.search(r"\b[0-9a-f]{32}\b", documents)) == with_ids
    found = shown(tmp_path, "search", "trains", "--dataset", "office", columns=columns)
    assert re.search(r"1\s+0\.\d{3}\s+0\.\d{3}\s+0\.\d{3}", found)
    assert all(word in found for word in ("Expenses", "version).txt", "trains."))
    assert max(len(line.rstrip()) for line in found.splitlines()) <= columns


def test_names_are_shown_as_they_are(local: Command, tmp_path: Path) -> None:
    """What rich would take for a style or an emoji is part of a name; names leave the bars their room."""
    folder = tmp_path / "docs"
    (folder / "x[").mkdir(parents=True)
    wide = "中" * 80 + ".txt"
    for name in ("[id].txt", "x[/b].txt", "on:fire:.txt", wide):
        (folder / name).write_text("The office books the trains.")
    told = shown(tmp_path, "ingest", "docs", "--dataset", "office", columns=60)
    assert told.splitlines()[-5:-1] == ["+ [id].txt", "+ on:fire:.txt", "+ x[/b].txt", f"+ {wide}"]
    assert re.search(r"uploading ━{20} 4/4 \d:\d\d:\d\d 中+…", told)


def test_plain_columns_end_with_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without rich, letters that take two columns of a terminal count twice."""
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "14")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    table([{"name": "中文", "size": 7, "text": "中文字"}], ("name", "size", "text"), numbers=("size",))
    assert capsys.readouterr().out == "name  size  te\n中文     7  中\n"
