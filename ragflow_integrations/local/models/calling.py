"""Tools for every language model: by its own tool calls where it has such, else asked for in plain JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ..fields import given_json
from .base import LLM, Message, Reasoning
from .tools import NoTools, Tool, ToolCall, ToolCalls, ToolLLM, Turn

__all__ = ["Calling"]

_TOLD = (
    "You may call one of these tools before you answer. To call one, answer with the JSON that stands beside it, and"
    " nothing else; what the tool says comes back to you. When you know enough, answer the user in plain text.\n"
)

_LONGEST = 100_000  # characters of a call
_FENCE = re.compile(r"\A\s*```(?:json)?|```\s*\Z")
_MAY_BE_CALL = re.compile(
    r"\s*(?:(?:```(?:json)?\s*)?\{.*|`{0,3}|```j(?:s(?:on?)?)?|```(?:json)?\s*)\Z", re.DOTALL
)
"""An object, or what may become one, as it is or as a block of code."""


class Calling:
    """A language model that is asked with tools.

    What can call tools, but answers that it cannot, is from then on asked in plain JSON, like any other model; so is
    what does not take the results of calls when it may make no more.
    """

    def __init__(self, llm: LLM) -> None:
        self._llm = llm
        self._own = llm if isinstance(llm, ToolLLM) else None

    def chat(
        self, turns: Sequence[Turn], tools: Sequence[Tool], *, may_call: bool, **settings: Any
    ) -> Iterator[str | ToolCalls]:
        """As ``ToolLLM.chat_with_tools``."""
        if self._own is not None:
            try:
                yield from self._own.chat_with_tools(turns, tools, may_call=may_call, **settings)
            except NoTools:
                self._own = None
            else:
                return
        told: list[Message] = [{"role": "system", "content": _told(tools)}] if may_call else []
        asked = [*told, *(plain for each in turns for plain in _plain(each))]
        yield from _spoken(self._llm.chat(asked, **settings), tools)


def _told(tools: Sequence[Tool]) -> str:
    return _TOLD + "\n".join(
        f"{_written(each.name, dict(each.parameters))} - {each.description}" for each in tools
    )


def _written(name: str, arguments: Any) -> str:
    """A call in plain JSON: a tool with a single argument has that as its value."""
    alone = len(arguments) == 1
    return json.dumps({name: next(iter(arguments.values())) if alone else arguments}, ensure_ascii=False)


def _plain(turn: Turn) -> Iterator[Message]:
    if isinstance(turn, ToolCalls):
        for call in turn.calls:
            yield {"role": "assistant", "content": _written(call.name, call.arguments or {})}
    elif turn["role"] == "tool":
        yield {"role": "user", "content": f"The tool says:\n\n{turn['content']}"}
    else:
        yield turn


def _spoken(deltas: Iterator[str], tools: Sequence[Tool]) -> Iterator[str | ToolCalls]:
    """Pass an answer on as it is made; one that may be a call is held back until it is known, with empty deltas."""
    held = ""
    for delta in deltas:
        if isinstance(delta, Reasoning):
            yield delta
            continue
        held += delta
        if len(held) > _LONGEST or not _MAY_BE_CALL.match(held):
            yield held
            yield from deltas
            return
        yield ""  # whoever reads can stop here
    if (call := _call_in(held, tools)) is not None:
        yield ToolCalls([call], held)
    elif held:
        yield held


def _call_in(text: str, tools: Sequence[Tool]) -> ToolCall | None:
    try:
        asked = given_json(_FENCE.sub("", text))
    except ValueError:
        return None
    name, given = next(iter(asked.items()), ("", None)) if isinstance(asked, dict) else ("", None)
    tool = next((each for each in tools if each.name == name), None)
    if tool is None or len(asked) > 1:
        return None
    if not isinstance(given, dict):
        given = {next(iter(tool.parameters)): given}
    return ToolCall("", tool.name, given)
