"""What an agent or a chat engine remembers of a user beyond the conversation: kept in RAGFlow's memories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self
from uuid import uuid4

from llama_index.core.async_utils import asyncio_run
from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock
from llama_index.core.memory import BaseMemory, BaseMemoryBlock, Memory
from llama_index.core.storage.chat_store.base_db import MessageStatus
from llama_index.core.utils import get_tokenizer
from pydantic import ConfigDict, Field, PrivateAttr, SkipValidation

from ragflow_integrations import MemoryMessage
from ragflow_integrations.adapting import Flow, memories_as_text, turns_of

from ._remembering import Remembering, spoken
from ._run import OfRun
from ._user import User

__all__ = ["RAGFlowMemory", "RAGFlowMemoryBlock"]

_NO_SESSION = "conversation"  # of messages that were put without a session
_ABOUT = "From earlier conversations with this user: "


class RAGFlowMemoryBlock(Remembering, BaseMemoryBlock[str]):
    """A block of LlamaIndex's ``Memory`` that keeps in RAGFlow what the short-term memory has no room for.

        block = RAGFlowMemoryBlock(memory_ids=[memory.id], user="ann")
        memory = Memory.from_defaults(session_id="monday", memory_blocks=[block])
        agent.run("…", memory=memory)
        await block.aflush(memory)      # the end of the conversation, however short

    ``Memory`` hands a block only what its short-term memory has no room for. ``aflush(memory)`` hands over the rest,
    too. Messages are kept as turns, what the user said with what was answered; a question waits for its answer.

    What fits the user's last message is recalled, as quoted data. ``user``, a text or a function of the
    ``RunContext``, says whose memory it is; one block may serve many users and sessions. Servers take what they keep
    into a queue: it is found a moment later.

    Which server: as ``RAGFlowRetriever``. Raises what the client raises; what could not be sent is sent with the next
    messages, or by ``aflush``.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    name: str = "ragflow_memory"
    user: SkipValidation[str | OfRun[str]]
    """Whose memory it is; ``ConfigurationError`` if it is no text, or the function gives none."""

    _user: User = PrivateAttr()

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self._user = User(self.user)

    @classmethod
    def class_name(cls) -> str:
        return "RAGFlowMemoryBlock"

    async def _aget(self, messages: list[ChatMessage] | None = None, **block_kwargs: Any) -> str:
        agent_id = await self._user.aagent_id()
        session_id = block_kwargs.get("session_id") or _NO_SESSION
        question = _last_question(messages or ())
        found = await self._connection.arun(self._recalled(question, agent_id, session_id))
        return _told(found) if found else ""

    async def _aput(self, messages: list[ChatMessage]) -> None:
        agent_id = await self._user.aagent_id()
        by_session: dict[str, list[ChatMessage]] = {}
        for message in messages:
            session_id = message.additional_kwargs.get("session_id") or _NO_SESSION
            by_session.setdefault(session_id, []).append(message)
        for session_id, said in by_session.items():
            self._add(agent_id, session_id, spoken(said))
        for session_id in by_session:
            await self._connection.arun(self._keep(agent_id, session_id, unanswered=False))

    async def aflush(self, memory: Memory | None = None) -> None:
        """Keep everything: what is pending, and what ``memory``, whose block this is, holds in its short-term memory.

        That ends the conversation: what the memory held is archived in it, as if there had been no room. If it is
        nobody's, it is left as it is.
        """
        if memory is not None:
            await self._user.aagent_id()
            store, session_id = memory.sql_store, memory.session_id
            held = await store.get_messages(session_id, status=MessageStatus.ACTIVE)
            await store.archive_oldest_messages(session_id, n=len(held))
            await self.aput(held, session_id=session_id)
        await self._connection.arun(self._keep_all())

    def flush(self, memory: Memory | None = None) -> None:
        """As ``aflush``, as LlamaIndex's ``Memory`` has its plain calls: in an event loop of its own."""
        asyncio_run(self.aflush(memory))


