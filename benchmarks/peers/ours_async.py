"""``ragflow_integrations.AsyncRAGFlow``."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fixtures import DATASET_ID
from ragflow_integrations import AsyncRAGFlow

from . import KEY, QUESTION, Read
from .at_once import AtOnce

__all__ = ["Client"]


class Client(AtOnce):
    """Retrieves, many times at once, and uploads."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._client = AsyncRAGFlow(KEY, base_url)

    def upload(self, path: str) -> Read:
        with Path(path).open("rb") as file:
            count = self._runner.run(self._upload({"display_name": "large.txt", "blob": file}))
        return count, Path(path).stat().st_size

    async def _retrieve(self) -> Read:
        chunks = await self._client.retrieve(QUESTION, [DATASET_ID])
        return len(chunks), sum(len(chunk.content) for chunk in chunks)

    async def _upload(self, document: dict[str, object]) -> int:
        (dataset,) = await self._client.list_datasets()
        return len(await dataset.upload_documents([document]))
