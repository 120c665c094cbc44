"""Answers on their way from RAGFlow to LlamaIndex: text as it arrives, sources and citations at its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing, closing
from typing import Any, NamedTuple

from llama_index.core.schema import NodeWithScore

from ragflow_integrations import AgentMessage, AsyncRAGFlow, InvalidRequestError, Message, RAGFlow
from ragflow_integrations.adapting import Completions, Reader

from .citations import CitationStyle, Cited, Markers, cite, flag, footnotes, tell
from .nodes import to_node

__all__ = [
    "Asked",
    "Piece",
    "Reply",
    "apieces",
    "atexts",
    "awhole",
    "checked_question",
    "completed",
    "pieces",
    "texts",
    "whole",
]

_OF_AGENTS = ("user_inputs", "tips", "structured", "attachment", "downloads")


class Asked(NamedTuple):
    """A question on its way: how to send it, and how to read the answer."""

    call: Callable[[Any, bool], Any]  # the client; with True the answer is a stream
    reader: Reader


class Piece(NamedTuple):
    """What is new of an answer."""

    text: str
    thought: str


class Reply:
    """What comes back to one question.

    ``source_nodes`` and ``metadata`` are filled when the answer is there whole; they stay the same objects.
    """

    def __init__(
        self,
        told: dict[str, Any],
        style: CitationStyle = "ragflow",
        cited_only: bool = False,
        additional: Sequence[NodeWithScore] = (),
    ) -> None:
        self.source_nodes: list[NodeWithScore] = []
        self.metadata: dict[str, Any] = {**told, "citations": [], "cited_node_ids": []}
        self.message = Message()
        self._style, self._cited_only, self._additional = style, cited_only, additional
        self._markers = Markers(style)
        self._said: list[str] = []
        self._thought: list[str] = []

    def add(self, message: Message, *, last: bool) -> str:
        """The text that a piece of the answer completes."""
        self._said.append(message.content)
        self._thought.append(message.reasoning)
        text = self._markers.feed(message.content)
        return text + self._markers.end() + self._finish(message) if last else text

    def nothing(self) -> str:
        """Nobody was asked."""
        self.source_nodes += self._additional
        return ""

    def _finish(self, message: Message) -> str:
        """Fill in what belongs to the whole; the text that is still to come."""
        said = "".join(self._said)
        self.message = message.model_copy(update={"content": said, "reasoning": "".join(self._thought)})
        nodes = [to_node(chunk) for chunk in message.reference]
        cited = cite(said, self._markers.spans, message, nodes)
        flag(nodes, cited)
        self.metadata.update(_facts(self.message))
        self.metadata.update(citations=cited.citations, cited_node_ids=cited.node_ids)
        if cited.unresolved:
            self.metadata["unresolved_citations"] = cited.unresolved
        self.metadata.update(self._corrected(said, message, nodes))
        self.source_nodes += [node for node in nodes if node.metadata["cited"] or not self._cited_only]
        self.source_nodes += self._additional
        tell(nodes, cited)
        return self._notes(nodes, cited)

    def _corrected(self, said: str, message: Message, nodes: list[NodeWithScore]) -> dict[str, Any]:
        """The whole answer where it became another one after it was streamed, e.g. by citations put into it."""
        whole = message.full_content
        if whole in ("", said):
            return {}
        markers = Markers(self._style)
        text = markers.whole(whole)
        cited = cite(whole, markers.spans, message, nodes)
        for place in cited.places:
            nodes[place].metadata["cited"] = True
        return {"final_text": text + self._notes(nodes, cited), "final_citations": cited.citations}

    def _notes(self, nodes: list[NodeWithScore], cited: Cited) -> str:
        return footnotes(nodes, cited) if self._style == "markdown" else ""


def whole(asked: Asked | None, client: RAGFlow, reply: Reply) -> str:
    """The text of the answer; of one that nobody is asked for, none."""
    if asked is None:
        return reply.nothing()
    return reply.add(asked.reader.whole(asked.call(client, False)), last=True)


async def awhole(asked: Asked | None, client: AsyncRAGFlow, reply: Reply) -> str:
    """As ``whole``."""
    if asked is None:
        return reply.nothing()
    return reply.add(asked.reader.whole(await asked.call(client, False)), last=True)


def pieces(asked: Asked | None, client: RAGFlow, reply: Reply) -> Generator[Piece, None, None]:
    """The same as it arrives: asked for with the first piece; closing the generator closes the connection."""
    if asked is None:
        reply.nothing()
        return
    with asked.call(client, True) as stream:
        for part in stream:
            message = asked.reader.piece(part)
            yield Piece(reply.add(message, last=message.final), message.reasoning)


async def apieces(asked: Asked | None, client: AsyncRAGFlow, reply: Reply) -> AsyncGenerator[Piece, None]:
    """As ``pieces``."""
    if asked is None:
        reply.nothing()
        return
    async with await asked.call(client, True) as stream:
        async for part in stream:
            message = asked.reader.piece(part)
            yield Piece(reply.add(message, last=message.final), message.reasoning)


def texts(asked: Asked | None, client: RAGFlow, reply: Reply) -> Generator[str, None, None]:
    """The texts of ``pieces``."""
    with closing(pieces(asked, client, reply)) as parts:
        for piece in parts:
            if piece.text:
                yield piece.text


async def atexts(asked: Asked | None, client: AsyncRAGFlow, reply: Reply) -> AsyncGenerator[str, None]:
    """As ``texts``."""
    async with aclosing(apieces(asked, client, reply)) as parts:
        async for piece in parts:
            if piece.text:
                yield piece.text


def completed(chat_id: str, messages: list[dict[str, str]], options: dict[str, Any]) -> Asked:
    """A chat assistant, told a whole conversation of which nothing is stored."""

    def call(client: Any, stream: bool) -> Any:
        return client.chat_completions(chat_id, messages, stream=stream, reference=True, **options)

    return Asked(call, Completions())


def checked_question(question: str) -> str:
    """Itself, unless it is empty."""
    if not question.strip():
        raise InvalidRequestError(f"question={question!r}: give a text that is not empty")
    return question


def _facts(message: Message) -> dict[str, Any]:
    """What the server told of an answer, as far as it did.

    The session is told by whoever asked in one: servers also name one that they did not keep.
    """
    counted = [
        {"document_id": each.document_id, "document_name": each.document_name, "count": each.count}
        for each in message.doc_aggs
    ]
    facts: dict[str, Any] = {
        "reasoning": message.reasoning,
        "usage": message.usage,
        "documents": counted,
    }
    if isinstance(message, AgentMessage):
        facts |= {name: getattr(message, name) for name in _OF_AGENTS}
    return {name: value for name, value in facts.items() if value}
