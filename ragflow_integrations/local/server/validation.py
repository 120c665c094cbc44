"""Strict request models of the dataset and document routes, and RAGFlow's wording of what is wrong.

Fields, limits and texts are those of v0.27: a model forbids unknown keys and converts nothing, and each error
is one line ``Field: <…> - Message: <…> - Value: <…>``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)
from pydantic_core import PydanticCustomError

from .call import MAX_IDS
from .envelope import ARGUMENT, Fail
from .parser_config import ParserConfig

__all__ = [
    "CreateDataset",
    "DeleteDatasets",
    "DeleteDocuments",
    "ListDatasets",
    "UpdateDataset",
    "UpdateDocument",
    "dataset_id",
    "validated",
]

_Model = TypeVar("_Model", bound=BaseModel)

_LONGEST_VALUE = 128
_CHUNK_METHODS = [
    "naive",
    "book",
    "email",
    "laws",
    "manual",
    "one",
    "paper",
    "picture",
    "presentation",
    "qa",
    "table",
    "tag",
    "resume",
]
_DOCUMENT_CHUNK_METHODS = {*_CHUNK_METHODS, "knowledge_graph"} - {"resume"}


def validated(model: type[_Model], given: Mapping[str, Any], code: int = ARGUMENT) -> _Model:
    """``given`` as a model; ``Fail`` with RAGFlow's text if it does not fit."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise Fail(
            "\n".join(_line(each["loc"], each["msg"], each["input"]) for each in error.errors()), code
        ) from None


def _line(where: tuple[int | str, ...], message: str, value: Any) -> str:
    text = str(value)
    if len(text) > _LONGEST_VALUE:
        text = text[: _LONGEST_VALUE - 3] + "..."
    return f"Field: <{'.'.join(map(str, where))}> - Message: <{message}> - Value: <{text}>"


def dataset_id(value: str) -> str:
    """A dataset id in its 32-digit form; ``Fail`` 101 if it is no UUID."""
    try:
        return _uuid_hex(value)
    except PydanticCustomError as error:
        raise Fail(_line(("dataset_id",), error.message(), value), ARGUMENT) from None


def _uuid_hex(value: Any) -> str:
    try:
        return UUID(value).hex
    except (AttributeError, TypeError, ValueError):
        raise PydanticCustomError("invalid_uuid_format", "Invalid UUID format") from None


def _distinct(ids: list[str] | None) -> list[str] | None:
    repeated = [each for each, count in Counter(ids or ()).items() if count > 1]
    if repeated:
        raise PydanticCustomError("duplicate_uuids", "Duplicate ids: '{ids}'", {"ids": ", ".join(repeated)})
    return ids


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("format_invalid", "{message}", {"message": message})


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class CreateDataset(_Strict):
    """Body of ``POST /datasets``."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]
    avatar: Annotated[str | None, Field(max_length=65535)] = None
    description: Annotated[str | None, Field(max_length=65535)] = None
    embedding_model: Annotated[str | None, Field(max_length=255)] = None
    permission: Literal["me", "team"] = "me"
    chunk_method: Any = "naive"
    parser_config: ParserConfig | None = None
    parse_type: Annotated[int | None, Field(ge=0, le=64)] = None
    pipeline_id: Annotated[str | None, Field(min_length=32, max_length=32)] = None
    auto_metadata_config: dict[str, Any] | None = None
    ext: dict[str, Any] = {}

    @field_validator("avatar")
    @classmethod
    def _is_image(cls, value: str | None) -> str | None:
        if not value:
            return value
        prefix, comma, _ = value.partition(",")
        if not comma:
            raise _wrong("missing MIME prefix. Expected format: data:<mime>;base64,<data>")
        if not prefix.startswith("data:"):
            raise _wrong("invalid MIME prefix format. Must start with 'data:'")
        if prefix[5:].partition(";")[0] not in ("image/jpeg", "image/png"):
            raise _wrong("Unsupported MIME type. Allowed: ['image/jpeg', 'image/png']")
        return value

    @field_validator("embedding_model", mode="before")
    @classmethod
    def _is_model_name(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        value = value.strip()
        name, at, provider = value.partition("@")
        if re.fullmatch("[0-9a-fA-F]{32}", value):
            return value
        if not at:
            raise _wrong("embedding model identifier must follow <model_name>@<provider> format")
        if not name or not provider:
            raise _wrong("both model_name and provider must be non-empty strings")
        if not name.strip() or not provider.strip():
            raise _wrong("Model name and provider cannot be whitespace-only strings")
        return value

    @field_validator("chunk_method")
    @classmethod
    def _is_chunk_method(cls, value: Any) -> Any:
        if value not in _CHUNK_METHODS:
            names = ", ".join(f"'{each}'" for each in _CHUNK_METHODS[:-1])
            raise _wrong(f"Input should be {names} or '{_CHUNK_METHODS[-1]}'")
        return value

    @field_validator("parser_config", mode="before")
    @classmethod
    def _empty_is_absent(cls, value: Any) -> Any:
        return None if value == {} else value


class UpdateDataset(CreateDataset):
    """Body of ``PUT /datasets/{id}``; only the keys that were sent are applied."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)] = ""
    pagerank: Annotated[int, Field(ge=0, le=100)] = 0
    language: Annotated[str | None, Field(max_length=32)] = None
    connectors: list[dict[str, Any]] = []


