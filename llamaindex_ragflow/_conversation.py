"""What conversations with chat assistants and agents have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any, NamedTuple

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.chat_engine.types import (
    AgentChatResponse,
    BaseChatEngine,
    StreamingAgentChatResponse,
)
from llama_index.core.instrumentation.events.chat_engine import (
    StreamChatDeltaReceivedEvent,
    StreamChatEndEvent,
    StreamChatErrorEvent,
    StreamChatStartEvent,
)
from llama_index.core.settings import Settings

from ragflow_integrations import AsyncRAGFlow, PermissionDeniedError, RAGFlow
from ragflow_integrations.adapting import Flow, arun, ask, run

from ._answers import Asked, Reply, atexts, awhole, checked_question, texts, whole
from ._client import Connected, Connection
from .events import dispatcher

__all__ = ["Conversation", "RAGFlowStreamingChatResponse", "State", "Turn"]


@dataclass
class RAGFlowStreamingChatResponse(StreamingAgentChatResponse):
    """An answer as it arrives: the question is sent when the first piece is asked for.

    ``source_nodes`` and ``metadata`` (as of ``RAGFlowQueryEngine``) are filled, and the history is written, when the
    last piece is there. Closing ``response_gen`` or ``async_response_gen()`` early breaks the answer off and closes
    its connection; nothing runs in the background.
    """

    metadata: dict[str, Any] | None = None
    is_writing_to_memory: bool = False

    @property
    def response_gen(self) -> Generator[str, None, None]:
        """The pieces."""
        try:
            yield from super().response_gen
            self.is_done = True
        finally:
            if self.chat_stream is not None:
                self.chat_stream.close()

    async def async_response_gen(self) -> AsyncGenerator[str, None]:
        """The pieces of an answer to ``astream_chat``."""
        try:
            async with aclosing(super().async_response_gen()) as arriving:
                async for text in arriving:
                    yield text
            self.is_done = True
        finally:
            if self.achat_stream is not None:
                await self.achat_stream.aclose()


class State:
    """What a conversation is at; a reset begins another, and answers that are under way end in their own.

    ``session_id`` is where it is on the server, ``said`` what was said if that is kept here.
    """

    def __init__(self, session_id: str | None = None, said: list[ChatMessage] | None = None) -> None:
        self.session_id, self.said = session_id, said
        self._client: RAGFlow | AsyncRAGFlow | None = None

    def client(self, present: RAGFlow | AsyncRAGFlow) -> RAGFlow | AsyncRAGFlow:
        """The client that it began with, which knows its session, if that sees what the present one does.

        What was said in one scope is not told in another.
        """
        self._client = self._client or present
        if self._client.scope != present.scope:
            raise PermissionDeniedError(
                "this conversation began within another scope; make a chat engine for each, or reset() it"
            )
        return self._client

    def session(self, make: Callable[[RAGFlow], Any]) -> Flow[str]:
        """Where to ask: in the session that was given, or in one that is made with the first question."""
        known = self.session_id
        return self._first((yield from ask(make)).id) if known is None else known

    def _first(self, made: str) -> str:
        """Of two first questions at once both are asked in one session."""
        self.session_id = self.session_id or made
        return self.session_id


class Turn(NamedTuple):
    """A question with its options, what comes back, and the conversation that it belongs to."""

    question: str
    options: dict[str, Any]
    reply: Reply
    state: State


class Conversation(Connected, BaseChatEngine):
    """A chat engine whose server remembers, unless a subclass does."""

    _connection: Connection

    def __init__(
        self, connection: Connection, state: State, callback_manager: CallbackManager | None
    ) -> None:
        self._connection = connection
        self._state = state
        self.callback_manager = callback_manager or Settings.callback_manager

    @abstractmethod
    def _asked(self, turn: Turn) -> Flow[Asked]:
        """How to ask, and in which session."""

    @abstractmethod
    def _begun(self, history: Sequence[ChatMessage]) -> State:
        """A new conversation that goes on from this history."""

    @abstractmethod
    def _history(self, state: State) -> Flow[list[ChatMessage]]:
        """What was said so far."""

    def _answered(self, turn: Turn) -> None:
        """The answer is there whole; a server that remembers needs no help."""

    def chat(self, message: str, chat_history: list[ChatMessage] | None = None) -> AgentChatResponse:
        """The answer to a question; ``chat_history`` replaces what was said before it."""
        with self.callback_manager.as_trace("chat"):
            turn, own = self._turn(message, chat_history, self._connection.scoped())
            client = own.as_sync()
            asked = run(self._asked(turn), client)
            text = whole(asked, client, turn.reply)
            self._answered(turn)
            return AgentChatResponse(text, [], turn.reply.source_nodes, metadata=turn.reply.metadata)

    async def achat(self, message: str, chat_history: list[ChatMessage] | None = None) -> AgentChatResponse:
        """As ``chat``."""
        with self.callback_manager.as_trace("chat"):
            turn, own = self._turn(message, chat_history, await self._connection.ascoped())
            client = own.as_async()
            asked = await arun(self._asked(turn), client)
            text = await awhole(asked, client, turn.reply)
            self._answered(turn)
            return AgentChatResponse(text, [], turn.reply.source_nodes, metadata=turn.reply.metadata)

    def stream_chat(
        self, message: str, chat_history: list[ChatMessage] | None = None
    ) -> RAGFlowStreamingChatResponse:
        """The answer as it arrives: read ``response_gen``."""
        with self.callback_manager.as_trace("chat"):
            turn, own = self._turn(message, chat_history, self._connection.scoped())
            client = own.as_sync()
            return RAGFlowStreamingChatResponse(
                chat_stream=self._stream(turn, client),
                source_nodes=turn.reply.source_nodes,
                metadata=turn.reply.metadata,
            )

    async def astream_chat(
        self, message: str, chat_history: list[ChatMessage] | None = None
    ) -> RAGFlowStreamingChatResponse:
        """The answer as it arrives: read ``async_response_gen()``."""
        with self.callback_manager.as_trace("chat"):
            turn, own = self._turn(message, chat_history, await self._connection.ascoped())
            client = own.as_async()
            return RAGFlowStreamingChatResponse(
                achat_stream=self._astream(turn, client),
                source_nodes=turn.reply.source_nodes,
                metadata=turn.reply.metadata,
            )

    def reset(self) -> None:
        """Begin a new conversation with the next question; the session of this one stays on the server."""
        self._state = self._begun([])

    async def areset(self) -> None:
        """As ``reset``."""
        self.reset()

    @property
    def chat_history(self) -> list[ChatMessage]:
        """What was said so far; a session's is read from the server. In a coroutine use ``achat_history``."""
        state = self._state
        return run(self._history(state), state.client(self._connection.scoped()).as_sync())

    async def achat_history(self) -> list[ChatMessage]:
        """As ``chat_history``."""
        state, present = self._state, await self._connection.ascoped()
        return await arun(self._history(state), state.client(present).as_async())

    def _turn(
        self, message: str, chat_history: Sequence[ChatMessage] | None, present: RAGFlow | AsyncRAGFlow
    ) -> tuple[Turn, RAGFlow | AsyncRAGFlow]:
        """The turn, and the client to take it with; nothing is changed by a question that is refused."""
        question = self._checked(message)
        state = self._state if chat_history is None else self._begun(chat_history)
        client = state.client(present)
        self._state = state
        return Turn(question, self._options(), Reply({"session_id": None}), state), client

    def _checked(self, message: str) -> str:
        return checked_question(message)

    def _options(self) -> dict[str, Any]:
        return {}

    def _stream(self, turn: Turn, client: RAGFlow) -> Generator[ChatResponse, None, None]:
        dispatcher.event(StreamChatStartEvent())
        said = ""
        try:
            asked = run(self._asked(turn), client)
            with closing(texts(asked, client, turn.reply)) as arriving:
                for text in arriving:
                    said += text
                    yield _piece(said, text)
        except Exception as error:
            dispatcher.event(StreamChatErrorEvent(exception=error))
            raise
        self._answered(turn)
        dispatcher.event(StreamChatEndEvent())

    async def _astream(self, turn: Turn, client: AsyncRAGFlow) -> AsyncGenerator[ChatResponse, None]:
        dispatcher.event(StreamChatStartEvent())
        said = ""
        try:
            asked = await arun(self._asked(turn), client)
            async with aclosing(atexts(asked, client, turn.reply)) as arriving:
                async for text in arriving:
                    said += text
                    yield _piece(said, text)
        except Exception as error:
            dispatcher.event(StreamChatErrorEvent(exception=error))
            raise
        self._answered(turn)
        dispatcher.event(StreamChatEndEvent())


def _piece(said: str, text: str) -> ChatResponse:
    dispatcher.event(StreamChatDeltaReceivedEvent(delta=text))
    return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=said), delta=text)
