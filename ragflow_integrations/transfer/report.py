"""What a transfer tells: how far it is, and what it did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["SyncReport", "TransferProgress", "TransferReport"]


@dataclass(frozen=True, slots=True)
class TransferProgress:
    """How many of ``total`` documents are through; ``name`` is the one that came last."""

    stage: str
    finished: int
    total: int
    name: str

    @property
    def fraction(self) -> float:
        """The part that is done, 0 to 1."""
        return min(self.finished / self.total, 1.0) if self.total else 1.0


@dataclass(slots=True)
class TransferReport:
    """What was carried over, counted by kind (``dataset``, ``document`` …).

    ``done`` in this run, ``kept`` from an earlier one; ``left`` cannot be made anew through the API (conversations,
    files outside of datasets, on a RAGFlow server items); ``failed`` should have been. ``notes`` has a sentence for
    each failure, and for what is not as it was.
    """

    done: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether everything that can be carried is there."""
        return not self.failed

    def leave(self, what: str, name: str, count: int, reason: str) -> None:
        """Note what is not carried; ``count`` is 0 if nobody knows how many there are."""
        self.left[what] += count
        self.notes.append(f"{what} {name!r}: {reason}")


@dataclass(slots=True)
class SyncReport:
    """What ``sync_folder`` did, by the files' paths from the folder.

    ``failed`` is ``[(path, reason)]``: not read, not taken by the server, or not parsed; an earlier version of such a
    file is still there.
    """

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every file is in the dataset, parsed."""
        return not self.failed
