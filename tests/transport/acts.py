"""What clients do in these tests, and what servers answer."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from .raw_server import Connection, chunk, http, stream_head

EMPTY = http({"code": 0, "data": [], "total_datasets": 0})
DATASET = http({"code": 0, "data": {"id": "d1", "name": "x"}})


def listed(client: Any) -> Any:
    return client.list_datasets()


def created(client: Any) -> Any:
    return client.create_dataset("x")


def searched(client: Any) -> Any:
    return client.retrieve("q", ["d1"])


def uploaded(client: Any, content: bytes = b"x") -> Any:
    resource = type(client).__module__.replace("client", "datasets")
    dataset = vars(sys.modules[resource])[type(client).__name__.replace("RAGFlow", "DataSet")]
    return dataset._of(client, dataset(id="d1")).upload_documents(
        [{"display_name": "a.txt", "blob": content}]
    )


def streamed(client: Any) -> Any:
    stream = client.chat("c").ask("q", stream=True)
    return read_all(stream) if inspect.isawaitable(stream) else list(stream)


async def read_all(stream: Any) -> list[Any]:
    return [message async for message in await stream]


def frame(**data: Any) -> bytes:
    return chunk(b"data:" + json.dumps({"code": 0, "data": data}).encode() + b"\n\n")


END = chunk(b'data:{"code": 0, "data": true}\n\n') + chunk(b"")


def endless(connection: Connection) -> None:
    connection.send(stream_head() + frame(answer="a"))
    connection.wait_for_end()


def failing(connection: Connection) -> None:
    connection.send(
        stream_head() + frame(answer="a") + chunk(b'data:{"code": 500, "message": "no model"}\n\n')
    )
    connection.wait_for_end()


def python(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a script of its own, with warnings about what is left open."""
    forked = "ignore:This process:DeprecationWarning"  # from 3.12 on, when there are threads: that is the case here
    command = [
        sys.executable,
        "-X",
        "dev",
        "-W",
        "error::ResourceWarning",
        "-W",
        forked,
        "-c",
        script,
        *arguments,
    ]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    # On a busy machine asyncio's debug mode also tells which step of a task took its time.
    slow = [line for line in done.stderr.splitlines(keepends=True) if not line.startswith("Executing <")]
    done.stderr = "".join(slow)
    return done
