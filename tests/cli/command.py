"""The real command, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        own = {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(self.folder / "state")}
        env = environment(**{**own, **self.variables, **more})
        ended = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=self.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        return Ended(ended.returncode, ended.stdout, ended.stderr)
