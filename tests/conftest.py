"""What holds for every test: a clean environment, no blocking call in an event loop, no time limit per example."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests import guard

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from tests.recordings.replay import Replay

pytest_plugins = ["tests.realtime"]
guard.install()
# httpx reads all authorities of the world for each client, which takes it 60 ms; here nobody speaks to the world.
if not os.environ.get("RAGFLOW_TEST_LIVE"):
    os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("data") / "nobody.pem")
# The same examples in every run, therefore few: a run that fails is to be blamed on what was changed. Others are
# looked for by pytest --hypothesis-profile=exploring
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.register_profile("exploring", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("repeatable")

# What takes longest begins first, so that nobody waits for it alone at the end.
LONGEST = (
    "tests/soak/",
    "tests/protocol/test_any_answer.py",
    "tests/llamaindex/test_conformance.py",
    "tests/test_notebooks.py",
    "tests/client/test_scope_trials.py",
    "tests/local/server/test_serve.py",
    "tests/langchain/test_conformance.py",
    "tests/cli/test_commands.py",
    "tests/llamaindex/test_filters.py",
    "tests/transfer/test_push.py",
    "tests/test_official_names.py",
    "tests/local/test_jobs.py",
    "tests/faults/",
)
SHOWN = ("httpx", "pydantic", "apsw", "starlette", "langchain-core", "llama-index-core")


def pytest_report_header() -> str:
    """Names the versions that a failure may depend on."""
    return ", ".join(f"{name} {version(name)}" for name in SHOWN)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Three for two cores: many tests wait for a process, a socket or the disk."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores * 3 // 2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """``LONGEST`` first, and else as they were found."""
    first = {start: place for place, start in enumerate(LONGEST)}
    items.sort(
        key=lambda item: next(
            (first[start] for start in LONGEST if item.nodeid.startswith(start)), len(first)
        )
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What collecting makes stays until the end: nobody looks through it for garbage, then or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many of the real servers' recorded answers the engine gives alike."""
    ended = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    for dialect in ("v027", "v024"):
        alike, told = (
            [each for each in ended if f"test_replay_{dialect}.py::{test}[" in each.nodeid]
            for test in ("test_answers_like_ragflow", "test_what_is_left_out_differs")
        )
        if alike:
            count = sum(each.passed for each in alike)
            recorded = len(alike) + len(told)
            terminalreporter.write_line(
                f"recordings {dialect}: {count} of {recorded} answered alike, {len(told)} differ and say why"
            )


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have a server of their own configured."""
    for name in [name for name in os.environ if name.startswith("RAGFLOW_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_blocking_calls(request: pytest.FixtureRequest) -> Iterator[None]:
    """Async tests fail if anything makes an event loop wait."""
    if request.node.get_closest_marker("asyncio") is None:
        yield
        return
    with guard.watching():
        yield


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """The spans of this process from now on; it has one provider for all tests, since a second one cannot be set."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    exporter.shutdown()


@pytest.fixture
def replay_v024() -> Iterator[Replay]:
    """A server at ``.url`` that answers what a v0.24.0 was asked as that one did (``tests/recordings/replay.py``)."""
    from tests.recordings.replay import replay

    with replay("v0.24") as server:
        yield server


@pytest.fixture
def replay_v027() -> Iterator[Replay]:
    """The same of a v0.27.0."""
    from tests.recordings.replay import replay

    with replay("v0.27") as server:
        yield server
