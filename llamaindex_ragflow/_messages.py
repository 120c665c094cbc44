"""Between LlamaIndex's messages and RAGFlow's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core.base.llms import types
from llama_index.core.base.llms.types import ChatMessage, CitationBlock, MessageRole, TextBlock

from ragflow_integrations import ChunkFields, InvalidRequestError, Message

__all__ = ["from_server", "to_server"]

_ROLES = {
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.SYSTEM: "user",  # RAGFlow drops system messages: its assistants have prompts of their own
    MessageRole.DEVELOPER: "user",
}
_Thinking: Any = getattr(types, "ThinkingBlock", None)  # not in llama-index-core 0.14.0


def to_server(messages: Sequence[ChatMessage]) -> list[dict[str, str]]:
    """Messages as RAGFlow takes them, the user's question last; a system message goes as the user's.

    Thoughts and citations of earlier answers are not sent. Raises ``InvalidRequestError`` for what RAGFlow cannot
    be told: results of tools, and content other than text.
    """
    return [{"role": _role(message), "content": _text(message)} for message in messages]


def _role(message: ChatMessage) -> str:
    if message.role not in _ROLES:
        raise InvalidRequestError(
            f"a message of role {message.role.value!r}: RAGFlow takes messages of the user and the assistant"
        )
    return _ROLES[message.role]


def _text(message: ChatMessage) -> str:
    texts = []
    for block in message.blocks:
        if isinstance(block, TextBlock):
            texts.append(block.text)
        elif not isinstance(block, CitationBlock) and getattr(block, "block_type", "") != "thinking":
            raise InvalidRequestError(f"content of type {block.block_type!r}: RAGFlow takes text only")
    return "\n".join(texts)


def from_server(message: Message) -> ChatMessage:
    """A message of RAGFlow's, with a ``CitationBlock`` for each source it cites.

    Its thoughts are a ``ThinkingBlock`` where LlamaIndex has these. Nothing is in ``additional_kwargs``: LlamaIndex
    writes those into prompts that it makes of a history.
    """
    role = MessageRole.USER if message.role == "user" else MessageRole.ASSISTANT
    thoughts = [_Thinking(content=message.reasoning)] if _Thinking and message.reasoning else []
    return ChatMessage(role=role, blocks=[*thoughts, TextBlock(text=message.content), *_citations(message)])


def _citations(message: Message) -> list[CitationBlock]:
    places = {id(chunk): place for place, chunk in enumerate(message.reference)}
    cited = {places[id(one.chunk)]: one.chunk for one in message.citations() if one.chunk is not None}
    return [_citation(place, cited[place]) for place in sorted(cited)]


def _citation(place: int, chunk: ChunkFields) -> CitationBlock:
    where = {"citation_index": place} if chunk.page is None else {"citation_index": place, "page": chunk.page}
    return CitationBlock(
        cited_content=TextBlock(text=chunk.content),
        source=chunk.url or chunk.document_id,
        title=chunk.document_name,
        additional_location_info=where,
    )
