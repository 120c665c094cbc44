"""A dataset as the server describes it."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from .base import Model

__all__ = ["DataSetFields", "ParserConfig"]


class ParserConfig(dict[str, Any]):
    """How documents are cut, e.g. ``ParserConfig({"chunk_token_num": 256})``; a plain dict does as well.

    As in the official SDK its fields are attributes too, and a client may come first.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, handler(dict[str, Any]))

    def __init__(self, *given: Any, **fields: Any) -> None:
        super().__init__(*given[-1:], **fields)

    def __getattr__(self, name: str) -> Any:
        try:
            value = self[name]
        except KeyError:
            raise AttributeError(name) from None
        if type(value) is dict:
            value = self[name] = ParserConfig(value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


_Config = ParserConfig  # its name is taken inside the class


class DataSetFields(Model):
    """A dataset's fields (v0.24 to v0.27: one object of ``GET /api/v1/datasets``)."""

    ParserConfig: ClassVar[type[ParserConfig]] = ParserConfig

    id: str = ""
    name: str = ""
    avatar: str | None = None
    description: str | None = None
    embedding_model: str | None = None
    permission: str = "me"
    chunk_method: str | None = "naive"
    pipeline_id: str | None = None
    parser_config: _Config | None = Field(default_factory=_Config)
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
