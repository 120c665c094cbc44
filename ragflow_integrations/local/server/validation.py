"""Strict request models of the dataset and document routes, and RAGFlow's wording of what is wrong.

Fields, limits and texts are those of v0.27: a model forbids unknown keys and converts nothing, and each error
is one line ``Field: <…> - Message: <…> - Value: <…>``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from .call import MAX_IDS
from .envelope import ARGUMENT, Fail
from .parser_config import ParserConfig, Strict

__all__ = [
    "AutoMetadataConfig",
    "CreateDataset",
    "DatasetFields",
    "DeleteDatasets",
    "DeleteDocuments",
    "ListDatasets",
    "Name",
    "PageSize",
    "UpdateDataset",
    "UpdateDocument",
    "distinct",
    "validated",
    "wrong",
]

_Model = TypeVar("_Model", bound=BaseModel)

_LONGEST_VALUE = 128
_LONGEST_CONFIG = 65535
_MAX_PAGE_SIZE = 100
_METHODS = "naive book email laws manual one paper picture presentation qa table tag".split()
_DOCUMENT_METHODS = {*_METHODS, "knowledge_graph"}


def _at_most_100(value: int) -> int:
    if value > _MAX_PAGE_SIZE:
        raise ValueError(f"page_size must be less than or equal to {_MAX_PAGE_SIZE}")
    return value


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]
PageSize = Annotated[int, Field(ge=1), AfterValidator(_at_most_100)]
_Text = Annotated[str | None, Field(max_length=65535)]


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


def wrong(message: str) -> PydanticCustomError:
    """An error of a validator that says just this."""
    return PydanticCustomError("format_invalid", "{message}", {"message": message})


def _uuid_hex(value: Any) -> str:
    try:
        return UUID(value).hex
    except (AttributeError, TypeError, ValueError):
        raise wrong("Invalid UUID format") from None


def distinct(ids: list[str] | None, checked: Callable[[Any], str] = str) -> list[str] | None:
    """The ids, each ``checked``; an error names those that are there more than once."""
    listed = None if ids is None else [checked(each) for each in ids]
    repeated = [each for each, count in Counter(listed or ()).items() if count > 1]
    if repeated:
        raise wrong(f"Duplicate ids: '{', '.join(repeated)}'")
    return listed


class DatasetFields(Strict):
    """What both versions know of a dataset; messages begin with a small letter, and v0.24 has fewer methods."""

    methods: ClassVar[list[str]] = [*_METHODS, "resume"]
    parse_types_with_method: ClassVar[tuple[int | None, ...]] = (None, 1)

    name: Name
    avatar: _Text = None
    description: _Text = None
    embedding_model: Annotated[str | None, Field(max_length=255)] = None
    permission: Literal["me", "team"] = "me"
    parse_type: Annotated[int | None, Field(ge=0, le=64)] = None
    pipeline_id: Annotated[str | None, Field(min_length=32, max_length=32)] = None
    chunk_method: str | None = None
    parser_config: BaseModel | None = None

    @classmethod
    def wrong(cls, message: str) -> PydanticCustomError:
        """An error in the words of this version."""
        return wrong(message)

    @field_validator("avatar")
    @classmethod
    def _is_image(cls, value: str | None) -> str | None:
        if not value:
            return value
        prefix, comma, _ = value.partition(",")
        if not comma:
            raise cls.wrong("missing MIME prefix. Expected format: data:<mime>;base64,<data>")
        if not prefix.startswith("data:"):
            raise cls.wrong("invalid MIME prefix format. Must start with 'data:'")
        if prefix[5:].partition(";")[0] not in ("image/jpeg", "image/png"):
            raise wrong("Unsupported MIME type. Allowed: ['image/jpeg', 'image/png']")
        return value

    @field_validator("embedding_model", mode="before")
    @classmethod
    def _strip(cls, value: Any) -> Any:
        return value.strip() if isinstance(value, str) else value

    @field_validator("embedding_model")
    @classmethod
    def _is_model_name(cls, value: str | None) -> str | None:
        if value is None:
            return None
        name, at, provider = value.partition("@")
        if not at:
            raise cls.wrong("embedding model identifier must follow <model_name>@<provider> format")
        if not name or not provider:
            raise cls.wrong("both model_name and provider must be non-empty strings")
        if not name.strip() or not provider.strip():
            raise wrong("Model name and provider cannot be whitespace-only strings")
        return value

    @field_validator("pipeline_id")
    @classmethod
    def _is_pipeline_id(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch("[0-9a-fA-F]{32}", value):
            raise wrong("pipeline_id must be hexadecimal")
        return value.lower() if value else None

    @field_validator("chunk_method", mode="wrap")
    @classmethod
    def _is_chunk_method(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        in_pipeline = value is None and info.data.get("pipeline_id")
        if not in_pipeline and (not isinstance(value, str) or value not in cls.methods):
            *first, last = (f"'{each}'" for each in cls.methods)
            raise wrong(f"Input should be {', '.join(first)} or {last}")
        return value

    @field_validator("parser_config", mode="before")
    @classmethod
    def _empty_is_absent(cls, value: Any) -> Any:
        return None if value == {} else value

    @field_validator("parser_config")
    @classmethod
    def _is_short(cls, value: BaseModel | None) -> BaseModel | None:
        size = len(value.model_dump_json()) if value else 0
        if size > _LONGEST_CONFIG:
            raise wrong(
                f"Parser config exceeds size limit (max {_LONGEST_CONFIG:,} characters). Current size: {size}"
            )
        return value

    @model_validator(mode="after")
    def _method_or_pipeline(self) -> Self:
        pipeline = {"parse_type": self.parse_type, "pipeline_id": self.pipeline_id}
        if "chunk_method" not in self.model_fields_set:
            missing = [name for name, value in pipeline.items() if value is None]
            if len(missing) == 1:
                raise wrong(f"parser_id omitted → required fields missing: {missing[0]}")
        elif self.chunk_method is not None:
            allowed = {"parse_type": self.parse_types_with_method, "pipeline_id": (None,)}
            present = [name for name, value in pipeline.items() if value not in allowed[name]]
            if present:
                raise wrong(f"parser_id provided → disallowed fields present: {', '.join(present)}")
        return self


class AutoMetadataField(Strict):
    key: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
    type: Literal["string", "list", "time", "number"]
    description: _Text = None
    enum: list[str] | None = None


class AutoMetadataConfig(Strict):
    """Which metadata a model shall find in documents; body of ``PUT /datasets/{id}/metadata/config``."""

    metadata: list[AutoMetadataField] = Field(default_factory=list)
    built_in_metadata: list[AutoMetadataField] = Field(default_factory=list)


class CreateDataset(DatasetFields):
    """Body of ``POST /datasets``."""

    parser_config: ParserConfig | None = None
    auto_metadata_config: AutoMetadataConfig | None = None
    ext: dict[str, Any] = Field(default_factory=dict)

    @field_validator("pipeline_id", mode="before")
    @classmethod
    def _none_with_own_method(cls, value: Any, info: ValidationInfo) -> Any:
        return None if info.data.get("parse_type") == 1 else value

    @field_validator("embedding_model", mode="wrap")
    @classmethod
    def _may_be_an_id(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(value, str) and re.fullmatch("[0-9a-fA-F]{32}", value.strip()):
            return value.strip()
        return handler(value)


class UpdateDataset(CreateDataset):
    """Body of ``PUT /datasets/{id}`` with the id of the path; only the keys that were sent are applied."""

    name: Name = ""
    dataset_id: Annotated[str, BeforeValidator(_uuid_hex)]
    pagerank: Annotated[int, Field(ge=0, le=100)] = 0
    language: Annotated[str | None, Field(max_length=32)] = None
    connectors: list[dict[str, Any]] = Field(default_factory=list)


class ListDatasets(BaseModel):
    """Query of ``GET /datasets``."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str | None, BeforeValidator(_uuid_hex)] = None
    name: str | None = None
    page: Annotated[int, Field(ge=1)] = 1
    page_size: PageSize = 30
    orderby: Literal["create_time", "update_time"] = "create_time"
    desc: bool = True
    ids: Annotated[list[str] | None, Field(max_length=MAX_IDS)] = None
    include_parsing_status: bool = False
    ext: dict[str, Any] = {}

    @field_validator("ids")
    @classmethod
    def _are_distinct_ids(cls, value: list[str] | None) -> list[str] | None:
        return distinct(value, _uuid_hex) or None


