"""A tenant's API keys, as it sees them itself."""

from __future__ import annotations

from .. import keys
from ..problems import Refused
from ..store import Row
from .part import Part

__all__ = ["KeyCalls"]


class KeyCalls(Part):
    """The calls about keys."""

    def list_keys(self) -> list[Row]:
        """All keys: ``token``, ``beta`` (the one to embed chats with), ``create_time update_time`` in ms."""
        own = self._own_key()
        with self._shared.store.write() as db:
            if own is not None:
                keys.add(db, self.tenant_id, keys.OWN)
            return [{**each, "token": each["token"] or own} for each in keys.tokens(db, self.tenant_id)]

    def create_key(self) -> Row:
        """One more key, with an embed key of its own."""
        with self._shared.store.write() as db:
            key = keys.new()
            keys.add(db, self.tenant_id, key)
            [made] = (each for each in keys.tokens(db, self.tenant_id) if each["token"] == key)
            return made

    def delete_key(self, key: str) -> None:
        """Take a key back; nothing happens if there is none such. ``Refused`` for the one in the data folder."""
        own = self._own_key()
        if own is not None and keys.same(key, own):
            raise Refused(
                "this key is the data folder's own; `serve --api-key` puts another one in its place"
            )
        with self._shared.store.write() as db:
            keys.remove(db, self.tenant_id, key)

    def _own_key(self) -> str | None:
        """The key that is kept outside of the database, if the tenant has one."""
        return None
