"""Between RAGFlow's objects and LangChain's: chunks to documents, messages there and answers back."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from langchain_core.messages.ai import UsageMetadata

from ragflow_integrations import AgentMessage, ChunkFields, InvalidRequestError, Message

from ._citations import PROVIDER, cite

__all__ = ["AnswerChunks", "answer", "document", "history", "last_question"]

_FIELDS = (
    "dataset_id",
    "document_id",
    "document_name",
    "similarity",
    "vector_similarity",
    "term_similarity",
    "positions",
    "image_id",
    "url",
    "doc_type",
    "highlight",
    "important_keywords",
    "document_metadata",
)
_AGENTS = ("session_id", "user_inputs", "tips", "structured", "attachment", "downloads")


def document(chunk: ChunkFields) -> Document:
    """A chunk as a ``Document``; what the server did not send is absent from the metadata."""
    facts = {
        "source": chunk.document_name,
        "score": chunk.similarity,
        "chunk_id": chunk.id,
        "page": _page(chunk),
        **{name: getattr(chunk, name) for name in _FIELDS},
    }
    known = {name: value for name, value in facts.items() if value not in (None, "", [])}
    return Document(id=chunk.id or None, page_content=chunk.content, metadata=known)


def _page(chunk: ChunkFields) -> int | None:
    """The page that the chunk begins on.

    Only for a box on a page: for plain text the server fills positions with the chunk's own number.
    """
    match chunk.positions:
        case [[page, left, right, top, bottom], *_] if left < right and top < bottom:
            return int(page)
    return None


def history(messages: Sequence[BaseMessage]) -> list[dict[str, str]]:
    """Messages as RAGFlow takes them, oldest first.

    System messages are left out with a warning, since RAGFlow has the assistant's own system prompt and
    drops all others. Raises ``InvalidRequestError`` for tool messages and for content other than text.
    """
    return [{"role": _role(message), "content": _text(message)} for message in _turns(messages)]


def last_question(messages: Sequence[BaseMessage]) -> str:
    """The user's newest message, which is all that a session on the server needs."""
    turns = _turns(messages)
    if not turns or not isinstance(turns[-1], HumanMessage):
        raise InvalidRequestError("messages: the last one must be a human message")
    return _text(turns[-1])


def _turns(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    turns = [message for message in messages if not isinstance(message, SystemMessage)]
    if len(turns) < len(messages):
        warnings.warn(
            "ChatRAGFlow does not send system messages: RAGFlow drops them and uses the prompt of the chat "
            "assistant or agent; set it there, or put the instruction into the human message",
            stacklevel=2,
        )
    return turns


def _role(message: BaseMessage) -> str:
    if isinstance(message, HumanMessage):
        return "user"
    if isinstance(message, AIMessage):
        return "assistant"
    raise InvalidRequestError(f"a message of type {message.type!r}: RAGFlow takes human and ai messages")


def _text(message: BaseMessage) -> str:
    if isinstance(message, HumanMessage):
        for block in message.content_blocks:
            if block["type"] != "text":
                raise InvalidRequestError(f"content of type {block['type']!r}: RAGFlow takes text only")
    return str(message.text)


def answer(message: Message, told: dict[str, Any], stop: Sequence[str]) -> AIMessage:
    """A whole answer, cut before the first stop sequence."""
    text, _ = _cut(message.content, stop)
    reasoning = {"reasoning_content": message.reasoning} if message.reasoning else {}
    return AIMessage(
        content=text,
        additional_kwargs=reasoning,
        response_metadata=_metadata(text, message, told),
        usage_metadata=_usage(message),
    )


class AnswerChunks:
    """A streamed answer: feed messages, get chunks; the last carries everything that belongs to the whole.

    Text is held back as long as it may turn out to be the beginning of a stop sequence. After one, nothing
    more is handed out until the server's last message, which brings the reference.
    """

    def __init__(self, told: dict[str, Any], stop: Sequence[str]) -> None:
        self._told = told
        self._stop = stop
        self._sent: list[str] = []
        self._held = ""
        self._stopped = False

    def feed(self, message: Message) -> Iterator[AIMessageChunk]:
        """The chunks that this message completes."""
        if message.reasoning:
            yield _chunk("", additional_kwargs={"reasoning_content": message.reasoning})
        text = self._released(message.content, message.final)
        self._sent.append(text)
        if message.final:
            metadata = {**_metadata("".join(self._sent), message, self._told), **self._corrected(message)}
            yield _chunk(
                text,
                response_metadata=metadata,
                usage_metadata=_usage(message),
                chunk_position="last",
            )
        elif text:
            yield _chunk(text)

    def _corrected(self, message: Message) -> dict[str, Any]:
        """The whole answer where it became another one after it was streamed, e.g. by citations put into it."""
        whole = message.full_content
        if self._stopped or whole in ("", "".join(self._sent)):
            return {}
        return {"final_text": whole, "final_citations": cite(whole, message).citations}

    def _released(self, new: str, final: bool) -> str:
        if self._stopped:
            return ""
        text, self._stopped = _cut(self._held + new, self._stop)
        keep = 0 if final or self._stopped else _possible_start(text, self._stop)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _chunk(text: str, **fields: Any) -> AIMessageChunk:
    return AIMessageChunk(content=text, **{"response_metadata": {"model_provider": PROVIDER}, **fields})


def _metadata(text: str, message: Message, told: dict[str, Any]) -> dict[str, Any]:
    """What is said once for an answer, ``told`` being what the model knows itself."""
    cited = cite(text, message)
    reference = [chunk.model_dump(exclude_unset=True, exclude_none=True) for chunk in message.reference]
    metadata = {
        "model_provider": PROVIDER,
        **_of_agent(message),
        **told,
        "message_id": message.id,
        "reference": reference,
        "citations": cited.citations,
    }
    if cited.unresolved:
        metadata["unresolved_citations"] = cited.unresolved
    return {name: value for name, value in metadata.items() if value is not None}


def _of_agent(message: Message) -> dict[str, Any]:
    """What only an agent tells: the session that it began, what it asks for, what else it made."""
    if not isinstance(message, AgentMessage):
        return {}
    return {name: value for name in _AGENTS if (value := getattr(message, name))}


def _usage(message: Message) -> UsageMetadata | None:
    """Only where the server counted."""
    counted = message.usage or {}
    if not {"prompt_tokens", "completion_tokens"} <= counted.keys():
        return None
    read, written = counted["prompt_tokens"], counted["completion_tokens"]
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)


def _cut(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text before the stop sequence that is complete first, and whether there was one."""
    found = [(place + len(each), place) for each in stop if (place := text.find(each)) >= 0]
    return (text[: min(found)[1]], True) if found else (text, False)


def _possible_start(text: str, stop: Sequence[str]) -> int:
    """How many characters at the end may be the beginning of a stop sequence."""
    lengths = range(min(len(text), max(map(len, stop), default=0) - 1), 0, -1)
    return next((size for size in lengths if any(s.startswith(text[-size:]) for s in stop)), 0)
