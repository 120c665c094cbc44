"""RAGFlow's chat assistants as a LangChain chat model whose answers cite their sources."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, NoReturn, Self
from uuid import uuid4

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LangSmithParams, LanguageModelInput, ModelProfile
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import BaseModel, PrivateAttr, model_validator

from ragflow_integrations import AsyncRAGFlow, InvalidRequestError, RAGFlow

from ._citations import register
from ._client import STRICT, Connected, for_call
from ._convert import AnswerChunks, answer, history, last_question

__all__ = ["ChatRAGFlow"]

_NO_TOOLS = (
    "RAGFlow's chat route calls no tools and returns no structured output. Give RAGFlow to another chat model "
    "instead, as a tool: langchain_core.tools.create_retriever_tool(RAGFlowRetriever(...), name, description)"
)

register()


class _Asked(NamedTuple):
    """A question on its way: whom to ask what, and how to read the answer."""

    chat_id: str
    session_id: str | None
    question: Any  # in a session the newest question, else the whole history
    options: dict[str, Any]
    stop: Sequence[str]
    told: dict[str, Any]


class AnswerFields(BaseModel):
    """How to answer. Every field goes into the constructor or into one call: ``invoke(question, model="…")``.

    ``temperature``, ``top_p`` and ``max_tokens`` take effect together with ``model`` only, or if the assistant
    has no language model of its own: an assistant's settings are otherwise changed on the server.
    """

    model_config = STRICT

    session_id: str | None = None
    """A session of the assistant, made with ``chat.create_session()``."""

    model: str | None = None
    """A language model that is configured on the server (its ``llm_id``), instead of the assistant's own."""

    temperature: float | None = None
    """Between 0 and 2 as a rule; ``None``: the model's default."""

    top_p: float | None = None
    """Between 0 and 1; ``None``: the model's default."""

    max_tokens: int | None = None
    """Most tokens of the answer; ``None``: the model's default."""

    def _options(self) -> dict[str, Any]:
        """The request fields, with a warning for those that the server will ignore."""
        settings = {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": self.max_tokens}
        given = {name: value for name, value in settings.items() if value is not None}
        if self.model is not None:
            return {**given, "llm_id": self.model}
        if given:
            warnings.warn(
                f"{', '.join(given)} without model=: RAGFlow uses the assistant's own language model with the "
                "assistant's settings; change them there, or name a model",
                stacklevel=2,
            )
        return given


class ChatRAGFlow(AnswerFields, Connected, BaseChatModel):
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
    ``session_id`` asked in. RAGFlow reports no token usage on this route, so there is no ``usage_metadata``.

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

    ``ConfigurationError`` for a name that several share.
    """

    stop: list[str] | None = None
    """Texts before which the answer ends; ``invoke(…, stop=[…])`` replaces them."""

    streaming: bool = False
    """Let ``invoke`` and ``batch`` stream too, for callbacks that want tokens."""

    _ids: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _check_chat(self) -> Self:
        if (self.chat_id is None) == (self.chat_name is None):
            raise ValueError("give chat_id or chat_name, one of them")
        return self

    # --- LangChain's hooks ----------------------------------------------------------------------------

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        asked = self._asked(self._chat_id(), messages, stop, kwargs)
        return _result(answer(_way(self._sync(), asked)(), asked.told, asked.stop))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        asked = self._asked(await self._achat_id(), messages, stop, kwargs)
        return _result(answer(await _way(self._async(), asked)(), asked.told, asked.stop))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        asked = self._asked(self._chat_id(), messages, stop, kwargs)
        chunks = AnswerChunks(asked.told, asked.stop)
        with _way(self._sync(), asked)(stream=True) as stream:
            for message in stream:
                for chunk in chunks.feed(message):
                    yield ChatGenerationChunk(message=chunk)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        asked = self._asked(await self._achat_id(), messages, stop, kwargs)
        chunks = AnswerChunks(asked.told, asked.stop)
        async with await _way(self._async(), asked)(stream=True) as stream:
            async for message in stream:
                for chunk in chunks.feed(message):
                    yield ChatGenerationChunk(message=chunk)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> NoReturn:
        """Not possible: raises ``NotImplementedError``, which says what to do instead."""
        raise NotImplementedError(_NO_TOOLS)

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Not possible: raises ``NotImplementedError``, which says what to do instead."""
        raise NotImplementedError(_NO_TOOLS)

    @property
    def _llm_type(self) -> str:
        return "ragflow"

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

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop or self.stop, **kwargs)
        params.setdefault("ls_model_name", self._name())
        return params

    def _resolve_model_profile(self) -> ModelProfile:
        return ModelProfile(tool_calling=False, structured_output=False, image_inputs=False)

    # --- asking ---------------------------------------------------------------------------------------

    def _asked(
        self, chat_id: str, messages: list[BaseMessage], stop: list[str] | None, given: dict[str, Any]
    ) -> _Asked:
        ours = {name: value for name, value in given.items() if name != "stream"}  # that one is LangChain's
        fields = for_call(AnswerFields, self, ours)
        sequences: Sequence[str] = (self.stop if stop is None else stop) or ()
        if isinstance(sequences, str) or "" in sequences:
            raise InvalidRequestError(f"stop={sequences!r}: give a list of texts that are not empty")
        session_id = fields.session_id
        question = history(messages) if session_id is None else last_question(messages)
        told = {"model_name": fields.model or self._name(), "chat_id": chat_id, "session_id": session_id}
        return _Asked(chat_id, session_id, question, fields._options(), sequences, told)

    def _chat_id(self) -> str:
        known, name = self._known_id(), self.chat_name or ""
        if known is None:
            known = self._ids[name] = self._sync().get_chat(name=name).id
        return known

    async def _achat_id(self) -> str:
        known, name = self._known_id(), self.chat_name or ""
        if known is None:
            known = self._ids[name] = (await self._async().get_chat(name=name)).id
        return known

    def _known_id(self) -> str | None:
        return self._ids.get(self.chat_name or "") if self.chat_id is None else self.chat_id

    def _name(self) -> str:
        """The assistant as it was given."""
        return self.chat_id or self.chat_name or ""


def _way(client: RAGFlow | AsyncRAGFlow, asked: _Asked) -> Callable[..., Any]:
    """The client's method for this question; ``stream=True`` makes the answer a stream."""
    chat = client.chat(asked.chat_id)
    target = chat if asked.session_id is None else client.session(asked.chat_id, asked.session_id)
    return partial(target.ask, asked.question, **asked.options)


def _result(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])
