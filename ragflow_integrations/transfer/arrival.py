"""Making objects anew at a target, from their records, each once."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

from .. import Memory
from ..errors import InvalidRequestError, UnsupportedError
from .documents import Documents
from .ids import IdMap
from .items import Items
from .kinds import Agents, Chats, Datasets, Kind, Memories, Searches
from .origin import Carried
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
from .refusals import REFUSED
from .report import TransferReport

if TYPE_CHECKING:
    from .. import RAGFlow

__all__ = ["Arrival"]

_NEWEST = 20  # messages among which one is looked for that was just added


class Arrival:
    """What has arrived at a target, and making the rest."""

    def __init__(self, client: RAGFlow, ids: IdMap, picture: Callable[[str], bytes]) -> None:
        self._client, self._ids = client, ids
        self.report = TransferReport()
        self._documents = Documents(client, ids, self.report, picture)
        self._items = Items(client, ids, self.report)
        about: Any = (client, ids, self._note)
        self._kinds: dict[str, Kind[Any]] = {
            "dataset": Datasets(*about),
            "chat": Chats(*about),
            "agent": Agents(*about),
            "search": Searches(*about),
            "memory": Memories(*about),
        }

    def has(self, kind: str, old: str) -> bool:
        """Whether the object was made, by this run or an earlier one, and is still there; counts it if so."""
        if kind == "document" and not self._documents.are_there(old):
            return False
        if self._ids.new(kind, old) is None:
            return False
        self.report.kept[kind] += 1
        return True

    def take(self, carried: Carried) -> None:
        """Make one object; what cannot be made is noted."""
        record = carried.record
        if isinstance(record, MessageRecord) and self.has(record.kind, record.id):
            return
        if not isinstance(record, DocumentRecord):
            self._documents.settle()  # what follows may need what they hold
        for place in record.withheld:
            self._note(record, f"{place} is secret, set it again")
        try:
            self._make(record, carried.content)
        except UnsupportedError as error:
            self._unsupported(record, error)
        except REFUSED as error:
            self._note(record, str(error))
            self.report.failed[record.kind] += 1

    def finish(self) -> None:
        """Wait for what is still being parsed, and keep the last items."""
        self._documents.settle()
        self._items.settle()

    def _unsupported(self, record: Record, error: UnsupportedError) -> None:
        """Search applications are not of every version; whatever else is not supported should have been."""
        self._note(record, str(error))
        (self.report.left if isinstance(record, SearchRecord) else self.report.failed)[record.kind] += 1

    def _make(self, record: Record, content: bytes | IO[bytes] | None) -> None:
        match record:
            case DatasetRecord():
                self._documents.enter(record, self._made(record))
            case DocumentRecord():
                self._documents.bring(record, content)
            case ItemRecord():
                self._items.bring(record)
            case ChatRecord() | AgentRecord() | SearchRecord() | MemoryRecord():
                self._made(record)
            case LeftRecord():
                self.report.leave(record.what, record.name, record.count, record.reason)
            case MessageRecord():
                self._message(record)
            case SessionRecord() | AgentSessionRecord():
                self.report.left[record.kind] += 1

    def _made(self, record: Any) -> str:
        """The id at the target: known and still there, or left by an interrupted run, or made now."""
        kind = self._kinds[record.kind]
        known = self._ids.new(record.kind, record.id)
        if known is not None:
            if kind.is_there(known):
                self.report.kept[record.kind] += 1
                return known
            self._ids.forget(record.kind, record.id)
        begun = self._ids.begun(record.kind, record.id)
        made = kind.named(begun) if begun else None  # the name was free when the interrupted run chose it
        if made is None:
            name = begun or _free(kind, record.name)
            self._ids.begin(record.kind, record.id, name)
            made = kind.make(name, record)
        kind.complete(made, record)
        self._done(record, made)
        return made

    def _message(self, record: MessageRecord) -> None:
        memory = self._ids.new("memory", record.memory_id)
        if memory is None:
            raise InvalidRequestError(f"the memory {record.memory_id} was not made")
        asked, _, answered = record.content.removeprefix("User Input: ").partition("\nAgent Response: ")
        stored = f"User Input: {asked}\nAgent Response: {answered}"
        begun = self._ids.begun(record.kind, record.id) is not None
        made = self._newest(memory, record.session_id, stored) if begun else None
        if made is None:
            self._ids.begin(record.kind, record.id, record.session_id)
            agent = self._ids.translated(record.agent_id)
            self._client.add_message(memory, agent, record.session_id, asked, answered)
            made = self._newest(memory, record.session_id, stored)
        if made and not record.status:
            Memory(self._client, {"id": memory}).update_message_status(made, False)
        self._done(record, made or "added")

    def _newest(self, memory: str, session: str, content: str) -> str | None:
        """The newest message with this content: an interrupted run may have added it as its last."""
        recent = self._client.get_recent_messages(memory, session_id=session or None, limit=_NEWEST)
        return next((str(each.message_id) for each in recent if each.content == content), None)

    def _done(self, record: Record, new: str) -> None:
        self._ids.done(record.kind, record.id, new)
        self.report.done[record.kind] += 1

    def _note(self, record: Record, text: str) -> None:
        self.report.notes.append(f"{record.kind} {record.title!r}: {text}")


def _free(kind: Kind[Any], name: str) -> str:
    """The name, or with the first number that is free."""
    number, free = 0, name
    while kind.named(free) is not None:
        number += 1
        free = f"{name}({number})"
    return free
