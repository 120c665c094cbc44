"""Search applications."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from .base import Model

__all__ = ["SearchFields"]


class SearchFields(Model):
    """A search application; ``search_config`` holds its datasets (``kb_ids``), weights and model."""

    id: str = ""
    name: str = ""
    description: str | None = None
    avatar: str | None = None
    search_config: dict[str, Any] = Field(default_factory=dict)
    tenant_id: str | None = None
    created_by: str | None = None
    create_time: int | None = None
    update_time: int | None = None
