"""Chats and their sessions, as one tenant sees them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Unpack

from .. import chats, sessions
from ..store import Row
from .part import Part, or_none

__all__ = ["ChatCalls"]


class ChatCalls(Part):
    """The calls about chats and sessions."""

    def create_chat(self, fields: Mapping[str, Any], *, check: Callable[[Row], None] | None = None) -> Row:
        """A new chat (``name`` at least); ``Taken`` if another has its name, ``Refused`` for empty datasets."""
        with self._shared.store.write() as db:
            return chats.create(db, self.tenant_id, {"llm_id": self.models.default("chat"), **fields}, check)

    def check_chat_datasets(self, dataset_ids: Sequence[str]) -> None:
        """Raise ``Missing`` or ``Refused`` unless a chat can be on these datasets."""
        with self._shared.store.read() as db:
            chats.check_datasets(db, self.tenant_id, dataset_ids)

    def list_chats(self, **filters: Unpack[chats.Filters]) -> tuple[list[Row], int]:
        """One page of chats and how many fit: ``page page_size orderby desc``, optionally ``id name keywords``."""
        with self._shared.store.read() as db:
            return chats.listed(db, self.tenant_id, **filters)

    def get_chat(self, chat_id: str) -> Row | None:
        """One chat, or None."""
        with self._shared.store.read() as db:
            return or_none(chats.get, db, self.tenant_id, chat_id)

    def update_chat(
        self,
        chat_id: str,
        fields: Mapping[str, Any],
        *,
        merged: Collection[str] = (),
        check: Callable[[Row], None] | None = None,
    ) -> Row:
        """Change a chat: the values replace the old ones, the objects named in ``merged`` are laid over them.

        ``Taken`` if another has the name. What ``check`` raises about the changed chat leaves it as it was.
        """
        with self._shared.store.write() as db:
            return chats.update(db, self.tenant_id, chat_id, fields, merged=merged, check=check)

    def delete_chats(self, ids: Sequence[str] | None) -> int:
        """Delete chats (None: all) with their sessions and say how many went; unknown ids are passed over."""
        with self._shared.store.write() as db:
            return chats.delete(db, self.tenant_id, ids)

    def create_session(
        self, chat_id: str, name: str, *, user_id: str | None = None, embedded: bool = False
    ) -> Row:
        """A new session of a chat, which begins with the chat's prologue.

        It is the tenant's, or ``user_id``'s; an ``embedded`` one is apart from the others.
        """
        with self._shared.store.write() as db:
            chat = chats.get(db, self.tenant_id, chat_id)
            return sessions.create(db, self.tenant_id, chat, name, user_id=user_id, embedded=embedded)

    def list_sessions(self, chat_id: str, **filters: Unpack[sessions.Filters]) -> list[Row]:
        """One page of a chat's sessions: ``page page_size orderby desc``, and optionally ``id name user_id``."""
        with self._shared.store.read() as db:
            return sessions.listed(db, self.tenant_id, chat_id, **filters)

    def get_session(self, session_id: str, *, embedded: bool = False) -> Row | None:
        """One session with its messages, or None."""
        with self._shared.store.read() as db:
            return or_none(sessions.get, db, self.tenant_id, session_id, embedded=embedded)

    def update_session(self, session_id: str, fields: Mapping[str, Any]) -> Row:
        """Change ``name`` or ``user_id`` of a session."""
        with self._shared.store.write() as db:
            return sessions.update(db, self.tenant_id, session_id, fields)

    def delete_sessions(self, chat_id: str, ids: Sequence[str] | None) -> int:
        """Delete sessions of a chat (None: all) and say how many went; unknown ids are passed over."""
        with self._shared.store.write() as db:
            return sessions.delete(db, self.tenant_id, chat_id, ids)

    def delete_message(self, session_id: str, message_id: str) -> Row:
        """Take a question and its answer, which have one id, out of a session; an unknown id changes nothing."""
        with self._shared.store.write() as db:
            return sessions.delete_message(db, self.tenant_id, session_id, message_id)

    def rate_message(self, session_id: str, message_id: str, *, good: bool, comment: Any = None) -> Row:
        """Note on an answer whether it was good, and what was wrong with it; an unknown id changes nothing."""
        with self._shared.store.write() as db:
            return sessions.rate(db, self.tenant_id, session_id, message_id, good=good, comment=comment)
