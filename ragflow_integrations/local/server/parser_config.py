"""``parser_config`` as RAGFlow v0.27 accepts it, and which of its switches the local engine can honour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from .envelope import not_there_yet

__all__ = ["ParserConfig", "settings_of"]

_Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
_Day = 86400


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Raptor(_Strict):
    use_raptor: bool = False
    prompt: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = ""
    max_token: Annotated[int, Field(ge=512, le=2048)] = 512
    clustering_threshold: _Fraction = 0.3
    clustering_ratio: _Fraction = 0.5
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
        if isinstance(kept.get("max_token"), int) and kept["max_token"] < 512:
            kept["max_token"] = 512
        return kept


_OLD_RAPTOR_FIELDS = {"ext", "threshold", "clustering_method", "tree_builder"}


class GraphRAG(_Strict):
    use_graphrag: bool = False
    entity_types: list[str] = []
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


class ParentChild(_Strict):
    use_parent_child: bool = False
    children_delimiter: Annotated[str, Field(min_length=1)] = "\n"


class ParserConfig(_Strict):
    """The keys RAGFlow knows, with its limits; what is not sent keeps the engine's value."""

    auto_keywords: Annotated[int, Field(ge=0, le=32)] = 0
    auto_questions: Annotated[int, Field(ge=0, le=10)] = 0
    chunk_token_num: Annotated[int, Field(ge=1, le=2048)] = 512
    delimiter: Annotated[str, Field(min_length=1)] = "\n"
    graphrag: GraphRAG = GraphRAG()
    html4excel: bool = False
    layout_recognize: str = "DeepDOC"
    parent_child: ParentChild = ParentChild()
    enable_children: bool = False
    children_delimiter: str = ""
    raptor: Raptor = Raptor()
    tag_kb_ids: list[str] = []
    topn_tags: Annotated[int, Field(ge=1, le=10)] = 1
    filename_embd_weight: _Fraction | None = 0.1
    task_page_size: Annotated[int | None, Field(ge=1)] = None
    pages: list[list[int]] | None = None
    compilation_template_group_id: list[str] = []
    ext: dict[str, Any] = {}
    table_column_mode: Literal["auto", "manual"] | None = None
    table_column_roles: dict[str, Literal["indexing", "metadata", "both"]] | None = None
    table_column_names: list[str] | None = None


def settings_of(config: ParserConfig) -> dict[str, Any]:
    """What was sent, to be laid over the present settings; a switch that would have no effect here is refused."""
    switches = {
        "auto_keywords": config.auto_keywords,
        "auto_questions": config.auto_questions,
        "tag_kb_ids": config.tag_kb_ids,
        "enable_children": config.enable_children or config.parent_child.use_parent_child,
        "raptor.use_raptor": config.raptor.use_raptor,
        "graphrag.use_graphrag": config.graphrag.use_graphrag,
        "pages": config.pages,
        "compilation_template_group_id": config.compilation_template_group_id,
        "ext": config.ext,
    }
    for name, value in switches.items():
        if value:
            raise not_there_yet(f"parser_config.{name}")
    return config.model_dump(exclude_unset=True)