class ListDatasets(BaseModel):
    """Query of ``GET /datasets``."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str | None, BeforeValidator(_uuid_hex)] = None
    name: str | None = None
    page: Annotated[int, Field(ge=1)] = 1
    page_size: Annotated[int, Field(ge=1)] = 30
    orderby: Literal["create_time", "update_time"] = "create_time"
    desc: bool = True
    ids: Annotated[list[str] | None, Field(max_length=MAX_IDS)] = None
    include_parsing_status: bool = False
    ext: str = ""
    type: str = ""

    @field_validator("page_size")
    @classmethod
    def _at_most_100(cls, value: int) -> int:
        if value > 100:
            raise ValueError("page_size must be less than or equal to 100")
        return value

    @field_validator("ids")
    @classmethod
    def _are_distinct_ids(cls, value: list[str] | None) -> list[str] | None:
        return _distinct([_uuid_hex(each) for each in value or ()]) or None


class DeleteDatasets(_Strict):
    """Body of ``DELETE /datasets``."""

    ids: list[str] | None = None
    delete_all: bool = False

    @field_validator("ids")
    @classmethod
    def _are_distinct_ids(cls, value: list[str] | None) -> list[str] | None:
        return _distinct([_uuid_hex(each) for each in value or ()])


class DeleteDocuments(_Strict):
    """Body of ``DELETE /datasets/{id}/documents``."""

    ids: list[str] | None = None
    delete_all: bool = False

    @field_validator("ids")
    @classmethod
    def _are_distinct(cls, value: list[str] | None) -> list[str] | None:
        return _distinct(value)


class UpdateDocument(BaseModel):
    """Body of ``PATCH /datasets/{id}/documents/{id}``; unknown keys are ignored, as RAGFlow does."""

    model_config = ConfigDict(extra="ignore", strict=True)

    name: Annotated[str, Field(max_length=65535)] = ""
    chunk_method: Annotated[str | None, Field(max_length=65535)] = None
    pipeline_id: Annotated[str | None, Field(max_length=65535)] = None
    enabled: Annotated[int | None, Field(ge=0, le=1)] = None
    chunk_count: Annotated[int | None, Field(ge=0)] = None
    token_count: Annotated[int | None, Field(ge=0)] = None
    progress: Annotated[float | None, Field(ge=0.0, le=1.0)] = None
    parser_config: ParserConfig | None = None
    meta_fields: dict[str, Any] | None = None

    @field_validator("chunk_method")
    @classmethod
    def _is_chunk_method(cls, value: str | None) -> str | None:
        if value is not None and value not in _DOCUMENT_CHUNK_METHODS:
            raise _wrong(f"`chunk_method` {value} doesn't exist")
        return value

    @field_validator("meta_fields")
    @classmethod
    def _are_plain_values(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        for each in (value or {}).values():
            if isinstance(each, list):
                if not all(isinstance(item, str | int | float) for item in each):
                    raise _wrong(f"The type is not supported in list: {each}")
            elif not isinstance(each, str | int | float):
                raise _wrong(f"The type is not supported: {each}")
        return value
