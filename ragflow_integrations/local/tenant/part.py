"""What every group of calls stands on: the engine's shared parts, and whose data it is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..jobs import Parser
from ..matrix import Matrices
from ..memory.extract import Extractor
from ..models import Models
from ..problems import Missing
from ..store import Row, Store

__all__ = ["Part", "Shared", "or_none"]


@dataclass(frozen=True)
class Shared:
    """What all tenants of one folder have in common."""

    store: Store
    models: Models
    matrices: Matrices
    parser: Parser
    extractor: Extractor


class Part:
    """A group of calls; each sees and changes what belongs to ``tenant_id``, and nothing else."""

    def __init__(self, shared: Shared, tenant_id: str) -> None:
        self._shared = shared
        self.tenant_id = tenant_id

    @property
    def models(self) -> Models:
        """The models of the engine, by their names."""
        return self._shared.models

    def _see_to(self, listed: Sequence[Row]) -> None:
        """Have what is queued parsed: the process that queued it may be gone by now; what has ended is told."""
        if any(document["run"] == "RUNNING" for document in listed):
            self._shared.parser.wake()
        self._shared.parser.untold.told(document["id"] for document in listed)


def or_none(get: Callable[..., Row], *args: Any, **options: Any) -> Row | None:
    """What ``get`` finds, or None."""
    try:
        return get(*args, **options)
    except Missing:
        return None
