"""A chat assistant of RAGFlow as a LlamaIndex language model whose answers have their references."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from contextlib import aclosing, closing
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.constants import DEFAULT_CONTEXT_WINDOW, DEFAULT_NUM_OUTPUTS
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.llm import LLM
from pydantic import BaseModel, Field, PrivateAttr, SecretStr

from ragflow_integrations import (
    AsyncRAGFlow,
    ConfigurationError,
    InvalidRequestError,
    RAGFlow,
    Scope,
    UnsupportedError,
)
from ragflow_integrations.adapting import Flow, arun, ask, run

from ._answers import Asked, Piece, Reply, apieces, awhole, completed, pieces, whole
from ._chat import ChatId
from ._client import Connected, Connection
from ._messages import from_server, to_server
from ._run import OfRun

__all__ = ["RAGFlowLLM"]

_SAMPLING = ("temperature", "top_p", "max_tokens")
_OF_A_CALL = ("model", *_SAMPLING, "metadata_condition")
_SETTINGS_SINCE = (0, 25)  # OpenAI's form takes the model and its settings
_TOLD = ("reasoning", "citations", "unresolved_citations")


class RAGFlowLLM(Connected, LLM):
    """The chat assistant ``chat_id`` or ``chat_name`` as a language model: it searches its datasets and answers.

        llm = RAGFlowLLM(chat_name="helpdesk")
        response = llm.chat([ChatMessage("How long is the notice period?")])
        response.additional_kwargs["reference"]

    It is asked by OpenAI's form of the route (``POST /api/v1/openai/{chat_id}/chat/completions``): the messages are the
    whole conversation, and nothing is stored on the server. System messages go as the user's, since RAGFlow drops
    them; results of tools and content other than text are refused.

    **Answer.** ``[ID:n]`` in the text cites ``response.additional_kwargs["reference"][n]``; ``["citations"]`` are
    spans as of ``RAGFlowQueryEngine``, ``["unresolved_citations"]`` those that cite nothing, ``["reasoning"]`` the
    model's thoughts. ``response.raw["usage"]`` has the tokens where the server counted them. The message has a
    ``CitationBlock`` for each cited source, and thoughts as a ``ThinkingBlock`` where LlamaIndex has these. Of a stream
    all that comes with its last piece; thoughts arrive as ``additional_kwargs["thinking_delta"]``.

    It calls no tools: ``FunctionAgent`` refuses it, ``ReActAgent`` takes it. In agents RAGFlow is best as a tool.

    ``model``, ``temperature``, ``top_p`` and ``max_tokens`` are the assistant's own if not given; each may also be
    given to one call, as may ``metadata_condition``, RAGFlow's filter of the documents that are searched. Servers
    before v0.25 would pass over the first four, so they are an ``UnsupportedError`` there.

    Which server and ``scope``: as ``RAGFlowRetriever``. The key is in no repr, dict, pickle or event. What was made
    with a scope needs one again when it is made from its dict.
    """

    chat_id: str | None = Field(default=None, description="The assistant's id.")
    chat_name: str | None = Field(default=None, description="The assistant's name.")
    model: str | None = Field(
        default=None, description="A model of the server's, instead of the assistant's."
    )
    temperature: float | None = Field(default=None, description="The model's; usually 0 to 2.")
    top_p: float | None = Field(default=None, description="The model's; 0 to 1.")
    max_tokens: int | None = Field(default=None, description="Most tokens of an answer.")
    context_window: int = Field(
        default=DEFAULT_CONTEXT_WINDOW, description="Tokens that LlamaIndex may send; RAGFlow does not tell."
    )
    base_url: str = Field(default="", description="The server's address.")
    timeout: float | None = Field(default=60.0, description="Seconds to wait for the server.")
    max_retries: int = Field(default=2, description="Repetitions of calls that may be repeated.")
    scoped: bool = Field(default=False, description="Whether it was made with a scope.")

    _connection: Connection = PrivateAttr()
    _chat: ChatId = PrivateAttr()
    _server: tuple[int, ...] | None = PrivateAttr(default=None)

    def __init__(
        self,
        chat_id: str | None = None,
        *,
        chat_name: str | None = None,
        model: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        context_window: int = DEFAULT_CONTEXT_WINDOW,
        client: RAGFlow | None = None,
        async_client: AsyncRAGFlow | None = None,
        base_url: str | None = None,
        api_key: SecretStr | str | None = None,
        timeout: float | None = 60.0,
        max_retries: int = 2,
        scope: Scope | OfRun[Scope] | None = None,
        scoped: bool = False,
        **fields: Any,
    ) -> None:
        _check(chat_id, chat_name, fields)
        connection = Connection(client, async_client, base_url, api_key, timeout, max_retries, scope)
        if scoped and not connection.is_scoped:
            raise ConfigurationError("scoped=True: it was made with a scope and needs one again; give scope=")
        super().__init__(
            chat_id=chat_id,
            chat_name=chat_name,
            model=model,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            context_window=context_window,
            base_url=connection.base_url,
            timeout=timeout,
            max_retries=max_retries,
            scoped=connection.is_scoped,
            **fields,
        )
        self._connection = connection
        self._chat = ChatId(chat_id, chat_name, connection)

    @classmethod
    def class_name(cls) -> str:
        """What serialisation calls it."""
        return "RAGFlowLLM"

    @property
    def metadata(self) -> LLMMetadata:
        """A chat model that calls no functions; its name is the model's, or the assistant's as it was given."""
        return LLMMetadata(
            context_window=self.context_window,
            num_output=self.max_tokens or DEFAULT_NUM_OUTPUTS,
            is_chat_model=True,
            is_function_calling_model=False,
            model_name=self.model or self.chat_id or self.chat_name or "",
            system_role=MessageRole.USER,
        )

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The assistant's answer to the last message."""
        return self._answer(messages, kwargs)

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """As ``chat``."""
        return await self._aanswer(messages, kwargs)

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The same in pieces; closing the generator breaks the answer off."""
        return self._stream(self._connection.scoped(), messages, kwargs)

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """As ``stream_chat``."""
        return self._astream(await self._connection.ascoped(), messages, kwargs)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The answer to a question."""
        return _completion(self._answer(self._prompted(prompt, formatted), kwargs))

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """As ``complete``."""
        return _completion(await self._aanswer(self._prompted(prompt, formatted), kwargs))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """The same in pieces; closing the generator breaks the answer off."""
        return _completions(
            self._stream(self._connection.scoped(), self._prompted(prompt, formatted), kwargs)
        )

    @llm_completion_callback()
    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        """As ``stream_complete``."""
        client = await self._connection.ascoped()
        return _acompletions(self._astream(client, self._prompted(prompt, formatted), kwargs))

    def _answer(self, messages: Sequence[ChatMessage], given: dict[str, Any]) -> ChatResponse:
        client, reply = self._connection.scoped(), Reply({})
        whole(run(self._asked(messages, given), client), client, reply)
        return _response(reply)

    async def _aanswer(self, messages: Sequence[ChatMessage], given: dict[str, Any]) -> ChatResponse:
        client, reply = await self._connection.ascoped(), Reply({})
        await awhole(await arun(self._asked(messages, given), client), client, reply)
        return _response(reply)

    def _stream(
        self, client: RAGFlow, messages: Sequence[ChatMessage], given: dict[str, Any]
    ) -> ChatResponseGen:
        reply, said = Reply({}), ""
        asked = run(self._asked(messages, given), client)
        with closing(pieces(asked, client, reply)) as arriving:
            for piece in arriving:
                said += piece.text
                yield _part(said, piece)
        yield _response(reply)

    async def _astream(
        self, client: AsyncRAGFlow, messages: Sequence[ChatMessage], given: dict[str, Any]
    ) -> ChatResponseAsyncGen:
        reply, said = Reply({}), ""
        asked = await arun(self._asked(messages, given), client)
        async with aclosing(apieces(asked, client, reply)) as arriving:
            async for piece in arriving:
                said += piece.text
                yield _part(said, piece)
        yield _response(reply)

    def _asked(self, messages: Sequence[ChatMessage], given: dict[str, Any]) -> Flow[Asked]:
        options = self._options(given)
        told = to_server(messages)
        settings = [name for name in ("model", *_SAMPLING) if name in options]
        if settings and (yield from self._server_version()) < _SETTINGS_SINCE:
            raise UnsupportedError(
                f"{', '.join(settings)}: RAGFlow before v0.25 passes over this and uses the assistant's own model "
                "and settings; change them there"
            )
        return completed((yield from self._chat.found()), told, options)

    def _options(self, given: dict[str, Any]) -> dict[str, Any]:
        if unknown := sorted(given.keys() - set(_OF_A_CALL)):
            raise InvalidRequestError(
                f"{', '.join(unknown)}: RAGFlow takes {', '.join(_OF_A_CALL)} with a call"
            )
        own = {name: getattr(self, name) for name in ("model", *_SAMPLING)}
        return {name: value for name, value in (own | given).items() if value is not None}

    def _server_version(self) -> Flow[tuple[int, ...]]:
        """Whose dialect the server speaks; asked for once."""
        if self._server is None:
            info = yield from ask(lambda client: client.server_info())
            self._server = tuple(int(part) for part in info.api_version.split("."))
        return self._server

    def _prompted(self, prompt: str, formatted: bool) -> list[ChatMessage]:
        if not formatted and self.completion_to_prompt is not None:
            prompt = self.completion_to_prompt(prompt)
        return [ChatMessage(role=MessageRole.USER, content=prompt)]

    def __getstate__(self) -> dict[str, Any]:
        """Without the key; an engine in memory is refused, where LlamaIndex would leave the connection out."""
        pickle.dumps(self._connection)
        return super().__getstate__()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """With the connection as it was; LlamaIndex would make a new one of the fields alone."""
        BaseModel.__setstate__(self, state)


