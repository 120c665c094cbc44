"""``make soak``: the long trials, one after the other; exits with 1 if one fails."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from .disk import fill_up, write_protect
from .fuzz import Fired, ask_anything
from .kills import survive
from .load import bear


def main() -> int:
    """Run all, or those named."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("trials", nargs="*", help="kills, load, disk, protected, fuzz (default: all)")
    parser.add_argument("--rounds", type=int, default=200, help="kills (default: %(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=30, help="of load from 32 clients (default: %(default)s)"
    )
    parser.add_argument("--examples", type=int, default=200, help="requests a route (default: %(default)s)")
    asked = parser.parse_args()
    trials: dict[str, Callable[[Path], object]] = {
        "kills": lambda folder: f"{survive(folder, asked.rounds).acknowledged} calls were acknowledged",
        "load": lambda folder: bear(folder, asked.minutes * 60),
        "disk": lambda folder: "{} files, then: {}".format(*fill_up(folder)),
        "protected": lambda folder: write_protect(folder / "kb").strip(),
        "fuzz": lambda folder: _unharmed(ask_anything(folder, asked.examples, at_once=os.cpu_count() or 1)),
    }
    unknown = set(asked.trials) - trials.keys()
    if unknown:
        parser.error(f"no such trial: {', '.join(sorted(unknown))}")
    results = [_run(name, trials[name]) for name in asked.trials or trials]
    return 0 if all(results) else 1


def _unharmed(fired: Fired) -> str:
    assert not fired.findings, "\n\n".join(fired.findings)
    return f"{fired.requests} requests"


def _run(name: str, trial: Callable[[Path], object]) -> bool:
    print(f"{name} …", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ragflow-soak-") as folder:
        try:
            told = trial(Path(folder))
        except Exception:  # noqa: BLE001 - told, and the next trial runs
            traceback.print_exc()
            told = "FAILED"
    print(f"{name}: {told} ({time.monotonic() - began:.0f} s)", flush=True)
    return told != "FAILED"


if __name__ == "__main__":
    sys.exit(main())
