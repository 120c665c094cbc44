"""The quickstart as a new user runs it, in an empty folder."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics
from unittest import mock

import pytest

from ragflow_integrations import RAGFlow
from ragflow_integrations.local.engine import open_engine
from ragflow_integrations.local.serve import running_server
from tests.local.server.process import environment
from tests.local.truth import TOPICS
from tools.quickstart import main

ROOT = Path(__file__).resolve().parents[2]
WAYS = [
    "LangChain: LCEL chain with RAGFlowRetriever",
    "LangChain: ChatRAGFlow, streamed",
    "LlamaIndex: RAGFlowQueryEngine",
]
SOURCE = re.compile(r"^  \[ID:(\d+)\] (\S+) +score (\d\.\d{3})(  cited)?$", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """What a run of the quickstart printed, and how it ended."""

    code: int
    out: str
    err: str

    def answers(self) -> dict[str, dict[str, str]]:
        """``{question: {way: what is printed below it}}``."""
        found: dict[str, dict[str, str]] = {}
        for block in self.out.split("=" * 100 + "\n")[1:]:
            question, _, rest = block.partition("\n")
            parts = re.split(r"^--- (.*)$", rest, flags=re.MULTILINE)[1:]
            found[question] = dict(zip(parts[::2], parts[1::2], strict=True))
        return found


def as_a_process(folder: Path, **variables: str) -> Run:
    """Run it in ``folder`` with these variables and no other of ours."""
    env = environment(PYTHONPATH=str(ROOT), PYTHONWARNINGS="default", **variables)
    command = [sys.executable, str(ROOT / "tools" / "quickstart.py")]
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    return Run(done.returncode, done.stdout, done.stderr)


def quickstart(folder: Path, **variables: str) -> Run:
    """The same in this process, which has imported both frameworks already."""
    out, errors = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, environment(**variables), clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        code = main()
    return Run(code, out.getvalue(), errors.getvalue())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the first and the second run."""
    return tmp_path_factory.mktemp("quickstart")


@pytest.fixture(scope="module")
def first(place: Path) -> Run:
    """The first run: Python's language reference, the two questions."""
    return as_a_process(place)


def test_it_builds_a_knowledge_base(first: Run, place: Path) -> None:
    """At least 70 real documents go in; progress is shown; nothing is warned about."""
    assert first.code == 0, first.err
    count = re.search(r"0 documents unchanged and re-used, (\d+) to ingest", first.out)
    assert count is not None
    assert int(count[1]) >= 70
    assert f"Parsing: 100%|{'█' * 5}" in first.err
    assert f"{count[1]}/{count[1]}" in first.err
    assert "Warning" not in first.err
    assert (place / ".quickstart" / "kb" / "knowledge.db").exists()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("question", "document"),
    [
        ("How does the yield expression work?", "yield.txt"),
        ("What does the del statement do?", "del.txt"),
    ],
)
def test_the_right_document_comes_first(first: Run, way: str, question: str, document: str) -> None:
    """In each way the best source is the right one, and each citation has a source of its number."""
    text = first.answers()[question][way]
    sources = SOURCE.findall(text)
    assert sources[0][1] == document
    scores = [float(score) for _, _, score, _ in sources]
    assert scores == sorted(scores, reverse=True)
    answer = text.partition("\n  [ID:0] ")[0]
    cited = set(re.findall(r"\[ID:(\d+)\]", answer))
    assert cited
    assert cited == {number for number, _, _, mark in sources if mark}


