"""Which command is meant, and how it ends."""

from __future__ import annotations

import argparse
import importlib
import io
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from ..errors import RAGFlowError
from .output import printable
from .refusal import Refusal, UsageError

__all__ = ["main", "make_parser"]

FAILED, USAGE, INTERRUPTED = 1, 2, 130
_GROUPS = ("serve", "ingest", "asking", "listing", "moving", "doctor")
_EPILOG = """\
--base-url and --api-key (or RAGFLOW_BASE_URL and RAGFLOW_API_KEY) say which server; local:DIR is the local engine.
Exit codes: 0 all went well, 1 something failed, 2 wrong usage, 130 Ctrl+C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (default: the process's own); returns the exit code."""
    arguments = argparse.Namespace()
    logging.basicConfig(level=logging.WARNING)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal or pipe that cannot take every character
    try:
        make_parser().parse_args(argv, arguments)
        return int(arguments.run(arguments) or 0)
    except UsageError as error:
        return _ended(f"{error} (see ragflow-integrations {arguments.command} --help)", USAGE)
    except (Refusal, RAGFlowError) as error:
        return _ended(str(error), FAILED)
    except KeyboardInterrupt:
        return _ended("interrupted", INTERRUPTED)
    except BrokenPipeError:  # whoever reads has seen enough, e.g. head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:  # of a file or folder that was named
        return _ended(f"{error.filename}: {error.strerror}" if error.filename else str(error), FAILED)


def make_parser() -> argparse.ArgumentParser:
    """The parser with every command; nothing of what they need is loaded."""
    parser = argparse.ArgumentParser(
        prog="ragflow-integrations",
        description="RAGFlow on the command line, with a server or with the local engine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in _GROUPS:
        importlib.import_module(f".{group}", __package__).add_to(commands)
    return parser


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(f"ragflow-integrations {version('ragflow-integrations')}")
        parser.exit()


def _ended(text: str, code: int) -> int:
    line = " ".join(text.split())
    print(f"ragflow-integrations: {printable(line)}", file=sys.stderr)
    return code
