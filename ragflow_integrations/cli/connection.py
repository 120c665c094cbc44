"""Which server, and the arguments that all commands have in common."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .refusal import Refusal

if TYPE_CHECKING:
    from .. import Chat, DataSet, RAGFlow

__all__ = ["add_command", "chat_of", "client_at", "connect", "dataset_of", "number"]

_LOCAL = "local:"
_ID = re.compile("[0-9a-f]{32}")


def add_command(
    commands: Any, name: str, run: Any, help: str, *, json: bool = True
) -> argparse.ArgumentParser:
    """A command with ``--base-url``, ``--api-key`` and ``--json``."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help, description=f"{help[0].upper()}{help[1:]}.", allow_abbrev=False
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--base-url",
        metavar="URL",
        help="http(s)://host[:port], or local:DIR for the local engine (default: RAGFLOW_BASE_URL)",
    )
    parser.add_argument("--api-key", metavar="KEY", help="of a server (default, and better: RAGFLOW_API_KEY)")
    if json:
        parser.add_argument(
            "--json", action="store_true", help="for programs: JSON, one object or one a line"
        )
    return parser


def connect(arguments: argparse.Namespace, *, make: bool = False) -> RAGFlow:
    """The client that the arguments mean; unless ``make``, a local knowledge base has to be there already."""
    return client_at(arguments.base_url, arguments.api_key, make=make)


def client_at(base_url: str | None, api_key: str | None, *, make: bool = False) -> RAGFlow:
    """A client for this address and key; where they are ``None``, those of the environment."""
    from .. import RAGFlow

    client = RAGFlow(api_key, base_url)
    if client.base_url.startswith(_LOCAL) and not make:
        folder = Path(client.base_url.removeprefix(_LOCAL)).expanduser()
        if not (folder / "knowledge.db").exists():
            raise Refusal(f"there is no knowledge base in {folder}; ragflow-integrations ingest makes one")
    return client


def dataset_of(client: RAGFlow, name: str) -> DataSet:
    """The dataset of this name or, where none is called so, of this id."""
    from .. import NotFoundError

    try:
        return client.get_dataset(name=name)
    except NotFoundError:
        if _ID.fullmatch(name):
            return client.get_dataset(name)
        raise Refusal(f"there is no dataset {name!r}; ragflow-integrations datasets lists them") from None


def chat_of(client: RAGFlow, name: str) -> Chat:
    """The chat assistant of this name or, where none is called so, of this id."""
    from .. import NotFoundError

    try:
        return client.get_chat(name=name)
    except NotFoundError:
        if _ID.fullmatch(name):
            return client.get_chat(name)
        raise Refusal(f"there is no chat {name!r}; ragflow-integrations chats lists them") from None


def number(least: float, most: float, kind: type = float) -> Any:
    """A type of argument: a number from ``least`` to ``most``."""

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r}: give a number from {least:g} to {most:g}")
        return value

    return read
