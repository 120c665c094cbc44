"""The command, in this process or in one of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from ragflow_integrations.cli import main
from tests.local.server.process import environment

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "ragflow_integrations"]


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    errors: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Command:
    """Runs commands in a folder, with these variables."""

    folder: Path
    variables: dict[str, str]

    def __call__(self, *arguments: str | Path, **more: str) -> Ended:
        """In this process, which saves starting one and importing everything again."""
        out, errors = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.folder),
            mock.patch.dict(os.environ, self.environment(**more), clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
        ):
            try:
                code = main([*map(str, arguments)])
            except SystemExit as exit:  # of argparse
                code = int(exit.code or 0)
        return Ended(code, out.getvalue(), errors.getvalue())

    def process(self, *arguments: str | Path, **more: str) -> Ended:
        """The same in a process of its own."""
        ended = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=self.folder,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def environment(self, **more: str) -> dict[str, str]:
        own = {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(self.folder / "state")}
        return environment(**{**own, **self.variables, **more})
