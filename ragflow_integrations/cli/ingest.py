"""``ingest``: files into a dataset."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .connection import add_command, connect, dataset_of
from .output import print_json, progress, tell
from .refusal import Refusal, UsageError

if TYPE_CHECKING:
    from .. import DataSet, RAGFlow
    from ..transfer import SyncReport

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """``ingest``."""
    parser = add_command(
        commands, "ingest", _ingest, "bring files, or a folder with all changes to it, into a dataset"
    )
    parser.add_argument("source", nargs="+", metavar="FOLDER|FILE", help="one folder, or files")
    parser.add_argument(
        "--dataset", required=True, metavar="NAME", help="name or id; made if there is none of this name"
    )
    parser.add_argument(
        "--keep-removed", action="store_true", help="leave what is gone from the folder in the dataset"
    )
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="PATTERN",
        help="leave out files and folders of this name, e.g. '*.log' (may be repeated)",
    )
    parser.add_argument(
        "--label",
        metavar="TEXT",
        help="which folder it is, if it lies elsewhere on another machine (default: by its path)",
    )


def _ingest(arguments: argparse.Namespace) -> int:
    from ..transfer import sync_files, sync_folder

    if not all(arguments.source):
        raise UsageError("the name of a folder or file is empty")
    sources = [Path(each).expanduser() for each in arguments.source]
    folders = [each for each in sources if each.is_dir()]
    if folders and len(sources) > 1:
        raise UsageError("give one folder, or files")
    if not folders and (arguments.exclude or arguments.keep_removed):
        raise UsageError("--exclude and --keep-removed are for a folder")
    for each in sources:
        if not each.exists():
            raise Refusal(f"{each}: there is no such file or folder")
    with connect(arguments, make=True) as client, progress() as report:
        dataset = _found_or_made(client, arguments.dataset)
        named = {"label": arguments.label} if arguments.label else {}
        if folders:
            done = sync_folder(
                dataset,
                folders[0],
                exclude=arguments.exclude,
                remove=not arguments.keep_removed,
                progress=report,
                **named,
            )
        else:
            done = sync_files(dataset, sources, progress=report, **named)
    _show(arguments, dataset, done)
    return 0 if done.complete else 1


def _found_or_made(client: RAGFlow, name: str) -> DataSet:
    """An id that nothing has is no name, but a mistake."""
    try:
        return dataset_of(client, name)
    except Refusal:
        return client.create_dataset(name)


def _show(arguments: argparse.Namespace, dataset: DataSet, done: SyncReport) -> None:
    if arguments.json:
        failed = [{"name": name, "reason": reason} for name, reason in done.failed]
        lists = {name: getattr(done, name) for name in ("added", "changed", "removed", "unchanged")}
        print_json({"dataset_id": dataset.id, "dataset": dataset.name, **lists, "failed": failed})
        return
    for sign, names, style in (
        ("+", done.added, "green"),
        ("~", done.changed, "yellow"),
        ("-", done.removed, "red"),
    ):
        for name in names:
            tell(f"{sign} {name}", style)
    for name, why in done.failed:
        tell(f"! {name}: {why}", "bold red")
    tell(
        f"{dataset.name}: {len(done.added)} added, {len(done.changed)} changed, {len(done.removed)} removed, "
        f"{len(done.unchanged)} unchanged, {len(done.failed)} failed"
    )