class RAGFlowMemory(Remembering, BaseMemory):
    """The memory of one conversation of one user, for agents and chat engines; each turn is kept in RAGFlow at once.

        memory = RAGFlowMemory(memory_ids=[memory.id], user="ann")
        agent.run("…", memory=memory)

    It holds the conversation itself (``messages``), of which a model is given the newest that have room in
    ``token_limit``, with what was recalled for the question in front of it, as quoted data. Recalled is what fits the
    question, of all the user's conversations or of this one (``recall_from``); turns that the model is given anyway
    are left out.

    Turns are kept when they are answered; a question without an answer with ``reset`` or ``flush``. ``set`` replaces
    the conversation and keeps nothing of what it is given. Servers take what they keep into a queue: it is found a
    moment later.

    It can be written down, with the conversation and without the key: ``to_dict``, ``pickle``, a workflow's
    ``Context``; ``RAGFlowMemory.from_dict(data, client=client)`` reads it.

    Which server: as ``RAGFlowRetriever``. Raises what the client raises; what could not be sent is sent with the next
    turn, or by ``flush``.
    """

    user: str
    """Whose memory it is, as text: one conversation is one user's."""

    session_id: str = Field(default_factory=lambda: uuid4().hex, min_length=1)
    """What the conversation is kept as."""

    token_limit: int = Field(default=30000, ge=1)
    """How many tokens of the conversation a model is given; the last turn in any case."""

    messages: list[ChatMessage] = Field(default_factory=list)
    """The conversation, oldest first."""

    _agent_id: str = PrivateAttr()
    _tokenizer: Callable[[str], Sequence[Any]] = PrivateAttr()

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self._agent_id = User(self.user).agent_id()
        self._tokenizer = get_tokenizer()

    @classmethod
    def class_name(cls) -> str:
        return "RAGFlowMemory"

    @classmethod
    def from_defaults(cls, chat_history: Sequence[ChatMessage] | None = None, **kwargs: Any) -> Self:
        """The same as the constructor; ``chat_history`` are the ``messages`` to begin with."""
        return cls(**({} if chat_history is None else {"messages": list(chat_history)}), **kwargs)

    def get(self, input: Any = None, initial_token_count: int = 0, **kwargs: Any) -> list[ChatMessage]:
        """The newest messages that have room beside ``initial_token_count``, and what is recalled for the question.

        The question is ``input``, or else the last message if it is the user's.
        """
        return self._connection.run(self._given(input, initial_token_count))

    async def aget(self, input: Any = None, initial_token_count: int = 0, **kwargs: Any) -> list[ChatMessage]:
        """As ``get``."""
        return await self._connection.arun(self._given(input, initial_token_count))

    def get_all(self) -> list[ChatMessage]:
        """The whole conversation, and nothing recalled."""
        return [message.model_copy(deep=True) for message in self.messages]

    async def aget_all(self) -> list[ChatMessage]:
        """As ``get_all``."""
        return self.get_all()

    def put(self, message: ChatMessage) -> None:
        """Add a message; an answer completes its turn, which is kept."""
        self.put_messages([message])

    async def aput(self, message: ChatMessage) -> None:
        """As ``put``."""
        await self.aput_messages([message])

    def put_messages(self, messages: list[ChatMessage]) -> None:
        """Add messages; answers complete their turns, which are kept."""
        self._connection.run(self._added(messages))

    async def aput_messages(self, messages: list[ChatMessage]) -> None:
        """As ``put_messages``."""
        await self._connection.arun(self._added(messages))

    def set(self, messages: list[ChatMessage]) -> None:
        """Replace the conversation; nothing of the new one is kept but its last question, when it is answered."""
        self._connection.run(self._replaced(messages))

    async def aset(self, messages: list[ChatMessage]) -> None:
        """As ``set``."""
        await self._connection.arun(self._replaced(messages))

    def reset(self) -> None:
        """Begin anew: the conversation is emptied here; what is kept of it in RAGFlow stays."""
        self.set([])

    async def areset(self) -> None:
        """As ``reset``."""
        await self.aset([])

    def flush(self) -> None:
        """Keep what is pending."""
        self._connection.run(self._keep_all())

    async def aflush(self) -> None:
        """As ``flush``."""
        await self._connection.arun(self._keep_all())

    def _added(self, messages: Sequence[ChatMessage]) -> Flow[None]:
        self.messages.extend(message.model_copy(deep=True) for message in messages)
        self._add(self._agent_id, self.session_id, spoken(messages))
        if messages and (messages[-1].role == MessageRole.USER or _is_answer(messages[-1])):
            yield from self._keep(self._agent_id, self.session_id, unanswered=False)

    def _replaced(self, messages: Sequence[ChatMessage]) -> Flow[None]:
        yield from self._keep_all()
        self.messages = [message.model_copy(deep=True) for message in messages]
        _, question = turns_of(spoken(messages))
        if question:
            self._add(self._agent_id, self.session_id, [("user", question)])

    def _given(self, input: Any, initial_token_count: int) -> Flow[list[ChatMessage]]:
        shown = self._shown(self.token_limit - initial_token_count)
        asked = _last_question(shown[-1:]) if input is None else _text(input)
        turns, _ = turns_of(spoken(shown))
        found = yield from self._recalled(asked, self._agent_id, self.session_id, turns)
        return _with_found(shown, _told(found)) if found else shown

    def _shown(self, room: int) -> list[ChatMessage]:
        """Copies of the messages that have room: all, or the newest from a question on."""
        first, last = 0, len(self.messages)
        for place in range(last - 1, -1, -1):
            room -= len(self._tokenizer(f"{self.messages[place].content or ''}"))
            if room < 0:
                first = self._question_after(place)
                break
        return [message.model_copy(deep=True) for message in self.messages[first:]]

    def _question_after(self, place: int) -> int:
        """Where the next turn begins; if there is none, the last one."""
        begins = [n for n, message in enumerate(self.messages) if message.role == MessageRole.USER]
        return next((n for n in begins if n > place), begins[-1] if begins else place)


def _is_answer(message: ChatMessage) -> bool:
    """Said by the model to the user, not to a tool."""
    calls = message.additional_kwargs.get("tool_calls") or any(
        block.block_type == "tool_call" for block in message.blocks
    )
    return (
        bool(spoken([message])) and message.role != MessageRole.USER and bool(message.content) and not calls
    )


def _last_question(messages: Sequence[ChatMessage]) -> str:
    """What the user said last."""
    asked = [message for message in messages if message.role == MessageRole.USER]
    return (asked[-1].content or "") if asked else ""


def _text(input: Any) -> str:
    """LlamaIndex's engines give a question as text, its newer ones as a message."""
    return (input.content or "") if isinstance(input, ChatMessage) else str(input)


def _told(found: Sequence[MemoryMessage]) -> str:
    return _ABOUT + memories_as_text(found)


def _with_found(shown: list[ChatMessage], text: str) -> list[ChatMessage]:
    """What was recalled in front of the user's message, which may be added after it."""
    block = TextBlock(text=text)
    if shown and shown[-1].role == MessageRole.USER:
        shown[-1].blocks.insert(0, block)
        return shown
    return [*shown, ChatMessage(role=MessageRole.USER, blocks=[block])]
