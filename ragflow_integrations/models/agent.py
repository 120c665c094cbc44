"""Agents, their sessions, and what a run of one answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from .base import Model, spelled
from .chat import Message
from .chunk import ChunkFields, DocumentAggregate
from .citation import Citation

__all__ = ["AgentFields", "AgentMessage", "AgentSessionFields", "AgentStep", "CitedChunks"]


def _chunks(reference: Any) -> Any:
    """The chunks of a reference as a list; where they are keyed by citation, each knows its key."""
    chunks = reference.get("chunks") if isinstance(reference, Mapping) else reference
    if not isinstance(chunks, Mapping):
        return chunks or []
    return [
        {**chunk, "citation_id": str(key)} if isinstance(chunk, Mapping) else chunk
        for key, chunk in chunks.items()
    ]


def _listed(aggregates: Any) -> Any:
    return list(aggregates.values()) if isinstance(aggregates, Mapping) else aggregates or []


def _text(content: Any) -> Any:
    """Servers store a question as it was sent, even one that is no text."""
    return content if isinstance(content, str | None) else json.dumps(content, ensure_ascii=False)


CitedChunks = Annotated[list[ChunkFields], BeforeValidator(_chunks)]


class AgentFields(Model):
    """An agent's fields. ``dsl`` is its canvas; listings of servers from v0.25.1 on leave it out."""

    id: str = ""
    title: str | None = ""
    description: str | None = None
    avatar: str | None = None
    dsl: dict[str, Any] | None = None
    canvas_type: str | None = None
    canvas_category: str | None = "agent_canvas"
    permission: str | None = "me"
    user_id: str | None = None
    create_time: int | None = None
    create_date: str | None = None
    update_time: int | None = None
    update_date: str | None = None


class AgentStep(Model):
    """One component's part in a run; ``outputs`` is ``None`` while it is at work.

    ``elapsed_time`` is in seconds; ``error`` is what went wrong in it, if anything did.
    """

    component_id: str = ""
    component_name: str | None = ""
    component_type: str | None = ""
    inputs: Any = None
    outputs: Any = None
    error: str | None = None
    elapsed_time: float | None = None
    thoughts: str | None = None


class AgentMessage(Message):
    """What an agent says; of a streamed run, one piece of it.

    In a stream ``content`` and ``reasoning`` are what is new, ``step`` is a component that begins or ends, and
    the last message has ``final=True``, the whole answer as ``full_content``, the ``reference`` and the rest.

    ``[ID:n]`` in the text cites the chunk whose ``citation_id`` is ``n``: see ``citations()``. ``user_inputs``
    is what a paused run asks for, by name, with ``tips`` to show: answer with ``ask(inputs={name: value})`` in
    the session ``session_id``. ``structured`` is structured output by component, ``attachment`` and
    ``downloads`` are files it made; ``trace`` has the components that ended, in order (of a whole answer only
    with ``return_trace=True``); ``usage`` counts tokens and calls of models, from v0.26 on.
    """

    content: Annotated[str, BeforeValidator(_text)] = spelled("content", "answer", default="")
    id: str | None = spelled("id", "message_id", default=None)
    reference: CitedChunks = Field(default_factory=list)
    doc_aggs: Annotated[list[DocumentAggregate], BeforeValidator(_listed)] = Field(default_factory=list)
    step: AgentStep | None = None
    user_inputs: dict[str, Any] | None = None
    tips: str | None = None
    structured: dict[str, Any] | None = None
    attachment: dict[str, Any] | None = None
    downloads: list[Any] = Field(default_factory=list)
    trace: list[AgentStep] = Field(default_factory=list)

    @property
    def paused(self) -> bool:
        """Whether the run waits for ``user_inputs``."""
        return self.user_inputs is not None

    def citations(self) -> list[Citation]:
        """Where the whole text cites which chunk, in the text's order."""
        keyed = {(chunk.model_extra or {}).get("citation_id"): chunk for chunk in self.reference}
        if set(keyed) <= {None}:  # a plain list: the number is the place
            return super().citations()
        return [replace(one, chunk=keyed.get(str(one.index))) for one in super().citations()]


class AgentSessionFields(Model):
    """A conversation with an agent, stored on the server; ``messages`` begin with its opener, if it has one.

    Each answer has its own ``reference``.
    """

    id: str = ""
    name: str | None = ""
    agent_id: str | None = spelled("agent_id", "dialog_id", default=None)
    messages: list[AgentMessage] = spelled("messages", "message", default=[])
    user_id: str | None = None
    source: str | None = None
    version_title: str | None = None
    create_time: int | None = None
    create_date: str | None = None
    update_time: int | None = None
    update_date: str | None = None

    @property
    def message(self) -> list[AgentMessage]:
        """``messages`` by its name in v0.24's document."""
        return self.messages
