"""A real ``ragflow-integrations serve`` process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

COMMAND = Path(sys.executable).with_name("ragflow-integrations")


@dataclass(frozen=True)
class Served:
    """A process that accepts connections, and what it has printed so far."""

    process: subprocess.Popen[str]
    base_url: str
    printed: str
    api_key: str

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return httpx.Client(base_url=f"{self.base_url}/api/v1", headers=headers, timeout=30)


def environment(**more: str) -> dict[str, str]:
    """This process's environment without settings of RAGFlow."""
    return {key: value for key, value in os.environ.items() if not key.startswith("RAGFLOW_")} | more


@contextmanager
def served(data_dir: Path, *arguments: str, **more: str) -> Iterator[Served]:
    """``serve`` on a free port for the block; it is killed at the end if it still runs."""
    command = [COMMAND, "serve", "--port", "0", "--data-dir", data_dir, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(**more)
    ) as process:
        try:
            yield _ready(process, data_dir)
        finally:
            process.kill()


def _ready(process: subprocess.Popen[str], data_dir: Path) -> Served:
    assert process.stdout is not None
    assert process.stderr is not None
    printed = ""
    while not printed.endswith("stop with Ctrl+C\n"):
        line = process.stdout.readline()
        assert line, f"serve ended: {printed}{process.stderr.read()}"
        printed += line
    url = re.search(r"http://\S+", printed)
    assert url is not None
    return Served(process, url[0], printed, (data_dir / "api_key").read_text().strip())


def parsed(client: httpx.Client, dataset_id: str, count: int) -> list[dict[str, Any]]:
    """The dataset's documents, when all of them have been parsed."""
    deadline = time.monotonic() + 60
    while True:
        listed = client.get(f"/datasets/{dataset_id}/documents", params={"page_size": 100}).json()["data"][
            "docs"
        ]
        if len(listed) == count and all(document["run"] in ("DONE", "FAIL") for document in listed):
            return list(listed)
        assert time.monotonic() < deadline, [(document["name"], document["run"]) for document in listed]
        time.sleep(0.05)
