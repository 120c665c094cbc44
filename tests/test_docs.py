"""The documentation is true: its Python runs against the local engine, its commands exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(?P<info>\S[^\n]*)\n(?P<code>.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)
SEPARATORS = {"&&", "||", ";", "|", "&"}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; ``line`` is the number of its first line of code."""

    page: Path
    line: int
    info: list[str]
    code: str

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"

    def run(self, namespace: dict[str, object]) -> None:
        """Executes the block, so that a traceback names the page and its line; ``no-run`` is compiled only."""
        code = compile("\n" * (self.line - 1) + self.code, self.page, "exec", dont_inherit=True)
        if "no-run" in self.info:
            assert self.code.startswith("#"), (
                f"{self.place}: a no-run block starts with a comment that says why"
            )
        else:
            exec(code, namespace)  # noqa: S102


def blocks(page: Path, language: str) -> list[Block]:
    """The page's blocks in that language, in order."""
    text = page.read_text("utf-8")
    found = [
        Block(page, text.count("\n", 0, match.start("code")) + 1, match["info"].split(), match["code"])
        for match in FENCE.finditer(text)
    ]
    return [block for block in found if block.info[0] == language]


def run_page(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the page's Python from top to bottom in one namespace, in an empty folder, without a server."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RAGFLOW_BASE_URL", ":memory:")
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page, "python"):
        block.run(namespace)


def commands(block: Block) -> list[list[str]]:
    """The simple commands of a bash block, without variables set in front of them."""
    found: list[list[str]] = []
    for line in block.code.replace("\\\n", " ").splitlines():
        words = [[]]
        for word in shlex.split(line, comments=True):
            if word in SEPARATORS:
                words.append([])
            elif words[-1] or not re.match(r"\w+=", word):
                words[-1].append(word)
        found += [command for command in words if command]
    return found


def mistake(command: list[str]) -> str | None:
    """What is wrong with a command of ours, as its own program or our metadata says; others are not judged."""
    name, *rest = command
    arguments = [word for word in rest if not word.startswith("-") and "=" not in word]
    if name == "make":
        return _failure(["make", "--dry-run", *arguments])
    if name == "ragflow-integrations" and arguments:
        return _failure([sys.executable, "-m", "ragflow_integrations", arguments[0], "--help"])
    if command[:2] == ["pip", "install"]:
        known = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
            "optional-dependencies"
        ]
        extras = {
            extra for word in rest for extra in re.findall(r"[\w-]+", "".join(re.findall(r"\[(.*)\]", word)))
        }
        return f"no such extra: {sorted(extras - set(known))}" if extras - set(known) else None
    return None


def _failure(command: list[str]) -> str | None:
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return (run.stderr.strip() or f"exit code {run.returncode}") if run.returncode else None


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES if blocks(page, "python")]
)
def test_python_of_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python block on the page does what it says, as far as it says so in code."""
    run_page(page, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES if blocks(page, "bash")]
)
def test_commands_of_the_page_exist(page: Path) -> None:
    """Each ``make`` target, each command and each extra that the page names exists."""
    told = [(block.place, command) for block in blocks(page, "bash") for command in commands(block)]
    assert [(place, command, wrong) for place, command in told if (wrong := mistake(command))] == []


@pytest.mark.parametrize(
    "page",
    [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of this repository has its file."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_readme_shows_code_and_commands() -> None:
    """A reader finds something to run, in Python and in the shell."""
    if (ROOT / "README.md").stat().st_size:
        assert blocks(ROOT / "README.md", "python")
        assert blocks(ROOT / "README.md", "bash")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page with code that works, code that is not run and commands."""
    page = tmp_path / "page.md"
    page.write_text(
        dedent("""\
        # Title

        ```python
        import os
        base_url, folder = os.environ["RAGFLOW_BASE_URL"], os.listdir()
        ```
        ```json
        {}
        ```
        Text with `code`.

        ```python
        assert (base_url, folder) == (":memory:", [])
        ```

        ```python no-run
        # needs a server in Berlin
        raise SystemExit
        ```

        ```bash
        git clone x && cd x  # first
        QUESTION="a b" make test \\
            DOCS=x
        pip install 'ragflow-integrations[langchain,local]'
        ```
        """)
    )
    return page


def test_blocks_of_a_page_share_a_namespace(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later block sees what an earlier one made; a no-run block is left out."""
    assert [block.line for block in blocks(page, "python")] == [4, 13, 17]
    (tmp_path / "empty").mkdir()
    run_page(page, tmp_path / "empty", monkeypatch)


@pytest.mark.parametrize(
    ("good", "bad", "error"),
    [
        ('":memory:", []', '"", []', AssertionError),
        ("import os", "import os os", SyntaxError),
        ("raise SystemExit", "raise Sys temExit", SyntaxError),
        ("# needs a server in Berlin", "x = 1", AssertionError),
    ],
)
def test_wrong_python_fails(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: str, bad: str, error: type[Exception]
) -> None:
    """Code that fails or does not parse is found, also in blocks that are not run, as is a no-run without reason."""
    page.write_text(page.read_text().replace(good, bad))
    (tmp_path / "empty").mkdir()
    with pytest.raises(error):
        run_page(page, tmp_path / "empty", monkeypatch)


def test_commands_are_read_as_the_shell_does(page: Path) -> None:
    """Comments, joined lines, several commands on a line and variables in front are understood; all is right."""
    (block,) = blocks(page, "bash")
    assert commands(block) == [
        ["git", "clone", "x"],
        ["cd", "x"],
        ["make", "test", "DOCS=x"],
        ["pip", "install", "ragflow-integrations[langchain,local]"],
    ]
    assert [mistake(command) for command in commands(block)] == [None] * 4


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        (["make", "coffee"], "No rule to make target 'coffee'"),
        (["ragflow-integrations", "brew"], "invalid choice: 'brew'"),
        (["pip", "install", "ragflow-integrations[tea]"], "no such extra: ['tea']"),
    ],
)
def test_wrong_commands_are_found(command: list[str], wrong: str) -> None:
    """A target, command or extra that does not exist is named."""
    assert wrong in (mistake(command) or "")
