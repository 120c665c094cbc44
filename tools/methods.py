"""Writes docs/methods.md: every method by client, server version and local engine, from the code itself.

python tools/methods.py           write it
python tools/methods.py --check   change nothing; exit 1 if it is not what the code says
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import ragflow_integrations as package
from ragflow_integrations.local.server.app import served
from ragflow_integrations.protocol.versions import COMPOSED, OPERATIONS, Route, Version

PAGE = Path(__file__).resolve().parent.parent / "docs" / "methods.md"
COLUMNS = {"v0.24": Version(0, 24), "v0.26.1": Version(0, 26, 1), "v0.27": Version(0, 27)}
HEAD = """# Methods

<!-- Written by tools/methods.py from the code; change that. -->

Every method that speaks to a server, in both clients, by server version, and whether the local engine has it.
A number is the version that a call came with; `UnsupportedError` names it on an older server. The routes are
those of v0.27 and, where they differ, of v0.24 in parentheses.
"""


def page() -> str:
    """The whole page."""
    lines = [HEAD]
    classes = dict.fromkeys(name.partition(".")[0] for name in [*OPERATIONS, *COMPOSED])
    for owner in classes:
        lines += [f"## {owner}\n", *_table(owner), ""]
    return "\n".join(lines)


def _table(owner: str) -> Iterator[str]:
    yield f"| method | sync | async | {' | '.join(COLUMNS)} | local engine | route |"
    yield f"|---|---|---|{'---|' * len(COLUMNS)}---|---|"
    for name in [*OPERATIONS, *COMPOSED]:
        if name.startswith(f"{owner}."):
            yield _row(name)


def _row(name: str) -> str:
    owner, _, method = name.partition(".")
    parts = COMPOSED.get(name, (name,))
    cells = [
        f"`{method}`",
        _has(owner, method),
        _has(f"Async{owner}", method),
        *(_since(parts, version) for version in COLUMNS.values()),
        "yes" if all(_local(part) for part in parts) else "–",
        _routes(name) if name in OPERATIONS else ", ".join(f"`{part.partition('.')[2]}`" for part in parts),
    ]
    return f"| {' | '.join(cells)} |"


def _has(owner: str, method: str) -> str:
    found = inspect.getattr_static(getattr(package, owner), method, None)
    if found is None:
        raise SystemExit(f"{owner}.{method} is in protocol/versions.py but is no method")
    return "yes"


def _since(parts: tuple[str, ...], version: Version) -> str:
    if any(_newest(part).only_local for part in parts):
        return "–"
    needed = max(min(route.since for route in OPERATIONS[part]) for part in parts)
    return "yes" if needed <= version else f"{needed}+"


def _local(operation: str) -> bool:
    newest = _newest(operation)
    shape = re.compile(r"\{\w+\}")
    return (newest.method, shape.sub("{}", newest.path)) in {
        (method, shape.sub("{}", path)) for method, path in served()
    }


def _newest(operation: str) -> Route:
    return OPERATIONS[operation][0]


def _routes(operation: str) -> str:
    newest, *older = OPERATIONS[operation]
    text = f"`{newest.method} {newest.path}`"
    return f"{text} (`{older[-1].method} {older[-1].path}`)" if older else text


def main() -> int:
    """Writes or checks; what was done is the exit code."""
    parser = argparse.ArgumentParser(description="Write docs/methods.md from the code.")
    parser.add_argument("--check", action="store_true", help="change nothing, fail if it is stale")
    written = page()
    if not parser.parse_args().check:
        PAGE.write_text(written, "utf-8")
        return 0
    if not PAGE.exists() or PAGE.read_text("utf-8") != written:
        print(f"{PAGE} is not what the code says; run: python tools/methods.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
