"""httpx and orjson as they are used by hand; chunks become the same models as ours, documents stay dicts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
from pydantic import TypeAdapter

from benchmarks.fixtures import DATASET_ID
from ragflow_integrations import Chunk

from . import KEY, PAGE_SIZE, QUESTION, Read

__all__ = ["Client", "read_chunks", "retrieval_body"]

_CHUNKS = TypeAdapter(list[Chunk])


def retrieval_body() -> dict[str, Any]:
    """What a retrieval sends."""
    return {"question": QUESTION, "dataset_ids": [DATASET_ID], "page": 1, "page_size": 30}


def read_chunks(content: bytes) -> Read:
    """Chunks as our models from a retrieval's answer."""
    chunks = _CHUNKS.validate_python(orjson.loads(content)["data"]["chunks"])
    return len(chunks), sum(len(chunk.content) for chunk in chunks)


class Client:
    """One pool, its address and key set once."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.Client(
            base_url=f"{base_url}/api/v1", headers={"Authorization": f"Bearer {KEY}"}, timeout=60
        )

    def retrieve(self) -> Read:
        return read_chunks(self._client.post("/retrieval", json=retrieval_body()).content)

    def list_documents(self, pages: str) -> Read:
        documents = [document for page in range(1, int(pages) + 1) for document in self._page(page)]
        return len(documents), sum(len(document["name"]) for document in documents)

    def _page(self, page: int) -> list[dict[str, Any]]:
        params = {"page": page, "page_size": PAGE_SIZE}
        answer = self._client.get(f"/datasets/{DATASET_ID}/documents", params=params)
        documents: list[dict[str, Any]] = orjson.loads(answer.content)["data"]["docs"]
        return documents

    def stream_delta(self) -> Read:
        return 1, len("".join(self._answers("delta")))

    def stream_cumulative(self) -> Read:
        *_, last = self._answers("cumulative")
        return 1, len(last)

    def _answers(self, chat: str) -> Iterator[str]:
        body = {"question": QUESTION, "stream": True, "session_id": "s" * 32}
        with self._client.stream("POST", f"/chats/{chat}/completions", json=body) as answer:
            for line in filter(None, answer.iter_lines()):
                data: Any = orjson.loads(line.removeprefix("data:"))["data"]
                if data is not True:
                    yield data["answer"]

    def upload(self, path: str) -> Read:
        with Path(path).open("rb") as file:
            answer = self._client.post(
                f"/datasets/{DATASET_ID}/documents", files={"file": ("large.txt", file)}
            )
            return len(orjson.loads(answer.content)["data"]), file.tell()
