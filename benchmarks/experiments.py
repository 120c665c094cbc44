"""What is measured, and the most that each figure may be."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from .harness import ROOT, Failure, Summary, Worker, ratio, summary, take_turns
from .stub import stats

__all__ = ["EXPERIMENTS", "Comparison", "Experiment", "Figure", "Row", "Setting"]

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Setting:
    """Where the stub is, how much is done and how often, and who wants to hear of it."""

    base_url: str
    rounds: int
    pages: int
    file: str
    say: Callable[[str], object]


@dataclass(frozen=True)
class Row:
    """One figure; ``goal`` is the most that it may be, ``None`` if it is shown only."""

    what: str
    against: str
    goal: float | None
    unit: str = "x"
    figure: Summary | None = None

    @property
    def reached(self) -> bool:
        """Whether there is a figure and it is not above its goal."""
        return self.figure is not None and (self.goal is None or self.figure.median <= self.goal)


class Experiment(Protocol):
    """Something that is measured at one go."""

    def planned(self) -> list[Row]:
        """Its rows, still without figures."""

    def rows(self, setting: Setting) -> list[Row]:
        """Its rows as measured; without figures if a client failed, which is said."""


Cost = Callable[[Setting, Sequence[str]], Mapping[str, Sequence[float]]]
"""Seconds of CPU that each client needs, one sample a round."""


@dataclass(frozen=True)
class Comparison:
    """CPU of the same work, ours as a part of each peer's; ``goals`` by peer."""

    what: str
    ours: str
    goals: Mapping[str, float | None]
    cost: Cost

    def planned(self) -> list[Row]:
        return [Row(self.what, NAMES[peer], goal) for peer, goal in self.goals.items()]

    def rows(self, setting: Setting) -> list[Row]:
        try:
            cost = self.cost(setting, [self.ours, *self.goals])
        except Failure as failure:
            setting.say(str(failure))
            return self.planned()
        figures = [ratio(cost[self.ours], cost[peer]) for peer in self.goals]
        return [replace(row, figure=figure) for row, figure in zip(self.planned(), figures, strict=True)]


@dataclass(frozen=True)
class Figure:
    """One number of ours."""

    what: str
    goal: float
    unit: str
    measure: Callable[[Setting], Summary]

    def planned(self) -> list[Row]:
        return [Row(self.what, "", self.goal, self.unit)]

    def rows(self, setting: Setting) -> list[Row]:
        (row,) = self.planned()
        try:
            return [replace(row, figure=self.measure(setting))]
        except Failure as failure:
            setting.say(str(failure))
            return [row]


def _work(operation: str, *arguments: str, count: int = 1) -> Cost:
    """CPU of an operation of the clients, which take turns, ``count`` of it at each."""

    def cost(setting: Setting, clients: Sequence[str]) -> dict[str, list[float]]:
        samples = take_turns(
            setting.base_url, clients, operation, *arguments, rounds=setting.rounds, count=count
        )
        cpu = {client: [sample["cpu"] for sample in taken] for client, taken in samples.items()}
        for client, taken in samples.items():
            clock = [sample["wall"] for sample in taken]
            setting.say(f"{client}: {_median(cpu[client])} of CPU, {_median(clock)} on the clock")
        return cpu

    return cost


def _listing(setting: Setting, clients: Sequence[str]) -> Mapping[str, Sequence[float]]:
    return _work("list_documents", str(setting.pages))(setting, clients)


def _upload(setting: Setting, clients: Sequence[str]) -> Mapping[str, Sequence[float]]:
    return _work("upload", setting.file)(replace(setting, rounds=5), clients)


def _import(setting: Setting, clients: Sequence[str]) -> dict[str, list[float]]:
    """CPU of a fresh interpreter that imports a client and makes one, from bytecode as in an installed package."""
    samples: dict[str, list[float]] = {client: [] for client in clients}
    with tempfile.TemporaryDirectory() as bytecode:
        for client in clients:
            _cpu_of_start(client, bytecode)
        for _ in range(setting.rounds):
            for client in clients:
                samples[client].append(_cpu_of_start(client, bytecode))
    for client, taken in samples.items():
        setting.say(f"{client}: {_median(taken)} of CPU")
    return samples


