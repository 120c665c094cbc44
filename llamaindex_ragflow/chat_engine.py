"""Conversations with a chat assistant or an agent of RAGFlow, whose answers have their sources."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

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
from pydantic import SecretStr

from ragflow_integrations import (
    AsyncRAGFlow,
    ConfigurationError,
    PermissionDeniedError,
    RAGFlow,
    Scope,
    UnsupportedError,
)
from ragflow_integrations.adapting import Flow, Messages, arun, ask, run

from ._answers import Asked, Reply, atexts, awhole, checked_question, completed, texts, whole
from ._chat import ChatId
from ._client import Connected, Connection
from ._messages import from_server, to_server
from ._run import OfRun
from .events import dispatcher

__all__ = ["RAGFlowAgentChatEngine", "RAGFlowChatEngine", "RAGFlowStreamingChatResponse"]


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


class _Turn(NamedTuple):
    """A question and what comes back."""

    question: str
    reply: Reply


class _Conversation(Connected, BaseChatEngine):
    """What conversations with assistants and agents have in common."""

    _connection: Connection

    def __init__(self, connection: Connection, callback_manager: CallbackManager | None) -> None:
        self._connection = connection
        self._own: RAGFlow | AsyncRAGFlow | None = (
            None  # a client with a scope knows the sessions it has made
        )
        self.callback_manager = callback_manager or Settings.callback_manager

    @abstractmethod
    def _asked(self, turn: _Turn) -> Flow[Asked]:
        """How to ask, and in which session."""

    @abstractmethod
    def _restart(self, history: Sequence[ChatMessage]) -> None:
        """Go on from this history, in no session yet."""

    @abstractmethod
    def _history(self) -> Flow[list[ChatMessage]]:
        """What was said so far."""

    def _answered(self, turn: _Turn) -> None:
        """The answer is there whole; a server that remembers needs no help."""

    def chat(self, message: str, chat_history: list[ChatMessage] | None = None) -> AgentChatResponse:
        """The answer to a question; ``chat_history`` replaces what was said before it."""
        with self.callback_manager.as_trace("chat"):
            turn, client = self._turn(message, chat_history), self._client()
            asked = run(self._asked(turn), client)
            text = whole(asked, client, turn.reply)
            self._answered(turn)
            return AgentChatResponse(text, [], turn.reply.source_nodes, metadata=turn.reply.metadata)

    async def achat(self, message: str, chat_history: list[ChatMessage] | None = None) -> AgentChatResponse:
        """As ``chat``."""
        with self.callback_manager.as_trace("chat"):
            turn, client = self._turn(message, chat_history), await self._aclient()
            asked = await arun(self._asked(turn), client)
            text = await awhole(asked, client, turn.reply)
            self._answered(turn)
            return AgentChatResponse(text, [], turn.reply.source_nodes, metadata=turn.reply.metadata)

    def stream_chat(
        self, message: str, chat_history: list[ChatMessage] | None = None
    ) -> RAGFlowStreamingChatResponse:
        """The answer as it arrives: read ``response_gen``."""
        with self.callback_manager.as_trace("chat"):
            turn, client = self._turn(message, chat_history), self._client()
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
            turn, client = self._turn(message, chat_history), await self._aclient()
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
        return run(self._history(), self._client())

    async def achat_history(self) -> list[ChatMessage]:
        """As ``chat_history``."""
        return await arun(self._history(), await self._aclient())

    def _turn(self, message: str, chat_history: Sequence[ChatMessage] | None) -> _Turn:
        question = self._checked(message)
        if chat_history is not None:
            self._restart(chat_history)
            self._own = None
        return _Turn(question, Reply({"session_id": None}))

    def _checked(self, message: str) -> str:
        return checked_question(message)

    def _client(self) -> RAGFlow:
        return self._kept_within(self._connection.scoped()).as_sync()

    async def _aclient(self) -> AsyncRAGFlow:
        return self._kept_within(await self._connection.ascoped()).as_async()

    def _kept_within(self, client: RAGFlow | AsyncRAGFlow) -> RAGFlow | AsyncRAGFlow:
        """The client that this conversation began with: what was said in one scope is not told in another."""
        self._own = self._own or client
        if self._own.scope != client.scope:
            raise PermissionDeniedError(
                "this conversation began within another scope; make a chat engine for each, or reset() it"
            )
        return self._own

    def _stream(self, turn: _Turn, client: RAGFlow) -> Generator[ChatResponse, None, None]:
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

    async def _astream(self, turn: _Turn, client: AsyncRAGFlow) -> AsyncGenerator[ChatResponse, None]:
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


class RAGFlowChatEngine(_Conversation):
    """A conversation with the chat assistant ``chat_id`` or ``chat_name``, which searches and cites its datasets.

        engine = RAGFlowChatEngine(chat_name="helpdesk")
        engine.chat("How long is the notice period?")
        engine.chat("And how is it given?")

    **History.** With ``history="server"`` the server remembers, in the session ``session_id`` or in one that is made
    with the first question. With ``"client"`` nothing is stored there: this object keeps what was said and sends it
    along (by OpenAI's form of the route, which also counts tokens). ``chat_history=`` of a question replaces what was
    said before; since no session takes messages from elsewhere, this object keeps the history from then on, until
    ``reset()``; ``chat_history=[]`` only begins anew. An answer that fails or is broken off is not in the history kept
    here.

    **Answer.** ``source_nodes``, ``metadata`` and the ``[ID:n]`` in the text are as ``RAGFlowQueryEngine``'s, of a
    stream filled at its end; messages of ``chat_history`` have a ``CitationBlock`` for each source they cite.

    One object is one conversation, of one user: ask one question at a time. In a run with another ``scope`` than the
    first question's it raises ``PermissionDeniedError``. Which server and ``scope``: as ``RAGFlowRetriever``. Raises
    ``ConfigurationError`` for arguments that make no sense; asking raises ``InvalidRequestError`` for an empty
    question, ``NotFoundError`` for an unknown chat or session, and what else the client raises, of a stream where it is
    read.
    """

    def __init__(
        self,
        chat_id: str | None = None,
        *,
        chat_name: str | None = None,
        session_id: str | None = None,
        history: Literal["server", "client"] = "server",
        client: RAGFlow | None = None,
        async_client: AsyncRAGFlow | None = None,
        base_url: str | None = None,
        api_key: SecretStr | str | None = None,
        timeout: float | None = 60.0,
        max_retries: int = 2,
        scope: Scope | OfRun[Scope] | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        _check_chat(chat_id, chat_name, session_id, history)
        connection = Connection(client, async_client, base_url, api_key, timeout, max_retries, scope)
        super().__init__(connection, callback_manager)
        self._chat = ChatId(chat_id, chat_name, connection)
        self._keeps = history == "client"
        self._session_id = session_id
        self._said: list[ChatMessage] | None = [] if self._keeps else None

    def _restart(self, history: Sequence[ChatMessage]) -> None:
        to_server(history)  # refuses what cannot be told before anything is changed
        self._session_id = None
        self._said = list(history) if history or self._keeps else None

    def _asked(self, turn: _Turn) -> Flow[Asked]:
        chat_id = yield from self._chat.found()
        turn.reply.metadata["chat_id"] = chat_id
        if self._said is not None:
            question = ChatMessage(role=MessageRole.USER, content=turn.question)
            return completed(chat_id, to_server([*self._said, question]), {})
        session_id = yield from self._session(chat_id)
        turn.reply.metadata["session_id"] = session_id

        def call(client: RAGFlow | AsyncRAGFlow, stream: bool) -> Any:
            session: Any = client.session(chat_id, session_id)
            return session.ask(turn.question, stream=stream)

        return Asked(call, Messages())

    def _session(self, chat_id: str) -> Flow[str]:
        if self._session_id is None:
            session = yield from ask(lambda client: client.chat(chat_id).create_session())
            self._session_id = session.id
        return self._session_id

    def _answered(self, turn: _Turn) -> None:
        if self._said is not None:
            question = ChatMessage(role=MessageRole.USER, content=turn.question)
            self._said += [question, from_server(turn.reply.message)]

    def _history(self) -> Flow[list[ChatMessage]]:
        if self._said is not None:
            return list(self._said)
        session_id = self._session_id
        if session_id is None:
            return []
        chat_id = yield from self._chat.found()
        session = yield from ask(lambda client: client.chat(chat_id).get_session(session_id))
        return [from_server(message) for message in session.messages]


class RAGFlowAgentChatEngine(_Conversation):
    """A conversation with the agent ``agent_id``, which runs its canvas for each question.

    The agent remembers, in its session ``session_id`` or in one that is made with the first question; it takes no
    history from elsewhere (``chat_history=[]`` begins anew, messages are an ``UnsupportedError``). ``inputs`` are
    values by name, sent with every question: those of its **Begin** component, or, set between two questions, those
    that a run waits for (``metadata["user_inputs"]``); the question may be empty then. ``release=True`` asks the
    published version (servers from v0.25.1), otherwise the draft answers.

    **Answer.** As ``RAGFlowChatEngine``'s; the ``n`` of ``[ID:n]`` is the agent's own number, a citation's
    ``index`` the place among ``source_nodes``. ``metadata`` also has what the agent sent of ``structured``,
    ``attachment``, ``downloads``, and of a run that waits for values ``user_inputs`` and ``tips``. No scope can be
    kept with agents: with ``scope`` every question is an ``UnsupportedError``.
    """

    def __init__(
        self,
        agent_id: str,
        *,
        session_id: str | None = None,
        inputs: dict[str, Any] | None = None,
        release: bool | None = None,
        client: RAGFlow | None = None,
        async_client: AsyncRAGFlow | None = None,
        base_url: str | None = None,
        api_key: SecretStr | str | None = None,
        timeout: float | None = 60.0,
        max_retries: int = 2,
        scope: Scope | OfRun[Scope] | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        connection = Connection(client, async_client, base_url, api_key, timeout, max_retries, scope)
        super().__init__(connection, callback_manager)
        self._agent_id, self._session_id = agent_id, session_id
        self._release = release
        self.inputs = inputs

    def _restart(self, history: Sequence[ChatMessage]) -> None:
        if history:
            raise UnsupportedError(
                "chat_history=…: an agent takes no messages from elsewhere; chat_history=[] begins a new session"
            )
        self._session_id = None

    def _checked(self, message: str) -> str:
        return message if self.inputs else checked_question(message)

    def _asked(self, turn: _Turn) -> Flow[Asked]:
        session_id = yield from self._session()
        turn.reply.metadata.update(agent_id=self._agent_id, session_id=session_id)

        def call(client: RAGFlow | AsyncRAGFlow, stream: bool) -> Any:
            session: Any = client.agent_session(self._agent_id, session_id)
            return session.ask(turn.question, stream=stream, inputs=self.inputs)

        return Asked(call, Messages())

    def _session(self) -> Flow[str]:
        if self._session_id is None:
            options = {} if self._release is None else {"release": self._release}
            session = yield from ask(lambda client: client.agent(self._agent_id).create_session(**options))
            self._session_id = session.id
        return self._session_id

    def _history(self) -> Flow[list[ChatMessage]]:
        session_id = self._session_id
        if session_id is None:
            return []
        session = yield from ask(lambda client: client.agent(self._agent_id).get_session(session_id))
        return [from_server(message) for message in session.messages]


def _piece(said: str, text: str) -> ChatResponse:
    dispatcher.event(StreamChatDeltaReceivedEvent(delta=text))
    return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=said), delta=text)


def _check_chat(chat_id: str | None, chat_name: str | None, session_id: str | None, history: str) -> None:
    if (chat_id is None) == (chat_name is None):
        raise ConfigurationError("say whom to ask: give either chat_id= or chat_name=")
    if history not in ("server", "client"):
        raise ConfigurationError(f"history={history!r}: give 'server' or 'client'")
    if history == "client" and session_id is not None:
        raise ConfigurationError(
            f"history='client' and session_id={session_id!r}: a session's history is the server's; give one of them"
        )
