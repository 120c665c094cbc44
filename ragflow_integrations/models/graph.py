"""A dataset's knowledge graph, and the tasks that build it or its RAPTOR summaries."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from .base import Model

__all__ = ["IndexTask", "KnowledgeGraph"]


class KnowledgeGraph(Model):
    """``graph`` with the ``nodes`` of the highest page rank (at most 256) and the heaviest ``edges`` between
    them (at most 128), and ``mind_map``; both are empty until one is built."""

    graph: dict[str, Any] = Field(default_factory=dict)
    mind_map: dict[str, Any] = Field(default_factory=dict)

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """The entities."""
        return list(self.graph.get("nodes") or [])

    @property
    def edges(self) -> list[dict[str, Any]]:
        """The relations between them, by the nodes' ``id`` as ``source`` and ``target``."""
        return list(self.graph.get("edges") or [])


class IndexTask(Model):
    """A task that builds a graph or RAPTOR summaries.

    ``progress`` goes from 0 to 1 and is -1 after a failure; ``progress_msg`` is its log.
    """

    id: str = ""
    doc_id: str | None = None
    task_type: str | None = None
    progress: float = 0.0
    progress_msg: str | None = ""
    begin_at: str | None = None
    process_duration: float | None = 0.0

    @property
    def finished(self) -> bool:
        """Whether it has ended, well or not."""
        return self.progress >= 1 or self.progress < 0