@pytest.mark.skipif(topics != TOPICS, reason="the README shows the run on Python 3.11.7's topics")
def test_the_readme_shows_what_it_prints(first: Run) -> None:
    """Word for word, but for the progress bars and their times."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("```text\n")[2].partition("\n```")[0]
    without_bars = [line for line in shown.splitlines() if "%|" not in line]
    assert without_bars == first.out.rstrip("\n").splitlines()


def test_a_second_run_uses_what_is_there(first: Run, place: Path) -> None:
    """It says so, ingests nothing, and answers one's own question."""
    assert first.code == 0
    second = quickstart(place, QUESTION="What is a decorator?")
    assert second.code == 0, second.err
    assert re.search(r"\d\d documents unchanged and re-used, 0 to ingest", second.out)
    assert list(second.answers()) == ["What is a decorator?"]


def test_ones_own_documents(tmp_path: Path) -> None:
    """What changes is ingested anew, what goes is removed, what cannot be read is named, the rest is kept."""
    docs = tmp_path / "notes"
    docs.mkdir()
    (docs / "leave.md").write_text("# Leave\n\nEveryone has thirty days of leave a year.\n")
    (docs / "travel.txt").write_text("Trains are booked by the office.\n")
    (docs / "empty.txt").write_text("")
    (docs / "program.exe").write_bytes(b"MZ\x00\x01")
    question = "How many days of leave are there?"
    run = quickstart(tmp_path, DOCS=str(docs), QUESTION=question)
    assert run.code == 0, run.err
    assert "left out: program.exe" in run.err + run.out
    assert "could not be parsed: empty.txt" in run.err + run.out
    for text in run.answers()[question].values():
        assert SOURCE.findall(text)[0][1] == "leave.md"

    (docs / "leave.md").unlink()
    (docs / "travel.txt").write_text("Flights need a reason.\n")
    again = quickstart(tmp_path, DOCS=str(docs), QUESTION="What needs a reason?")
    assert again.code == 0, again.err
    with RAGFlow.local(str(tmp_path / ".quickstart" / "kb")) as client:
        (dataset,) = client.list_datasets(name="quickstart: notes")
        done = {document.name for document in dataset.list_documents(run=["DONE"])}
    assert done == {"travel.txt"}


def test_on_a_server(tmp_path: Path) -> None:
    """With the two variables set it does the same there; a dataset that is not its own is left alone."""
    engine = open_engine(tmp_path / "server")
    docs = tmp_path / "notes"
    docs.mkdir()
    (docs / "leave.txt").write_text("Everyone has thirty days of leave a year.\n")
    with running_server(engine, api_key="ragflow-test") as server:
        variables = {
            "RAGFLOW_BASE_URL": server.base_url,
            "RAGFLOW_API_KEY": "ragflow-test",
            "DOCS": str(docs),
        }
        run = quickstart(tmp_path, QUESTION="How many days of leave?", **variables)
        assert run.code == 0, run.err
        assert server.base_url in run.out
        assert "ragflow-test" not in run.out + run.err
        wrong = quickstart(tmp_path, **{**variables, "RAGFLOW_API_KEY": "ragflow-wrong"})
        with RAGFlow("ragflow-test", server.base_url) as client:
            client.list_datasets(name="quickstart: notes")[0].update({"description": "mine"})
        theirs = quickstart(tmp_path, **variables)
    engine.close()
    assert wrong.code == 1
    assert "refuses the API key" in wrong.err
    assert "Traceback" not in wrong.err
    assert theirs.code == 1
    assert "is not the quickstart's" in theirs.err


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"RAGFLOW_BASE_URL": "http://127.0.0.1:9", "RAGFLOW_API_KEY": "ragflow-x"},
            "no RAGFlow server answers",
        ),
        ({"RAGFLOW_BASE_URL": "http://127.0.0.1:9"}, "RAGFLOW_API_KEY"),
        ({"DOCS": "/nowhere/at/all"}, "there is no such folder"),
        ({"DOCS": "."}, "the folder holds no files"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(tmp_path: Path, variables: dict[str, str], said: str) -> None:
    """A wrong setting ends it with 1 and one line, no traceback."""
    run = quickstart(tmp_path, **variables)
    assert run.code == 1
    assert said in run.err
    assert "Traceback" not in run.err
