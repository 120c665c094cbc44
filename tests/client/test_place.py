"""A local engine's folder stays the same one, wherever the process goes and whoever unpickles the client."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from ragflow_integrations import RAGFlow


def test_the_folder_is_that_of_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is meant from where the client is made, not from where it is first used or unpickled."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    with RAGFlow.local("kb") as client:
        pickled = pickle.dumps(client)
        monkeypatch.chdir(there)
        dataset = client.create_dataset("eels")
        with pickle.loads(pickled) as copy:  # noqa: S301 - our own
            assert [each.id for each in copy.list_datasets()] == [dataset.id]
            assert copy.fingerprint == client.fingerprint
    assert (here / "kb").is_dir()
    assert not (there / "kb").exists()


def test_folders_of_one_name_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two knowledge bases have two fingerprints, though both are called ``kb`` where they are."""
    fingerprints = set()
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        fingerprints.add(RAGFlow.local("kb").fingerprint)
    assert len(fingerprints) == 2
