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

__all__ = ["Conversation", "RAGFlowStreamingChatResponse", "Turn"]


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


class Turn(NamedTuple):
    """A question and what comes back."""

    question: str
    reply: Reply


class Conversation(Connected, BaseChatEngine):
    """A chat engine whose server remembers, unless a subclass does."""

    _connection: Connection

    def __init__(
        self, connection: Connection, session_id: str | None, callback_manager: CallbackManager | None
    ) -> None:
        self._connection = connection
        self._session_id = session_id
        self._own: RAGFlow | AsyncRAGFlow | None = (
            None  # a client with a scope knows the sessions it has made
        )
        self.callback_manager = callback_manager or Settings.callback_manager

    @abstractmethod
    def _asked(self, turn: Turn) -> Flow[Asked]:
        """How to ask, and in which session."""

    @abstractmethod
    def _restart(self, history: Sequence[ChatMessage]) -> None:
        """Go on from this history, in no session yet."""

    @abstractmethod
    def _history(self) -> Flow[list[ChatMessage]]:
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
        self._own = None
        self._restart([])

    async def areset(self) -> None:
        """As ``reset``."""
        self.reset()

    @property
    def chat_history(self) -> list[ChatMessage]:
        """What was said so far; a session's is read from the server. In a coroutine use ``achat_history``."""
        return run(self._history(), self._kept_within(self._connection.scoped()).as_sync())

    async def achat_history(self) -> list[ChatMessage]:
        """As ``chat_history``."""
        own = self._kept_within(await self._connection.ascoped())
        return await arun(self._history(), own.as_async())

    def _turn(
        self, message: str, chat_history: Sequence[ChatMessage] | None, client: RAGFlow | AsyncRAGFlow
    ) -> tuple[Turn, RAGFlow | AsyncRAGFlow]:
        """The turn, and the client to take it with; nothing is changed by a question that is refused."""
        question = self._checked(message)
        if chat_history is not None:
            self._restart(chat_history)
            self._own = None
        return Turn(question, Reply({"session_id": None})), self._kept_within(client)

    def _checked(self, message: str) -> str:
        return checked_question(message)

    def _kept_within(self, client: RAGFlow | AsyncRAGFlow) -> RAGFlow | AsyncRAGFlow:
        """The client that this conversation began with: what was said in one scope is not told in another."""
        self._own = self._own or client
        if self._own.scope != client.scope:
            raise PermissionDeniedError(
                "this conversation began within another scope; make a chat engine for each, or reset() it"
            )
        return self._own

    def _session(self, make: Callable[[RAGFlow], Any]) -> Flow[str]:
        """Where to ask: in the session that was given, or in one that is made with the first question."""
        known = self._session_id
        return self._first((yield from ask(make)).id) if known is None else known

    def _first(self, made: str) -> str:
        """Of two first questions at once both are asked in one session."""
        self._session_id = self._session_id or made
        return self._session_id

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
