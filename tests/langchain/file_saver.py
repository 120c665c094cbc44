"""A checkpointer that keeps its checkpoints in a file, so that another process can go on where one was killed."""

from __future__ import annotations

import ast
import os
import threading
from pathlib import Path
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver


class FileSaver(InMemorySaver):
    """LangGraph's saver in memory, whose serialised checkpoints are written out after each change."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._turn = threading.Lock()
        if path.exists():
            threads, writes, blobs = ast.literal_eval(path.read_text("utf-8"))
            for thread, namespaces in threads.items():
                self.storage[thread].update(namespaces)
            self.writes.update(writes)
            self.blobs.update(blobs)

    def put(self, *args: Any, **options: Any) -> Any:
        with self._turn:
            saved = super().put(*args, **options)
            self._write()
        return saved

    def put_writes(self, *args: Any, **options: Any) -> None:
        with self._turn:
            super().put_writes(*args, **options)
            self._write()

    def _write(self) -> None:
        threads = {thread: dict(namespaces) for thread, namespaces in self.storage.items()}
        new = self._path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            file.write(repr((threads, dict(self.writes), dict(self.blobs))))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
