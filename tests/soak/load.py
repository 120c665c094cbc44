"""Mixed load from many clients at once: no error, and memory stays flat."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ragflow_integrations import RAGFlow
from tests.local.server.process import served

from .ledger import Ledger
from .traffic import Worker, place

__all__ = ["Load", "bear"]

_WARM = 0.4  # the part of the time after which memory should not grow any more
_GROWTH_MB = 64


@dataclass(frozen=True)
class Load:
    """What came of it: calls that were answered, and the server's memory when warm and at the end, in MB."""

    calls: int
    seconds: float
    warm_mb: float
    end_mb: float


def bear(
    folder: Path,
    seconds: float,
    *,
    clients: int = 32,
    beat: float | None = None,
    tell: Callable[[str], None] = print,
) -> Load:
    """Serve ``clients`` for a time; ``AssertionError`` for any failed call, or if memory grows by over 64 MB.

    They call without a pause, or all at once every ``beat`` seconds.
    """
    with served(folder) as server, RAGFlow(server.api_key, server.base_url, max_retries=0) as client:
        ledger, stop, began = Ledger(), threading.Event(), time.monotonic()
        at = place(client)
        crew = [Worker(at, ledger, seed, stop, tidy=True, beat=beat) for seed in range(clients)]
        for worker in crew:
            worker.start()
        warm = 0.0
        while (spent := time.monotonic() - began) < seconds and not any(each.failure for each in crew):
            time.sleep(min(5.0, seconds / 20))
            now = _memory_mb(server.process.pid)
            warm = warm or (now if spent > seconds * _WARM else 0.0)
            tell(f"{spent:6.0f} s  {ledger.acknowledged:8d} calls  {now:6.0f} MB")
        stop.set()
        for worker in crew:
            worker.join(timeout=60)
            assert not worker.is_alive(), "a call hangs"
            if worker.failure is not None:
                raise AssertionError("a call failed") from worker.failure
        ledger.check(client, at.dataset, at.chat, at.memory)
        load = Load(ledger.acknowledged, spent, warm, _memory_mb(server.process.pid))
    assert load.end_mb - load.warm_mb < _GROWTH_MB, load
    return load


def _memory_mb(pid: int) -> float:
    """Every page once: each of the twenty connections maps the file, whose pages count as resident for each of them."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    [kilobytes] = [line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:")]
    return int(kilobytes) * 1024 / 1e6
