"""A conversation with a chat assistant that the server remembers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from pydantic import PrivateAttr

from ..models import Message, SessionFields
from ..models.base import spelled
from ..protocol import citing, converse, sessions
from ..protocol.checks import check_flag
from .resource import AsyncResource
from .stream import AsyncStream

if TYPE_CHECKING:
    from .client import AsyncRAGFlow

__all__ = ["AsyncSession", "AsyncStoredMessage"]


class AsyncStoredMessage(Message, AsyncResource):
    """A message of a stored session."""

    async def rehydrate(self) -> Self:
        """Fill up ``reference`` from the datasets: a session keeps less of a chunk, v0.24 no score and no URL.

        One call per chunk (``GET …/documents/{id}/chunks``). Text, image, positions and keywords are those
        of now, scores those of the answer; a chunk that is gone stays as it was stored. Returns itself.
        """
        self.reference = await self._client._run(citing.rehydrated(self.reference))
        return self


class AsyncSession(SessionFields, AsyncResource):
    """A conversation that the server remembers; ``messages`` are those when it was read."""

    messages: list[AsyncStoredMessage] = spelled("messages", "message", default=[])  # type: ignore[assignment]
    _chat_id: str = PrivateAttr(default="")

    @classmethod
    def _in(cls, client: AsyncRAGFlow, chat_id: str, fields: SessionFields) -> Self:
        session = cls._of(client, fields)
        session._chat_id = chat_id
        if fields.messages:
            session.messages = AsyncStoredMessage._all_of(client, fields.messages)
        return session

    async def update(self, update_message: Mapping[str, Any]) -> AsyncSession:
        """Rename the session: ``{"name": …}`` (``PATCH …/sessions/{id}``, ``PUT`` on v0.24); returns itself.

        Raises ``InvalidRequestError`` for any other key: nothing else of a session can be changed.
        """
        flow = sessions.update(self._chat_id, self.id, update_message)
        return self._take(AsyncSession._in(self._client, self._chat_id, await self._client._run(flow)))

    @overload
    async def ask(self, question: str = "", stream: Literal[False] = False, **kwargs: Any) -> Message: ...

    @overload
    async def ask(self, question: str, stream: Literal[True], **kwargs: Any) -> AsyncStream[Message]: ...

    async def ask(
        self, question: str = "", stream: bool = False, **kwargs: Any
    ) -> Message | AsyncStream[Message]:
        """Ask in this conversation (``POST /chat/completions``, on v0.24 ``POST /chats/{id}/completions``).

        Returns one ``Message``; with ``stream=True`` an iterator of messages whose ``content`` is what is
        new, the last of them with ``final=True``, the ``reference`` and the whole answer as
        ``full_content``. ``kwargs`` are the variables of the assistant's prompt, and request fields such as
        ``doc_ids`` (answer from these only) and, from v0.25.1, ``llm_id`` with ``temperature`` and the like,
        which servers pass over without it: ``Chat.update`` sets those of the assistant.

        Raises ``InvalidRequestError`` for an empty question, ``NotFoundError`` if the chat or session is gone,
        ``ServerError`` if the model fails, ``StreamInterruptedError`` (with ``partial``) when the answer breaks
        off, ``UnsupportedError`` for ``metadata_condition`` from v0.25.1 on, and for a whole answer of a chat
        with ``reasoning`` before v0.27.
        """
        options: dict[str, Any] = {"session_id": self.id, "options": kwargs}
        if check_flag("stream", stream):
            return await self._client._stream(converse.ask_stream(self._chat_id, question, **options))
        return await self._client._run(converse.ask(self._chat_id, question, **options))
