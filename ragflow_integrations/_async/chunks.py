"""A chunk: what is done with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..models import ChunkFields, Media
from ..protocol import chunks
from .resource import AsyncResource

__all__ = ["AsyncChunk"]


class AsyncChunk(ChunkFields, AsyncResource):
    """A piece of a document: its text, its scores if it was retrieved, and changing it."""

    async def update(self, update_message: Mapping[str, Any]) -> AsyncChunk:
        """Change fields (``PATCH …/chunks/{id}``, ``PUT`` before v0.25.1), at once searchable; returns itself.

        Keys: ``content``, ``important_keywords``, ``questions``, ``available``, ``positions``; from v0.25
        ``tag_kwd`` and ``tag_feas``, from v0.26 ``image_base64`` (base64 text, or the image's bytes). Raises
        ``InvalidRequestError`` for another key, ``NotFoundError`` if the chunk is gone.
        """
        taken = await self._client._run(chunks.update(self, update_message))
        for name, value in taken.items():
            setattr(self, name, value)
        return self

    async def image(self) -> Media:
        """The picture of the chunk, e.g. of its place in a PDF (``GET /documents/images/{image_id}``).

        Raises ``NotFoundError`` if it has none.
        """
        return await self._client._run(chunks.image(self))
