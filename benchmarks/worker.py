"""One client in a process of its own, which does what it is told and says what that took.

Commands come as JSON lines: ``what`` is ``cost``, ``calls`` or ``memory``, ``operation`` a method of the client,
``arguments`` are its own, ``count`` is how often it is done.
"""

from __future__ import annotations

import cProfile
import gc
import importlib
import json
import pstats
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["calls", "cost", "memory"]

Operation = Callable[[], Any]


def cost(operation: Operation, count: int) -> dict[str, Any]:
    """CPU (user and system, all threads) and wall-clock seconds per operation, and what each returned."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    results = [operation() for _ in range(count)]
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu / count, "wall": wall / count, "results": results}


def calls(operation: Operation, count: int) -> dict[str, Any]:
    """Function calls per operation, those of C functions included."""
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(count):
        operation()
    profile.disable()
    total: int = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]
    return {"calls": total / count}


def memory(operation: Operation, count: int) -> dict[str, Any]:
    """Bytes by which the process's peak while it worked was above what it held before (Linux)."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # the peak starts anew
    before = _held("VmRSS")
    for _ in range(count):
        operation()
    return {"bytes": _held("VmHWM") - before}


def _held(field: str) -> int:
    found = re.search(rf"{field}:\s*(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    assert found is not None
    return 1024 * int(found[1])


MEASURES: dict[str, Callable[[Operation, int], dict[str, Any]]] = {
    "cost": cost,
    "calls": calls,
    "memory": memory,
}


def answer(client: Any, command: dict[str, Any]) -> dict[str, Any]:
    """What a command took; ``error`` if the client failed."""
    try:
        method = getattr(client, command["operation"])
        return MEASURES[command["what"]](lambda: method(*command["arguments"]), command["count"])
    except Exception as error:  # noqa: BLE001  # whatever a client raises is its result
        return {"error": f"{type(error).__name__}: {error}"}


def main(name: str, base_url: str) -> None:
    """Make the client and serve commands until there are no more."""
    client = importlib.import_module(f"benchmarks.peers.{name}").Client(base_url)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(client, json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
