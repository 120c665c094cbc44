"""What a memory block and a chat memory share: turns on their way into memories, and what is recalled of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Literal

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from pydantic import Field

from ragflow_integrations import MemoryMessage
from ragflow_integrations.adapting import Flow, Turn, recalled, remembered, turns_of

from ._component import ConnectedComponent

__all__ = ["Remembering", "Spoken", "spoken"]

Spoken = list[tuple[str, str]]
"""Roles and texts, in their order."""

_ROLES = {
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
}
_REASONED = re.compile(r"Thought:.*\nAnswer:\s*(.*)", re.DOTALL)
_pending = Lock()  # for moments, never while something is sent


def spoken(messages: Iterable[ChatMessage]) -> Spoken:
    """What users and assistants said; what systems and tools did is left out."""
    return [(_ROLES[one.role], _said(one)) for one in messages if one.role in _ROLES]


def _said(message: ChatMessage) -> str:
    """LlamaIndex's ``ReActAgent`` puts all its steps, with what tools returned, before its answer."""
    text = message.content or ""
    reasoned = None if message.role == MessageRole.USER else _REASONED.fullmatch(text)
    return reasoned[1] if reasoned else text


class Remembering(ConnectedComponent):
    """Keeps conversations in RAGFlow's memories, and recalls of them what fits."""

    memory_ids: list[str] = Field(min_length=1)
    """The memories, which may be shared by many users."""

    similarity_top_k: int = Field(default=5, ge=1, le=100)
    """How many memories are recalled at most."""

    similarity_threshold: float = Field(default=0.2, ge=0, le=1)
    """Memories that fit less are left out."""

    recall_from: Literal["user", "session"] = "user"
    """Recall from all conversations of the user, or from this session's only."""

    pending: dict[str, Spoken] = Field(default_factory=dict)
    """What was said and is in no memory yet, by user and session: questions without an answer, and what could not be
    sent."""

    def _add(self, agent_id: str, session_id: str, said: Spoken) -> None:
        """Note what was said; nothing is sent."""
        with _pending:
            self.pending.setdefault(f"{agent_id} {session_id}", []).extend(said)

    def _keep(self, agent_id: str, session_id: str, unanswered: bool) -> Flow[None]:
        """Send the turns that are complete, and the last question if ``unanswered``; what is not sent stays pending."""
        key = f"{agent_id} {session_id}"
        with _pending:
            turns, question = turns_of(self.pending.pop(key, []))
        if question and unanswered:
            turns.append(Turn(question, ""))
            question = ""
        sent = 0
        try:
            for turn in turns:
                yield from remembered(self.memory_ids, agent_id, session_id, [turn])
                sent += 1
        finally:
            self._put_back(key, turns[sent:], question)

    def _put_back(self, key: str, turns: Sequence[Turn], question: str) -> None:
        said = [
            (role, text) for turn in turns for role, text in zip(("user", "assistant"), turn, strict=True)
        ]
        left = [(role, text) for role, text in [*said, ("user", question)] if text]
        if left:
            with _pending:
                self.pending[key] = left + self.pending.get(key, [])

    def _keep_all(self) -> Flow[None]:
        """Send all that is pending, of each user under the user's own name."""
        for key in list(self.pending):
            agent_id, _, session_id = key.partition(" ")
            yield from self._keep(agent_id, session_id, unanswered=True)

    def _recalled(
        self, question: str, agent_id: str, session_id: str, shown: Sequence[Turn] = ()
    ) -> Flow[list[MemoryMessage]]:
        """What fits a question, without the turns of this session that are ``shown`` anyway."""
        found = yield from recalled(
            question,
            self.memory_ids,
            agent_id,
            k=min(100, self.similarity_top_k + len(shown)),
            similarity_threshold=self.similarity_threshold,
            session_id=session_id if self.recall_from == "session" else None,
        )
        new = [one for one in found if one.session_id != session_id or not _is_shown(one, shown)]
        return new[: self.similarity_top_k]


def _is_shown(message: MemoryMessage, shown: Sequence[Turn]) -> bool:
    """A raw message is a turn's two texts, with words of the server around them."""
    text = message.content or ""
    return any(turn.user in text and turn.assistant in text for turn in shown)
