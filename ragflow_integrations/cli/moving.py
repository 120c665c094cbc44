"""``export``, ``import``, ``push`` and ``pull``: whole knowledge bases."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from .connection import add_command, client_at, connect, dataset_of
from .output import print_json, progress, tell
from .refusal import Refusal

if TYPE_CHECKING:
    from .. import RAGFlow
    from ..transfer import TransferReport

__all__ = ["add_to"]

_OTHER_KEY = "RAGFLOW_OTHER_API_KEY"
_WHERE = "local:DIR, or a server's URL, whose key is in " + _OTHER_KEY


def add_to(commands: Any) -> None:
    """``export``, ``import``, ``push``, ``pull``."""
    export = add_command(
        commands, "export", _export, "write everything to an archive: NDJSON and the original files"
    )
    export.add_argument("archive", metavar="PATH", help="a new folder or, if it ends in .zip, a new file")
    _add_datasets(export)
    import_ = add_command(commands, "import", _import, "make what an archive holds anew")
    import_.add_argument("archive", metavar="PATH", help="what export has written")
    _add_ids(import_)
    push = add_command(
        commands, "push", _push, "make everything from elsewhere anew on the server of --base-url"
    )
    push.add_argument("source", metavar="FROM", help=_WHERE)
    _add_datasets(push)
    _add_ids(push)
    pull = add_command(
        commands, "pull", _pull, "make everything from the server of --base-url anew elsewhere"
    )
    pull.add_argument("target", metavar="TO", help=_WHERE)
    _add_datasets(pull)
    _add_ids(pull)


def _add_datasets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dataset",
        action="append",
        metavar="NAME",
        help="only this dataset, by name or id (may be repeated)",
    )


def _add_ids(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ids", metavar="FILE", help="where to keep what was made already (default: in your state folder)"
    )


def _export(arguments: argparse.Namespace) -> int:
    from ..transfer import export

    with connect(arguments) as client, progress() as report:
        chosen = _chosen(client, arguments)
        done = export(client, arguments.archive, dataset_ids=chosen, progress=report)
    return _show(arguments, done)


def _import(arguments: argparse.Namespace) -> int:
    from ..transfer import import_

    with connect(arguments, make=True) as client, progress() as report:
        done = import_(client, arguments.archive, ids=arguments.ids, progress=report)
    return _show(arguments, done)


def _push(arguments: argparse.Namespace) -> int:
    with _other(arguments.source) as source, connect(arguments, make=True) as target:
        return _copied(arguments, source, target)


def _pull(arguments: argparse.Namespace) -> int:
    with connect(arguments) as source, _other(arguments.target, make=True) as target:
        return _copied(arguments, source, target)


def _copied(arguments: argparse.Namespace, source: RAGFlow, target: RAGFlow) -> int:
    from ..transfer import push

    with progress() as report:
        done = push(
            source, target, dataset_ids=_chosen(source, arguments), ids=arguments.ids, progress=report
        )
    return _show(arguments, done)


def _other(place: str, *, make: bool = False) -> RAGFlow:
    """Its key is never the first server's: that would be sent to another one."""
    key = os.environ.get(_OTHER_KEY, "")
    if place.startswith("http") and not key:
        raise Refusal(f"set {_OTHER_KEY} to the API key of {place}")
    return client_at(place, key, make=make)


def _chosen(client: RAGFlow, arguments: argparse.Namespace) -> list[str] | None:
    return [dataset_of(client, name).id for name in arguments.dataset] if arguments.dataset else None


def _show(arguments: argparse.Namespace, done: TransferReport) -> int:
    counts = {name: dict(getattr(done, name)) for name in ("done", "kept", "left", "failed")}
    if arguments.json:
        print_json({**counts, "notes": done.notes})
        return 0 if done.complete else 1
    for note in done.notes:
        tell(f"! {note}", "yellow")
    told = {"done": "carried over", "kept": "there already", "left": "not to be carried", "failed": "failed"}
    for name, counted in counts.items():
        if counted or name == "done":
            listed = ", ".join(_amount(kind, count) for kind, count in counted.items())
            tell(f"{told[name]}: {listed or 'nothing'}", "bold red" if name == "failed" else "")
    return 0 if done.complete else 1


def _amount(kind: str, count: int) -> str:
    """In words; 0 is a number that nobody knows."""
    name = kind.replace("_", " ")
    if count != 1:
        name = f"{name[:-1]}ies" if name.endswith("y") else f"{name}{'e' * name.endswith('ch')}s"
    return f"{count or 'some'} {name}"
