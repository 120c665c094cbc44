"""Memories, and the messages that are in them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from .base import Model

__all__ = ["MemoryFields", "MemoryMessage"]


class MemoryFields(Model):
    """A memory's settings. ``memory_size`` is in bytes, ``memory_type`` of ``raw``, ``semantic``, ``episodic``
    and ``procedural``."""

    id: str = ""
    name: str = ""
    avatar: str | None = None
    description: str | None = None
    memory_type: list[str] = Field(default_factory=list)
    storage_type: str = "table"
    embd_id: str | None = None
    llm_id: str | None = None
    permissions: str = "me"
    memory_size: int | None = None
    forgetting_policy: str | None = None
    temperature: float | None = None
    system_prompt: str | None = None
    user_prompt: str | None = None
    tenant_id: str | None = None
    owner_name: str | None = None
    create_time: int | None = None
    create_date: str | None = None
    update_time: int | None = None
    update_date: str | None = None


class MemoryMessage(Model):
    """A message of a memory; its fields can be read as attributes and, as the reference has it, by key.

    A ``raw`` message is a turn of a conversation; messages of the other types were extracted from it
    (``source_id``), and are its ``extract`` where a memory's messages are listed. ``content`` is not listed:
    ``get_message_content`` has it. Ids are numbers or texts, depending on the server's document engine.
    """

    message_id: int | str | None = None
    message_type: str = "raw"
    source_id: int | str | None = None
    memory_id: str = ""
    agent_id: str | None = None
    agent_name: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    content: str | None = None
    status: bool = True
    valid_at: str | None = None
    invalid_at: str | None = None
    forget_at: str | None = None
    task: dict[str, Any] | None = None
    extract: list[MemoryMessage] = Field(default_factory=list)

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None
