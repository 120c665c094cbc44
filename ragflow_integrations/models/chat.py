"""Chat assistants, their sessions, and messages."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from .base import Model, spelled
from .chat_settings import ChatLLM, ChatPrompt, document_prompt
from .chunk import ChunkFields, DocumentAggregate
from .citation import Citation

__all__ = ["ChatFields", "Message", "SessionFields"]


class ChatFields(Model):
    """A chat assistant's fields, with v0.27's names whatever the server's version.

    ``llm``, ``prompt`` and ``avatar`` show the same in the names of v0.24's document; to change them, use
    ``update``.
    """

    LLM: ClassVar[type[ChatLLM]] = ChatLLM
    Prompt: ClassVar[type[ChatPrompt]] = ChatPrompt

    id: str = ""
    name: str = ""
    icon: str | None = ""
    description: str | None = None
    dataset_ids: list[str] = Field(default_factory=list)
    llm_id: str | None = None
    llm_setting: dict[str, Any] | None = Field(default_factory=dict)
    prompt_config: dict[str, Any] | None = Field(default_factory=dict)
    similarity_threshold: float | None = None
    vector_similarity_weight: float | None = None
    top_n: int | None = None
    top_k: int | None = None
    rerank_id: str | None = None
    create_time: int | None = None
    update_time: int | None = None

    @property
    def avatar(self) -> str | None:
        """``icon`` by its name in v0.24's document."""
        return self.icon

    @property
    def llm(self) -> ChatLLM:
        """``llm_id`` and ``llm_setting`` as v0.24's document has them."""
        return ChatLLM(**{**(self.llm_setting or {}), "model_name": self.llm_id})

    @property
    def prompt(self) -> ChatPrompt:
        """``prompt_config`` and the numbers of the search as v0.24's document has them."""
        return ChatPrompt(**document_prompt(self.__dict__))


class Message(Model):
    """A message of a conversation; of a streamed answer, one piece of it.

    In a stream ``content`` and ``reasoning`` are what is new, and the last message has ``final=True``,
    the ``reference`` and the whole answer as ``full_content``. Otherwise ``content`` is the whole text.
    ``[ID:n]`` in the text cites ``reference[n]``: see ``citations()``. ``total`` is how many chunks fitted
    the question, ``usage`` counts tokens where the server does, ``created_at`` is in seconds since 1970.
    """

    content: str = spelled("content", "answer", default="")
    role: str = "assistant"
    id: str | None = None
    reasoning: str = ""
    reference: list[ChunkFields] = Field(default_factory=list)
    doc_aggs: list[DocumentAggregate] = Field(default_factory=list)
    total: int | None = None
    session_id: str | None = None
    chat_id: str | None = None
    prompt: str | None = None
    usage: dict[str, Any] | None = None
    created_at: float | None = None
    final: bool = False
    full_content: str = ""

    def citations(self) -> list[Citation]:
        """Where the whole text cites which chunk, in the text's order."""
        return Citation.found_in(self.full_content or self.content, self.reference)


class SessionFields(Model):
    """A conversation stored on the server; ``messages`` begin with the assistant's opener.

    Each answer has its own ``reference``.
    """

    id: str = ""
    name: str | None = ""
    chat_id: str | None = spelled("chat_id", "dialog_id", default=None)
    messages: list[Message] = spelled("messages", "message", default=[])
    user_id: str | None = None
    create_time: int | None = None
    create_date: str | None = None
    update_time: int | None = None
    update_date: str | None = None

    @property
    def message(self) -> list[Message]:
        """``messages`` by its name in v0.24's document."""
        return self.messages
