"""``serve``: RAGFlow's HTTP API from a folder."""

from __future__ import annotations

import argparse
import errno
import ipaddress
import os
import sys
from pathlib import Path
from typing import Any

from .refusal import Refusal

__all__ = ["add_to"]

_EXTRA = "the local engine is not installed: pip install ragflow-integrations[local]"


def add_to(commands: Any) -> None:
    """``serve``."""
    serve = commands.add_parser(
        "serve",
        help="answer RAGFlow's HTTP API from a folder, without Docker",
        description="Answer RAGFlow's HTTP API from a folder, without Docker.",
        allow_abbrev=False,
    )
    serve.set_defaults(run=_serve)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument(
        "--port", type=_port, default=9380, help="port, 0 for a free one (default: %(default)s)"
    )
    serve.add_argument(
        "--data-dir",
        type=Path,
        default=Path("ragflow-data"),
        metavar="DIR",
        help="folder (default: ./%(default)s)",
    )
    serve.add_argument(
        "--api-key",
        metavar="KEY",
        help="key callers must send (default: RAGFLOW_API_KEY, else the kept one, else a new one)",
    )
    serve.add_argument(
        "--api-version",
        choices=("0.27", "0.24"),
        default="0.27",
        help="answer as this version of RAGFlow (default: %(default)s)",
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give 0 to 65535")
    return int(text)


def _serve(arguments: argparse.Namespace) -> None:
    try:
        from ..local.engine import open_engine
        from ..local.problems import Problem
        from ..local.serve import serve
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("ragflow_integrations"):
            raise
        raise Refusal(f"{_EXTRA} ({error.name} is missing)") from None
    folder: Path = arguments.data_dir.expanduser()
    key_file = folder / "api_key"
    key = _given_key(arguments.api_key)
    try:
        is_new = key is None and not key_file.exists()
        if not _is_loopback(arguments.host):
            _check_exposed(arguments.host, is_new)
        with open_engine(folder) as engine:

            def ready(url: str) -> None:
                accepted = engine.api_key(key)  # takes the kept one's place only when the port is ours
                told = f"API key: {accepted} (kept in {key_file})" if is_new else _where(key, key_file)
                _announce(url, folder, told)

            serve(engine, arguments.host, arguments.port, api_version=arguments.api_version, on_ready=ready)
    except Problem as problem:
        raise Refusal(str(problem)) from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Refusal(f"{arguments.host}:{arguments.port} is in use: choose another --port") from None
        raise Refusal(f"cannot serve {folder} on {arguments.host}:{arguments.port}: {error}") from None


def _given_key(argument: str | None) -> str | None:
    key = (argument if argument is not None else os.environ.get("RAGFLOW_API_KEY", "")).strip()
    if argument is not None and not key:
        raise Refusal("--api-key is empty; leave it out to have a key made")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise Refusal("--api-key: give the key alone, in ASCII, without 'Bearer', spaces or line breaks")
    return key or None


def _where(key: str | None, key_file: Path) -> str:
    return f"API key: as in {key_file}" if key is None else "API key: the one given"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_exposed(host: str, is_new: bool) -> None:
    if is_new:
        raise Refusal(f"--host {host} can be reached from other machines: choose a key with --api-key first")
    print(
        f"warning: {host} can be reached from other machines, without encryption; whoever has the key can read, "
        "change and delete everything",
        file=sys.stderr,
        flush=True,
    )


def _announce(url: str, data_dir: Path, key: str) -> None:
    print(
        f"RAGFlow API of the local engine: {url}\ndata: {data_dir.resolve()}\n{key}\nstop with Ctrl+C",
        flush=True,
    )
