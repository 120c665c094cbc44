"""Request models of v0.24: those of v0.27 with fewer fields, its own limits, and ids that are UUIDs of version 1."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from ... import parser_defaults
from ..parser_config import Fraction, Strict
from ..validation import DatasetFields, Name, distinct, wrong

__all__ = ["CreateDataset", "DeleteDatasets", "ListDatasets", "UpdateDataset"]

_DEFAULTS = parser_defaults.v024("naive")


def _uuid1_hex(value: Any) -> str:
    try:
        found = UUID(value)
    except (AttributeError, TypeError, ValueError):
        found = None
    if found is None or found.version != 1:
        raise wrong("Invalid UUID1 format")
    return found.hex


_Id = Annotated[str, BeforeValidator(_uuid1_hex)]


class RaptorConfig(Strict):
    use_raptor: bool = False
    prompt: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = _DEFAULTS["raptor"][
        "prompt"
    ]
    max_token: Annotated[int, Field(ge=1, le=2048)] = 256
    threshold: Fraction = 0.1
    max_cluster: Annotated[int, Field(ge=1, le=1024)] = 64
    random_seed: Annotated[int, Field(ge=0)] = 0
    auto_disable_for_structured_data: bool = True


class GraphragConfig(Strict):
    use_graphrag: bool = False
    entity_types: list[str] = Field(default_factory=lambda: list(_DEFAULTS["graphrag"]["entity_types"]))
    method: Literal["light", "general"] = "light"
    community: bool = False
    resolution: bool = False


class ParserConfig(Strict):
    """The keys of ``parser_config`` that v0.24 knows, with its limits."""

    auto_keywords: Annotated[int, Field(ge=0, le=32)] = 0
    auto_questions: Annotated[int, Field(ge=0, le=10)] = 0
    chunk_token_num: Annotated[int, Field(ge=1, le=2048)] = 512
    delimiter: Annotated[str, Field(min_length=1)] = "\\n"
    graphrag: GraphragConfig = GraphragConfig()
    html4excel: bool = False
    layout_recognize: str = "DeepDOC"
    raptor: RaptorConfig = RaptorConfig()
    tag_kb_ids: list[str] = Field(default_factory=list)
    topn_tags: Annotated[int, Field(ge=1, le=10)] = 1
    filename_embd_weight: Fraction | None = 0.1
    task_page_size: Annotated[int | None, Field(ge=1)] = None
    pages: list[list[int]] | None = None


class CreateDataset(DatasetFields):
    """Body of ``POST /datasets``."""

    methods: ClassVar[list[str]] = [each for each in DatasetFields.methods if each != "resume"]
    parse_types_with_method: ClassVar[tuple[int | None, ...]] = (None,)

    parser_config: ParserConfig | None = None

    @classmethod
    def wrong(cls, message: str) -> PydanticCustomError:
        """Messages begin with a capital letter."""
        return wrong(message[0].upper() + message[1:])

    @field_validator("avatar")
    @classmethod
    def _is_not_empty(cls, value: str | None) -> str | None:
        if value == "":
            raise cls.wrong("missing MIME prefix. Expected format: data:<mime>;base64,<data>")
        return value


class UpdateDataset(CreateDataset):
    """Body of ``PUT /datasets/{id}`` with the id of the path; only the keys that were sent are applied."""

    name: Name = ""
    dataset_id: _Id
    pagerank: Annotated[int, Field(ge=0, le=100)] = 0


class ListDatasets(BaseModel):
    """Query of ``GET /datasets``."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str | None, BeforeValidator(_uuid1_hex)] = None
    name: str | None = None
    page: Annotated[int, Field(ge=1)] = 1
    page_size: Annotated[int, Field(ge=1)] = 30
    orderby: Literal["create_time", "update_time"] = "create_time"
    desc: bool = True


class DeleteDatasets(Strict):
    """Body of ``DELETE /datasets``; ``ids`` null means all, and must be written out."""

    ids: list[str] | None

    @field_validator("ids")
    @classmethod
    def _are_distinct_ids(cls, value: list[str] | None) -> list[str] | None:
        return distinct(value, _uuid1_hex)
