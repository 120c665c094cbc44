"""Chat assistants, their sessions, and messages."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from .base import Model, spelled
from .chunk import Chunk, DocumentAggregate

__all__ = ["ChatFields", "Message", "SessionFields"]


class ChatFields(Model):
    """A chat assistant's fields, with v0.27's names."""

    id: str = ""
    name: str = ""
    icon: str | None = ""
    description: str | None = None
    dataset_ids: list[str] = Field(default_factory=list)
    llm_id: str | None = None
    llm_setting: dict[str, Any] | None = Field(default_factory=dict)
    prompt_config: dict[str, Any] | None = Field(default_factory=dict)
    similarity_threshold: float | None = None
    vector_similarity_weight: float | None = None
    top_n: int | None = None
    top_k: int | None = None
    rerank_id: str | None = None
    create_time: int | None = None
    update_time: int | None = None


class Message(Model):
    """A message of a conversation; of a streamed answer, one piece of it.

    In a stream ``content`` and ``reasoning`` are what is new, and the last message has ``final=True``,
    the ``reference`` and the whole answer as ``full_content``. Otherwise ``content`` is the whole text.
    ``[ID:n]`` in the text cites ``reference[n]``.
    """

    content: str = spelled("content", "answer", default="")
    role: str = "assistant"
    id: str | None = None
    reasoning: str = ""
    reference: list[Chunk] = Field(default_factory=list)
    doc_aggs: list[DocumentAggregate] = Field(default_factory=list)
    session_id: str | None = None
    chat_id: str | None = None
    prompt: str | None = None
    final: bool = False
    full_content: str = ""


class SessionFields(Model):
    """A conversation stored on the server; ``messages`` begin with the assistant's opener."""

    id: str = ""
    name: str | None = ""
    chat_id: str | None = spelled("chat_id", "dialog_id", default=None)
    messages: list[Message] = spelled("messages", "message", default=[])
    user_id: str | None = None
    create_time: int | None = None
    create_date: str | None = None
    update_time: int | None = None
    update_date: str | None = None
