from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ragflow_integrations.local.engine import open_engine
from ragflow_integrations.local.serve import running_server
from tests.cli.command import Command


@pytest.fixture(params=["local", "server"])
def command(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Command]:
    """The command with a local folder, and with a server, told by the environment."""
    if request.param == "local":
        yield Command(tmp_path, {"RAGFLOW_BASE_URL": f"local:{tmp_path / 'kb'}"})
        return
    with open_engine(tmp_path / "served") as engine, running_server(engine) as server:
        yield Command(tmp_path, {"RAGFLOW_BASE_URL": server.base_url, "RAGFLOW_API_KEY": server.api_key})


@pytest.fixture
def local(tmp_path: Path) -> Command:
    """The command with a local folder only."""
    return Command(tmp_path, {"RAGFLOW_BASE_URL": f"local:{tmp_path / 'kb'}"})


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    place = tmp_path / "docs"
    place.mkdir()
    (place / "leave.md").write_text("# Leave\n\nEveryone has thirty days of leave a year.")
    (place / "travel.txt").write_text("Trains are booked by the office.")
    return place
