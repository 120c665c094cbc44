"""What became of what: old id to new id, on disk, so that a transfer that was killed goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ..errors import ConfigurationError

if sys.platform != "win32":
    import fcntl

__all__ = ["IdMap", "default_place", "lock"]

_START = b'{"kind": '  # of every line


class IdMap:
    """New ids by kind and old id; every change is in the file before the next request goes out.

    The file is a journal of JSON lines: a name under which something is about to be made, then its new id. What
    was begun and has no new id may or may not be at the target: whoever goes on has to look there.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        self._file = file
        self._new: dict[tuple[str, str], str] = {}
        self._begun: dict[tuple[str, str], str] = {}

    @classmethod
    @contextmanager
    def at(cls, path: Path | None) -> Iterator[IdMap]:
        """The map kept in a file, made if missing; ``None`` keeps it in memory only."""
        if path is None:
            yield cls()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8", newline="\n") as file:
            lock(file, path)
            ids = cls(file)
            ids._load(path)
            yield ids

    def new(self, kind: str, old: str) -> str | None:
        """The id at the target, if it was made."""
        return self._new.get((kind, old))

    def begun(self, kind: str, old: str) -> str | None:
        """The name under which it may have been made, if a run was interrupted just then."""
        return self._begun.get((kind, old))

    def begin(self, kind: str, old: str, name: str) -> None:
        """It is about to be made under this name."""
        self._begun[kind, old] = name
        self._write({"kind": kind, "old": old, "name": name})

    def done(self, kind: str, old: str, new: str) -> None:
        """It was made."""
        self._new[kind, old] = new
        self._begun.pop((kind, old), None)
        self._write({"kind": kind, "old": old, "new": new})

    def forget(self, kind: str, old: str) -> None:
        """It is gone at the target, and to be made again."""
        self._new.pop((kind, old), None)
        self._begun.pop((kind, old), None)
        self._write({"kind": kind, "old": old})

    def translated(self, value: Any) -> Any:
        """``value`` with every text that is an old id replaced by the new one, at any depth."""
        if isinstance(value, dict):
            return {key: self.translated(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.translated(each) for each in value]
        return self._any_new(value) if isinstance(value, str) else value

    def _any_new(self, text: str) -> str:
        kinds = ("dataset", "document", "chat", "agent", "search", "memory")
        return next((new for kind in kinds if (new := self._new.get((kind, text)))), text)

    def _load(self, path: Path) -> None:
        assert self._file is not None
        *whole, torn = path.read_bytes().split(b"\n")
        for number, line in enumerate(whole, 1):
            try:
                self._take(json.loads(line))
            except (ValueError, TypeError, KeyError) as error:
                raise ConfigurationError(f"{path}, line {number}: this is no map of ids: {error!r}") from None
        if torn[: len(_START)] != _START[: len(torn)]:
            raise ConfigurationError(f"{path}, line {len(whole) + 1}: this is no map of ids")
        if torn:  # by a crash; what it says was not acted upon
            self._file.truncate(sum(len(line) + 1 for line in whole))

    def _take(self, entry: dict[str, str]) -> None:
        key = entry["kind"], entry["old"]
        self._new.pop(key, None)
        self._begun.pop(key, None)
        if "new" in entry:
            self._new[key] = entry["new"]
        elif "name" in entry:
            self._begun[key] = entry["name"]

    def _write(self, entry: dict[str, str]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            self._file.flush()


def lock(file: IO[Any], path: Path) -> None:
    """Two transfers at once would make everything twice. Where the system has no such locks, nothing is said."""
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(f"{path}: this transfer is running already") from None


def default_place(source: str, target: str) -> Path:
    """Where the map of a transfer between these two is kept: a folder of the user's, a name that is a digest."""
    home = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA") or "~/.local/state"
    name = hashlib.sha256(f"{source} {target}".encode()).hexdigest()[:32]
    return Path(home).expanduser() / "ragflow-integrations" / "transfers" / f"{name}.ndjson"
