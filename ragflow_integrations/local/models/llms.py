"""Language models of all kinds as the engine's ``LLM``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..problems import ModelFailed, Problem
from .adapt import class_beside, label, methods, said
from .base import LLM, Message, ModelMistake, Reasoning

__all__ = ["llm_from", "prompt_of"]

_Chat = Callable[[Sequence[Message]], Iterable[str]]


def llm_from(model: Any) -> LLM:
    """An LLM made of an ``LLM``, a LangChain chat model, a LlamaIndex LLM or a function.

    A function whose parameter is called ``messages`` is given the list of messages, any other the prompt as one
    text; it returns a text or an iterator of texts.
    """
    if methods(model, "stream", "invoke"):
        return ModelLLM(label(model), lambda messages: _langchain(model, messages))
    if methods(model, "stream_chat", "complete"):
        return ModelLLM(label(model), lambda messages: _llamaindex(model, messages))
    if methods(model, "chat") and isinstance(getattr(model, "name", None), str):
        return model  # type: ignore[no-any-return]
    if callable(model):
        return ModelLLM(label(model), lambda messages: _function(model, messages))
    raise ModelMistake(
        f"llm={model!r}: give a LangChain chat model, a LlamaIndex LLM, a function from a prompt (or `messages`) to "
        "text, or 'http://host/v1#model'"
    )


class ModelLLM:
    """Somebody's model in this process, which keeps its own settings; its errors are ``ModelFailed``."""

    def __init__(self, name: str, chat: _Chat) -> None:
        self.name = name
        self._chat = chat

    def chat(self, messages: Sequence[Message], **settings: Any) -> Iterator[str]:
        """The answer in the deltas that the model makes."""
        try:
            for delta in self._chat(messages):
                if delta:
                    yield self._text(delta)
        except Problem:
            raise
        except Exception as error:  # whatever somebody's model raises
            raise ModelFailed(f"the model {self.name} failed: {said(error)}") from error

    def _text(self, delta: Any) -> str:
        if not isinstance(delta, str):
            raise ModelFailed(f"the model {self.name} gave {type(delta).__name__} in place of text")
        return delta


def prompt_of(messages: Sequence[Message]) -> str:
    """A conversation as one text; a single message as it is."""
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n\n".join(
        each["content"] if each["role"] == "system" else f"{each['role'].capitalize()}: {each['content']}"
        for each in messages
    )


def _function(function: Callable[..., Any], messages: Sequence[Message]) -> Iterable[str]:
    try:
        wanted = next(iter(inspect.signature(function).parameters), "")
    except (TypeError, ValueError):  # a built-in function does not say
        wanted = ""
    answer = function([dict(each) for each in messages] if wanted == "messages" else prompt_of(messages))
    return [answer] if isinstance(answer, str) else answer


def _langchain(model: Any, messages: Sequence[Message]) -> Iterator[str]:
    for chunk in model.stream([(each["role"], each["content"]) for each in messages]):
        thought = getattr(chunk, "additional_kwargs", {}).get("reasoning_content")
        if thought:
            yield Reasoning(thought)
        content = getattr(chunk, "content", chunk)
        for part in [content] if isinstance(content, str) else content:
            yield from _part(part)


def _part(part: Any) -> Iterator[str]:
    """A piece of a message: text, or a block of some kind."""
    if isinstance(part, str):
        yield part
    elif part.get("type") == "text":
        yield part["text"]
    elif thought := part.get("reasoning") or part.get("thinking"):
        yield Reasoning(thought)


def _llamaindex(model: Any, messages: Sequence[Message]) -> Iterator[str]:
    message = class_beside(model, "ChatMessage")
    asked = [message(role=each["role"], content=each["content"]) for each in messages]
    try:
        stream = model.stream_chat(asked)
    except NotImplementedError:  # it can answer as a whole only
        yield str(model.chat(asked).message.content or "")
        return
    for response in stream:
        if thought := (response.additional_kwargs or {}).get("thinking_delta"):
            yield Reasoning(thought)
        yield response.delta or ""
