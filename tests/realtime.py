"""``@pytest.mark.realtime``: a test with limits in real time; its failure counts if the machine gave it that time.

A busy host lets a machine stand still, for seconds at times. Whoever waits half a second for an answer is then wrong
about the server. A pulse beside the test tells: a test that fails while the pulse came late is tried again, and its
report says so.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import TracebackType

import pytest
from _pytest.runner import runtestprotocol

BEAT = 0.01  # seconds
LATE = 0.05  # seconds in all; limits of tests are several times that
TRIES = 5
STAT = Path("/proc/stat")


class Pulse(threading.Thread):
    """How long this process, or this machine, had to wait for its processor while it is open, in seconds."""

    def __init__(self) -> None:
        super().__init__(name="pulse", daemon=True)
        self.late = 0.0
        self._over = threading.Event()
        self._stolen = stolen()

    def run(self) -> None:
        while True:
            began = time.monotonic()
            over = self._over.wait(BEAT)
            self.late += max(0.0, time.monotonic() - began - 2 * BEAT)
            if over:
                return

    def __enter__(self) -> Pulse:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._over.set()
        self.join()
        self.late = max(self.late, stolen() - self._stolen)


def stolen() -> float:
    """Seconds that the machine's host has given to others; 0 where it does not say."""
    if not STAT.exists():
        return 0.0
    return int(STAT.read_text().split(maxsplit=9)[8]) / os.sysconf("SC_CLK_TCK")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "realtime: has limits in real time (tests/realtime.py)")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if item.get_closest_marker("realtime") is None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in counting(item, nextitem):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def counting(item: pytest.Item, nextitem: pytest.Item | None) -> list[pytest.TestReport]:
    """What its first try says that passes, or that nobody disturbed; or else its last."""
    waited: list[float] = []
    while True:
        with Pulse() as pulse:
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if len(waited) == TRIES - 1 or pulse.late < LATE or not any(report.failed for report in reports):
            break
        waited.append(round(pulse.late, 2))
    if waited:
        for report in reports:
            report.user_properties.append(("waited", waited))
    return reports


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            waited = dict(report.user_properties).get("waited")
            if waited and report.when == "call":
                terminalreporter.write_line(
                    f"tried again: {report.nodeid}, as it had to wait for the machine ({waited} seconds)"
                )
