"""A dataset as the server describes it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from .base import Model

__all__ = ["DataSetFields"]


class DataSetFields(Model):
    """A dataset's fields (v0.24 to v0.27: one object of ``GET /api/v1/datasets``)."""

    id: str = ""
    name: str = ""
    avatar: str | None = None
    description: str | None = None
    embedding_model: str | None = None
    permission: str = "me"
    chunk_method: str | None = "naive"
    parser_config: dict[str, Any] | None = Field(default_factory=dict)
    pagerank: int = 0
    language: str | None = None
    document_count: int = 0
    chunk_count: int = 0
    token_num: int = 0
    similarity_threshold: float = 0.2
    vector_similarity_weight: float = 0.3
    status: str | None = "1"
    created_by: str | None = None
    tenant_id: str | None = None
    create_time: int | None = None
    create_date: str | None = None
    update_time: int | None = None
    update_date: str | None = None