def _cpu_of_start(client: str, bytecode: str) -> float:
    """Bytecode is read from this folder, and written to it where it is missing."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    program = [sys.executable, "-c", PROGRAMS[client]]
    if subprocess.run(program, cwd=ROOT, env=environment, check=False).returncode:
        raise Failure(f"{client} failed to start")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _upload_memory(client: str) -> Callable[[Setting], Summary]:
    """MB that a large upload holds at its peak, more than the process held after a small one."""

    def measure(setting: Setting) -> Summary:
        with Worker(client, setting.base_url) as worker:
            worker.tell("cost", "upload", __file__)
            return Summary(worker.tell("memory", "upload", setting.file)["bytes"] / MEGABYTE, 0)

    return measure


def _first_piece(setting: Setting) -> Summary:
    """Milliseconds until the first piece of a stream, more than the bare socket takes; the best of twenty a round."""
    samples = take_turns(setting.base_url, ["ours", "floor"], "first_piece", rounds=setting.rounds, count=20)
    ours, floor = ([min(sample["results"]) for sample in samples[client]] for client in ("ours", "floor"))
    return summary([1000 * (mine - theirs) for mine, theirs in zip(ours, floor, strict=True)])


def _function_calls(setting: Setting) -> Summary:
    with Worker("ours", setting.base_url) as worker:
        worker.tell("cost", "retrieve")
        return Summary(worker.tell("calls", "retrieve", count=10)["calls"], 0)


def _connections(client: str, operation: str, *arguments: str, count: int) -> Callable[[Setting], Summary]:
    def measure(setting: Setting) -> Summary:
        before = stats(setting.base_url).connections
        with Worker(client, setting.base_url) as worker:
            worker.tell("cost", operation, *arguments, count=count)
        return Summary(stats(setting.base_url).connections - before, 0)

    return measure


def _median(seconds: Sequence[float]) -> str:
    spent = summary(seconds)
    return f"{spent.median * 1000:.2f} ms ±{spent.mad / spent.median:.0%}"


NAMES = {
    "sdk": "ragflow-sdk",
    "raw_httpx": "httpx",
    "raw_httpx_async": "httpx",
    "libraries": "httpx and pydantic",
    "floor": "bare socket",
}
PROGRAMS = {
    "ours": "from ragflow_integrations import RAGFlow; RAGFlow('key', 'http://localhost')",
    "sdk": "from ragflow_sdk import RAGFlow; RAGFlow('key', 'http://localhost')",
    "libraries": "import httpx, pydantic; httpx.Client()\nclass Model(pydantic.BaseModel): name: str = ''",
}
EXPERIMENTS: Sequence[Experiment] = [
    Comparison(
        "Retrieval: 30 chunks to typed objects",
        "ours",
        {"sdk": 0.40, "raw_httpx": 0.85, "floor": None},
        _work("retrieve", count=40),
    ),
    Comparison(
        "Listing of documents, 100 a page",
        "ours",
        {"sdk": 0.35, "raw_httpx": None, "floor": None},
        _listing,
    ),
    Comparison("Listing, of which models from JSON in memory", "models", {"sdk": None}, _listing),
    Comparison(
        "Stream of 500 deltas",
        "ours",
        {"sdk": None, "raw_httpx": 1.00, "floor": None},
        _work("stream_delta", count=4),
    ),
    Comparison(
        "Stream of 500 cumulative answers",
        "ours",
        {"sdk": 0.25, "raw_httpx": 1.00, "floor": None},
        _work("stream_cumulative", count=2),
    ),
    Comparison(
        "Async retrieval, 16 at once",
        "ours_async",
        {"raw_httpx_async": 1.10},
        _work("retrieve_at_once", "16"),
    ),
    Comparison(
        "Async retrieval, 64 at once",
        "ours_async",
        {"raw_httpx_async": 1.10},
        _work("retrieve_at_once", "64"),
    ),
    Comparison("Upload of one file", "ours", {"raw_httpx": 1.20}, _upload),
    Comparison("Import and first client", "ours", {"libraries": 1.15, "sdk": None}, _import),
    Figure("Memory of an upload", 8, "MB", _upload_memory("ours")),
    Figure("Memory of an async upload", 8, "MB", _upload_memory("ours_async")),
    Figure("First piece of a stream, later than on a bare socket", 1.5, "ms", _first_piece),
    Figure("Function calls of a retrieval", 1300, "calls", _function_calls),
    Figure("Connections of 1,000 calls", 1, "connections", _connections("ours", "retrieve", count=1000)),
    Figure(
        "Connections of 256 async calls, 16 at once",
        16,
        "connections",
        _connections("ours_async", "retrieve_at_once", "16", count=2),
    ),
]
