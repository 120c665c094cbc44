from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ragflow_integrations import DataSet, RAGFlow


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps of ids are kept in the test's folder, not in the user's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def client() -> Iterator[RAGFlow]:
    """A local engine."""
    with RAGFlow.local() as client:
        yield client


@pytest.fixture
def target(tmp_path: Path) -> Iterator[RAGFlow]:
    """Another one, in a folder, which a transfer can be continued with."""
    with RAGFlow.local(str(tmp_path / "target")) as client:
        yield client


@pytest.fixture
def dataset(client: RAGFlow) -> DataSet:
    return client.create_dataset("notes")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three files."""
    place = tmp_path / "docs"
    (place / "deep").mkdir(parents=True)
    (place / "alpha.md").write_text("# Alpha\n\nAlpha is the first letter.")
    (place / "beta.txt").write_text("Beta is the second letter.")
    (place / "deep" / "gamma.txt").write_text("Gamma is the third letter.")
    return place
