"""``python -m benchmarks``: measure, print a table of what is reached, and keep it.

It is kept in ``RESULTS.md`` and ``docs/performance.md``. The exit code is 1 if a goal is missed twice. ``--short``
takes about a minute and keeps nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile

from .experiments import EXPERIMENTS, MEGABYTE, Experiment, Row, Setting
from .report import keep, table
from .stub import serving


def main(argv: list[str] | None = None) -> int:
    """Run the command line; 0 if all goals are reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the client.")
    parser.add_argument("--short", action="store_true", help="fewer rounds, a smaller upload, for CI")
    short = parser.parse_args(argv).short
    with serving() as base_url, tempfile.NamedTemporaryFile(suffix=".txt") as file:
        file.truncate((256 if short else 1024) * MEGABYTE)  # sparse: it takes no space
        rounds, pages = (5, 10) if short else (11, 100)
        setting = Setting(base_url, rounds, pages, file.name, _say)
        rows = [row for experiment in EXPERIMENTS for row in measured(experiment, setting)]
    sys.stdout.write(f"\n{table(rows)}")
    if not short:
        keep(rows)
    return 0 if all(row.reached for row in rows) else 1


def measured(experiment: Experiment, setting: Setting) -> list[Row]:
    """Its rows; those of a second run if a goal was missed, since others may have used the machine meanwhile."""
    setting.say(experiment.planned()[0].what)
    rows = experiment.rows(setting)
    if all(row.reached or row.figure is None for row in rows):
        return rows
    setting.say("missed; once more")
    return experiment.rows(setting)


def _say(line: str) -> None:
    sys.stderr.write(f"  {line}\n")


if __name__ == "__main__":
    raise SystemExit(main())
