"""Language models of all kinds that call tools, each as its framework or server has them, told what to say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage, convert_to_openai_messages
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM

from tests.local.models.stand_in import stand_in

Json = dict[str, Any]
Calls = list[tuple[str, str]]  # names and arguments
Answer = Calls | list[str]


@dataclass
class Script:
    """What the model answers, one after another, and what it was asked: turns as (role, text), names of tools."""

    answers: list[Answer]
    asked: list[list[tuple[str, str]]] = field(default_factory=list)
    tools: list[list[str]] = field(default_factory=list)

    def next(self, turns: Sequence[tuple[str, Any]], tools: Sequence[Json]) -> Answer:
        """Note what is asked; the next answer, of which the last is repeated."""
        self.asked.append([(role, content or "") for role, content in turns])
        self.tools.append([each["function"]["name"] for each in tools])
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


def of_langchain(script: Script) -> Any:
    """A chat model of LangChain that streams its calls in pieces."""

    class Scripted(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "scripted"

        def bind_tools(self, tools: Any, **kwargs: Any) -> Runnable[Any, Any]:
            return self.bind(tools=tools, **kwargs)

        def _generate(self, *_: Any, **__: Any) -> ChatResult:
            raise NotImplementedError

        def _stream(
            self,
            messages: list[BaseMessage],
            stop: list[str] | None = None,
            run_manager: CallbackManagerForLLMRun | None = None,
            **kwargs: Any,
        ) -> Iterator[ChatGenerationChunk]:
            turns = [(each["role"], each["content"]) for each in convert_to_openai_messages(messages)]
            for number, piece in enumerate(script.next(turns, kwargs.get("tools", ()))):
                for message in _pieces(number, piece):
                    yield ChatGenerationChunk(message=message)

    return Scripted()


def _pieces(number: int, piece: Any) -> Iterator[AIMessageChunk]:
    if isinstance(piece, str):
        yield AIMessageChunk(content=piece)
        return
    name, arguments = piece
    for begun, part in ((True, arguments[:5]), (False, arguments[5:])):
        chunk = tool_call_chunk(
            name=name if begun else None, args=part, id=f"c{number}" if begun else None, index=number
        )
        yield AIMessageChunk(content="", tool_call_chunks=[chunk])


def of_llamaindex(script: Script) -> Any:
    """The LLM that LlamaIndex has for tests of function calls."""

    def answer(messages: Sequence[ChatMessage], **kwargs: Any) -> Any:
        turns = [(each.role.value, each.content) for each in messages]
        tools = [each.metadata.to_openai_tool() for each in kwargs.get("tools") or ()]
        said = script.next(turns, tools)
        blocks = [
            ToolCallBlock(tool_call_id=f"c{number}", tool_name=each[0], tool_kwargs=each[1])
            for number, each in enumerate(said)
            if not isinstance(each, str)
        ]
        if blocks:
            return ChatMessage(role="assistant", blocks=blocks)
        return (ChatMessage(role="assistant", content=each) for each in said)

    return MockFunctionCallingLLM(response_generator=answer)


@contextmanager
def behind_an_address(script: Script) -> Iterator[Any]:
    """An OpenAI-compatible server on loopback that streams its calls in pieces."""

    def answer(body: Json) -> tuple[int, str, bytes]:
        turns = [(each["role"], each["content"]) for each in body["messages"]]
        deltas: list[Json] = []
        for number, piece in enumerate(script.next(turns, body.get("tools", ()))):
            deltas += [{"content": piece}] if isinstance(piece, str) else _deltas(number, *piece)
        events = [f"data: {json.dumps({'choices': [{'delta': each}]})}\n\n" for each in deltas]
        return 200, "text/event-stream", "".join([*events, "data: [DONE]\n\n"]).encode()

    with stand_in() as server:
        server.answers["/v1/chat/completions"] = answer
        yield server.address


def _deltas(number: int, name: str, arguments: str) -> list[Json]:
    begun = {"index": number, "id": f"c{number}", "type": "function", "function": {"name": name}}
    parts = ({"index": number, "function": {"arguments": each}} for each in (arguments[:5], arguments[5:]))
    return [{"tool_calls": [each]} for each in (begun, *parts)]


@contextmanager
def in_process(made: Callable[[Script], Any], script: Script) -> Iterator[Any]:
    """A model of a framework."""
    yield made(script)
