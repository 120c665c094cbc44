"""A disk that is full, and a folder that cannot be written: clear errors, and nothing is damaged."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

import httpx

from ragflow_integrations.local.engine import Engine
from tests.local.knowledge import check_truth
from tests.local.server.process import COMMAND, environment, served

__all__ = ["fill_up", "write_protect"]

_ROOM = 4_000_000  # bytes that a file of the server may have
# root may write everywhere unless it gives that right up
_BOUND = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]


def fill_up(folder: Path) -> tuple[int, str]:
    """Upload until a file cannot grow any more; returns how many went in, and the first refusal."""
    with served(folder) as server, server.client() as client:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (_ROOM, _ROOM))
        dataset = client.post("/datasets", json={"name": "full"}).json()["data"]["id"]
        accepted: list[str] = []
        while True:
            answer = _upload(client, dataset, len(accepted))
            if answer["code"]:
                assert str(folder) not in str(answer), "where the server keeps its files is its own affair"
                break
            accepted.append(answer["data"][0]["id"])
            assert len(accepted) < 1000, "the disk never filled up"
        kept = client.get(f"/datasets/{dataset}/documents", params={"page_size": 1}).json()
        assert kept["data"]["total"] == len(accepted), "reading must go on"
    with Engine(folder) as engine:
        check_truth(engine)
        for identifier in accepted:
            assert len(engine.read_document(identifier)) == 200_000
    return len(accepted), answer["message"]


def _upload(client: httpx.Client, dataset: str, number: int) -> dict[str, object]:
    files = {"file": (f"{number}.txt", os.urandom(100_000).hex().encode())}
    answer: dict[str, object] = client.post(f"/datasets/{dataset}/documents", files=files).json()
    return answer


def write_protect(folder: Path) -> str:
    """Serve a folder that may only be read; returns what the command says."""
    with Engine(folder) as engine:
        engine.create_dataset({"name": "kept"})
        engine.api_key()
    before = (folder / "knowledge.db").read_bytes()
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    bound = _BOUND if os.geteuid() == 0 else []
    ended = subprocess.run(
        [*bound, COMMAND, "serve", "--port", "0", "--data-dir", folder],
        capture_output=True,
        text=True,
        env=environment(PYTHONDONTWRITEBYTECODE="1"),
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1, ended
    assert (folder / "knowledge.db").read_bytes() == before
    return ended.stderr
