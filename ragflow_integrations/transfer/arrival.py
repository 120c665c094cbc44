"""Making objects anew at a target, from their records."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import InvalidRequestError, NotFoundError, PermissionDeniedError
from .documents import Documents
from .ids import IdMap
from .origin import Carried
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
from .refusals import REFUSED, accepted
from .report import TransferReport

if TYPE_CHECKING:
    from .. import RAGFlow

__all__ = ["Arrival"]


class Arrival:
    """What has arrived at a target, and making the rest."""

    def __init__(self, client: RAGFlow, ids: IdMap) -> None:
        self._client, self._ids = client, ids
        self.report = TransferReport()
        self._documents = Documents(client, ids, self.report)

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
        self.report.notes += [f"{_named(record)}: {each} is secret, set it again" for each in record.withheld]
        try:
            self._make(record, carried)
        except REFUSED as error:
            self._fail(record, str(error))

    def finish(self) -> None:
        """Wait for what is still being parsed."""
        self._documents.settle()

    def _make(self, record: Record, carried: Carried) -> None:
        match record:
            case DatasetRecord():
                self._dataset(record)
            case DocumentRecord():
                self._documents.bring(record, carried.content)
            case ChatRecord():
                self._chat(record)
            case AgentRecord():
                self._agent(record)
            case MemoryRecord():
                self._memory(record)
            case MessageRecord():
                self._message(record)
            case SessionRecord() | AgentSessionRecord():
                self.report.left[record.kind] += 1

    def _dataset(self, record: DatasetRecord) -> None:
        def make(name: str) -> str:
            fields = record.model_dump(
                include={
                    "avatar",
                    "description",
                    "embedding_model",
                    "permission",
                    "chunk_method",
                    "parser_config",
                },
                exclude_none=True,
            )
            made = accepted(
                lambda given: self._client.create_dataset(name, **given),
                fields,
                may_drop=("embedding_model", "chunk_method", "permission", "avatar"),
                note=lambda text: self._note(record, text),
            )
            if record.pagerank:
                try:
                    made.update({"pagerank": record.pagerank})
                except REFUSED as error:
                    self._note(record, f"pagerank {record.pagerank} is not taken: {error}")
            return made.id

        made = self._made(record, lambda id: self._client.get_dataset(id).id, self._dataset_named, make)
        self._documents.enter(record, made)

    def _dataset_named(self, name: str) -> str | None:
        for dataset in self._client.iter_datasets():
            if dataset.name == name:
                return dataset.id
        return None

    def _chat(self, record: ChatRecord) -> None:
        def make(name: str) -> str:
            fields = record.model_dump(exclude={"id", "kind", "name", "withheld"}, exclude_none=True)
            chat = accepted(
                lambda given: self._client.create_chat(name, **given),
                self._ids.translated(
                    {each: value for each, value in fields.items() if value not in ("", {}, [])}
                ),
                may_drop=("llm_id", "rerank_id", "dataset_ids"),
                note=lambda text: self._note(record, text),
            )
            return chat.id

        self._made(record, lambda id: self._client.get_chat(id).id, self._chat_named, make)

    def _chat_named(self, name: str) -> str | None:
        return next((chat.id for chat in self._client.list_chats(name=name) if chat.name == name), None)

    def _agent(self, record: AgentRecord) -> None:
        def make(name: str) -> str:
            dsl = self._ids.translated(record.dsl)
            return self._client.create_agent(
                name, dsl, record.description or None, canvas_type=record.canvas_type
            ).id

        self._made(record, lambda id: self._client.get_agent(id).id, self._agent_named, make)

    def _agent_named(self, title: str) -> str | None:
        try:
            return next((agent.id for agent in self._client.list_agents(title=title)), None)
        except NotFoundError:
            return None

    def _memory(self, record: MemoryRecord) -> None:
        def make(name: str) -> str:
            memory = self._client.create_memory(
                name, record.memory_type, record.embd_id or "", record.llm_id or ""
            )
            settings = record.model_dump(
                exclude={"id", "kind", "name", "withheld", "memory_type", "embd_id", "llm_id"},
                exclude_none=True,
            )
            memory.update(settings)
            return memory.id

        self._made(record, self._memory_with, self._memory_named, make)

    def _memory_with(self, id: str) -> str | None:
        return next((each.id for each in self._client.iter_memories() if each.id == id), None)

    def _memory_named(self, name: str) -> str | None:
        found = self._client.list_memory(keywords=name)["memory_list"]
        return next((each.id for each in found if each.name == name), None)

    def _message(self, record: MessageRecord) -> None:
        memory = self._ids.new("memory", record.memory_id)
        if memory is None:
            raise InvalidRequestError(f"the memory {record.memory_id} was not made")
        session = record.session_id
        if self._ids.begun(
            "message", record.id
        ):  # it may have arrived just before an earlier run was stopped
            recent = self._client.get_recent_messages(memory, session_id=session, limit=100)
            if any(each.content == record.content for each in recent):
                self._done(record, "there")
                return
        agent = self._ids.translated(record.agent_id)
        asked, _, answered = record.content.removeprefix("User Input: ").partition("\nAgent Response: ")
        self._ids.begin("message", record.id, session)
        self._client.add_message(memory, agent, session, asked, answered)
        self._done(record, "there")

    def _made(
        self,
        record: Record,
        find: Callable[[str], str | None],
        named: Callable[[str], str | None],
        make: Callable[[str], str],
    ) -> str:
        """The id at the target: known and still there, or left by an interrupted run, or made now."""
        known = self._ids.new(record.kind, record.id)
        if known is not None:
            if _is_there(find, known):
                self.report.kept[record.kind] += 1
                return known
            self._ids.forget(record.kind, record.id)
        begun = self._ids.begun(record.kind, record.id)
        left = named(begun) if begun else None
        if left is not None:  # the name was free when the interrupted run chose it
            self._done(record, left)
            return left
        name = begun or _free(record.title, named)
        self._ids.begin(record.kind, record.id, name)
        made = make(name)
        self._done(record, made)
        return made

    def _done(self, record: Record, new: str) -> None:
        self._ids.done(record.kind, record.id, new)
        self.report.done[record.kind] += 1

    def _note(self, record: Record, text: str) -> None:
        self.report.notes.append(f"{_named(record)}: {text}")

    def _fail(self, record: Record, text: str) -> None:
        self._note(record, text)
        self.report.failed[record.kind] += 1


def _named(record: Record) -> str:
    return f"{record.kind} {record.title!r}"


def _is_there(find: Callable[[str], str | None], id: str) -> bool:
    try:
        return find(id) is not None
    except (NotFoundError, PermissionDeniedError):
        return False


def _free(name: str, named: Callable[[str], str | None]) -> str:
    """The name, or with the first number that is free."""
    number, free = 0, name
    while named(free) is not None:
        number += 1
        free = f"{name}({number})"
    return free
