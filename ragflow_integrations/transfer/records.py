"""The records of an archive: what of each kind of object is carried over, and how it is read from a server.

One JSON object per line; ``kind`` says what it is. A document's line has its chunks, so that a line is whole or
not there. Nothing of it is secret: keys and passwords in settings are left out, and ``withheld`` says where.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from .secrets import without_secrets

if TYPE_CHECKING:
    from .. import Agent, Chat, ChunkFields, DataSet, Document, Memory, Search, Session
    from ..models import AgentSessionFields, MemoryMessage

__all__ = [
    "RECORD",
    "AgentRecord",
    "AgentSessionRecord",
    "ChatRecord",
    "ChunkRecord",
    "DatasetRecord",
    "DocumentRecord",
    "ItemRecord",
    "LeftRecord",
    "MemoryRecord",
    "MessageRecord",
    "Record",
    "SearchRecord",
    "SessionRecord",
]

_Object = dict[str, Any]
R = TypeVar("R", bound="_Record")


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str = Field(min_length=1)
    withheld: list[str] = []

    @property
    def title(self) -> str:
        """What it is called, for messages."""
        return str(getattr(self, "name", self.id))


class DatasetRecord(_Record):
    """A dataset's settings; ``document_count`` is how many documents follow."""

    kind: Literal["dataset"] = "dataset"
    name: str
    avatar: str | None = None
    description: str | None = None
    embedding_model: str | None = None
    permission: str = "me"
    chunk_method: str | None = None
    parser_config: _Object = {}
    pagerank: int = 0
    language: str | None = None
    similarity_threshold: float | None = None
    vector_similarity_weight: float | None = None
    pipeline_id: str | None = None
    document_count: int = 0

    @classmethod
    def of(cls, dataset: DataSet) -> DatasetRecord:
        """As a server has it now."""
        return _picked(cls, dataset, "parser_config")


class ChunkRecord(BaseModel):
    """A chunk; ``positions`` are the boxes on its pages.

    ``picture`` is what its origin knows its picture by, in an archive a digest, on a server an id; "" if it has none.
    """

    content: str
    important_keywords: list[str] = []
    questions: list[str] = []
    available: bool = True
    positions: list[list[float]] = []
    tag_kwd: list[str] = []
    tag_feas: dict[str, float] = {}
    picture: str = ""

    @classmethod
    def of(cls, chunk: ChunkFields) -> ChunkRecord:
        """As a server has it now."""
        more = chunk.model_extra or {}
        return cls(
            content=chunk.content,
            important_keywords=chunk.important_keywords,
            questions=chunk.questions,
            available=chunk.available,
            positions=[list(box) for box in chunk.boxes],
            tag_kwd=more.get("tag_kwd") or [],
            tag_feas=more.get("tag_feas") or {},
            picture=chunk.image_id or "",
        )


class DocumentRecord(_Record):
    """A document with its chunks; ``sha256`` names its original file, ``None`` if the server has none."""

    kind: Literal["document"] = "document"
    dataset_id: str
    name: str
    size: int = Field(default=0, ge=0)
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    chunk_method: str | None = None
    parser_config: _Object = {}
    meta_fields: _Object = {}
    run: str = "UNSTART"
    enabled: bool = True
    chunks: list[ChunkRecord] = []

    @classmethod
    def of(cls, document: Document, content: bytes | None) -> DocumentRecord:
        """As a server has it now; its chunks are fetched."""
        record = _picked(cls, document, "parser_config")
        record.enabled = document.status != "0"
        record.chunks = [ChunkRecord.of(chunk) for chunk in document.iter_chunks()]
        record.size = len(content or b"")
        record.sha256 = None if content is None else hashlib.sha256(content).hexdigest()
        return record


class ItemRecord(_Record):
    """A JSON object that a local engine keeps beside a dataset's documents, under a namespace and a key."""

    kind: Literal["item"] = "item"
    dataset_id: str
    namespace: list[Annotated[str, Field(min_length=1)]] = Field(min_length=1)
    key: str
    value: _Object

    @classmethod
    def of(cls, item: _Object, dataset_id: str) -> ItemRecord:
        """As the engine has it now."""
        place = json.dumps([*item["namespace"], item["key"]], ensure_ascii=False)
        return cls(dataset_id=dataset_id, id=f"{dataset_id}:{place}", **item)


class ChatRecord(_Record):
    """A chat assistant's settings."""

    kind: Literal["chat"] = "chat"
    name: str
    description: str | None = None
    icon: str | None = None
    dataset_ids: list[str] = []
    llm_id: str | None = None
    llm_setting: _Object = {}
    prompt_config: _Object = {}
    similarity_threshold: float | None = None
    vector_similarity_weight: float | None = None
    top_n: int | None = None
    top_k: int | None = None
    rerank_id: str | None = None
    meta_data_filter: _Object = {}

    @classmethod
    def of(cls, chat: Chat) -> ChatRecord:
        """As a server has it now."""
        return _picked(cls, chat, "llm_setting", "prompt_config")


