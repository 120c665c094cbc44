"""Tools for what an agent remembers of a user: looking it up, and keeping something."""

from __future__ import annotations

from typing import Any

from langchain_core.tools import ArgsSchema
from pydantic import Field

from ragflow_integrations import InvalidRequestError
from ragflow_integrations.adapting import (
    Flow,
    Turn,
    memories_as_dicts,
    memories_as_text,
    recalled,
    remembered,
)

from ._client import STRICT
from ._memory import OfOneUser
from ._tool import Arguments, RAGFlowTool

__all__ = ["RAGFlowMemorySearchTool", "RAGFlowRememberTool"]

_SESSION = "ragflow_remember"


class _Recall(Arguments):
    query: str = Field(description="What to recall, in a few words or as a question.")


class RAGFlowMemorySearchTool(OfOneUser, RAGFlowTool):
    """Recalls what is remembered of the run's user, and of nobody else.

        RAGFlowMemorySearchTool(memory_ids=[memory.id], user=lambda run: run.context.user_id)

    ``artifact`` is a list of ``{"memory_id", "message_id", "message_type", "content", "valid_at"}``, best first. In
    a scope there are the memories that it names (``memory_ids``); whose messages they are ``user`` says.
    """

    model_config = STRICT

    name: str = "ragflow_recall"
    description: str = "Recalls what is remembered of this user from earlier conversations."
    args_schema: ArgsSchema | None = _Recall

    k: int = Field(default=5, ge=1, le=100)
    """How many messages to return at most."""

    similarity_threshold: float = Field(default=0.2, ge=0, le=1)
    """Messages that fit less are left out."""

    def _answer(self, query: str) -> Flow[tuple[str, Any]]:
        agent_id = self._agent_id()
        found = yield from recalled(
            query, self.memory_ids, agent_id, k=self.k, similarity_threshold=self.similarity_threshold
        )
        if not found:
            return "Nothing is remembered of that.", []
        return memories_as_text(found), memories_as_dicts(found)


class _Remember(Arguments):
    text: str = Field(description="What to remember of this user, as a complete sentence.")


class RAGFlowRememberTool(OfOneUser, RAGFlowTool):
    """Keeps a sentence in the memories, under the run's user.

    Servers take it into a queue: it is found a moment later. ``artifact`` is ``{"text"}``.
    """

    model_config = STRICT

    name: str = "ragflow_remember"
    description: str = "Remembers something of this user for later conversations."
    args_schema: ArgsSchema | None = _Remember

    def _answer(self, text: str) -> Flow[tuple[str, Any]]:
        if not text.strip():
            raise InvalidRequestError(f"text={text!r}: give a text that is not empty")
        agent_id = self._agent_id()
        yield from remembered(self.memory_ids, agent_id, _SESSION, [Turn(text, "")])
        return "It will be remembered.", {"text": text}