class _Delete(Strict):
    ids: list[str] | None = None
    delete_all: bool = False


class DeleteDatasets(_Delete):
    """Body of ``DELETE /datasets``."""

    @field_validator("ids")
    @classmethod
    def _are_distinct_ids(cls, value: list[str] | None) -> list[str] | None:
        return distinct(value, _uuid_hex)


class DeleteDocuments(_Delete):
    """Body of ``DELETE /datasets/{id}/documents``."""

    @field_validator("ids")
    @classmethod
    def _are_distinct(cls, value: list[str] | None) -> list[str] | None:
        return distinct(value)


class UpdateDocument(BaseModel):
    """Body of ``PATCH /datasets/{id}/documents/{id}``; unknown keys are ignored, as RAGFlow does."""

    model_config = ConfigDict(extra="ignore", strict=True)

    name: Annotated[str, Field(max_length=65535)] = ""
    chunk_method: _Text = None
    pipeline_id: _Text = None
    enabled: Annotated[int | None, Field(ge=0, le=1)] = None
    chunk_count: Annotated[int | None, Field(ge=0)] = None
    token_count: Annotated[int | None, Field(ge=0)] = None
    progress: Annotated[float | None, Field(ge=0.0, le=1.0)] = None
    parser_config: ParserConfig | None = None
    meta_fields: dict[str, Any] | None = None

    @field_validator("chunk_method")
    @classmethod
    def _is_chunk_method(cls, value: str | None) -> str | None:
        if value and value not in _DOCUMENT_METHODS:
            raise wrong(f"`chunk_method` {value} doesn't exist")
        return value

    @field_validator("meta_fields")
    @classmethod
    def _are_plain_values(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        for each in (value or {}).values():
            if isinstance(each, list):
                if not all(isinstance(item, str | int | float) for item in each):
                    raise wrong(f"The type is not supported in list: {each}")
            elif not isinstance(each, str | int | float):
                raise wrong(f"The type is not supported: {each}")
        return value
