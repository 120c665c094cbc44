"""LangChain's chat models and LlamaIndex's LLMs, by their methods: their deltas, and their own tool calls."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field, create_model

from .adapt import class_beside, methods
from .base import ModelMistake, Reasoning
from .tools import Tool, ToolCall, ToolCalls, Turn, arguments_in

__all__ = ["langchain", "langchain_context", "llamaindex", "llamaindex_calls_tools", "llamaindex_context"]


def langchain(
    model: Any, turns: Sequence[Turn], tools: Sequence[Tool], *, may_call: bool
) -> Iterator[str | ToolCalls]:
    """What a LangChain model answers; without ``tools`` its tool calls are passed over."""
    asked = [each.message if isinstance(each, ToolCalls) else dict(each) for each in turns]
    bound = model.bind_tools([each.function for each in tools]) if may_call else model
    chunks = []
    for chunk in bound.stream(asked):
        if tools:
            chunks.append(chunk)
        yield from _texts(chunk)
    if chunks:
        message = chunks[0] + chunks[1:] if chunks[1:] else chunks[0]
        calls = [*getattr(message, "tool_calls", ()), *getattr(message, "invalid_tool_calls", ())]
        if calls:
            yield ToolCalls(
                [
                    ToolCall(each["id"] or "", each["name"] or "", arguments_in(each["args"]))
                    for each in calls
                ],
                message,
            )


def langchain_context(model: Any) -> int | None:
    """The tokens that a LangChain model can be given, if its profile says so."""
    found: int | None = (getattr(model, "profile", None) or {}).get("max_input_tokens")
    return found


def _texts(chunk: Any) -> Iterator[str]:
    if thought := getattr(chunk, "additional_kwargs", {}).get("reasoning_content"):
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


def llamaindex_calls_tools(model: Any) -> bool:
    """Whether a LlamaIndex LLM is one that calls functions, and says so of the model that it runs."""
    able = methods(model, "stream_chat_with_tools", "get_tool_calls_from_response")
    return able and bool(getattr(_metadata(model), "is_function_calling_model", False))


def llamaindex(
    model: Any, turns: Sequence[Turn], tools: Sequence[Tool], *, may_call: bool
) -> Iterator[str | ToolCalls]:
    """What a LlamaIndex LLM answers; without ``tools`` its tool calls are passed over."""
    asked = [_chat_message(model, each) for each in turns]
    response = None
    for response in _responses(model, asked, [_function_tool(each) for each in tools] if may_call else []):
        if thought := (response.additional_kwargs or {}).get("thinking_delta"):
            yield Reasoning(thought)
        yield response.delta or ""
    if tools and response is not None:
        calls = model.get_tool_calls_from_response(response, error_on_no_tool_call=False)
        if calls:
            yield ToolCalls(
                [ToolCall(each.tool_id, each.tool_name, arguments_in(each.tool_kwargs)) for each in calls],
                response.message,
            )


def llamaindex_context(model: Any) -> int | None:
    """The tokens that a LlamaIndex LLM can be given, as its metadata say."""
    found: int | None = getattr(_metadata(model), "context_window", None)
    return found


def _metadata(model: Any) -> Any:
    """What a LlamaIndex LLM says of the model that it runs; None where it knows no model of that name."""
    try:
        return model.metadata
    except ValueError:
        return None


def _responses(model: Any, asked: Sequence[Any], tools: Sequence[Any]) -> Iterator[Any]:
    """The answer as it is made, or as a whole from a model that cannot stream."""
    more = {"allow_parallel_tool_calls": True}
    try:
        yield from (
            model.stream_chat_with_tools(tools, chat_history=asked, **more)
            if tools
            else (model.stream_chat(asked))
        )
    except NotImplementedError:
        whole = model.chat_with_tools(tools, chat_history=asked, **more) if tools else model.chat(asked)
        whole.delta = str(whole.message.content or "")
        yield whole


def _chat_message(model: Any, turn: Turn) -> Any:
    if isinstance(turn, ToolCalls):
        return turn.message
    more = {key: value for key, value in turn.items() if key not in ("role", "content")}
    made = class_beside(model, "ChatMessage")
    return made(role=turn["role"], content=turn["content"], additional_kwargs=more)


def _function_tool(tool: Tool) -> Any:
    """The tool as LlamaIndex wants it, which is told about and never run."""
    made = getattr(sys.modules.get("llama_index.core.tools"), "FunctionTool", None)
    if made is None:
        raise ModelMistake("llama_index.core has no FunctionTool: use a release that has")
    fields: dict[str, Any] = {name: (str, Field(description=what)) for name, what in tool.parameters.items()}
    return made.from_defaults(
        fn=lambda **_: None,
        name=tool.name,
        description=tool.description,
        fn_schema=create_model(tool.name, **fields),
    )
