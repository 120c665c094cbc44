"""``datasets``, ``documents`` and ``chats``: what there is."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from .connection import add_command, connect, dataset_of
from .output import print_json, table, tell

__all__ = ["add_to"]

_DATASET = ("name", "document_count", "chunk_count", "embedding_model", "id")
_DOCUMENT = ("name", "run", "chunk_count", "token_count", "size", "progress_msg", "id")
_CHAT = ("name", "dataset_ids", "llm_id", "id")


def add_to(commands: Any) -> None:
    """``datasets``, ``documents``, ``chats``."""
    add_command(commands, "datasets", _datasets, "list the datasets")
    documents = add_command(
        commands, "documents", _documents, "list a dataset's documents and how their parsing went"
    )
    documents.add_argument("--dataset", required=True, metavar="NAME", help="name or id of the dataset")
    add_command(commands, "chats", _chats, "list the chat assistants")


def _datasets(arguments: argparse.Namespace) -> int:
    with connect(arguments) as client:
        return _listed(arguments, client.iter_datasets(), _DATASET)


def _documents(arguments: argparse.Namespace) -> int:
    with connect(arguments) as client:
        return _listed(arguments, dataset_of(client, arguments.dataset).iter_documents(), _DOCUMENT)


def _chats(arguments: argparse.Namespace) -> int:
    with connect(arguments) as client:
        return _listed(arguments, client.iter_chats(), _CHAT)


def _listed(arguments: argparse.Namespace, found: Iterable[Any], names: Sequence[str]) -> int:
    """One JSON object a line, while they come; or a table."""
    rows = ({name: getattr(each, name) for name in names} for each in found)
    if arguments.json:
        for row in rows:
            print_json(row)
        return 0
    shown = [{name: _shown(name, value) for name, value in row.items()} for row in rows]
    if not shown:
        tell("there are none")
        return 0
    columns = [name for name in names if name != "progress_msg"]
    table(shown, columns, numbers=[name for name in columns if name.endswith("_count") or name == "size"])
    for row in shown:
        if row.get("run") == "FAIL":
            tell(f"! {row['name']}: {_reason(row['progress_msg'])}", "bold red")
    return 0


def _reason(progress_msg: str | None) -> str:
    """The last line of the server's report, which says why."""
    return (progress_msg or "").strip().rpartition("\n")[2].rpartition("[ERROR]")[2] or "no reason is told"


def _shown(name: str, value: Any) -> Any:
    return len(value) if name == "dataset_ids" else value
