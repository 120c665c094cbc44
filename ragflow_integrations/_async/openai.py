"""Chats and agents in OpenAI's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

from ..models import ChatCompletion, ChatCompletionChunk
from ..protocol import openai
from ..protocol.checks import check_flag
from .calls import AsyncCalls
from .stream import AsyncStream

__all__ = ["AsyncOpenAICalls"]


class AsyncOpenAICalls(AsyncCalls):
    """The client's OpenAI-compatible calls."""

    @overload
    async def chat_completions(
        self,
        chat_id: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        model: str = "model",
        stream: Literal[False] = False,
        reference: bool = False,
        reference_metadata: Mapping[str, Any] | None = None,
        metadata_condition: Mapping[str, Any] | None = None,
        **sampling: Any,
    ) -> ChatCompletion: ...

    @overload
    async def chat_completions(
        self,
        chat_id: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        model: str = "model",
        stream: Literal[True],
        reference: bool = False,
        reference_metadata: Mapping[str, Any] | None = None,
        metadata_condition: Mapping[str, Any] | None = None,
        **sampling: Any,
    ) -> AsyncStream[ChatCompletionChunk]: ...

    async def chat_completions(
        self,
        chat_id: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        model: str = "model",
        stream: bool = False,
        reference: bool = False,
        reference_metadata: Mapping[str, Any] | None = None,
        metadata_condition: Mapping[str, Any] | None = None,
        **sampling: Any,
    ) -> ChatCompletion | AsyncStream[ChatCompletionChunk]:
        """A chat assistant's answer in OpenAI's form (``POST /openai/{chat_id}/chat/completions``).

        ``messages`` are the whole conversation, ``[{"role", "content"}]``, the last of them the user's; nothing
        is stored, and servers pass over system messages. ``model="model"`` is the chat's own; another has to
        be one of the account's (v0.24 passes over it). ``reference=True`` asks for citations in the text and
        for the chunks behind them, in ``choices[0].message.reference`` or in the last piece's ``delta``;
        ``reference_metadata={"include": True, "fields": […]}`` adds ``document_metadata`` to each.
        ``metadata_condition`` searches only the documents that it fits, as in ``retrieve``. ``sampling`` is
        ``temperature``, ``top_p``, ``max_tokens`` … (v0.24 passes over it, too).

        Raises ``InvalidRequestError`` for messages or a model that the server refuses, ``NotFoundError`` for an
        unknown chat, ``ServerError`` when the model fails, ``StreamInterruptedError`` when the answer breaks off.
        """
        options: dict[str, Any] = {
            "model": model,
            "reference": reference,
            "reference_metadata": reference_metadata,
            "metadata_condition": metadata_condition,
            "sampling": sampling,
        }
        if check_flag("stream", stream):
            return await self._client._stream(openai.chat_stream(chat_id, messages, **options))
        return await self._client._run(openai.chat(chat_id, messages, **options))

    @overload
    async def agent_completions(
        self,
        agent_id: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        model: str = "model",
        stream: Literal[False] = False,
        session_id: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> ChatCompletion: ...

    @overload
    async def agent_completions(
        self,
        agent_id: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        model: str = "model",
        stream: Literal[True],
        session_id: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AsyncStream[ChatCompletionChunk]: ...

    async def agent_completions(
        self,
        agent_id: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        model: str = "model",
        stream: bool = False,
        session_id: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> ChatCompletion | AsyncStream[ChatCompletionChunk]:
        """An agent's answer in OpenAI's form (``POST /agents/chat/completions``).

        The agent reads the last of ``messages``, which is the user's; what was said before it knows from the
        session ``session_id``, and without one it begins anew. ``inputs`` are the values of the **Begin**
        component by name. ``model`` is asked for by the server and not used. ``reference`` is there whenever
        the agent searched; each chunk's ``citation_id`` is the ``n`` of ``[ID:n]``. A stream has no
        ``usage`` and no ``finish_reason``. ``options`` are further fields of the request. Errors as
        ``chat_completions``.
        """
        more: dict[str, Any] = {
            "model": model,
            "session_id": session_id,
            "inputs": inputs,
            "options": options,
        }
        if check_flag("stream", stream):
            return await self._client._stream(openai.agent_stream(agent_id, messages, **more))
        return await self._client._run(openai.agent(agent_id, messages, **more))
