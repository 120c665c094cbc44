"""From an archive or a server to a server: everything made anew through the public API, new ids for old."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..progress import reporting
from .archive import Archive
from .arrival import Arrival
from .ids import IdMap, default_place
from .origin import Origin, Server
from .records import DocumentRecord
from .report import TransferProgress, TransferReport

if TYPE_CHECKING:
    from .. import RAGFlow

__all__ = ["import_", "pull", "push"]

Progress = Callable[[TransferProgress], object] | bool | None


def import_(
    client: RAGFlow, path: str | Path, *, ids: str | Path | None = None, progress: Progress = None
) -> TransferReport:
    """Make what an archive of ``export`` holds anew: datasets, documents, chunks, items, chats, agents, searches,
    memories.

    Nothing that is there is changed: a name that is taken gets a number. A document is uploaded and parsed; where its
    chunks are not those that parsing gives, they are made as they were. Conversations cannot be made anew through
    the API and stay in the archive. What the target refuses (a model it does not have, a file type) is left to its
    own default or out, and told in ``notes``.

    ``ids`` is the file that keeps the map from old to new ids (default: one per archive and target in the user's state
    folder, ``~/.local/state/ragflow-integrations``). With it, broken off and run again it goes on where it stopped,
    and makes nothing twice. ``progress`` is told ``TransferProgress``; ``True`` shows a bar. Raises
    ``InvalidRequestError`` for an archive that is none or was tampered with, naming the place.
    """
    with Archive(path) as archive:
        return _moved(archive, archive.id, client, ids, "importing", progress)


def push(
    source: RAGFlow,
    target: RAGFlow,
    *,
    dataset_ids: Sequence[str] | None = None,
    ids: str | Path | None = None,
    progress: Progress = None,
) -> TransferReport:
    """Make what is at ``source`` anew at ``target``, e.g. a local knowledge base on a server.

    Run again it brings what was added since; what was changed since is not looked at. ``dataset_ids`` takes these
    datasets only. Otherwise as ``import_``.
    """
    origin = Server(source, dataset_ids)
    return _moved(origin, source.fingerprint, target, ids, "copying", progress)


def pull(
    target: RAGFlow,
    source: RAGFlow,
    *,
    dataset_ids: Sequence[str] | None = None,
    ids: str | Path | None = None,
    progress: Progress = None,
) -> TransferReport:
    """``push`` from where it arrives: make what is at ``source`` anew at ``target``."""
    return push(source, target, dataset_ids=dataset_ids, ids=ids, progress=progress)


def _moved(
    origin: Origin, source: str, target: RAGFlow, ids: str | Path | None, stage: str, progress: Progress
) -> TransferReport:
    target.list_datasets(page_size=1)  # a wrong address or key is an error, not one note per object
    place = _place_of(ids, source, target)
    with IdMap.at(place) as known, reporting(progress) as report:
        arrival = Arrival(target, known, origin.picture)
        taken = 0
        for carried in origin.records(arrival.has):
            arrival.take(carried)
            if isinstance(carried.record, DocumentRecord):
                taken += 1
                if report is not None:
                    count = taken + arrival.report.kept["document"]
                    report(TransferProgress(stage, count, origin.total, carried.record.name))
        arrival.finish()
        return arrival.report


def _place_of(ids: str | Path | None, source: str, target: RAGFlow) -> Path | None:
    """An engine in memory is gone with the process, so that nothing can go on with it."""
    if ids is not None:
        return Path(ids).expanduser()
    return None if target.base_url == ":memory:" else default_place(source, target.fingerprint)
