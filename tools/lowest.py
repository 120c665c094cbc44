"""Runs the adapters' tests with the lowest versions of the frameworks that pyproject.toml allows.

python -m tools.lowest              tests/langchain and tests/llamaindex
python -m tools.lowest tests/…      these

They are in an environment of their own, ``.venv-lowest``: made once, brought up to date at each run.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.pythons import ROOT, environment, run

EXTRAS = ("agents", "llamaindex")
"""The extras whose bounds are tried: they bring the frameworks."""

TESTS = ("tests/langchain", "tests/llamaindex")
CHECK = """
import sys
from importlib.metadata import version
from packaging.version import Version
for name, bound in (one.split("==") for one in sys.argv[1:]):
    print(name, version(name), flush=True)
    if Version(version(name)) != Version(bound):
        raise SystemExit(f"its lowest is {bound}")
"""
"""What is installed of the bounds, told; exit code 1 if that is another version. ``packaging`` comes with pytest."""

TOLERANT = (
    "-W",
    "default",
    "-p",
    "no:cacheprovider",
)  # old frameworks warn of what newer libraries think of them


def lowest(project: Mapping[str, Any], extras: Sequence[str] = EXTRAS) -> Iterator[str]:
    """Each requirement of the extras at its lower bound, in pip's words; ``ValueError`` for one without."""
    for requirement in (one for extra in extras for one in project["optional-dependencies"][extra]):
        own = re.fullmatch(rf"{project['name']}\[(\w+)\]", requirement)
        bound = re.match(r"([\w.-]+)>=([\w.]+)", requirement)
        if own:
            yield from lowest(project, [own[1]])
        elif bound:
            yield f"{bound[1]}=={bound[2]}"
        else:
            raise ValueError(f"{requirement!r} has no lower bound")


def install() -> Path:
    """The environment's Python, with everything that the tests need."""
    python = environment("lowest", Path(sys.executable)) / "python"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    bounds = sorted(set(lowest(project)))
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "lowest.txt"
        constraints.write_text("\n".join(bounds))
        wanted = f".[{','.join(EXTRAS)},fast,local,otel]"
        run(python, "-m", "pip", "install", "-q", "-c", constraints, "-e", wanted, "--group", "dev")
    subprocess.run([python, "-c", CHECK, *bounds], check=True)
    return python


def main(argv: Sequence[str]) -> int:
    """Runs the tests there; 0 if nothing failed."""
    try:
        run(install(), "-m", "pytest", "-q", *TOLERANT, *(argv or TESTS))
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
