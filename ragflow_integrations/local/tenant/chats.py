"""Chats, their sessions and their answers, as one tenant sees them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Unpack

from .. import chats, conversation
from ..conversation import Delta, Final
from ..fields import new_id
from ..search import Retrieval
from ..store import Row
from .chunks import ChunkCalls
from .part import or_none

__all__ = ["ChatCalls"]


class ChatCalls(ChunkCalls):
    """The calls about chats and sessions."""

    def create_chat(self, fields: Mapping[str, Any]) -> Row:
        """A new chat (``name`` at least); ``Refused`` if the name is taken or a dataset has no chunks yet."""
        with self._shared.store.write() as db:
            return chats.create(db, self.tenant_id, fields)

    def list_chats(self, **filters: Unpack[chats.Filters]) -> tuple[list[Row], int]:
        """One page of chats and how many fit: ``page page_size orderby desc``, optionally ``id name keywords``."""
        with self._shared.store.read() as db:
            return chats.listed(db, self.tenant_id, **filters)

    def get_chat(self, chat_id: str) -> Row | None:
        """One chat, or None."""
        with self._shared.store.read() as db:
            return or_none(chats.get, db, self.tenant_id, chat_id)

    def update_chat(self, chat_id: str, fields: Mapping[str, Any]) -> Row:
        """Change a chat; the values replace the old ones. ``Refused`` if the name is taken."""
        with self._shared.store.write() as db:
            return chats.update(db, self.tenant_id, chat_id, fields)

    def delete_chats(self, ids: Sequence[str] | None) -> int:
        """Delete chats (None: all) with their sessions and say how many went; unknown ids are passed over."""
        with self._shared.store.write() as db:
            return chats.delete(db, self.tenant_id, ids)

    def create_session(self, chat_id: str, name: str) -> Row:
        """A new session of a chat, which begins with the chat's prologue."""
        with self._shared.store.write() as db:
            return chats.create_session(db, self.tenant_id, chats.get(db, self.tenant_id, chat_id), name)

    def list_sessions(self, chat_id: str, **filters: Unpack[chats.Filters]) -> list[Row]:
        """One page of a chat's sessions: ``page page_size orderby desc``, and optionally ``id name``."""
        with self._shared.store.read() as db:
            return chats.listed_sessions(db, self.tenant_id, chat_id, **filters)

    def get_session(self, session_id: str) -> Row | None:
        """One session with its messages, or None."""
        with self._shared.store.read() as db:
            return or_none(chats.get_session, db, self.tenant_id, session_id)

    def update_session(self, session_id: str, fields: Mapping[str, Any]) -> Row:
        """Change a session's ``name``."""
        with self._shared.store.write() as db:
            return chats.update_session(db, self.tenant_id, session_id, fields)

    def delete_sessions(self, chat_id: str, ids: Sequence[str] | None) -> int:
        """Delete sessions of a chat (None: all) and say how many went; unknown ids are passed over."""
        with self._shared.store.write() as db:
            return chats.delete_sessions(db, self.tenant_id, chat_id, ids)

    def converse(
        self,
        chat: Row | None,
        messages: Sequence[Mapping[str, Any]],
        *,
        session: Row | None,
        document_ids: Sequence[str] | None = None,
        metadata_fields: Collection[str] | None = (),
        message_id: str | None = None,
        quote: bool = True,
    ) -> Iterator[Delta | Final]:
        """Answer the last message with sentences of the chat's datasets: deltas, then the reference.

        ``messages`` end with the user's ``{"role": "user", "content": …}``. When the iterator is exhausted,
        question and answer are stored in ``session`` under ``message_id`` (made if missing). ``document_ids``
        and ``metadata_fields`` are those of ``Retrieval``; without ``quote`` the text has no citations. ``Refused``
        at once without a chat or if it has no dataset: that would take a language model.
        """
        question = conversation.last_question(messages)
        chat = conversation.with_datasets(chat)
        query = conversation.query_for(chat, question, document_ids, metadata_fields)
        return self._answered(query, chat, session, message_id or new_id(), quote=quote)

    def _answered(
        self, query: Retrieval, chat: Row, session: Row | None, message_id: str, *, quote: bool
    ) -> Iterator[Delta | Final]:
        retrieved = self.retrieve(query)
        question, text = query.question, ""
        for piece in conversation.answered(chat, question, retrieved, quote=quote):
            if isinstance(piece, Delta):
                text += piece.text
            elif session is not None:
                turn = conversation.turn(message_id, question, text)
                with self._shared.store.write() as db:
                    chats.append_turn(db, session["id"], turn, piece.reference)
            yield piece
