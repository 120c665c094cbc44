"""What a chat assistant and an agent have in common as LangChain chat models."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LangSmithParams, LanguageModelInput, ModelProfile
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool

from ragflow_integrations import AsyncRAGFlow, InvalidRequestError, RAGFlow
from ragflow_integrations.adapting import Flow, Reader, arun, run

from ._citations import register
from ._client import STRICT, Connected
from ._convert import AnswerChunks, answer
from ._run import called_with

__all__ = ["Answering", "Asked"]

_NO_TOOLS = (
    "RAGFlow calls no tools of LangChain and returns no structured output. Give RAGFlow to another chat model "
    "instead, as tools: RAGFlowToolkit(dataset_names=[...], chat_name=...).get_tools()"
)

register()


class Asked(NamedTuple):
    """A question on its way: how to ask it, how to read the answer, and what is known of it already."""

    call: Callable[[RAGFlow | AsyncRAGFlow, bool], Any]  # with True the answer is a stream
    reader: Reader
    told: dict[str, Any]


class Answering(Connected, BaseChatModel):
    """Asks RAGFlow and hands out its answers."""

    model_config = STRICT

    stop: list[str] | None = None
    """Texts before which the answer ends; ``invoke(…, stop=[…])`` replaces them."""

    streaming: bool = False
    """Let ``invoke`` and ``batch`` stream too, for callbacks that want tokens."""

    @abstractmethod
    def _asked(self, messages: list[BaseMessage], given: dict[str, Any]) -> Flow[Asked]:
        """What to ask, ``given`` being the fields of this call."""

    @abstractmethod
    def _name(self) -> str:
        """What answers, for traces."""

    # --- a call's config, for functions given as scope= -----------------------------------------------

    def invoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """The answer; ``kwargs`` are fields for this call only."""
        with called_with(config):
            return super().invoke(input, config, stop=stop, **kwargs)

    async def ainvoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """The answer; ``kwargs`` are fields for this call only."""
        with called_with(config):
            return await super().ainvoke(input, config, stop=stop, **kwargs)

    def stream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """The answer in pieces; closing the iterator closes the connection."""
        pieces: Any = super().stream(input, config, stop=stop, **kwargs)
        try:
            while True:
                with called_with(config):
                    piece = next(pieces, None)
                if piece is None:
                    return
                yield piece
        finally:
            pieces.close()

    async def astream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """The answer in pieces; closing the iterator, or cancelling the task, closes the connection."""
        pieces: Any = super().astream(input, config, stop=stop, **kwargs)
        try:
            while True:
                with called_with(config):
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                yield piece
        finally:
            await pieces.aclose()

    def stream_events(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Any:
        """LangChain's events; with ``version="v3"`` a stream that is asked for when it is read."""
        with called_with(config):
            return super(Answering, self._settled()).stream_events(input, config, **kwargs)

    def astream_events(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Any:
        """LangChain's events; with ``version="v3"`` a stream that is asked for when it is read."""
        with called_with(config):
            return super(Answering, self._settled()).astream_events(input, config, **kwargs)

    # --- LangChain's hooks ----------------------------------------------------------------------------

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        sequences, client = self._sequences(stop), self._sync()
        asked = run(self._asked(messages, _ours(kwargs)), client)
        whole = asked.call(client, False)
        return _result(answer(asked.reader.whole(whole), asked.told, sequences))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        sequences, client = self._sequences(stop), self._async()
        asked = await arun(self._asked(messages, _ours(kwargs)), client)
        whole = await asked.call(client, False)
        return _result(answer(asked.reader.whole(whole), asked.told, sequences))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        sequences, client = self._sequences(stop), self._sync()
        asked = run(self._asked(messages, _ours(kwargs)), client)
        chunks = AnswerChunks(asked.told, sequences)
        with asked.call(client, True) as stream:
            for piece in stream:
                for chunk in chunks.feed(asked.reader.piece(piece)):
                    yield ChatGenerationChunk(message=chunk)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        sequences, client = self._sequences(stop), self._async()
        asked = await arun(self._asked(messages, _ours(kwargs)), client)
        chunks = AnswerChunks(asked.told, sequences)
        async with await asked.call(client, True) as stream:
            async for piece in stream:
                for chunk in chunks.feed(asked.reader.piece(piece)):
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

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop or self.stop, **kwargs)
        params.setdefault("ls_model_name", self._name())
        return params

    def _resolve_model_profile(self) -> ModelProfile:
        return ModelProfile(tool_calling=False, structured_output=False, image_inputs=False)

    def _sequences(self, stop: list[str] | None) -> Sequence[str]:
        sequences: Sequence[str] = (self.stop if stop is None else stop) or ()
        if isinstance(sequences, str) or "" in sequences:
            raise InvalidRequestError(f"stop={sequences!r}: give a list of texts that are not empty")
        return sequences


def _ours(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kwargs.items() if name != "stream"}  # that one is LangChain's


def _result(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])
