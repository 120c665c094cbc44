"""Where records come from: a server or the local engine, through the public API. (An archive is the other.)"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import IO, TYPE_CHECKING, Protocol, TypeVar

from .. import Chunk
from ..errors import InvalidRequestError, NotFoundError, UnsupportedError
from ..models import ChunkFields
from . import left
from .records import (
    AgentRecord,
    AgentSessionRecord,
    ChatRecord,
    DatasetRecord,
    DocumentRecord,
    ItemRecord,
    LeftRecord,
    MemoryRecord,
    MessageRecord,
    Record,
    SearchRecord,
    SessionRecord,
)

if TYPE_CHECKING:
    from .. import DataSet, Document, RAGFlow

__all__ = ["Carried", "Origin", "Server", "Skip"]

Skip = Callable[[str, str], bool]
"""Whether an object, by kind and id, is through already: it is not fetched again."""

_ITEMS_AT_ONCE = 100
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Carried:
    """A record, and for a document its original file."""

    record: Record
    content: bytes | IO[bytes] | None = None


class Origin(Protocol):
    """What can be carried over: ``total`` documents, and records in an order in which they can be made.

    ``picture`` reads the picture of a chunk when it is needed, by what its record has; raises one of ``NOT_TO_BE_HAD``.
    """

    @property
    def total(self) -> int: ...

    def records(self, skip: Skip) -> Iterator[Carried]: ...

    def picture(self, name: str) -> bytes: ...


class Server:
    """Everything that a client's key may see, or some datasets of it (by id, then without what is not a dataset's).

    What is oldest comes first, so that lists at a target are in the order of those at the origin.
    One document with its chunks is in memory at a time.
    """

    def __init__(self, client: RAGFlow, dataset_ids: Sequence[str] | None) -> None:
        self._client = client
        self._whole = dataset_ids is None
        self._hidden: list[LeftRecord] = []
        if dataset_ids is not None:
            self._datasets: list[DataSet] = [client.get_dataset(each) for each in dataset_ids]
        else:
            self._datasets = list(client.iter_datasets(desc=False))
        self._datasets.sort(key=_needs_others)

    @property
    def total(self) -> int:
        """How many documents there are."""
        return sum(dataset.document_count for dataset in self._datasets)

    def records(self, skip: Skip) -> Iterator[Carried]:
        """Datasets each with what is in it, then chats, agents, searches and memories with what is theirs."""
        for dataset in self._datasets:
            yield Carried(DatasetRecord.of(dataset))
            for document in dataset.iter_documents(desc=False):
                if not skip("document", document.id):
                    yield from _document(document)
            yield from map(Carried, self._beside_documents(dataset))
        if self._whole:
            yield from map(Carried, self._chats(skip))
            yield from map(Carried, self._agents(skip))
            yield from map(Carried, self._searches())
            yield from map(Carried, self._memories(skip))
            yield from map(Carried, left.files(self._client))
        yield from map(Carried, self._hidden)

    def picture(self, name: str) -> bytes:
        """A chunk's picture by its id."""
        return Chunk._of(self._client, ChunkFields(id=name, image_id=name)).image()

    def _beside_documents(self, dataset: DataSet) -> Iterator[Record]:
        yield from left.made_of_documents(dataset)
        try:
            yield from _items(dataset)
        except UnsupportedError as error:  # RAGFlow has none
            self._hidden += left.hidden(self._client, "item", dataset.name, error)

    def _chats(self, skip: Skip) -> Iterator[Record]:
        for chat in self._client.iter_chats(desc=False):
            yield ChatRecord.of(chat)
            for session in chat.iter_sessions(desc=False):
                if not skip("session", session.id):
                    yield SessionRecord.of(session, chat.id)

    def _agents(self, skip: Skip) -> Iterator[Record]:
        for listed in self._listed("agent", self._client.iter_agents("create_time", desc=False)):
            agent = self._client.get_agent(listed.id)
            yield AgentRecord.of(agent)
            for session in agent.iter_sessions(desc=False):
                if not skip("agent_session", session.id):
                    yield AgentSessionRecord.of(session, agent.id)

    def _searches(self) -> Iterator[Record]:
        for listed in reversed(self._listed("search", self._client.iter_searches())):
            yield SearchRecord.of(self._client.get_search(listed.id))

    def _memories(self, skip: Skip) -> Iterator[Record]:
        for memory in reversed(self._listed("memory", self._client.iter_memories())):
            memory.get_config()
            yield MemoryRecord.of(memory)
            for message in reversed(list(memory.iter_messages())):
                record = MessageRecord.of(message, memory.id)
                if message.forget_at is None and not skip(record.kind, record.id):
                    record.content = memory.get_message_content(str(message.message_id)).content or ""
                    yield record

    def _listed(self, what: str, objects: Iterable[T]) -> list[T]:
        """Objects that not every server has, or has calls for: then none."""
        try:
            return list(objects)
        except UnsupportedError as error:
            self._hidden += left.hidden(self._client, what, "all", error)
        except NotFoundError as error:
            if error.status_code != 404:
                raise
        return []


def _document(document: Document) -> Iterator[Carried]:
    """The document, unless it has been deleted since it was listed."""
    try:
        content: bytes | None = document.download() if document.size else b""
    except (NotFoundError, InvalidRequestError):  # made on the server, from nothing
        content = None
    try:
        yield Carried(DocumentRecord.of(document, content), content)
    except NotFoundError:
        return


def _needs_others(dataset: DataSet) -> bool:
    """Whether its documents get tags from other datasets, which are to be made before."""
    return bool(dataset.parser_config and dataset.parser_config.get("tag_kb_ids"))


def _items(dataset: DataSet) -> Iterator[ItemRecord]:
    for start in count(0, _ITEMS_AT_ONCE):
        listing = {"op": "list", "prefix": [], "limit": _ITEMS_AT_ONCE, "offset": start}
        (page,) = dataset.item_operations([listing])
        yield from (ItemRecord.of(item, dataset.id) for item in page)
        if len(page) < _ITEMS_AT_ONCE:
            return
