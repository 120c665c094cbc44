"""Which interpreters ``tools/pythons.py`` takes, and what it says of those that are missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import pythons

THIS = f"{sys.version_info.major}.{sys.version_info.minor}"


def program(path: Path, script: str) -> Path:
    """A program that stands where a Python is expected."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no Python: folders ``path``, which is on PATH, and ``pyenv``."""
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(pythons, "PYENV", tmp_path / "pyenv")
    return tmp_path


def test_the_one_on_path(machine: Path) -> None:
    """What works and has the version is taken."""
    taken = program(machine / "path" / f"python{THIS}", f'exec {sys.executable} "$@"')
    assert pythons.find(THIS) == taken


def test_a_shim_without_its_python_is_passed_over(machine: Path) -> None:
    """A program of the right name that does not run does not stand in the way of the newest that does."""
    program(machine / "path" / f"python{THIS}", "exit 127")
    for patch in (9, 10):
        program(machine / "pyenv" / f"{THIS}.{patch}" / "bin" / "python", f'exec {sys.executable} "$@"')
    assert pythons.find(THIS) == machine / "pyenv" / f"{THIS}.10" / "bin" / "python"


def test_missing_ones_are_named_with_the_reason(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Asked for by name, a missing Python is a failure; nothing was made for it."""
    program(machine / "path" / "python3.98", "echo '3.98 is not installed' >&2; exit 127")
    assert pythons.main(["3.98", "3.99"]) == 1
    told = capsys.readouterr().out
    assert f"Python 3.98  missing: {machine}/path/python3.98: 3.98 is not installed\n" in told
    assert f"Python 3.99  missing: no python3.99 on PATH, none in {machine}/pyenv\n" in told
    assert not list(pythons.ROOT.glob(".venv-3.9*"))


def test_keys_are_not_shown() -> None:
    """Commands are printed with short paths and without the key of the server."""
    shown = [
        pythons.shown(part) for part in (pythons.ROOT / ".venv-3.99" / "bin" / "python", "ragflow-1f", "-q")
    ]
    assert shown == [".venv-3.99/bin/python", "<key>", "-q"]
