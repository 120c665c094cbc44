"""Which versions ``make lowest`` tries."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tools.lowest import lowest

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
