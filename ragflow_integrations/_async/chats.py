"""A chat assistant, its sessions, and asking them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

from pydantic import PrivateAttr

from ..models import ChatFields, Message, Page, SessionFields
from ..protocol import chats, converse
from ..protocol.checks import NOT_GIVEN, NotGiven, to_delete
from .resource import AsyncResource
from .stream import AsyncStream

__all__ = ["AsyncChat", "AsyncSession"]


class AsyncChat(ChatFields, AsyncResource):
    """A chat assistant: its settings, its sessions, and asking it without one."""

    async def update(self, update_message: Mapping[str, Any]) -> AsyncChat:
        """Change settings (``PATCH /chats/{id}``); ``llm_setting`` and ``prompt_config`` are merged."""
        return self._take(await self._client._send(chats.update(self.id, update_message)))

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
        """Ask without a session: nothing is stored on the server (``POST /chat/completions``).

        ``question`` is a text, or the whole history as ``[{"role", "content"}]`` whose last message is the
        user's. Otherwise as ``Session.ask``.
        """
        return await _ask(self, self.id, question, None, stream, kwargs)

    async def create_session(self, name: str = "New session") -> AsyncSession:
        """Start a conversation that the server remembers (``POST /chats/{id}/sessions``)."""
        return self._session(await self._client._send(chats.create_session(self.id, name)))

    async def list_sessions(
        self,
        page: int = 1,
        page_size: int = 30,
        orderby: str = "create_time",
        desc: bool = True,
        id: str | None = None,
        name: str | None = None,
    ) -> Page[AsyncSession]:
        """A page of sessions (``GET /chats/{id}/sessions``); empty for an unknown id or name."""
        found = await self._client._send(
            chats.sessions(
                self.id, page=page, page_size=page_size, orderby=orderby, desc=desc, id=id, name=name
            )
        )
        return Page([self._session(one) for one in found], found.total)

    async def delete_sessions(
        self, ids: Sequence[str] | NotGiven | None = NOT_GIVEN, *, delete_all: bool = False
    ) -> None:
        """Delete sessions (``DELETE /chats/{id}/sessions``).

        ``ids=[…]`` deletes those, ``ids=[]`` nothing; everything only by ``ids=None`` or ``delete_all=True``.
        """
        wanted = to_delete("ids", ids, delete_all)
        if wanted != []:
            await self._client._send(chats.delete_sessions(self.id, wanted))

    def _session(self, fields: SessionFields) -> AsyncSession:
        session = AsyncSession._of(self._client, fields)
        session._chat_id = self.id
        return session


class AsyncSession(SessionFields, AsyncResource):
    """A conversation that the server remembers."""

    _chat_id: str = PrivateAttr(default="")

    @overload
    async def ask(self, question: str = "", stream: Literal[False] = False, **kwargs: Any) -> Message: ...

    @overload
    async def ask(self, question: str, stream: Literal[True], **kwargs: Any) -> AsyncStream[Message]: ...

    async def ask(
        self, question: str = "", stream: bool = False, **kwargs: Any
    ) -> Message | AsyncStream[Message]:
        """Ask in this conversation (``POST /chat/completions``).

        Returns one ``Message``; with ``stream=True`` an iterator of messages whose ``content`` is what is
        new, the last of them with ``final=True``, the ``reference`` and the whole answer as
        ``full_content``. ``kwargs`` are the variables of the assistant's prompt, and request fields such as
        ``temperature``. Raises ``InvalidRequestError`` for an empty question, ``NotFoundError`` if the chat
        or session is gone, ``StreamInterruptedError`` when the answer breaks off.
        """
        return await _ask(self, self._chat_id, question, self.id, stream, kwargs)


async def _ask(
    resource: AsyncResource,
    chat_id: str,
    question: str | Sequence[Mapping[str, Any]],
    session_id: str | None,
    stream: bool,
    options: Mapping[str, Any],
) -> Message | AsyncStream[Message]:
    if stream:
        return await resource._client._stream(
            converse.ask_stream(chat_id, question, session_id=session_id, options=options)
        )
    return await resource._client._send(
        converse.ask(chat_id, question, session_id=session_id, options=options)
    )
