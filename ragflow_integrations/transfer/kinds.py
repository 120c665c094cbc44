"""What has a name at a target, and how one of each kind is looked for, made and completed there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from .. import Memory
from ..errors import NotFoundError, PermissionDeniedError
from .ids import IdMap
from .records import AgentRecord, ChatRecord, DatasetRecord, MemoryRecord, SearchRecord
from .refusals import REFUSED, accepted

if TYPE_CHECKING:
    from .. import RAGFlow

__all__ = ["Agents", "Chats", "Datasets", "Kind", "Memories", "Searches"]

_OF_DATASETS = {"avatar", "description", "embedding_model", "permission", "chunk_method", "parser_config"}
_USUAL = {"language": "English", "similarity_threshold": 0.2, "vector_similarity_weight": 0.3}
R = TypeVar("R", DatasetRecord, ChatRecord, AgentRecord, SearchRecord, MemoryRecord)


class Kind(Generic[R]):
    """One kind of object at one target; ``note`` is told what is not as it was."""

    def __init__(self, client: RAGFlow, ids: IdMap, note: Callable[[R, str], object]) -> None:
        self._client, self._ids = client, ids
        self._note: Callable[[R, str], object] = note

    def is_there(self, id: str) -> bool:
        """Whether there is one with this id."""
        try:
            self._get(id)
        except (NotFoundError, PermissionDeniedError):
            return False
        return True

    def named(self, name: str) -> str | None:
        """The id of one with this name (as the server tells names apart), if there is one."""
        raise NotImplementedError

    def make(self, name: str, record: R) -> str:
        """Make it under a name that is free; its id."""
        raise NotImplementedError

    def complete(self, id: str, record: R) -> None:
        """Set what cannot be set while it is made; may be done twice."""

    def _get(self, id: str) -> object:
        raise NotImplementedError


class Datasets(Kind[DatasetRecord]):
    """Datasets with their settings."""

    def named(self, name: str) -> str | None:
        try:
            return self._client.list_datasets(name=name)[0].id
        except NotFoundError:
            return None

    def make(self, name: str, record: DatasetRecord) -> str:
        fields = record.model_dump(include=_OF_DATASETS, exclude_none=True)
        beside = record.model_dump(include=set(_USUAL), exclude_none=True)
        fields["ext"] = {name: value for name, value in beside.items() if value != _USUAL[name]}
        if record.pipeline_id:
            self._note(record, "its ingestion pipeline is not carried")
        return accepted(
            lambda given: self._client.create_dataset(name, **given),
            self._ids.translated({name: value for name, value in fields.items() if value != {}}),
            may_drop=("ext", "embedding_model", "chunk_method", "permission", "avatar"),
            note=lambda text: self._note(record, text),
        ).id

    def complete(self, id: str, record: DatasetRecord) -> None:
        if record.pagerank:
            try:
                self._client.get_dataset(id).update({"pagerank": record.pagerank})
            except REFUSED as error:
                self._note(record, f"pagerank {record.pagerank} is not taken: {error}")

    def _get(self, id: str) -> object:
        return self._client.get_dataset(id)


class Chats(Kind[ChatRecord]):
    """Chat assistants on datasets that were made before."""

    def named(self, name: str) -> str | None:
        return next((chat.id for chat in self._client.list_chats(name=name)), None)

    def make(self, name: str, record: ChatRecord) -> str:
        fields = record.model_dump(exclude={"id", "kind", "name", "withheld"}, exclude_none=True)
        said = {field: value for field, value in fields.items() if value not in ("", {}, [])}
        return accepted(
            lambda given: self._client.create_chat(name, **given),
            self._ids.translated(said),
            may_drop=("llm_id", "rerank_id", "dataset_ids"),
            note=lambda text: self._note(record, text),
        ).id

    def _get(self, id: str) -> object:
        return self._client.get_chat(id)


class Agents(Kind[AgentRecord]):
    """Agents, whose canvas names datasets and memories."""

    def named(self, name: str) -> str | None:
        try:
            return next((agent.id for agent in self._client.list_agents(title=name)), None)
        except NotFoundError:
            return None

    def make(self, name: str, record: AgentRecord) -> str:
        dsl = self._ids.translated(record.dsl)
        described = record.description or None
        if record.avatar:
            self._note(record, "its picture is not carried")
        if record.published:
            self._note(record, "carried as it is being edited; publish it there")
        return self._client.create_agent(name, dsl, described, canvas_type=record.canvas_type).id

    def _get(self, id: str) -> object:
        return self._client.get_agent(id)


class Searches(Kind[SearchRecord]):
    """Search applications, whose settings name datasets; servers before v0.25.1 have none."""

    def named(self, name: str) -> str | None:
        found = self._client.iter_searches(keywords=name)
        return next((each.id for each in found if each.name == name), None)

    def make(self, name: str, record: SearchRecord) -> str:
        if record.avatar:
            self._note(record, "its picture is not carried")
        return self._client.create_search(name, record.description or None).id

    def complete(self, id: str, record: SearchRecord) -> None:
        if settings := self._ids.translated(record.search_config):
            self._client.get_search(id).update({"search_config": settings})

    def _get(self, id: str) -> object:
        return self._client.get_search(id)


class Memories(Kind[MemoryRecord]):
    """Memories with their settings."""

    def named(self, name: str) -> str | None:
        found = self._client.list_memory(keywords=name)["memory_list"]
        return next((each.id for each in found if each.name == name), None)

    def make(self, name: str, record: MemoryRecord) -> str:
        models = record.embd_id or "", record.llm_id or ""
        return self._client.create_memory(name, record.memory_type, *models).id

    def complete(self, id: str, record: MemoryRecord) -> None:
        made_with = {"id", "kind", "name", "withheld", "memory_type", "embd_id", "llm_id"}
        Memory(self._client, {"id": id}).update(record.model_dump(exclude=made_with, exclude_none=True))

    def _get(self, id: str) -> object:
        return Memory(self._client, {"id": id}).get_config()
