"""A chat assistant: its settings, its sessions, and asking it without one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, overload

from ..models import ChatFields, Message, Page, SessionFields
from ..protocol import chats, converse, sessions
from ..protocol.bulk import PAGE
from ..protocol.checks import NOT_GIVEN, NotGiven, check_flag, to_delete
from .paging import every
from .resource import AsyncResource
from .sessions import AsyncSession
from .stream import AsyncStream

__all__ = ["AsyncChat"]


class AsyncChat(ChatFields, AsyncResource):
    """A chat assistant: its settings, its sessions, and asking it without one."""

    async def update(self, update_message: Mapping[str, Any]) -> AsyncChat:
        """Change settings (``PATCH /chats/{id}``, ``PUT`` on v0.24); what is not named stays; returns itself.

        Keys are those of ``RAGFlow.create_chat`` in either spelling, not mixed; ``llm`` or ``llm_setting`` and
        ``prompt`` or ``prompt_config`` are merged with what is there. Raises ``InvalidRequestError`` for another
        key or a wrong value, ``ConflictError`` if the name is taken.
        """
        return self._take(await self._client._run(chats.update(self.id, update_message)))

    @overload
    async def ask(
        self, question: str | Sequence[Mapping[str, Any]], stream: Literal[False] = False, **kwargs: Any
    ) -> Message: ...

    @overload
    async def ask(
        self, question: str | Sequence[Mapping[str, Any]], stream: Literal[True], **kwargs: Any
    ) -> AsyncStream[Message]: ...

    async def ask(
        self, question: str | Sequence[Mapping[str, Any]], stream: bool = False, **kwargs: Any
    ) -> Message | AsyncStream[Message]:
        """Ask without a session: nothing stays on the server (``POST /chat/completions``).

        ``question`` is a text, or the whole history as ``[{"role", "content"}]`` whose last message is the
        user's; v0.24 takes no history (``UnsupportedError``). Otherwise as ``Session.ask``. Servers before v0.27
        need a session to answer: one is made, and deleted when the answer is over. Read a stream to its end, or
        close it, or that session stays.
        """
        if check_flag("stream", stream):
            return await self._client._stream(
                converse.ask_stream(self.id, question, session_id=None, options=kwargs)
            )
        return await self._client._run(converse.ask(self.id, question, session_id=None, options=kwargs))

    async def create_session(self, name: str = "New session", user_id: str | None = None) -> AsyncSession:
        """Start a conversation that the server remembers (``POST /chats/{id}/sessions``).

        ``user_id`` says whose it is, up to v0.24; ``UnsupportedError`` on later servers, where a session belongs
        to the key's owner.
        """
        return self._session(await self._client._run(sessions.create(self.id, name, user_id)))

    async def get_session(self, session_id: str) -> AsyncSession:
        """One session with its messages (``GET /chats/{id}/sessions/{id}``); ``NotFoundError`` if there is none."""
        return self._session(await self._client._run(sessions.get(self.id, session_id)))

    async def list_sessions(
        self,
        page: int = 1,
        page_size: int = 30,
        orderby: str = "create_time",
        desc: bool = True,
        id: str | None = None,
        name: str | None = None,
        user_id: str | None = None,
    ) -> Page[AsyncSession]:
        """A page of sessions (``GET /chats/{id}/sessions``); empty for an unknown id, name or user.

        ``page_size`` is 1 to 100; ``orderby`` is ``create_time``, ``update_time`` or ``name``. The server gives
        no total.
        """
        found = await self._client._send(
            sessions.listing(
                self.id,
                page=page,
                page_size=page_size,
                orderby=orderby,
                desc=desc,
                id=id,
                name=name,
                user_id=user_id,
            )
        )
        return Page([self._session(one) for one in found], found.total)

    def iter_sessions(
        self,
        orderby: str = "create_time",
        desc: bool = True,
        name: str | None = None,
        user_id: str | None = None,
    ) -> AsyncIterator[AsyncSession]:
        """All sessions, as ``list_sessions`` has them, a hundred per call."""
        return every(lambda page: self.list_sessions(page, PAGE, orderby, desc, None, name, user_id))

    async def delete_sessions(
        self, ids: Sequence[str] | NotGiven | None = NOT_GIVEN, *, delete_all: bool = False
    ) -> None:
        """Delete sessions (``DELETE /chats/{id}/sessions``).

        ``ids=[…]`` deletes those, ``ids=[]`` nothing; everything only by ``ids=None`` or ``delete_all=True``.
        Raises ``NotFoundError`` if there is none of them, ``PartialError`` if only some could be deleted.
        """
        wanted = to_delete("ids", ids, delete_all)
        if wanted != []:
            await self._client._run(sessions.delete(self.id, wanted))

    def _session(self, fields: SessionFields) -> AsyncSession:
        return AsyncSession._in(self._client, self.id, fields)
