"""Tests with limits in real time: what counts as their failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.realtime import TRIES

ROOT = Path(__file__).parents[1]
TESTS = """
import os, signal, subprocess
from pathlib import Path
import pytest

TRIED = Path(__file__).with_suffix(".tried")

def stand_still():
    subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -CONT {os.getpid()}"])
    os.kill(os.getpid(), signal.SIGSTOP)

@pytest.mark.realtime
def test_disturbed_once():
    if not TRIED.exists():
        TRIED.touch()
        stand_still()
        raise AssertionError

@pytest.mark.realtime
def test_wrong():
    stand_still()
    raise AssertionError

def test_without_limits():
    stand_still()
    raise AssertionError
"""


def test_a_failure_counts_if_nothing_disturbed(tmp_path: Path) -> None:
    """Who fails while the machine stands still is tried again; what is wrong fails; others have one try."""
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.realtime",
        "-p",
        "no:cacheprovider",
        "-q",
        "test_it.py",
    ]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "2 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    again = [line for line in done.stdout.splitlines() if line.startswith("tried again:")]
    assert [line.split(",")[0].rsplit("::", 1)[1] for line in again] == ["test_disturbed_once", "test_wrong"]
    waits = [line[line.index("[") :].count(",") + 1 for line in again]
    assert waits == [1, TRIES - 1], done.stdout
    assert "FAILED test_it.py::test_wrong" in done.stdout
