"""Where an answer cites its sources: ``[ID:n]`` markers as LangChain's standard citations."""

from __future__ import annotations

from typing import Any, NamedTuple

from langchain_core.messages import AIMessage
from langchain_core.messages.block_translators import register_translator
from langchain_core.messages.content import Citation, ContentBlock, ReasoningContentBlock, TextContentBlock

from ragflow_integrations import ChunkFields, Message
from ragflow_integrations import Citation as Marker

__all__ = ["PROVIDER", "Cited", "cite", "register"]

PROVIDER = "ragflow"
"""What ``response_metadata["model_provider"]`` says, and what the translator is registered for."""

_EXTRAS = ("document_id", "dataset_id", "similarity", "positions", "image_id")


class Cited(NamedTuple):
    """The citations of a text, in its order, and the markers that point to no source."""

    citations: list[Citation]
    unresolved: list[dict[str, Any]]


def cite(text: str, message: Message) -> Cited:
    """Read a whole answer's text: ``text[start_index:end_index]`` is the marker, ``cited_text`` the cited chunk.

    A marker beyond the message's reference stays plain text and is listed as ``unresolved``.
    """
    cited = Cited([], [])
    places = {id(chunk): place for place, chunk in enumerate(message.reference)}
    for marker in message.model_copy(update={"content": text, "full_content": text}).citations():
        if marker.chunk is not None:
            cited.citations.append(_citation(marker, marker.chunk, places[id(marker.chunk)]))
        else:
            span = {"start_index": marker.start, "end_index": marker.end}
            cited.unresolved.append({"marker": text[marker.start : marker.end], **span})
    return cited


def _citation(marker: Marker, chunk: ChunkFields, place: int) -> Citation:
    """An agent's marker has a key of the reference in it, not the place there."""
    found = {name: getattr(chunk, name) for name in _EXTRAS}
    extras = {"reference": place, "chunk_id": chunk.id}
    extras |= {name: value for name, value in found.items() if value not in (None, "", [])}
    citation = Citation(
        type="citation",
        start_index=marker.start,
        end_index=marker.end,
        cited_text=chunk.content,
        title=chunk.document_name,
        extras=extras,
    )
    if chunk.url:
        citation["url"] = chunk.url
    return citation


def register() -> None:
    """Make ``content_blocks`` of our messages, whole or chunks, carry reasoning and citations."""
    register_translator(PROVIDER, _blocks, _blocks)


def _blocks(message: AIMessage) -> list[ContentBlock]:
    """Blocks without ids: chunks with different ids would not merge into one block."""
    if not isinstance(message.content, str):
        raise NotImplementedError  # LangChain's word for: blocks already, read them yourself
    blocks: list[ContentBlock] = []
    if reasoning := message.additional_kwargs.get("reasoning_content"):
        blocks.append(ReasoningContentBlock(type="reasoning", reasoning=reasoning))
    citations = message.response_metadata.get("citations")
    if message.content or citations:
        text = TextContentBlock(type="text", text=message.content)
        if citations:
            text["annotations"] = list(citations)
        blocks.append(text)
    return blocks
