"""The notebooks run, and their outputs are in the repository."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def execute(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the tool as ``make notebooks`` does."""
    command = [sys.executable, "tools/notebooks.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def save(path: Path, *cells: str) -> Path:
    """A notebook with these code cells."""
    notebook = new_notebook(cells=[new_markdown_cell("# Title"), *map(new_code_cell, cells)])
    nbformat.write(notebook, str(path))
    return path


def code_cells(path: Path) -> list[dict[str, Any]]:
    """The notebook's code cells as they are in the file."""
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def run_of_all() -> subprocess.CompletedProcess[str]:
    """All notebooks, one after the other."""
    return execute("--check", *NOTEBOOKS)


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in NOTEBOOKS])
def test_a_notebook_runs(run_of_all: subprocess.CompletedProcess[str], path: Path) -> None:
    """From the first to the last cell, in an empty folder, without a server."""
    assert f"{path}: ok\n" in run_of_all.stdout, run_of_all.stderr


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in NOTEBOOKS])
def test_a_notebook_is_committed_as_executed(path: Path) -> None:
    """Its cells were run once, in order, and none of its outputs is an error."""
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1)), "run make notebooks"
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert outputs
    assert [output for output in outputs if output["output_type"] == "error"] == []


def test_outputs_are_written_into_the_file(tmp_path: Path) -> None:
    """The kernel is this Python, in an empty folder; await works; outputs and counts are kept."""
    path = save(
        tmp_path / "a.ipynb",
        "import os, sys; sys.executable, os.listdir()",
        "await __import__('asyncio').sleep(0)",
    )
    run = execute(path)
    assert (run.returncode, run.stdout) == (0, f"{path}: ok\n")
    first, second = code_cells(path)
    assert first["outputs"][0]["data"]["text/plain"] == [f"({sys.executable!r}, [])"]
    assert (first["execution_count"], second["execution_count"], second["outputs"]) == (1, 2, [])


def test_a_check_leaves_the_file_alone(tmp_path: Path) -> None:
    """Nothing is written with --check."""
    path = save(tmp_path / "a.ipynb", "1 + 1")
    before = path.read_bytes()
    assert execute("--check", path).returncode == 0
    assert path.read_bytes() == before


def test_a_failing_cell_fails(tmp_path: Path) -> None:
    """The notebook, the cell and the error are named, the others are still run, the file stays as it was."""
    bad, good = save(tmp_path / "a.ipynb", "1 / 0"), save(tmp_path / "b.ipynb", "1 + 1")
    before = bad.read_bytes()
    run = execute(bad, good)
    assert (run.returncode, run.stdout) == (1, f"{good}: ok\n")
    assert f"{bad}: a cell failed" in run.stderr
    assert "1 / 0" in run.stderr
    assert "ZeroDivisionError" in run.stderr
    assert bad.read_bytes() == before
