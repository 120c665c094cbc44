"""Language models of all kinds as the engine's ``LLM``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

from ..problems import ModelFailed, Problem
from .adapt import label, methods, said
from .base import LLM, Message, ModelMistake, whole_characters
from .frameworks import (
    langchain,
    langchain_context,
    llamaindex,
    llamaindex_calls_tools,
    llamaindex_context,
)
from .tools import NoTools, Tool, ToolCalls, Turn, is_about_tools

__all__ = ["llm_from", "prompt_of"]


class _Answer(Protocol):
    def __call__(
        self, turns: Sequence[Any], tools: Sequence[Tool], /, *, may_call: bool
    ) -> Iterable[str | ToolCalls]: ...


def llm_from(model: Any) -> LLM:
    """An LLM made of an ``LLM``, a LangChain chat model, a LlamaIndex LLM or a function.

    A function whose parameter is called ``messages`` is given the list of messages, any other the prompt as one
    text; it returns a text or an iterator of texts.
    """
    if methods(model, "stream", "invoke"):
        made = ModelToolLLM if methods(model, "bind_tools") else ModelLLM
        return made(label(model), partial(langchain, model), langchain_context(model))
    if methods(model, "stream_chat", "complete"):
        made = ModelToolLLM if llamaindex_calls_tools(model) else ModelLLM
        return made(label(model), partial(llamaindex, model), llamaindex_context(model))
    if methods(model, "chat") and isinstance(getattr(model, "name", None), str):
        return model  # type: ignore[no-any-return]
    if callable(model):
        return ModelLLM(label(model), partial(_function, model))
    raise ModelMistake(
        f"llm={model!r}: give a LangChain chat model, a LlamaIndex LLM, a function from a prompt (or `messages`) to "
        "text, or 'http://host/v1#model'"
    )


class ModelLLM:
    """Somebody's model in this process, which keeps its own settings; its errors are ``ModelFailed``."""

    def __init__(self, name: str, answer: _Answer, context: int | None = None) -> None:
        self.name, self.context = name, context
        self._answer = answer

    def chat(self, messages: Sequence[Message], **settings: Any) -> Iterator[str]:
        """The answer in the deltas that the model makes."""
        for delta in self._answered(messages, (), may_call=False):
            if not isinstance(delta, str):
                raise ModelFailed(f"the model {self.name} gave {type(delta).__name__} in place of text")
            yield delta

    def _answered(
        self, turns: Sequence[Turn], tools: Sequence[Tool], *, may_call: bool
    ) -> Iterator[str | ToolCalls]:
        try:
            for delta in self._answer(turns, tools, may_call=may_call):
                if delta:
                    yield whole_characters(delta) if isinstance(delta, str) else delta
        except Problem:
            raise
        except Exception as error:  # whatever somebody's model raises
            raise ModelFailed(f"the model {self.name} failed: {said(error)}") from error


class ModelToolLLM(ModelLLM):
    """One that has a way of its own to call tools."""

    def chat_with_tools(
        self, turns: Sequence[Turn], tools: Sequence[Tool], *, may_call: bool, **settings: Any
    ) -> Iterator[str | ToolCalls]:
        """The answer in deltas, which may end in calls."""
        begun = False
        try:
            for delta in self._answered(turns, tools, may_call=may_call):
                begun = True
                yield delta
        except ModelFailed as error:
            if begun or not is_about_tools(error):
                raise
            raise NoTools(str(error)) from error


def prompt_of(messages: Sequence[Message]) -> str:
    """A conversation as one text; a single message as it is."""
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n\n".join(
        each["content"] if each["role"] == "system" else f"{each['role'].capitalize()}: {each['content']}"
        for each in messages
    )


def _function(function: Callable[..., Any], messages: Sequence[Message], *_: Any, **__: Any) -> Iterable[str]:
    try:
        wanted = next(iter(inspect.signature(function).parameters), "")
    except (TypeError, ValueError):  # a built-in function does not say
        wanted = ""
    answer = function([dict(each) for each in messages] if wanted == "messages" else prompt_of(messages))
    return [answer] if isinstance(answer, str) else answer
