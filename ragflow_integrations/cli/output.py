"""What commands print: tables and text for people, JSON for programs, progress on stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

__all__ = ["print_json", "printable", "progress", "table", "tell", "write"]

Row = Mapping[str, Any]
_WIDEST = 1000
_ROOM_FOR_IDS = 90  # columns of a terminal; names do in their place


def print_json(value: Any) -> None:
    """One JSON value on a line of its own."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def tell(text: str = "", style: str = "") -> None:
    """A line, in colour on a terminal."""
    line = printable(text).replace("\n", " ")
    console = _console(sys.stdout)
    if console is None:
        print(line, flush=True)
    else:
        console.print(line, style=style or None, markup=False, emoji=False, highlight=False, soft_wrap=True)


def write(piece: str) -> None:
    """A piece of a text that is still coming."""
    print(printable(piece), end="", flush=True)


def table(
    rows: Iterable[Row], columns: Sequence[str], *, numbers: Sequence[str] = (), wide: str = ""
) -> None:
    """Rows under headings; ``numbers`` stand to the right, ``wide`` takes what room is left."""
    cells = [[_cell(row.get(name)) for name in columns] for row in rows]
    console = _console(sys.stdout)
    if console is None:
        _plain_table(cells, columns, numbers)
    else:
        _rich_table(console, cells, columns, numbers, wide)


@contextmanager
def progress() -> Iterator[Callable[[Any], object] | None]:
    """A callback that draws a bar on stderr; ``None`` where nobody looks at it."""
    console = _console(sys.stderr)
    if console is None:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")  # what the other columns leave, in one line
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[file]}", style="dim", markup=False, table_column=rest),
    )
    with Progress(*columns, console=console, transient=True, expand=True) as bar:
        stages: dict[str, Any] = {}

        def show(state: Any) -> None:
            if state.stage not in stages:
                stages[state.stage] = bar.add_task(state.stage, total=state.total, file="")
            done = int(state.fraction * state.total)
            name = _cell(getattr(state, "name", ""))
            bar.update(stages[state.stage], total=state.total, completed=done, file=name)

        yield show


def _console(stream: Any) -> Any:
    """Rich's, for a terminal; ``None`` for files, pipes, what is closed, and where rich is not installed."""
    if not _is_terminal(stream) or os.environ.get("TERM") == "dumb":
        return None
    try:
        from rich.console import Console
    except ModuleNotFoundError:
        return None
    return Console(file=stream)


def _is_terminal(stream: Any) -> bool:
    return stream is not None and stream.isatty()


def _rich_table(
    console: Any, cells: list[list[str]], columns: Sequence[str], numbers: Sequence[str], wide: str
) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if console.width < _ROOM_FOR_IDS and columns[-1] == "id":
        columns, cells = columns[:-1], [row[:-1] for row in cells]
    drawn = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, expand=bool(wide))
    for place, name in enumerate(columns):
        whole = name in numbers or name == "id"  # of no use in parts; names are broken instead
        drawn.add_column(
            _heading(name),
            justify="right" if name in numbers else "left",
            ratio=1 if name == wide else None,
            no_wrap=whole,
            min_width=max((_width(row[place]) for row in cells), default=0) if whole else None,
            max_width=console.width // 4 if wide and not whole and name != wide else None,
            overflow="fold",
        )
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))
    console.print(drawn)


def _plain_table(cells: list[list[str]], columns: Sequence[str], numbers: Sequence[str]) -> None:
    """Columns with two spaces between them; the last one is cut to the terminal's width, if it is one."""
    lines = [[_heading(name) for name in columns], *cells]
    widths = [max(_width(line[place]) for line in lines) for place in range(len(columns))]
    most = shutil.get_terminal_size().columns if _is_terminal(sys.stdout) else _WIDEST
    for line in lines:
        padded = [
            " " * (width - _width(cell)) + cell if name in numbers else cell + " " * (width - _width(cell))
            for cell, width, name in zip(line, widths, columns, strict=True)
        ]
        print(_cut("  ".join(padded).rstrip(), most), flush=True)


def _heading(name: str) -> str:
    """``chunk_count`` is headed ``chunks``."""
    return name.replace("_count", "s").replace("_", " ")


def _width(text: str) -> int:
    """In columns of a terminal; East Asian characters take two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def _cut(text: str, columns: int) -> str:
    widths = accumulate(_width(one) for one in text)
    return "".join(one for one, width in zip(text, widths, strict=True) if width <= columns)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(f"{value:.3f}" if isinstance(value, float) else " ".join(str(value).split()))


def printable(text: str) -> str:
    """Without what could steer a terminal: names and texts come from others."""
    return "".join(one if one.isprintable() or one in "\n\t" else "�" for one in text)