def _part(said: str, piece: Piece) -> ChatResponse:
    thought = {"thinking_delta": piece.thought} if piece.thought else {}
    message = ChatMessage(role=MessageRole.ASSISTANT, content=said)
    return ChatResponse(message=message, delta=piece.text, additional_kwargs=thought)


def _response(reply: Reply) -> ChatResponse:
    """The whole answer; at the end of a stream, too, with nothing new to say."""
    usage = reply.message.usage
    facts = {
        "reference": [chunk.model_dump(exclude_unset=True) for chunk in reply.message.reference],
        **{name: reply.metadata[name] for name in _TOLD if name in reply.metadata},
    }
    raw = {"usage": usage} if usage else None  # where LlamaIndex's TokenCountingHandler looks
    return ChatResponse(message=from_server(reply.message), delta="", additional_kwargs=facts, raw=raw)


def _completion(response: ChatResponse) -> CompletionResponse:
    return CompletionResponse(
        text=response.message.content or "",
        delta=response.delta,
        additional_kwargs=response.additional_kwargs,
        raw=response.raw,
    )


def _completions(responses: ChatResponseGen) -> CompletionResponseGen:
    with closing(responses):
        for response in responses:
            yield _completion(response)


async def _acompletions(responses: ChatResponseAsyncGen) -> CompletionResponseAsyncGen:
    async with aclosing(responses):
        async for response in responses:
            yield _completion(response)


def _check(chat_id: str | None, chat_name: str | None, fields: dict[str, Any]) -> None:
    if unknown := sorted(fields.keys() - LLM.model_fields.keys()):
        raise ConfigurationError(f"{', '.join(unknown)}: RAGFlowLLM has no such argument")
    if (chat_id is None) == (chat_name is None):
        raise ConfigurationError("say whom to ask: give either chat_id= or chat_name=")
