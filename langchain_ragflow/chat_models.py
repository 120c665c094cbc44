"""RAGFlow's chat assistants and agents as LangChain chat models whose answers cite their sources."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal, Self
from uuid import uuid4

from langchain_core.messages import BaseMessage
from pydantic import BaseModel, PrivateAttr, model_validator

from ragflow_integrations import AsyncRAGFlow, InvalidRequestError, RAGFlow
from ragflow_integrations.adapting import Completions, Flow, Messages, ask

from ._answering import Answering, Asked
from ._client import STRICT, for_call
from ._convert import history, last_question

__all__ = ["ChatRAGFlow", "ChatRAGFlowAgent"]

_UNSTORED_SINCE = (0, 27)  # the native route answers without storing a session
_SETTINGS_SINCE = (0, 25)  # OpenAI's form takes the model and its settings


class AnswerFields(BaseModel):
    """How to answer. Every field goes into the constructor or into one call: ``invoke(question, model="…")``.

    On the native route ``temperature``, ``top_p`` and ``max_tokens`` take effect together with ``model`` only, or
    if the assistant has no language model of its own; on OpenAI's from v0.25 on. Where they have none you are warned.
    """

    model_config = STRICT

    session_id: str | None = None
    """A session of the assistant, made with ``chat.create_session()``."""

    api: Literal["auto", "native", "openai"] = "auto"
    """The server's route. ``"openai"`` counts tokens and has no sessions; ``"native"`` has sessions and counts none.

    ``"auto"`` is the native one in a session and on servers that answer there without storing anything (from v0.27,
    which is asked for once), otherwise OpenAI's.
    """

    model: str | None = None
    """A language model that is configured on the server (its ``llm_id``), instead of the assistant's own."""

    temperature: float | None = None
    """Between 0 and 2 as a rule; ``None``: the model's default."""

    top_p: float | None = None
    """Between 0 and 1; ``None``: the model's default."""

    max_tokens: int | None = None
    """Most tokens of the answer; ``None``: the model's default."""

    def _sampling(self) -> dict[str, Any]:
        settings = {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": self.max_tokens}
        return {name: value for name, value in settings.items() if value is not None}

    def _native_options(self) -> dict[str, Any]:
        """The request fields, with a warning for those that the server will ignore."""
        given = self._sampling()
        if self.model is not None:
            return {**given, "llm_id": self.model}
        if given:
            warnings.warn(
                f"{', '.join(given)} without model=: RAGFlow uses the assistant's own language model with the "
                'assistant\'s settings; change them there, name a model, or give api="openai"',
                stacklevel=2,
            )
        return given

    def _openai_options(self, server: tuple[int, ...]) -> dict[str, Any]:
        """The same in OpenAI's form, whose name for the assistant's own model is ``model``."""
        named = {} if self.model is None else {"model": self.model}
        given = self._sampling() | named
        if given and server < _SETTINGS_SINCE:
            warnings.warn(
                f"{', '.join(given)}: RAGFlow before v0.25 passes over this and uses the assistant's own language "
                "model and settings; change them there",
                stacklevel=2,
            )
        return given


class ChatRAGFlow(AnswerFields, Answering):
    """A chat assistant of RAGFlow: it searches its datasets and answers with citations.

        model = ChatRAGFlow(chat_name="helpdesk")
        answer = model.invoke("How long is the notice period?")
        answer.content_blocks[0]["annotations"]      # citations with spans in the text

    **History.** Without ``session_id`` the messages are the whole history and nothing is stored on the
    server. With one (here, ``invoke(…, session_id=…)``, ``bind`` or ``configurable_fields``) the server
    remembers, and only the last human message is sent; ``session_id=None`` in a call leaves the session out.
    System messages are not sent, with a warning: RAGFlow drops them and uses the assistant's own prompt.

    **Answer.** ``[ID:n]`` stays in the text and cites ``response_metadata["reference"][n]``;
    ``response_metadata["citations"]`` and the annotations of ``content_blocks`` have the same spans, streamed
    or not. Markers that cite nothing are listed under ``unresolved_citations``. ``response_metadata`` has
    ``model_name`` (``model``, or the assistant as it was given), ``chat_id``, ``message_id`` and the
    ``session_id`` asked in. ``usage_metadata`` is there where RAGFlow counts, which is with ``api="openai"``.

    ``stop`` is applied here: the text ends before the first stop sequence, while the reference still comes
    with the end of the server's answer.

    Raises what the client raises (``NotFoundError`` for an unknown chat or session, ``InvalidRequestError``
    for an empty question or content other than text, ``StreamInterruptedError`` …).
    """

    model_config = STRICT

    chat_id: str | None = None
    """The assistant's id; or its name as ``chat_name``."""

    chat_name: str | None = None
    """The assistant's name; looked up once (``GET /chats``) and its id kept, in a copy anew.

    ``ConflictError`` for a name that several share.
    """

    _ids: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _check_chat(self) -> Self:
        if (self.chat_id is None) == (self.chat_name is None):
            raise ValueError("give chat_id or chat_name, one of them")
        return self

    @property
    def _identifying_params(self) -> dict[str, Any]:
        """Also the key of LangChain's cache: what is not in here shares its answers.

        Whoever has another key or scope shares none. In another engine a name means another assistant: as long as
        its id is not known, nothing is shared.
        """
        names = ("base_url", "chat_name", *AnswerFields.model_fields)
        return {
            **{name: getattr(self, name) for name in names},
            "client": self._fingerprint(),
            "chat_id": self._known_id() or f"not known yet: {uuid4().hex}",
            "stop_sequences": self.stop,  # as "stop" LangChain puts the call's over it, even None
        }

    def _asked(self, messages: list[BaseMessage], given: dict[str, Any]) -> Flow[Asked]:
        fields = for_call(AnswerFields, self, given)
        chat_id = yield from self._chat_id()
        model_name, session_id = fields.model or self._name(), fields.session_id
        told = {"model_name": model_name, "chat_id": chat_id, "session_id": session_id}
        if (yield from self._is_native(fields)):
            question: Any = history(messages) if session_id is None else last_question(messages)
            return _native(chat_id, session_id, question, fields._native_options(), told)
        server = (
            (yield from self._server_version()) if fields._sampling() or fields.model else _SETTINGS_SINCE
        )
        return _openai(chat_id, history(messages), fields._openai_options(server), told)

    def _is_native(self, fields: AnswerFields) -> Flow[bool]:
        if fields.session_id is not None and fields.api == "openai":
            raise InvalidRequestError(
                f"api='openai', session_id={fields.session_id!r}: OpenAI's form has no sessions; use api='native'"
            )
        if fields.session_id is not None or fields.api != "auto":
            return fields.api != "openai"
        return (yield from self._server_version()) >= _UNSTORED_SINCE

    def _chat_id(self) -> Flow[str]:
        """With a function as ``scope`` a name may mean another assistant to another user."""
        known, name = self._known_id(), self.chat_name or ""
        if known is None:
            chat = yield from ask(lambda client: client.get_chat(name=name))
            known = self._ids[name] = chat.id
        return known

    def _known_id(self) -> str | None:
        if self.chat_id is not None:
            return self.chat_id
        return None if callable(self.scope) else self._ids.get(self.chat_name or "")

    def _name(self) -> str:
        """The assistant as it was given."""
        return self.chat_id or self.chat_name or ""


class AgentFields(BaseModel):
    """How to ask an agent. Every field goes into the constructor or into one call."""

    model_config = STRICT

    session_id: str | None = None
    """A session of the agent; without one each call begins a session, which the answer names."""

    inputs: dict[str, Any] | None = None
    """Values for the agent's **Begin** component, or for what a paused run asks for, by name."""

    release: bool | None = None
    """``True`` asks the published version (servers from v0.25.1), otherwise the draft answers."""


class ChatRAGFlowAgent(AgentFields, Answering):
    """An agent of RAGFlow: it runs its canvas and answers, with citations where it searched.

        agent = ChatRAGFlowAgent(agent_id="…")
        answer = agent.invoke("How long is the notice period?")
        agent.invoke("And how is it given?", session_id=answer.response_metadata["session_id"])

    **History.** An agent is told the last human message; what was said before it knows from its session. Without
    ``session_id`` it begins one, which stays on the server; you are warned when earlier messages are left out.

    **Answer.** As ``ChatRAGFlow``'s; ``citation["extras"]["reference"]`` is the place in
    ``response_metadata["reference"]``, while ``[ID:n]`` has the agent's own numbers. ``response_metadata`` has
    ``agent_id``, ``session_id``, and where the agent sent them ``structured``, ``attachment``, ``downloads``. A run
    that waits for values has ``user_inputs``, what it asks for by name, and ``tips``: answer with ``inputs=`` in its
    session. ``usage_metadata`` is there from v0.26.3 on.

    Raises what the client raises: ``NotFoundError`` or ``PermissionDeniedError`` for an unknown agent or session,
    ``ServerError`` when a component fails …
    """

    model_config = STRICT

    agent_id: str
    """The agent's id."""

    @property
    def _identifying_params(self) -> dict[str, Any]:
        """Also the key of LangChain's cache."""
        names = ("base_url", "agent_id", *AgentFields.model_fields)
        fields = {name: getattr(self, name) for name in names}
        return {**fields, "client": self._fingerprint(), "stop_sequences": self.stop}

    def _asked(self, messages: list[BaseMessage], given: dict[str, Any]) -> Flow[Asked]:
        yield from ()
        fields = for_call(AgentFields, self, given)
        question, agent_id, session_id = last_question(messages), self.agent_id, fields.session_id
        if session_id is None:
            _warn_of_what_is_left_out(messages)
        options = {"inputs": fields.inputs, "release": fields.release}

        def call(client: RAGFlow | AsyncRAGFlow, stream: bool) -> Any:
            agent = client.agent(agent_id)
            target: Any = agent if session_id is None else client.agent_session(agent_id, session_id)
            return target.ask(question, stream=stream, **options)

        told = {"model_name": agent_id, "agent_id": agent_id}
        return Asked(call, Messages(), told)

    def _name(self) -> str:
        return self.agent_id


def _native(
    chat_id: str, session_id: str | None, question: Any, options: dict[str, Any], told: dict[str, Any]
) -> Asked:
    def call(client: RAGFlow | AsyncRAGFlow, stream: bool) -> Any:
        chat = client.chat(chat_id)
        target: Any = chat if session_id is None else client.session(chat_id, session_id)
        return target.ask(question, stream=stream, **options)

    return Asked(call, Messages(), told)


def _openai(
    chat_id: str, messages: list[dict[str, str]], options: dict[str, Any], told: dict[str, Any]
) -> Asked:
    def call(client: Any, stream: bool) -> Any:
        return client.chat_completions(chat_id, messages, stream=stream, reference=True, **options)

    return Asked(call, Completions(), told)


def _warn_of_what_is_left_out(messages: Sequence[BaseMessage]) -> None:
    if sum(message.type in ("human", "ai") for message in messages) > 1:
        warnings.warn(
            "ChatRAGFlowAgent sends the last human message only: what was said before, an agent knows from its "
            "session; give session_id=",
            stacklevel=2,
        )
