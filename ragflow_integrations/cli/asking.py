"""``ask`` and ``search``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from .connection import add_command, chat_of, connect, dataset_of, number
from .output import print_json, table, tell, write
from .refusal import Refusal

if TYPE_CHECKING:
    from .. import Chat, ChunkFields, Message, RAGFlow

__all__ = ["add_to"]

_EXCERPT = 240  # characters


def add_to(commands: Any) -> None:
    """``ask``, ``search``."""
    ask = add_command(commands, "ask", _ask, "ask a question and show the answer with its sources")
    ask.add_argument("question")
    where = ask.add_mutually_exclusive_group(required=True)
    where.add_argument("--chat", metavar="NAME", help="name or id of a chat assistant")
    where.add_argument(
        "--dataset",
        action="append",
        metavar="NAME",
        help="name or id of a dataset (may be repeated); asked through a chat assistant that is deleted afterwards",
    )
    search = add_command(commands, "search", _search, "find chunks and show what their scores are made of")
    search.add_argument("question")
    search.add_argument(
        "--dataset", action="append", required=True, metavar="NAME", help="name or id (may be repeated)"
    )
    search.add_argument(
        "--limit", type=number(1, 1000, int), default=10, metavar="N", help="how many (default: %(default)s)"
    )
    search.add_argument(
        "--threshold",
        type=number(0, 1),
        default=0.2,
        metavar="S",
        help="least similarity, 0 to 1 (default: %(default)s)",
    )
    search.add_argument(
        "--vector-weight",
        type=number(0, 1),
        default=0.3,
        metavar="W",
        help="share of the vectors in the similarity, 0 to 1; the rest is the terms' (default: %(default)s)",
    )


def _ask(arguments: argparse.Namespace) -> int:
    with connect(arguments) as client, _chat(client, arguments) as chat:
        if arguments.json:
            answer = chat.ask(arguments.question)
            print_json(_as_json(arguments.question, answer))
            return 0
        answer = _streamed(chat, arguments.question)
    _show_sources(answer, arguments.question)
    return 0


@contextmanager
def _chat(client: RAGFlow, arguments: argparse.Namespace) -> Iterator[Chat]:
    """The chat assistant that is named, or one for the datasets while it is needed."""
    if arguments.chat is not None:
        yield chat_of(client, arguments.chat)
        return
    datasets = [dataset_of(client, name).id for name in arguments.dataset]
    chat = client.create_chat(f"ragflow-integrations ask {uuid4().hex[:12]}", dataset_ids=datasets)
    try:
        yield chat
    finally:
        client.delete_chats(ids=[chat.id])


def _streamed(chat: Chat, question: str) -> Message:
    """Print the answer while it comes; the last message has all of it."""
    last = None
    with chat.ask(question, stream=True) as stream:
        for last in stream:
            write(last.content)
    tell()
    if last is None:
        raise Refusal("the server has ended its answer before it began")
    return last


def _show_sources(answer: Message, question: str) -> None:
    cited = {citation.index for citation in answer.citations()}
    rows = [
        {
            "ID": number,
            "score": chunk.similarity,
            "document": chunk.document_name,
            "text": _excerpt(chunk.content, question),
        }
        for number, chunk in enumerate(answer.reference)
        if number in cited or not cited
    ]
    if rows:
        tell()
        table(rows, ("ID", "score", "document", "text"), numbers=("ID", "score"), wide="text")


def _as_json(question: str, answer: Message) -> dict[str, Any]:
    return {
        "question": question,
        "answer": answer.content,
        "cited": sorted({citation.index for citation in answer.citations()}),
        "reference": [_chunk(chunk) for chunk in answer.reference],
    }


def _search(arguments: argparse.Namespace) -> int:
    with connect(arguments) as client:
        found = client.retrieve(
            arguments.question,
            dataset_ids=[dataset_of(client, name).id for name in arguments.dataset],
            limit=arguments.limit,
            similarity_threshold=arguments.threshold,
            vector_similarity_weight=arguments.vector_weight,
        )
    rows = [{"rank": rank, **_chunk(chunk)} for rank, chunk in enumerate(found, 1)]
    if arguments.json:
        for row in rows:
            print_json(row)
    elif rows:
        names = ("rank", "similarity", "term_similarity", "vector_similarity", "document_name", "content")
        for row in rows:
            row["content"] = _excerpt(row["content"], arguments.question)
        shown = [{_HEADINGS[name]: row[name] for name in names} for row in rows]
        table(shown, list(shown[0]), numbers=list(shown[0])[:4], wide="text")
    else:
        tell(f"nothing is found with a similarity of {arguments.threshold} or more; try a lower --threshold")
    return 0


_HEADINGS = {
    "rank": "#",
    "similarity": "score",
    "term_similarity": "terms",
    "vector_similarity": "vectors",
    "document_name": "document",
    "content": "text",
}


def _chunk(chunk: ChunkFields) -> dict[str, Any]:
    return {
        "similarity": chunk.similarity,
        "term_similarity": chunk.term_similarity,
        "vector_similarity": chunk.vector_similarity,
        "dataset_id": chunk.dataset_id,
        "document_id": chunk.document_id,
        "document_name": chunk.document_name,
        "chunk_id": chunk.id,
        "page": chunk.page,
        "content": chunk.content,
    }


def _excerpt(text: str, question: str) -> str:
    """The part of a text that has the most of the question's words."""
    text = " ".join(text.split())
    words = {word for word in re.findall(r"\w+", question.lower()) if len(word) > 3} or {question.lower()}
    lower = text.lower()
    starts = [0, *(match.start() for word in words for match in re.finditer(re.escape(word), lower))]
    best = max(
        starts, key=lambda start: (sum(word in lower[start : start + _EXCERPT] for word in words), -start)
    )
    cut = text[best : best + _EXCERPT]
    return f"{'… ' if best else ''}{cut}{' …' if best + _EXCERPT < len(text) else ''}"
