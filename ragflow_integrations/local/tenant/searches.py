"""Search applications, as one tenant sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from .. import searches
from ..store import Row
from .part import Part, or_none

__all__ = ["SearchCalls"]


class SearchCalls(Part):
    """The calls about search applications."""

    def create_search(self, fields: Mapping[str, Any]) -> Row:
        """A new search (``name``; optionally ``description avatar search_config``); a taken name gets a number."""
        with self._shared.store.write() as db:
            return searches.create(db, self.tenant_id, fields)

    def list_searches(self, **filters: Unpack[searches.Filters]) -> tuple[list[Row], int]:
        """One page of searches and how many fit: ``page page_size orderby desc``, optionally ``keywords``."""
        with self._shared.store.read() as db:
            return searches.listed(db, self.tenant_id, **filters)

    def get_search(self, search_id: str) -> Row | None:
        """One search, or None."""
        with self._shared.store.read() as db:
            return or_none(searches.get, db, self.tenant_id, search_id)

    def update_search(self, search_id: str, fields: Mapping[str, Any]) -> Row:
        """Change a search (``name`` and ``search_config``, which is merged); ``Refused`` if the name is taken."""
        with self._shared.store.write() as db:
            return searches.update(db, self.tenant_id, search_id, fields)

    def delete_search(self, search_id: str) -> None:
        """Delete a search; ``Missing`` if there is none with this id."""
        with self._shared.store.write() as db:
            searches.delete(db, self.tenant_id, search_id)
