"""Short forms of the long trials."""

from __future__ import annotations

from pathlib import Path

from .disk import fill_up, write_protect
from .fuzz import ask_anything
from .kills import survive
from .load import bear


def test_kills(tmp_path: Path) -> None:
    """Five kills in the middle of uploads, parsing, chats, memories and deletions lose nothing."""
    ledger = survive(tmp_path, 5)
    assert ledger.acknowledged >= 25


def test_mixed_load(tmp_path: Path) -> None:
    """A minute of 32 clients, all at once every two seconds: every call is answered, and memory does not grow."""
    load = bear(tmp_path, 60, beat=2)
    assert load.calls > 300


def test_full_disk(tmp_path: Path) -> None:
    """When the disk is full an upload is refused in words; what went in before is there and intact."""
    accepted, refusal = fill_up(tmp_path)
    assert accepted > 3
    assert "knowledge.db" in refusal
    assert "Traceback" not in refusal


def test_write_protected_folder(tmp_path: Path) -> None:
    """A folder that cannot be written is refused by name, before anything is touched."""
    said = write_protect(tmp_path / "kb")
    assert said.count("\n") == 1
    assert "permissions" in said


def test_anything(tmp_path: Path) -> None:
    """A few requests to each route, as its description allows them and not: never a failure inside."""
    fired = ask_anything(tmp_path, 2)
    assert fired.findings == ()
    assert fired.requests > 300
