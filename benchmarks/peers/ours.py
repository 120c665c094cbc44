"""``ragflow_integrations.RAGFlow``."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.fixtures import DATASET_ID
from ragflow_integrations import RAGFlow, Session

from . import KEY, PAGE_SIZE, QUESTION, Read

__all__ = ["Client"]


class Client:
    """Does all there is to compare."""

    def __init__(self, base_url: str) -> None:
        self._client = RAGFlow(KEY, base_url)
        (self._dataset,) = self._client.list_datasets()

    def retrieve(self) -> Read:
        chunks = self._client.retrieve(QUESTION, [DATASET_ID])
        return len(chunks), sum(len(chunk.content) for chunk in chunks)

    def list_documents(self, pages: str) -> Read:
        documents = [
            document
            for page in range(1, int(pages) + 1)
            for document in self._dataset.list_documents(page=page, page_size=PAGE_SIZE)
        ]
        return len(documents), sum(len(document.name) for document in documents)

    def stream_delta(self) -> Read:
        return self._stream("delta")

    def stream_cumulative(self) -> Read:
        return self._stream("cumulative")

    def _stream(self, chat: str) -> Read:
        with self._session(chat).ask(QUESTION, stream=True) as pieces:
            text = "".join([piece.content for piece in pieces])
        return 1, len(text)

    def first_piece(self) -> float:
        """Seconds until the first piece of an answer was there."""
        began = time.perf_counter()
        with self._session("paced").ask(QUESTION, stream=True) as pieces:
            next(pieces)
            seconds = time.perf_counter() - began
            for _ in pieces:
                pass
        return seconds

    def upload(self, path: str) -> Read:
        with Path(path).open("rb") as file:
            documents = self._dataset.upload_documents([{"display_name": "large.txt", "blob": file}])
        return len(documents), Path(path).stat().st_size

    def _session(self, chat: str) -> Session:
        return self._client.session(chat, "s" * 32)
