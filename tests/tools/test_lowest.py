"""Which versions ``make lowest`` tries."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools.lowest import CHECK, lowest

ROOT = Path(__file__).resolve().parents[2]


def test_the_lower_bounds_of_the_extras() -> None:
    """Those of the extras and of the extras that they name; upper bounds and markers are left out."""
    extras = {
        "langchain": ["langchain-core>=1.4,<2"],
        "agents": ["ours[langchain]", "langgraph>=1.2,<2; python_version < '3.14'"],
        "llamaindex": ["llama-index-core>=0.14"],
    }
    project = {"name": "ours", "optional-dependencies": extras}
    assert [*lowest(project)] == ["langchain-core==1.4", "langgraph==1.2", "llama-index-core==0.14"]


def test_without_a_lower_bound_nothing_is_the_lowest() -> None:
    """It is named."""
    project = {"name": "ours", "optional-dependencies": {"x": ["langgraph<2"]}}
    with pytest.raises(ValueError, match="'langgraph<2' has no lower bound"):
        [*lowest(project, ["x"])]


def test_ours_have_one() -> None:
    """Each framework of pyproject.toml is in the list."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {one.partition("==")[0] for one in lowest(project)}
    assert names >= {"langchain", "langchain-core", "langgraph", "llama-index-core"}


@pytest.mark.parametrize(("bound", "code"), [("pytest=={}", 0), ("pytest==1.0", 1)])
def test_what_is_installed_is_told(bound: str, code: int) -> None:
    """And another version than the bound is an error that names it."""
    command = [sys.executable, "-c", CHECK, bound.format(pytest.__version__)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, f"pytest {pytest.__version__}\n")
    assert ("its lowest is 1.0" in done.stderr) == bool(code)
