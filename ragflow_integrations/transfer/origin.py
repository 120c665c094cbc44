"""Where records come from: a server or the local engine, through the public API. (An archive is the other.)"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Protocol

from ..errors import InvalidRequestError, NotFoundError, UnsupportedError
from .records import (
    AgentRecord,
    AgentSessionRecord,
    ChatRecord,
    DatasetRecord,
    DocumentRecord,
    MemoryRecord,
    MessageRecord,
    Record,
    SessionRecord,
)

if TYPE_CHECKING:
    from .. import DataSet, Document, RAGFlow

__all__ = ["Carried", "Origin", "Server", "Skip"]

Skip = Callable[[str, str], bool]
"""Whether an object, by kind and id, is through already: it is not fetched again."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A record, and for a document its original file."""

    record: Record
    content: bytes | IO[bytes] | None = None


class Origin(Protocol):
    """What can be carried over: ``total`` documents, and records in an order in which they can be made."""

    @property
    def total(self) -> int: ...

    def records(self, skip: Skip) -> Iterator[Carried]: ...


class Server:
    """Everything that a client's key may see, or some datasets of it (by id, then without what is not a dataset's).

    One document with its chunks is in memory at a time.
    """

    def __init__(self, client: RAGFlow, dataset_ids: Sequence[str] | None, *, conversations: bool) -> None:
        self._client = client
        self._conversations = conversations
        self._whole = dataset_ids is None
        if dataset_ids is not None:
            self._datasets: list[DataSet] = [client.get_dataset(each) for each in dataset_ids]
        else:
            self._datasets = list(client.iter_datasets(desc=False))

    @property
    def total(self) -> int:
        """How many documents there are."""
        return sum(dataset.document_count for dataset in self._datasets)

    def records(self, skip: Skip) -> Iterator[Carried]:
        """Datasets each with its documents, then chats, agents and memories with what is theirs."""
        for dataset in self._datasets:
            yield Carried(DatasetRecord.of(dataset))
            for document in dataset.iter_documents(desc=False):
                if not skip("document", document.id):
                    yield from _document(document)
        if self._whole:
            yield from self._chats(skip)
            yield from self._agents(skip)
            yield from self._memories(skip)

    def _chats(self, skip: Skip) -> Iterator[Carried]:
        for chat in self._client.iter_chats(desc=False):
            yield Carried(ChatRecord.of(chat))
            if self._conversations:
                for session in chat.iter_sessions(desc=False):
                    if not skip("session", session.id):
                        yield Carried(SessionRecord.of(session, chat.id))

    def _agents(self, skip: Skip) -> Iterator[Carried]:
        for listed in _where_there_are(self._client.iter_agents(orderby="create_time", desc=False)):
            agent = self._client.get_agent(listed.id)
            yield Carried(AgentRecord.of(agent))
            if self._conversations:
                for session in agent.iter_sessions(desc=False):
                    if not skip("agent_session", session.id):
                        yield Carried(AgentSessionRecord.of(session, agent.id))

    def _memories(self, skip: Skip) -> Iterator[Carried]:
        for memory in _where_there_are(self._client.iter_memories()):
            memory.get_config()
            yield Carried(MemoryRecord.of(memory))
            for message in reversed(list(memory.iter_messages())):
                record = MessageRecord.of(message, memory.id)
                if message.forget_at is None and not skip(record.kind, record.id):
                    record.content = memory.get_message_content(str(message.message_id)).content or ""
                    yield Carried(record)


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


def _where_there_are(listed: Iterable[Any]) -> Iterator[Any]:
    """Of a server that has no such objects, or no calls for them: none."""
    try:
        yield from listed
    except UnsupportedError:
        return
    except NotFoundError as error:
        if error.status_code != 404:
            raise
