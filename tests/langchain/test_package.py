"""The package itself: what importing it costs and needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import langchain_ragflow

ROOT = Path(__file__).resolve().parents[2]


def run(code: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_without_langchain_the_import_says_what_to_install() -> None:
    """One line that names the extra, no traceback through our modules."""
    done = run("import sys; sys.modules['langchain_core'] = None; import langchain_ragflow")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ImportError: langchain_ragflow needs langchain-core: pip install 'ragflow-integrations[langchain]'"
    )


def test_without_langchains_agents_the_import_says_what_to_install() -> None:
    """What needs them names the extra they come with; everything else is there."""
    done = run(
        "import sys; sys.modules['langchain'] = sys.modules['langgraph'] = None\n"
        "import langchain_ragflow\n"
        "for name in langchain_ragflow.__all__:\n"
        "    try: getattr(langchain_ragflow, name)\n"
        "    except ImportError as error: print(name, '-', error)"
    )
    extra = "pip install 'ragflow-integrations[agents]'"
    assert (done.stderr, done.stdout.splitlines()) == (
        "",
        [
            f"RAGFlowMemoryMiddleware - middleware needs langchain and langgraph: {extra}",
            f"RAGFlowRetrievalMiddleware - middleware needs langchain and langgraph: {extra}",
            f"RAGFlowStore - a store needs langgraph: {extra}",
        ],
    )


def test_importing_the_package_loads_nothing_heavy() -> None:
    """LangChain is imported with the first class, the local engine never."""
    done = run("import sys, langchain_ragflow\nprint(*sys.modules)")
    assert not {"langchain_core", "pydantic", "httpx"} & set(done.stdout.split())
    done = run("import sys\nfrom langchain_ragflow import RAGFlowRetriever, ChatRAGFlow\nprint(*sys.modules)")
    assert "langchain_core.retrievers" in done.stdout.split()
    assert not [name for name in done.stdout.split() if name.startswith("ragflow_integrations.local")]


def test_names_that_do_not_exist() -> None:
    """A misspelt import fails as in any module."""
    with pytest.raises(ImportError, match="cannot import name 'RagflowRetriever'"):
        from langchain_ragflow import RagflowRetriever  # noqa: F401
    with pytest.raises(AttributeError, match="module 'langchain_ragflow' has no attribute 'x'"):
        langchain_ragflow.x  # noqa: B018


def test_every_public_name_can_be_imported() -> None:
    """From where it is said to be; the list is sorted and is what ``dir`` shows."""
    assert dir(langchain_ragflow) == langchain_ragflow.__all__ == sorted(langchain_ragflow.__all__)
    homes = {name: getattr(langchain_ragflow, name).__module__ for name in langchain_ragflow.__all__}
    assert {home.partition(".")[0] for home in homes.values()} == {"langchain_ragflow"}
