"""Importing llamaindex_ragflow: cheap, quiet, offline, and clear when LlamaIndex is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import llamaindex_ragflow

ROOT = Path(__file__).resolve().parents[2]


def run(code: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter in which warnings are errors."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_names() -> None:
    """What is exported is there, sorted, documented, and nothing else is found by accident."""
    assert sorted(llamaindex_ragflow.__all__) == llamaindex_ragflow.__all__ == dir(llamaindex_ragflow)
    assert [
        name for name in llamaindex_ragflow.__all__ if not getattr(llamaindex_ragflow, name).__doc__
    ] == []
    with pytest.raises(AttributeError, match="RAGFlowNothing"):
        _ = llamaindex_ragflow.RAGFlowNothing


def test_the_package_alone_loads_no_llama_index() -> None:
    """Its modules come with the first name that is used."""
    done = run("import sys, llamaindex_ragflow; print('llama_index.core' in sys.modules)")
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_importing_is_quiet_and_offline() -> None:
    """No warning, no connection, no name looked up, no file written: LlamaIndex brings its data along."""
    done = run("""if True:
        import sys
        sys.dont_write_bytecode = True
        def watch(event, args):
            if event in ("socket.connect", "socket.getaddrinfo", "urllib.Request"):
                print(event, args)
            if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
                print(event, args)
        sys.addaudithook(watch)
        import warnings
        with warnings.catch_warnings():  # its lowest version itself warns of what newer libraries have deprecated
            warnings.simplefilter("ignore")
            import llama_index.core
        from llamaindex_ragflow import RAGFlowQueryEngine, RAGFlowRetriever
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("missing", ["llama_index", "llama_index.core"])
def test_without_llama_index(missing: str) -> None:
    """One line says what to install."""
    done = run(f"""if True:
        import importlib.util
        find = importlib.util.find_spec
        importlib.util.find_spec = lambda name, package=None: None if name == {missing!r} else find(name, package)
        try:
            import llamaindex_ragflow
        except ImportError as error:
            print(error)
    """)
    assert done.stdout == (
        "llamaindex_ragflow needs llama-index-core: pip install 'ragflow-integrations[llamaindex]'\n"
    )
