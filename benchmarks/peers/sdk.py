"""The official ``ragflow-sdk``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import ragflow_sdk  # type: ignore[import-untyped]

from benchmarks.fixtures import DATASET_ID

from . import KEY, PAGE_SIZE, QUESTION, Read

__all__ = ["Client"]


class Client:
    """Does the same by its names."""

    def __init__(self, base_url: str) -> None:
        self._client = ragflow_sdk.RAGFlow(KEY, base_url)
        (self._dataset,) = self._client.list_datasets()

    def retrieve(self) -> Read:
        chunks = self._client.retrieve([DATASET_ID], question=QUESTION)
        return len(chunks), sum(len(chunk.content) for chunk in chunks)

    def list_documents(self, pages: str) -> Read:
        documents = [
            document
            for page in range(1, int(pages) + 1)
            for document in self._dataset.list_documents(page=page, page_size=PAGE_SIZE)
        ]
        return len(documents), sum(len(document.name) for document in documents)

    def stream_delta(self) -> Read:
        return 1, len("".join([piece.content for piece in self._ask("delta")]))

    def stream_cumulative(self) -> Read:
        *_, last = [piece.content for piece in self._ask("cumulative")]
        return 1, len(last)

    def first_piece(self) -> float:
        """Seconds until the first piece of an answer was there."""
        began = time.perf_counter()
        pieces = self._ask("paced")
        next(pieces)
        seconds = time.perf_counter() - began
        for _ in pieces:
            pass
        return seconds

    def _ask(self, chat: str) -> Iterator[Any]:
        session = ragflow_sdk.Session(self._client, {"id": "s" * 32, "chat_id": chat})
        pieces: Iterator[Any] = session.ask(QUESTION, stream=True)
        return pieces
