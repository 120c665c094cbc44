"""What tools read for a model, and how it is told: found passages, answers, lists, and documents page by page.

Every text that came from RAGFlow stands between the marks of a ``Fence``, after a line that says what it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .. import AgentMessage, Chunk, Citation, DataSet, Document, InvalidRequestError, Message
from .fence import DATA, Fence
from .finding import found_document
from .flow import Flow, ask

__all__ = [
    "DocumentPage",
    "Passage",
    "answer_as_text",
    "answered",
    "datasets_as_dicts",
    "document_page",
    "documents_as_dicts",
    "passages_as_text",
    "rows_as_text",
]


class Passage(NamedTuple):
    """A found passage; ``page`` is the one that it begins on, if that is known."""

    text: str
    document_name: str
    document_id: str | None
    page: int | str | None = None


def passages_as_text(passages: Sequence[Passage]) -> str:
    """Passages as numbered sources, from 1."""
    if not passages:
        return "Nothing was found."
    fence = Fence(passage.text for passage in passages)
    parts = [f"[{n}] {_source(one)}\n{fence.around(one.text)}" for n, one in enumerate(passages, 1)]
    count = "1 passage" if len(passages) == 1 else f"{len(passages)} passages, the best first"
    return "\n\n".join([f"{count}. {DATA}", *parts])


def _source(passage: Passage) -> str:
    """Where it is from; a name is as little to be trusted as a text and is one quoted line."""
    page = "" if passage.page is None else f", page {passage.page}"
    return f"source {_quoted(passage.document_name)}{page}, document_id {passage.document_id}"


def answered(
    question: str, *, chat_id: str | None, chat_name: str | None, agent_id: str | None
) -> Flow[Message | AgentMessage]:
    """The answer of an assistant or an agent, of which one is given, to a question that stands for itself."""
    if agent_id is not None:
        return (yield from ask(lambda client: client.agent(agent_id).ask(question)))
    if chat_id is None:
        chat_id = (yield from ask(lambda client: client.get_chat(name=chat_name))).id
    return (yield from ask(lambda client: client.chat(chat_id).ask(question)))


def answer_as_text(message: Message | AgentMessage) -> str:
    """An answer and the names of the sources that it cites."""
    cited = "\n".join(dict.fromkeys(map(_cited, message.citations())))
    sources = f"Sources:\n{cited}" if cited else "It cites no source."
    answer = Fence([message.content]).around(message.content)
    return f"The assistant answered. {DATA}\n{answer}\n{sources}"


def _cited(citation: Citation) -> str:
    return f"[ID:{citation.index}] {_quoted(citation.chunk.document_name if citation.chunk else '')}"


def datasets_as_dicts(datasets: Sequence[DataSet]) -> list[dict[str, Any]]:
    """``{"id", "name", "description", "document_count", "chunk_count"}`` each."""
    names = ("id", "name", "description", "document_count", "chunk_count")
    return [{name: getattr(one, name) for name in names} for one in datasets]


def documents_as_dicts(documents: Sequence[Document]) -> list[dict[str, Any]]:
    """``{"document_id", "name", "size", "chunk_count", "run"}`` each."""
    names = ("name", "size", "chunk_count", "run")
    return [{"document_id": one.id, **{name: getattr(one, name) for name in names}} for one in documents]


def rows_as_text(head: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of facts, one to a line."""
    lines = "\n".join(json.dumps(row, ensure_ascii=False, default=str) for row in rows)
    return f"{head} {DATA}\n{Fence([lines]).around(lines)}"


class DocumentPage(NamedTuple):
    """A part of a document: what a model is told, and the chunks that it is made of."""

    document: Document
    chunks: list[Chunk]
    text: str


def document_page(
    datasets: Sequence[DataSet], document_id: str, page: int, page_size: int
) -> Flow[DocumentPage]:
    """A page, from 1, of a document of these datasets, in its own order; ``page_size`` is in chunks, 1 to 100.

    ``NotFoundError`` if the document is in none of them, ``InvalidRequestError`` for a page beyond its last.
    """
    held = yield from found_document(datasets, document_id)
    chunks = yield from ask(lambda _: held.list_chunks(page=page, page_size=page_size))
    pages = max(1, -(-(chunks.total or len(chunks)) // page_size))
    if page > pages:
        raise InvalidRequestError(f"page={page}: the document has {pages}")
    text = "\n\n".join(chunk.content for chunk in chunks)
    head = f"Document {_quoted(held.name)}, page {page} of {pages}. {DATA}"
    return DocumentPage(held, list(chunks), f"{head}\n{Fence([text]).around(text)}")


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
