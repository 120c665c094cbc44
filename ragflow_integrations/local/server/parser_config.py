"""``parser_config`` as RAGFlow v0.27 accepts it, and what of it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from .. import parser_defaults

__all__ = ["Fraction", "ParserConfig", "Strict", "changed", "changed_dataset", "complete"]

Row = dict[str, Any]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
_DEFAULTS = parser_defaults.v027("naive")
_Day = 86400


class Strict(BaseModel):
    """Forbids unknown keys and converts nothing."""

    model_config = ConfigDict(extra="forbid", strict=True)


class RaptorConfig(Strict):
    use_raptor: bool = False
    prompt: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = _DEFAULTS["raptor"][
        "prompt"
    ]
    max_token: Annotated[int, Field(ge=512, le=2048)] = 512
    clustering_threshold: Fraction = 0.3
    clustering_ratio: Fraction = 0.5
    max_cluster: Annotated[int, Field(ge=1, le=1024)] = 64
    random_seed: Annotated[int, Field(ge=0)] = 0
    scope: Literal["file", "dataset"] = "file"
    auto_disable_for_structured_data: bool = True

    @model_validator(mode="before")
    @classmethod
    def _drop_old_fields(cls, given: Any) -> Any:
        """Fields of older versions are dropped, and their smaller ``max_token`` is raised, as v0.27 does."""
        if not isinstance(given, Mapping):
            return given
        kept = {key: value for key, value in given.items() if key not in _OLD_RAPTOR_FIELDS}
        ext = given.get("ext")
        if (
            isinstance(ext, Mapping)
            and "clustering_threshold" in ext
            and not kept.get("clustering_threshold")
        ):
            kept["clustering_threshold"] = ext["clustering_threshold"]
        tokens = kept.get("max_token")
        if isinstance(tokens, int | float) and not isinstance(tokens, bool) and tokens < 512:
            kept["max_token"] = 512
        return kept


_OLD_RAPTOR_FIELDS = {"ext", "threshold", "clustering_method", "tree_builder"}


class GraphragConfig(Strict):
    use_graphrag: bool = False
    entity_types: list[str] = _DEFAULTS["graphrag"]["entity_types"]
    method: Literal["light", "general", "ner"] = "light"
    community: bool = False
    resolution: bool = False
    batch_chunk_token_size: Annotated[int, Field(ge=512, le=8196)] = 4096
    retry_attempts: Annotated[int, Field(ge=1, le=10)] = 2
    retry_backoff_seconds: Annotated[float, Field(ge=0.0, le=600.0)] = 2.0
    retry_backoff_max_seconds: Annotated[float, Field(ge=0.0, le=3600.0)] = 60.0
    build_subgraph_timeout_per_chunk_seconds: Annotated[int, Field(ge=1, le=_Day)] = 300
    build_subgraph_min_timeout_seconds: Annotated[int, Field(ge=1, le=_Day)] = 600
    merge_timeout_seconds: Annotated[int, Field(ge=0, le=_Day)] = 180
    resolution_timeout_seconds: Annotated[int, Field(ge=0, le=_Day)] = 1800
    community_timeout_seconds: Annotated[int, Field(ge=0, le=_Day)] = 1800
    lock_acquire_timeout_seconds: Annotated[int, Field(ge=0, le=_Day)] = 600


class ParentChildConfig(Strict):
    use_parent_child: bool = False
    children_delimiter: Annotated[str, Field(min_length=1)] = "\n"


class ParserConfig(Strict):
    """The keys RAGFlow knows, with its limits."""

    auto_keywords: Annotated[int, Field(ge=0, le=32)] = 0
    auto_questions: Annotated[int, Field(ge=0, le=10)] = 0
    chunk_token_num: Annotated[int, Field(ge=1, le=2048)] = 512
    delimiter: Annotated[str, Field(min_length=1)] = "\n"
    graphrag: GraphragConfig = GraphragConfig()
    html4excel: bool = False
    layout_recognize: str = "DeepDOC"
    parent_child: ParentChildConfig = ParentChildConfig()
    enable_children: bool = False
    children_delimiter: str = ""
    raptor: RaptorConfig = RaptorConfig()
    tag_kb_ids: list[str] = []
    topn_tags: Annotated[int, Field(ge=1, le=10)] = 1
    filename_embd_weight: Fraction | None = 0.1
    task_page_size: Annotated[int | None, Field(ge=1)] = None
    pages: list[list[int]] | None = None
    compilation_template_group_id: list[str] = []
    ext: dict[str, Any] = {}
    table_column_mode: Literal["auto", "manual"] | None = None
    table_column_roles: dict[str, Literal["indexing", "metadata", "both"]] | None = None
    table_column_names: list[str] | None = None

    @field_validator("table_column_roles", mode="before")
    @classmethod
    def _rename_old_role(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {str(key): "indexing" if role == "vectorize" else role for key, role in given.items()}

    @field_validator("compilation_template_group_id", mode="before")
    @classmethod
    def _listed_ids(cls, given: Any) -> list[str]:
        """One id or a list of them; what is no id is passed over, as v0.27 does."""
        ids = [given] if isinstance(given, str) else given if isinstance(given, list) else []
        stripped = (each.strip() for each in ids if isinstance(each, str))
        return list(dict.fromkeys(each for each in stripped if each))


def complete(config: ParserConfig) -> Row:
    """The settings of a new dataset: what was sent, and RAGFlow's value for each key that was not."""
    settings = config.model_dump()
    settings["children_delimiter"] = _children_delimiter(settings["parent_child"])
    return settings


def changed(config: ParserConfig) -> Row:
    """What was sent, to be merged into the present settings; ``ext`` becomes settings like the others."""
    settings = config.model_dump(exclude_unset=True)
    if "parent_child" in settings:
        settings |= _children(settings["parent_child"])
    ext: Row = settings.pop("ext", {})
    return settings | ext


def changed_dataset(config: ParserConfig) -> Row:
    """The same for a dataset: as on v0.27 its documents have no children unless ``use_parent_child`` is sent along."""
    settings = changed(config)
    if config.parent_child.use_parent_child:
        return settings
    return settings | {"parent_child": {}} | _children({})


def _children(parent_child: Row) -> Row:
    return {
        "children_delimiter": _children_delimiter(parent_child),
        "enable_children": bool(parent_child.get("use_parent_child")),
    }


def _children_delimiter(parent_child: Mapping[str, Any]) -> str:
    return str(parent_child.get("children_delimiter", "\n")) if parent_child.get("use_parent_child") else ""
