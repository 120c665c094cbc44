"""Graphs with our store, tools and middlewares, killed or interrupted in the middle, resumed by another process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AGENT = """\
Six weeks. ['success', 'success']
notice.txt True
{'text': 'Ask for six weeks.'}
['User Input: How long is the notice period?\\nAgent Response: Six weeks.']
"""
SAID = {
    "agent": AGENT,
    "agent in coroutines": AGENT,
    "graph": "How long is the notice period? The notice period is six weeks.\n",
    "human": "done notice.txt\n",
}


@pytest.mark.parametrize(("strict", "names"), [("true", [*SAID]), ("false", ["agent"])])
def test_what_was_found_noted_and_said_is_there_again(tmp_path: Path, strict: str, names: list[str]) -> None:
    """Also where LangGraph reads back nothing but its own types and LangChain's; every warning is an error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.langchain.resumed", tmp_path, *names],
        env={**os.environ, "LANGGRAPH_STRICT_MSGPACK": strict},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout == "".join(f"--- {name}\n{SAID[name]}" for name in names)
