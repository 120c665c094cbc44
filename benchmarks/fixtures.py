"""What the stub answers: the same bytes in every run, in the shapes that real servers send.

Retrieval and documents are v0.27's, the ``delta`` stream too; the ``cumulative`` one is that of servers up to v0.23.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

__all__ = [
    "ANSWER_LENGTH",
    "CHUNKS",
    "CHUNK_LENGTH",
    "DATASET_ID",
    "DOCUMENTS",
    "FRAMES",
    "dataset",
    "documents",
    "frames",
    "not_found",
    "retrieval",
    "success",
    "uploaded",
]

CHUNKS, CHUNK_LENGTH = 30, 600
DOCUMENTS = 10_000
FRAMES, FRAME_LENGTH = 500, 26
ANSWER_LENGTH = FRAMES * FRAME_LENGTH
DATASET_ID = "d" * 32

_PARSER_CONFIG = {
    "auto_keywords": 0,
    "auto_questions": 0,
    "chunk_token_num": 512,
    "delimiter": "\n",
    "graphrag": {"use_graphrag": False},
    "html4excel": False,
    "layout_recognize": "DeepDOC",
    "raptor": {"use_raptor": False},
    "topn_tags": 3,
}


def success(data: Any, **more: Any) -> bytes:
    """An answer in RAGFlow's envelope, with the line break that real ones end in."""
    return json.dumps({"code": 0, "data": data, **more}).encode() + b"\n"


def not_found(path: str) -> bytes:
    """The answer of a server that has no such route."""
    return json.dumps({"code": 404, "data": None, "message": f"Not Found: {path}"}).encode()


@cache
def retrieval() -> bytes:
    """Thirty chunks of 600 characters, each with its tokens and a highlight: 64 kB."""
    words = random.Random("retrieval")
    chunks = [_chunk(words, number) for number in range(CHUNKS)]
    aggregates = [
        {"doc_name": f"document {number}.txt", "doc_id": _id(number), "count": 3} for number in range(10)
    ]
    return success({"chunks": chunks, "doc_aggs": aggregates, "total": 64})


def dataset() -> dict[str, Any]:
    """The dataset that everything is in."""
    return {
        "id": DATASET_ID,
        "name": "benchmark",
        "chunk_method": "naive",
        "document_count": DOCUMENTS,
        "embedding_model": "BAAI/bge-m3@Builtin",
        "parser_config": _PARSER_CONFIG,
        "permission": "me",
    }


@cache
def documents(page: int, page_size: int) -> bytes:
    """A page of the ten thousand documents, 1 kB each."""
    numbers = range((page - 1) * page_size, min(page * page_size, DOCUMENTS))
    return success({"docs": [_document(number) for number in numbers], "total": DOCUMENTS})


def uploaded() -> bytes:
    """What an upload of one file is answered with."""
    return success([_document(0)])


@cache
def frames(kind: str) -> Sequence[bytes]:
    """The events of a streamed answer: 500 pieces, its end and the closing one; ``delta`` or ``cumulative``."""
    text = _text(random.Random("answer"), ANSWER_LENGTH)
    return [
        b"data:" + json.dumps({"code": 0, "message": "", "data": data}).encode() + b"\n\n"
        for data in (_deltas if kind == "delta" else _cumulative)(text)
    ]


def _deltas(text: str) -> Iterator[Any]:
    for start in range(0, ANSWER_LENGTH, FRAME_LENGTH):
        yield _piece(text[start : start + FRAME_LENGTH], {"chunks": []}, final=False)
    yield _piece("", _reference(), final=True)
    yield True


def _cumulative(text: str) -> Iterator[Any]:
    for end in range(FRAME_LENGTH, ANSWER_LENGTH + 1, FRAME_LENGTH):
        yield _piece(text[:end], {})
    yield _piece(text, _reference())
    yield True


def _piece(answer: str, reference: dict[str, Any], **more: Any) -> dict[str, Any]:
    ids = {"id": "m" * 32, "session_id": "s" * 32}
    return {"answer": answer, "reference": reference, "audio_binary": None, **more, **ids}


def _reference() -> dict[str, Any]:
    words = random.Random("reference")
    fields = ("id", "content", "document_id", "dataset_id", "image_id", "positions", "similarity")
    chunks = [_chunk(words, number) for number in range(5)]
    named = [
        {"document_name": chunk["document_keyword"], **{field: chunk[field] for field in fields}}
        for chunk in chunks
    ]
    return {
        "total": 5,
        "chunks": named,
        "doc_aggs": [{"doc_name": "document 0.txt", "doc_id": _id(0), "count": 5}],
    }


def _chunk(words: random.Random, number: int) -> dict[str, Any]:
    content = _text(words, CHUNK_LENGTH)
    return {
        "content": content,
        "content_ltks": content.lower(),
        "dataset_id": DATASET_ID,
        "doc_type_kwd": "",
        "document_id": _id(number // 3),
        "document_keyword": f"document {number // 3}.txt",
        "highlight": f"<em>{content[:20]}</em>{content[20:]}",
        "id": _id(number)[:16],
        "image_id": "",
        "important_keywords": ["leave", "travel"],
        "mom_id": "",
        "positions": [[number + 1, 88, 507, 120, 240]],
        "row_id": None,
        "similarity": words.random(),
        "tag_kwd": [],
        "term_similarity": words.random(),
        "vector_similarity": words.random(),
    }


def _document(number: int) -> dict[str, Any]:
    return {
        "chunk_count": 12,
        "chunk_method": "naive",
        "create_date": "2026-11-21T07:31:36",
        "create_time": 1795246296974 + number,
        "created_by": "u" * 32,
        "dataset_id": DATASET_ID,
        "id": _id(number),
        "location": f"document {number}.txt",
        "meta_fields": {"author": "somebody", "year": 2026},
        "name": f"document {number}.txt",
        "nickname": "somebody",
        "parser_config": _PARSER_CONFIG,
        "pipeline_id": None,
        "process_begin_at": "2026-11-21T07:31:38",
        "process_duration": 12.5,
        "progress": 1.0,
        "progress_msg": "07:31:47 Indexing done (0.45s).",
        "run": "DONE",
        "size": 20_480,
        "source_type": "local",
        "status": "1",
        "suffix": "txt",
        "thumbnail": "",
        "token_count": 4096,
        "type": "doc",
        "update_date": "2026-11-21T07:31:50",
        "update_time": 1795246310477,
    }


def _text(words: random.Random, length: int) -> str:
    letters = "abcdefghijklmnoprstuvw"
    text = ""
    while len(text) < length:
        text += "".join(words.choices(letters, k=words.randint(2, 9))).capitalize() + " "
    return text[: length - 1] + "."


def _id(number: int) -> str:
    return f"{number:032x}"
