"""A document and its chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidRequestError
from ..models import Chunk, DocumentFields, Page
from ..protocol import chunks, documents
from ..protocol.checks import NOT_GIVEN, NotGiven, to_delete
from .resource import AsyncResource

__all__ = ["AsyncDocument"]


class AsyncDocument(DocumentFields, AsyncResource):
    """A document of a dataset: its fields, its original file and its chunks."""

    async def update(self, update_message: Mapping[str, Any]) -> AsyncDocument:
        """Change fields (``PATCH /datasets/{id}/documents/{id}``); returns itself, renewed.

        Keys: ``name`` (the extension stays), ``meta_fields``, ``parser_config``, ``chunk_method``,
        ``enabled`` (1 or 0). A new ``chunk_method`` drops the chunks.
        """
        fields = await self._client._send(documents.update(self._dataset, self.id, update_message))
        self._take(fields)
        if "meta_fields" in update_message:  # the answer leaves them out
            self.meta_fields = dict(update_message["meta_fields"])
        return self

    async def download(self) -> bytes:
        """The original file (``GET /datasets/{id}/documents/{id}``)."""
        return await self._client._send(documents.download(self._dataset, self.id))

    async def list_chunks(
        self, page: int = 1, page_size: int = 30, keywords: str | None = None, id: str | None = None
    ) -> Page[Chunk]:
        """A page of chunks in the document's order, with ``total`` (``GET …/documents/{id}/chunks``).

        With ``keywords``, those that contain them. An unknown ``id`` is a ``NotFoundError``.
        """
        return await self._client._send(
            chunks.listing(self._dataset, self.id, page=page, page_size=page_size, keywords=keywords, id=id)
        )

    async def add_chunk(
        self, content: str, important_keywords: Sequence[str] = (), questions: Sequence[str] = ()
    ) -> Chunk:
        """Add a chunk (``POST …/documents/{id}/chunks``), searchable at once.

        The server derives its id from content and document: the same content again is the same chunk.
        """
        return await self._client._send(
            chunks.add(
                self._dataset,
                self.id,
                content=content,
                important_keywords=important_keywords,
                questions=questions,
            )
        )

    async def delete_chunks(
        self, ids: Sequence[str] | NotGiven | None = NOT_GIVEN, *, delete_all: bool = False
    ) -> None:
        """Delete chunks (``DELETE …/documents/{id}/chunks``).

        ``ids=[…]`` deletes those, ``ids=[]`` nothing; everything only by ``ids=None`` or ``delete_all=True``.
        """
        wanted = to_delete("ids", ids, delete_all)
        if wanted != []:
            await self._client._send(chunks.delete(self._dataset, self.id, wanted))

    @property
    def _dataset(self) -> str:
        if not self.dataset_id:
            raise InvalidRequestError(
                f"dataset_id={self.dataset_id!r}: this document does not say its dataset"
            )
        return self.dataset_id
