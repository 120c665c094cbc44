"""Writes the help of every command into docs/cli.md, below the command's heading.

python tools/commands.py           write it
python tools/commands.py --check   change nothing; exit 1 if it is not what the commands say
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import textwrap
from pathlib import Path

from ragflow_integrations.cli.main import make_parser

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
HELP = re.compile(
    r"(?<=^```text help\n)usage: ragflow-integrations (?P<name>\w+) .*?(?=^```$)", re.MULTILINE | re.DOTALL
)


def page() -> str:
    """The page with the help that the commands have now."""
    helps = _helps()
    text = PAGE.read_text("utf-8")
    if missing := set(helps) - {match["name"] for match in HELP.finditer(text)}:
        raise SystemExit(f"{PAGE.name} says nothing of {', '.join(sorted(missing))}")
    return HELP.sub(lambda match: helps[match["name"]], text)


def _helps() -> dict[str, str]:
    parser = make_parser()
    [commands] = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: _help(command) for name, command in commands.choices.items()}


def _help(command: argparse.ArgumentParser) -> str:
    """With the usage wrapped here: versions of Python wrap it differently."""
    os.environ["COLUMNS"] = "100"
    _, _, rest = command.format_help().partition("\n\n")
    os.environ["COLUMNS"] = "1000"
    usage = textwrap.fill(command.format_usage(), 100, subsequent_indent="    ", break_on_hyphens=False)
    return f"{usage}\n\n{rest}"


def main() -> int:
    """Write or check the page."""
    if "--check" in sys.argv[1:]:
        return int(PAGE.read_text("utf-8") != page())
    PAGE.write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
