"""Runs the example with the official SDK's names, and the client's tests, on each Python that is on this machine.

python tools/pythons.py          3.11 to 3.14; those that are missing are named, with the reason
python tools/pythons.py 3.13 …   these; exit 1 also if one is missing

Each has its own environment, ``.venv-3.13``: made once, brought up to date at each run. The example runs with what
``pip install '.[local]'`` brings, against a ``ragflow-integrations serve`` of that Python; the tests need the rest.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PYENV = Path.home() / ".pyenv" / "versions"
TESTS = ("tests/client", "tests/protocol", "tests/transport", "tests/test_official_names.py")
CHECK = "import ensurepip, sys; print(*sys.version_info[:2], sep='.')"


class Missing(Exception):
    """Why there is no such Python, in a line."""


def find(version: str) -> Path:
    """The interpreter of this version, on PATH or of pyenv; raises ``Missing``."""
    on_path = shutil.which(f"python{version}")
    of_pyenv = sorted(PYENV.glob(f"{version}.*/bin/python"), key=_patch, reverse=True)
    tried = []
    for candidate in [*([Path(on_path)] if on_path else []), *of_pyenv]:
        done = subprocess.run([candidate, "-c", CHECK], capture_output=True, text=True, check=False)
        if done.stdout.strip() == version:
            return candidate
        said = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        tried.append(f"{candidate}: {said[0]}")
    raise Missing("; ".join(tried) or f"no python{version} on PATH, none in {PYENV}")


def _patch(interpreter: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", interpreter.parts[-3])]


def environment(name: str, interpreter: Path) -> Path:
    """The folder with the programs of the environment ``.venv-NAME``, made if it is not there."""
    folder = ROOT / f".venv-{name}"
    programs = folder / "bin"
    if not (programs / "pip").exists():
        run(interpreter, "-m", "venv", "--clear", folder)
        run(programs / "python", "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1")
    return programs


def check(version: str) -> None:
    """Example and tests on this version; raises ``Missing``, or ``CalledProcessError`` for what failed."""
    programs = environment(version, find(version))
    python = programs / "python"
    run(python, "-m", "pip", "install", "--quiet", ".[local]")
    with serving(programs) as (url, key):
        run(python, "examples/official_names.py", url, key)
    run(python, "-m", "pip", "install", "--quiet", "--editable", ".[all]", "--group", "dev")
    run(python, "-m", "pytest", "-q", *TESTS)


@contextmanager
def serving(programs: Path) -> Iterator[tuple[str, str]]:
    """The local engine as a process of this environment's: its address and its key."""
    key = f"ragflow-{secrets.token_hex(16)}"
    with tempfile.TemporaryDirectory() as folder:
        command: list[str | Path] = [
            programs / "ragflow-integrations",
            "serve",
            "--port",
            "0",
            "--data-dir",
            folder,
        ]
        variables = {**os.environ, "RAGFLOW_API_KEY": key}
        with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                yield process.stdout.readline().rpartition(" ")[2].strip(), key
            finally:
                process.terminate()


def run(*command: str | Path) -> None:
    """Run a program in the project's folder, without settings of ours; raises ``CalledProcessError``."""
    print("$", *(shown(part) for part in command), flush=True)
    variables = {name: value for name, value in os.environ.items() if not name.startswith("RAGFLOW_")}
    subprocess.run(command, cwd=ROOT, env=variables, check=True)


def shown(part: str | Path) -> str:
    """A part of a command, without the project's folder and without keys."""
    if isinstance(part, Path):
        return str(part.relative_to(ROOT) if part.is_relative_to(ROOT) else part)
    return "<key>" if re.fullmatch("ragflow-[0-9a-f]+", part) else part


def main(argv: Sequence[str]) -> int:
    """All Pythons, one after the other; 0 if nothing failed."""
    outcomes: dict[str, str] = {}
    for version in argv or PYTHONS:
        print(f"--- Python {version}", flush=True)
        try:
            check(version)
        except Missing as missing:
            outcomes[version] = f"missing: {missing}"
        except subprocess.CalledProcessError as error:
            outcomes[version] = f"FAILED: {' '.join(shown(part) for part in error.cmd)}"
        else:
            outcomes[version] = "ok"
    print("---", *(f"Python {version}  {outcome}" for version, outcome in outcomes.items()), sep="\n")
    bad = ("FAILED", "missing") if argv else ("FAILED",)
    return 1 if any(outcome.startswith(bad) for outcome in outcomes.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
