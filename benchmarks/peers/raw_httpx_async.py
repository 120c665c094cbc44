"""httpx's async client and orjson as they are used by hand."""

from __future__ import annotations

import httpx

from . import KEY, Read
from .at_once import AtOnce
from .raw_httpx import read_chunks, retrieval_body

__all__ = ["Client"]


class Client(AtOnce):
    """Retrieves, many times at once."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        headers = {"Authorization": f"Bearer {KEY}"}
        self._client = httpx.AsyncClient(base_url=f"{base_url}/api/v1", headers=headers, timeout=60)

    async def _retrieve(self) -> Read:
        answer = await self._client.post("/retrieval", json=retrieval_body())
        return read_chunks(answer.content)
