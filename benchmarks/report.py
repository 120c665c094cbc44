"""The rows as a table, and where it is kept."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from .experiments import Row

__all__ = ["DOCUMENTATION", "RESULTS", "documented", "keep", "results", "table"]

RESULTS = Path(__file__).with_name("RESULTS.md")
DOCUMENTATION = Path(__file__).parents[1] / "docs/performance.md"

DIGITS = {"x": 2, "ms": 1, "MB": 1}
LIBRARIES = ("ragflow-integrations", "ragflow-sdk", "httpx", "pydantic", "orjson")


def table(rows: Iterable[Row]) -> str:
    """A Markdown table that is readable as text too."""
    lines = [("what", "next to", "figure", "goal", ""), *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    head, *body = ["| " + " | ".join(map(str.ljust, cells, widths)) + " |" for cells in lines]
    return "\n".join([head, "|" + "|".join("-" * (width + 2) for width in widths) + "|", *body]) + "\n"


def keep(rows: Sequence[Row]) -> None:
    """Write ``RESULTS.md``, and the table into the documentation."""
    RESULTS.write_text(results(rows), "utf-8")
    DOCUMENTATION.write_text(documented(rows, DOCUMENTATION.read_text("utf-8")), "utf-8")


def documented(rows: Iterable[Row], page: str) -> str:
    """The page with this table instead of the one that it has between its two marks."""
    head, mark, rest = page.partition("<!-- results -->\n")
    _, end, tail = rest.partition("<!-- end of results -->")
    return f"{head}{mark}{table(rows)}{end}{tail}"


def results(rows: Sequence[Row]) -> str:
    """The text of ``RESULTS.md``."""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        "# Results\n\n"
        f"By `python -m benchmarks` on Python {platform.python_version()} with {versions}.\n"
        "What the figures mean: [performance.md](../docs/performance.md).\n\n"
        f"{table(rows)}"
    )


def _cells(row: Row) -> Sequence[str]:
    goal = "" if row.goal is None else f"≤ {_number(row, row.goal)} {row.unit}"
    if row.figure is None:
        return row.what, row.against, "none", goal, "failed"
    scatter = f" ±{_number(row, row.figure.mad)}" if row.figure.mad else ""
    figure = f"{_number(row, row.figure.median)}{scatter} {row.unit}"
    return row.what, row.against, figure, goal, _verdict(row)


def _verdict(row: Row) -> str:
    if row.goal is None:
        return ""
    return "reached" if row.reached else "missed"


def _number(row: Row, value: float) -> str:
    return f"{value:.{DIGITS.get(row.unit, 0)}f}"
