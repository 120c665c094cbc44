"""The local engine: everything a RAGFlow server keeps and computes, in one folder, without HTTP.

Plain synchronous code that any number of threads may call. Its calls are those of ``tenant``: the engine
itself is the first tenant, the folder's owner; further keys have tenants of their own.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Self

from . import keys
from .conversation import Delta, Final
from .jobs import Parser
from .matrix import Matrices
from .memory.extract import Extractor
from .models import Choice, Models
from .problems import Refused
from .search import Retrieval, Retrieved
from .store import MEMORY, Store
from .tenant import Shared, Tenant

__all__ = ["Delta", "Engine", "Final", "Retrieval", "Retrieved", "Tenant", "open_engine"]


class Engine(Tenant):
    """A knowledge base in the folder ``path`` (made if missing), or in memory with ``":memory:"``.

    It works with the models of ``choice``. Raises ``Refused`` if the folder holds a ``knowledge.db`` that is not
    ours or is newer than this version.
    Most callers want ``open_engine``, which gives all users of a folder in this process the same engine.
    """

    def __init__(self, path: str | Path, choice: Choice | None = None) -> None:
        store = Store(path)
        try:
            models = Models(choice, store.folder)
        except BaseException:
            store.close()
            raise
        parser = Parser(store, models)
        extractor = Extractor(store, models)
        with store.write() as db:
            owner = keys.owner(db)
        super().__init__(Shared(store, models, Matrices(), parser, extractor), owner)
        self._key: str | None = None
        self._users = 1
        parser.wake()
        extractor.wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the engine up; the last user's call stops parsing (the queue is kept) and closes the file."""
        with _opening:
            self._users -= 1
            if self._users > 0:
                return
            for folder in [folder for folder, engine in _open.items() if engine is self]:
                del _open[folder]
            self._shared.parser.close()
            self._shared.extractor.close()
            self._shared.models.close()
            self._shared.store.close()

    def api_key(self, key: str | None = None) -> str:
        """The owner's key: ``key`` from now on, or else the one kept in the folder (made if missing).

        The file ``api_key`` is readable by its owner only; an engine in memory forgets its key.
        """
        folder = self._shared.store.folder
        if folder is None:
            self._key = key or self._key or keys.new()
            return self._key
        file = folder / "api_key"
        kept = keys.read(file)
        if not kept or (key and key != kept):
            with self._shared.store.write():  # of several processes that open a new folder, one makes the key
                keys.write(file, key or keys.read(file) or keys.new())
        self._key = key or keys.read(file)
        return self._key

    def add_tenant(self, key: str) -> Tenant:
        """The tenant of a further key, made if the key is new; which has data of its own."""
        with self._shared.store.write() as db:
            return Tenant(self._shared, keys.tenant_for(db, key))

    def tenant(self, tenant_id: str) -> Tenant:
        """The calls on behalf of a tenant that is known."""
        return self if tenant_id == self.tenant_id else Tenant(self._shared, tenant_id)

    def tenant_with(self, key: str) -> Tenant | None:
        """Whose key this is; None if it is nobody's. Compared in constant time."""
        if keys.same(key, self._own_key()):
            return self
        with self._shared.store.read() as db:
            found = keys.tenant_of(db, key)
        return None if found is None else self.tenant(found)

    def tenant_embedding(self, key: str) -> Tenant | None:
        """Whose embed key ("beta") this is; None if it is nobody's."""
        with self._shared.store.read() as db:
            found = keys.tenant_of(db, key, column="beta")
        return None if found is None else self.tenant(found)

    def _own_key(self) -> str:
        return self._key or self.api_key()

    def _join(self, choice: Choice) -> None:
        other = choice.differs(self._shared.models.choice)
        if other is not None:
            raise Refused(
                f"this folder is open in this process with another {other}=; give the same, none, or close it first"
            )
        self._users += 1


def open_engine(path: str | Path, choice: Choice | None = None) -> Engine:
    """The engine of a folder, shared by all who open it in this process; each calls ``close()`` once.

    ``":memory:"`` makes a new one each time. ``Refused`` if the folder is open with another ``choice`` of models;
    what that leaves open is as the first one chose it.
    """
    choice = choice or Choice()
    if str(path) == MEMORY:
        return Engine(MEMORY, choice)
    folder = Path(path).expanduser().resolve()
    with _opening:
        engine = _open.get(folder)
        if engine is None:
            engine = _open[folder] = Engine(folder, choice)
        else:
            engine._join(choice)
        return engine


_opening = threading.RLock()
_open: dict[Path, Engine] = {}


def _forget_after_fork() -> None:
    global _opening
    _opening = threading.RLock()
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
