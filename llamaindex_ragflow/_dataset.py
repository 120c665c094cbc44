"""The one dataset that a vector store or an index is about."""

from __future__ import annotations

from typing import Any

from ragflow_integrations import DataSet
from ragflow_integrations.adapting import Flow, one_dataset, one_dataset_or_made

from ._client import Connection

__all__ = ["OneDataset"]


class OneDataset:
    """A dataset by its id, or by its name, which is looked up once; ``settings`` are those of one that is made."""

    def __init__(self, connection: Connection, id: str | None, name: str | None, **settings: Any) -> None:
        self._connection = connection
        self._id, self._name = id, name
        self._ids: dict[str, str] = {}
        self._settings = settings

    def found(self) -> Flow[DataSet]:
        """It is there, or ``NotFoundError``."""
        return (yield from one_dataset(self._id, self._name, self._known()))

    def found_or_made(self) -> Flow[DataSet]:
        """It is there, or is made under its name."""
        return (yield from one_dataset_or_made(self._id, self._name, self._known(), **self._settings))

    def _known(self) -> dict[str, str]:
        """Where the scope is a function, a name may mean another dataset to another user."""
        return {} if self._connection.scope_varies else self._ids
