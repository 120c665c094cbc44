"""Items, as one tenant sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from .. import datasets, items
from ..store import Row
from .part import Part

__all__ = ["ItemCalls"]


class ItemCalls(Part):
    """The calls about items."""

    def item_operations(self, dataset_id: str, operations: Sequence[Row]) -> list[Any]:
        """What each operation finds: an item or None, a list, for those that write None.

        Each is ``{"op": "get", "namespace", "key"}``, ``{"op": "put", "namespace", "key", "value"}`` (None deletes),
        ``{"op": "list", "prefix", "limit", "offset"}`` or ``{"op": "namespaces", "prefix"}``. All are done or none,
        those that read first. ``Missing`` if there is no such dataset.
        """
        writing = [each for each in operations if each["op"] == "put"]
        store = self._shared.store
        with store.write() if writing else store.read() as db:
            datasets.check_owner(db, self.tenant_id, [dataset_id])
            found = [_found(db, dataset_id, each) for each in operations]
            for each in writing:
                _write(db, dataset_id, each)
        return found


def _found(db: apsw.Connection, dataset_id: str, wanted: Row) -> Any:
    match wanted:
        case {"op": "get", "namespace": namespace, "key": key}:
            return items.get(db, dataset_id, namespace, key)
        case {"op": "list", "prefix": prefix, "limit": limit, "offset": offset}:
            return items.listed(db, dataset_id, prefix, limit, offset)
        case {"op": "namespaces", "prefix": prefix}:
            return items.namespaces(db, dataset_id, prefix)
    return None


def _write(db: apsw.Connection, dataset_id: str, wanted: Row) -> None:
    namespace, key, value = wanted["namespace"], wanted["key"], wanted["value"]
    if value is None:
        items.delete(db, dataset_id, namespace, key)
    else:
        items.put(db, dataset_id, namespace, key, value)
