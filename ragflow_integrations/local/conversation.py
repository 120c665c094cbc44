"""Answers of a chat: sentences of the retrieved chunks, with citations; no language model takes part."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .answer import answer
from .chats import EMPTY_RESPONSE
from .problems import Refused
from .search import Retrieval, Retrieved
from .store import Row

__all__ = ["Delta", "Final", "answered", "last_question", "query_for", "turn", "with_datasets"]


@dataclass(frozen=True)
class Delta:
    """The next piece of the answer's text."""

    text: str


@dataclass(frozen=True)
class Final:
    """The end of an answer: what it cites (``total``, ``chunks``, ``doc_aggs``) and the prompt it stands for.

    ``answer`` is empty, except for a chat's empty response, which RAGFlow repeats here.
    """

    reference: Row
    prompt: str
    answer: str = ""


def last_question(messages: Sequence[Mapping[str, Any]]) -> str:
    """The text of the last message, which must be the user's."""
    if not messages or messages[-1].get("role") != "user":
        raise Refused("The last content of this conversation is not from user.")
    return str(messages[-1].get("content") or "")


def with_datasets(chat: Row | None) -> Row:
    """The chat, which must have datasets."""
    if chat is None or not chat["dataset_ids"]:
        raise Refused(
            "an answer without a dataset needs a language model, which the local engine does not have; "
            "give the chat `dataset_ids`, or use a RAGFlow server"
        )
    return chat


def query_for(
    chat: Row, question: str, document_ids: Sequence[str] | None, metadata_fields: Collection[str] | None
) -> Retrieval:
    """The retrieval that a chat's settings ask for."""
    return Retrieval(
        question=question,
        dataset_ids=chat["dataset_ids"],
        document_ids=document_ids,
        page_size=chat["top_n"],
        similarity_threshold=chat["similarity_threshold"],
        vector_similarity_weight=chat["vector_similarity_weight"],
        top_k=chat["top_k"],
        metadata_fields=metadata_fields,
    )


def answered(
    chat: Row, question: str, retrieved: Retrieved, *, quote: bool = True
) -> Iterator[Delta | Final]:
    """The deltas of an answer and its end; the chat's empty response if no chunk says anything about the question.

    Without ``quote`` the text has no citations.
    """
    text = ""
    for text in answer(question, [chunk["content"] for chunk in retrieved.chunks], cite=quote):
        yield Delta(text)
    if text:
        yield Final(reference=_reference(retrieved), prompt=_prompt(chat, question, retrieved))
        return
    text = chat["prompt_config"].get("empty_response") or EMPTY_RESPONSE
    yield Delta(text)
    yield Final(reference=_reference(Retrieved()), prompt="", answer=text)


def turn(message_id: str, question: str, text: str) -> list[Row]:
    """The two messages that a session keeps of a question and its answer."""
    return [
        {"role": "user", "content": question, "id": message_id},
        {"role": "assistant", "content": text, "id": message_id, "created_at": time.time()},
    ]


def _reference(retrieved: Retrieved) -> Row:
    chunks = [_cited(chunk) for chunk in retrieved.chunks]
    return {"total": retrieved.total, "chunks": chunks, "doc_aggs": retrieved.doc_aggs}


def _cited(chunk: Row) -> Row:
    kept = ("id", "content", "document_id", "dataset_id", "image_id", "positions", "row_id")
    scores = ("similarity", "vector_similarity", "term_similarity")
    return {key: chunk[key] for key in (*kept, *scores)} | {
        "document_name": chunk["document_keyword"],
        "doc_type": chunk["doc_type_kwd"],
        "url": None,
        "document_metadata": chunk.get("document_metadata"),
    }


def _prompt(chat: Row, question: str, retrieved: Retrieved) -> str:
    knowledge = "\n\n".join(
        f"ID: {number}\nTitle: {chunk['document_keyword']}\nContent:\n{chunk['content']}"
        for number, chunk in enumerate(retrieved.chunks)
    )
    system = chat["prompt_config"].get("system") or "{knowledge}"
    filled = system.replace("{knowledge}", knowledge)
    return f"{filled}\n\n### Query:\n{question}\n\n(answered by extraction, without a language model)"