class SessionRecord(_Record):
    """A conversation with a chat assistant, with its messages and what their answers rest on."""

    kind: Literal["session"] = "session"
    chat_id: str
    name: str | None = None
    create_time: int | None = None
    messages: list[_Object] = []

    @classmethod
    def of(cls, session: Session, chat_id: str) -> SessionRecord:
        """As a server has it now."""
        return cls(
            id=session.id,
            chat_id=chat_id,
            name=session.name,
            create_time=session.create_time,
            messages=[_message(each) for each in session.messages],
        )


class AgentRecord(_Record):
    """An agent with its canvas as it is being edited; ``published`` says whether there is another one in use."""

    kind: Literal["agent"] = "agent"
    name: str
    description: str | None = None
    canvas_type: str | None = None
    dsl: _Object = {}
    avatar: str | None = None
    published: bool = False

    @classmethod
    def of(cls, agent: Agent) -> AgentRecord:
        """As a server has it now."""
        dsl, withheld = without_secrets(agent.dsl or {}, "dsl")
        return cls(
            id=agent.id,
            name=agent.title or "",
            description=agent.description,
            canvas_type=agent.canvas_type,
            dsl=dsl,
            avatar=agent.avatar,
            published=bool((agent.model_extra or {}).get("last_publish_time")),
            withheld=withheld,
        )


class AgentSessionRecord(_Record):
    """A conversation with an agent."""

    kind: Literal["agent_session"] = "agent_session"
    agent_id: str
    name: str | None = None
    create_time: int | None = None
    messages: list[_Object] = []

    @classmethod
    def of(cls, session: AgentSessionFields, agent_id: str) -> AgentSessionRecord:
        """As a server has it now."""
        return cls(
            id=session.id,
            agent_id=agent_id,
            name=session.name,
            create_time=session.create_time,
            messages=[_message(each) for each in session.messages],
        )


class SearchRecord(_Record):
    """A search application's settings."""

    kind: Literal["search"] = "search"
    name: str
    avatar: str | None = None
    description: str | None = None
    search_config: _Object = {}

    @classmethod
    def of(cls, search: Search) -> SearchRecord:
        """As a server has it now."""
        return _picked(cls, search, "search_config")


class MemoryRecord(_Record):
    """A memory's settings."""

    kind: Literal["memory"] = "memory"
    name: str
    avatar: str | None = None
    description: str | None = None
    memory_type: list[str] = []
    embd_id: str | None = None
    llm_id: str | None = None
    permissions: str = "me"
    memory_size: int | None = None
    forgetting_policy: str | None = None
    temperature: float | None = None
    system_prompt: str | None = None
    user_prompt: str | None = None

    @classmethod
    def of(cls, memory: Memory) -> MemoryRecord:
        """As a server has it now."""
        return _picked(cls, memory)


class MessageRecord(_Record):
    """A turn of a conversation that a memory keeps; what was extracted from it is not carried."""

    kind: Literal["message"] = "message"
    memory_id: str
    agent_id: str = ""
    session_id: str = ""
    content: str = ""
    status: bool = True

    @classmethod
    def of(cls, message: MemoryMessage, memory_id: str) -> MessageRecord:
        """As a server lists it, without its content; numbers of messages may be those of their memory only."""
        return cls(
            id=f"{memory_id}:{message.message_id}",
            memory_id=memory_id,
            agent_id=message.agent_id or "",
            session_id=message.session_id or "",
            status=message.status,
        )


class LeftRecord(_Record):
    """What is there and is not carried: what, of or in which object, how many (0: not known), and why."""

    kind: Literal["left"] = "left"
    what: str
    name: str
    count: int = Field(default=1, ge=0)
    reason: str


Record = (
    DatasetRecord
    | DocumentRecord
    | ItemRecord
    | ChatRecord
    | SessionRecord
    | AgentRecord
    | AgentSessionRecord
    | SearchRecord
    | MemoryRecord
    | MessageRecord
    | LeftRecord
)
RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])


def _picked(cls: type[R], resource: Any, *with_secrets: str) -> R:
    """The fields that a record carries; what a server has as null is the record's default."""
    present = {**(resource.model_extra or {}), **resource.__dict__}
    fields = {name: present[name] for name in cls.model_fields if present.get(name) is not None}
    withheld: list[str] = []
    for name in set(with_secrets) & set(fields):
        fields[name], left_out = without_secrets(fields[name], name)
        withheld += left_out
    if "parser_config" in fields:  # a server's own chat model: each writes it in by itself, and takes none
        fields["parser_config"] = {
            key: value for key, value in fields["parser_config"].items() if key != "llm_id"
        }
    return cls(**fields, withheld=withheld)


def _message(message: Any) -> _Object:
    """A message without what is empty, and without what a stored session has no use for."""
    fields: _Object = message.model_dump(mode="json", exclude={"session_id", "chat_id", "prompt", "final"})
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}
