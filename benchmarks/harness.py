"""Workers that take turns, and what their samples say: medians, how far they scatter, ratios."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["ROOT", "Failure", "Summary", "Worker", "check_same_work", "ratio", "summary", "take_turns"]

ROOT = Path(__file__).parents[1]


class Failure(Exception):
    """A client failed, or read something else than the others."""


@dataclass(frozen=True)
class Summary:
    """The median of some samples, and the median of their distances from it."""

    median: float
    mad: float


def summary(samples: Sequence[float]) -> Summary:
    """Median and MAD."""
    median = statistics.median(samples)
    return Summary(median, statistics.median(abs(sample - median) for sample in samples))


def ratio(one: Sequence[float], other: Sequence[float]) -> Summary:
    """How many times the other's, round by round: what slows the machine down for a while slows both down."""
    return summary([mine / theirs for mine, theirs in zip(one, other, strict=True)])


class Worker:
    """A client in its own process."""

    def __init__(self, client: str, base_url: str) -> None:
        self.client = client
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", client, base_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def tell(self, what: str, operation: str, *arguments: str, count: int = 1) -> dict[str, Any]:
        """What the operation took, see ``benchmarks.worker``; raises ``Failure`` if the client did."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        command = {"what": what, "operation": operation, "arguments": arguments, "count": count}
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer: dict[str, Any] = json.loads(line) if line else {"error": "its process ended"}
        if "error" in answer:
            raise Failure(f"{self.client} failed in {operation}: {answer['error']}")
        return answer


def take_turns(
    base_url: str, clients: Sequence[str], operation: str, *arguments: str, rounds: int, count: int
) -> dict[str, list[dict[str, Any]]]:
    """Samples of each client, one a round; each begins with an operation that warms up and is not counted."""
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(client, base_url)) for client in clients]
        first = [worker.tell("cost", operation, *arguments)["results"][0] for worker in workers]
        check_same_work(operation, dict(zip(clients, first, strict=True)))
        samples: dict[str, list[dict[str, Any]]] = {client: [] for client in clients}
        for _ in range(rounds):
            for worker in workers:
                samples[worker.client].append(worker.tell("cost", operation, *arguments, count=count))
        return samples


def check_same_work(operation: str, read: Mapping[str, Any]) -> None:
    """Raise ``Failure`` unless all clients have read the same; times, which some operations return, may differ."""
    works = [value for value in read.values() if not isinstance(value, float)]
    if any(work != works[0] for work in works):
        raise Failure(f"the clients did not read the same in {operation}: {read}")
