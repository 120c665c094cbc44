"""Conversations with a chat assistant or an agent of RAGFlow, whose answers have their sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.callbacks.base import CallbackManager
from pydantic import SecretStr

from ragflow_integrations import AsyncRAGFlow, ConfigurationError, RAGFlow, Scope, UnsupportedError
from ragflow_integrations.adapting import Flow, Messages, ask

from ._answers import Asked, checked_question, completed
from ._chat import ChatId
from ._client import Connection
from ._conversation import Conversation, RAGFlowStreamingChatResponse, State, Turn
from ._messages import from_server, to_server
from ._run import OfRun

__all__ = ["RAGFlowAgentChatEngine", "RAGFlowChatEngine", "RAGFlowStreamingChatResponse"]


class RAGFlowChatEngine(Conversation):
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
        self._chat = ChatId(chat_id, chat_name, connection)
        self._keeps = history == "client"
        super().__init__(connection, State(session_id, [] if self._keeps else None), callback_manager)

    def _begun(self, history: Sequence[ChatMessage]) -> State:
        to_server(history)  # refuses what cannot be told
        return State(said=list(history) if history or self._keeps else None)

    def _asked(self, turn: Turn) -> Flow[Asked]:
        chat_id = yield from self._chat.found()
        turn.reply.metadata["chat_id"] = chat_id
        if turn.state.said is not None:
            return completed(chat_id, to_server([*turn.state.said, _question(turn)]), {})
        session_id = yield from turn.state.session(lambda client: client.chat(chat_id).create_session())
        turn.reply.metadata["session_id"] = session_id

        def call(client: RAGFlow | AsyncRAGFlow, stream: bool) -> Any:
            session: Any = client.session(chat_id, session_id)
            return session.ask(turn.question, stream=stream)

        return Asked(call, Messages())

    def _answered(self, turn: Turn) -> None:
        if turn.state.said is not None:
            turn.state.said += [_question(turn), from_server(turn.reply.message)]

    def _history(self, state: State) -> Flow[list[ChatMessage]]:
        if state.said is not None:
            return list(state.said)
        session_id = state.session_id
        if session_id is None:
            return []
        chat_id = yield from self._chat.found()
        session = yield from ask(lambda client: client.chat(chat_id).get_session(session_id))
        return [from_server(message) for message in session.messages]


class RAGFlowAgentChatEngine(Conversation):
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
        super().__init__(connection, State(session_id), callback_manager)
        self._agent_id, self._release = agent_id, release
        self.inputs = inputs

    def _begun(self, history: Sequence[ChatMessage]) -> State:
        if history:
            raise UnsupportedError(
                "chat_history=…: an agent takes no messages from elsewhere; chat_history=[] begins a new session"
            )
        return State()

    def _checked(self, message: str) -> str:
        return message if self.inputs else checked_question(message)

    def _options(self) -> dict[str, Any]:
        return {"inputs": self.inputs}

    def _asked(self, turn: Turn) -> Flow[Asked]:
        options = {} if self._release is None else {"release": self._release}
        session_id = yield from turn.state.session(
            lambda client: client.agent(self._agent_id).create_session(**options)
        )
        turn.reply.metadata.update(agent_id=self._agent_id, session_id=session_id)

        def call(client: RAGFlow | AsyncRAGFlow, stream: bool) -> Any:
            session: Any = client.agent_session(self._agent_id, session_id)
            return session.ask(turn.question, stream=stream, **turn.options)

        return Asked(call, Messages())

    def _history(self, state: State) -> Flow[list[ChatMessage]]:
        session_id = state.session_id
        if session_id is None:
            return []
        session = yield from ask(lambda client: client.agent(self._agent_id).get_session(session_id))
        return [from_server(message) for message in session.messages]


def _question(turn: Turn) -> ChatMessage:
    return ChatMessage(role=MessageRole.USER, content=turn.question)


def _check_chat(chat_id: str | None, chat_name: str | None, session_id: str | None, history: str) -> None:
    if (chat_id is None) == (chat_name is None):
        raise ConfigurationError("say whom to ask: give either chat_id= or chat_name=")
    if history not in ("server", "client"):
        raise ConfigurationError(f"history={history!r}: give 'server' or 'client'")
    if history == "client" and session_id is not None:
        raise ConfigurationError(
            f"history='client' and session_id={session_id!r}: a session's history is the server's; give one of them"
        )
