"""A session of RAGFlow as a LangChain message history: for code that has one, while it moves to sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from pydantic import model_validator

from ragflow_integrations import Message
from ragflow_integrations.adapting import Flow, arun, ask, run

from ._client import STRICT, Connected
from ._convert import answer

__all__ = ["RAGFlowChatMessageHistory"]

_NOT_ADDED = (
    "RAGFlow's sessions get their messages by asking in them and in no other way: use ChatRAGFlow(session_id=...) or "
    "ChatRAGFlowAgent(session_id=...), whose questions and answers are in the history by themselves"
)


class RAGFlowChatMessageHistory(Connected, BaseChatMessageHistory):
    """The messages of one session, which ``ChatRAGFlow`` or ``ChatRAGFlowAgent`` asks in.

        history = RAGFlowChatMessageHistory(chat_id="…", session_id="…")
        history.messages      # AIMessages with citations, as when they were answered

    It is a migration aid: LangChain's base class is deprecated since langchain-core 1.6.4, and a model with a
    ``session_id`` needs no history in front of it.

    The server writes a session when it is asked. ``add_messages`` takes messages that the session ends with and does
    nothing, so that ``RunnableWithMessageHistory`` works around a model in the same session; for others it raises
    ``NotImplementedError``. ``clear`` deletes the session.

    Whoever knows a session's id and has the key can read it: hand out each user's own ids only. Raises what the
    client raises, ``NotFoundError`` for a session that is not there.
    """

    model_config = STRICT

    chat_id: str | None = None
    """The assistant whose session it is; or ``agent_id``."""

    agent_id: str | None = None
    """The agent whose session it is."""

    session_id: str
    """The session."""

    @model_validator(mode="after")
    def _check_whose(self) -> Self:
        if (self.chat_id is None) == (self.agent_id is None):
            raise ValueError("give chat_id or agent_id, one of them")
        return self

    def _get_messages(self) -> list[BaseMessage]:
        """The messages, oldest first, read anew each time; in coroutines ``await history.aget_messages()``."""
        return run(self._read(), self._sync())

    # LangChain declares it as an attribute, of which pydantic would make a field
    messages: ClassVar[Any] = property(_get_messages)  # type: ignore[misc]

    async def aget_messages(self) -> list[BaseMessage]:
        """The messages, oldest first."""
        return await arun(self._read(), self._async())

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Check that the session ends with these; ``NotImplementedError`` if it does not."""
        run(self._check_end(messages), self._sync())

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """As ``add_messages``."""
        await arun(self._check_end(messages), self._async())

    def clear(self) -> None:
        """Delete the session with its messages; it cannot be read or asked in any more."""
        run(self._deleted(), self._sync())

    async def aclear(self) -> None:
        """As ``clear``."""
        await arun(self._deleted(), self._async())

    def _owner(self) -> Flow[Any]:
        """Whose session it is; nothing is sent."""
        chat_id, agent_id = self.chat_id, self.agent_id
        if chat_id is not None:
            return (yield from ask(lambda client: client.chat(chat_id)))
        return (yield from ask(lambda client: client.agent(agent_id or "")))

    def _read(self) -> Flow[list[BaseMessage]]:
        owner = yield from self._owner()
        session = yield from ask(lambda _: owner.get_session(self.session_id))
        return [self._message(message) for message in session.messages]

    def _message(self, message: Message) -> BaseMessage:
        if message.role == "user":
            return HumanMessage(message.content, id=message.id)
        told = {"chat_id": self.chat_id, "agent_id": self.agent_id, "session_id": self.session_id}
        return answer(message, told, stop=())

    def _check_end(self, messages: Sequence[BaseMessage]) -> Flow[None]:
        if not messages:
            return
        end = (yield from self._read())[-len(messages) :]
        if len(end) < len(messages) or not all(map(_is_stored, messages, end)):
            raise NotImplementedError(_NOT_ADDED)

    def _deleted(self) -> Flow[None]:
        owner = yield from self._owner()
        yield from ask(lambda _: owner.delete_sessions([self.session_id]))


def _is_stored(message: BaseMessage, stored: BaseMessage) -> bool:
    """An answer may have been shortened at a stop sequence; the session has the whole."""
    if isinstance(message, AIMessage):
        return isinstance(stored, AIMessage) and str(stored.text).startswith(str(message.text))
    return message.type == stored.type and str(message.text) == str(stored.text)
