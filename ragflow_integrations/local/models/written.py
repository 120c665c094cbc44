"""Tool calls as OpenAI's API streams them: in pieces, several at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .tools import ToolCall, ToolCalls, arguments_in

__all__ = ["WrittenCalls"]


class WrittenCalls:
    """The calls of one answer, put together from its deltas."""

    def __init__(self) -> None:
        self._calls: dict[Any, dict[str, str]] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, pieces: Sequence[Mapping[str, Any]]) -> None:
        """Note the ``tool_calls`` of a delta; a server that does not number them begins each with its id."""
        for piece in pieces:
            number = piece.get("index")
            if number is None:
                number = piece.get("id") or next(reversed(self._calls), 0)
            call = self._calls.setdefault(number, {"id": "", "name": "", "arguments": ""})
            function = piece.get("function") or {}
            call["id"] = piece.get("id") or call["id"]
            call["name"] = function.get("name") or call["name"]
            call["arguments"] += function.get("arguments") or ""

    def calls(self, said: str) -> ToolCalls:
        """All of them, after the text ``said``."""
        calls = [
            ToolCall(each["id"] or f"call_{number}", each["name"], arguments_in(each["arguments"]))
            for number, each in enumerate(self._calls.values())
        ]
        written = [
            {
                "id": each.id,
                "type": "function",
                "function": {"name": each.name, "arguments": json.dumps(dict(each.arguments or {}))},
            }
            for each in calls
        ]
        return ToolCalls(calls, {"role": "assistant", "content": said or None, "tool_calls": written})
