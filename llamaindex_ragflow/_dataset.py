"""The one dataset that a vector store or an index is about."""

from __future__ import annotations

from typing import Any

from ragflow_integrations import DataSet, NotFoundError
from ragflow_integrations.adapting import Flow, ask, dataset

from ._client import Connection

__all__ = ["OneDataset"]


class OneDataset:
    """A dataset by its id, or by its name, which is looked up once; ``settings`` are those of one that is made."""

    def __init__(self, connection: Connection, id: str | None, name: str | None, **settings: Any) -> None:
        self._connection = connection
        self._id, self._name = id, name
        self._known: str | None = None
        self._settings = settings

    def found(self) -> Flow[DataSet]:
        """It is there, or ``NotFoundError``."""
        known = self._id or (None if self._connection.scope_varies else self._known)
        if known is not None:
            return (yield from dataset(known))
        found = yield from ask(lambda client: client.get_dataset(name=self._name))
        self._known = found.id
        return found

    def found_or_made(self) -> Flow[DataSet]:
        """It is there, or is made under its name."""
        try:
            return (yield from self.found())
        except NotFoundError:
            name = self._name
            if name is None or self._known is not None:  # it was there: whoever deleted it wants it gone
                raise
            return (yield from ask(lambda client: client.create_dataset(name, **self._settings)))
