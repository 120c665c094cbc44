"""A document and its chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from ..errors import InvalidRequestError
from ..models import ChunkPage, DocumentFields, Media
from ..protocol import chunks, documents
from ..protocol.bulk import PAGE
from ..protocol.checks import NOT_GIVEN, NotGiven, to_delete
from .chunks import AsyncChunk
from .paging import every
from .resource import AsyncResource

__all__ = ["AsyncDocument"]


class AsyncDocument(DocumentFields, AsyncResource):
    """A document of a dataset: its fields, its original file and its chunks."""

    async def update(self, update_message: Mapping[str, Any]) -> AsyncDocument:
        """Change fields (``PATCH /datasets/{id}/documents/{id}``, ``PUT`` before v0.25); returns itself, renewed.

        Keys: ``name`` (the extension stays; ``display_name`` is the same), ``meta_fields`` (texts, numbers
        and lists of them; replaces all), ``parser_config``, ``chunk_method``, ``enabled`` (whether it is
        searched), ``pipeline_id`` (from v0.25.1). A ``chunk_method`` drops the chunks (until v0.24 also the
        present one), a ``pipeline_id`` too. Raises ``InvalidRequestError`` for another key or a wrong value,
        ``ConflictError`` if the name is taken.
        """
        fields = await self._client._run(documents.update(self._dataset, self.id, update_message))
        self._take(fields)
        if "meta_fields" in update_message:  # the answer leaves them out
            self.meta_fields = dict(update_message["meta_fields"])
        return self

    async def download(self) -> bytes:
        """The original file (``GET /datasets/{id}/documents/{id}``)."""
        return await self._client._send(documents.download(self._dataset, self.id))

    async def preview(self) -> Media:
        """The original file with its ``content_type`` (``GET /documents/{id}/preview``, from v0.25.2)."""
        return await self._client._run(documents.preview(self.id))

    async def thumbnail(self) -> Media:
        """A small picture of the document with its ``content_type`` (``GET /documents/images/{id}``).

        Raises ``NotFoundError`` if it has none. A picture that the server sent along is not asked for again.
        """
        return await self._client._run(documents.thumbnail(self))

    async def list_chunks(
        self,
        keywords: str | None = None,
        page: int = 1,
        page_size: int = 30,
        id: str | None = None,
        available: bool | None = None,
    ) -> ChunkPage[AsyncChunk]:
        """A page of chunks in the document's order, with ``total`` (``GET …/documents/{id}/chunks``).

        With ``keywords``, those that contain them, which some servers write as ``<em>…</em>`` in ``content``;
        with ``available`` (from v0.25), those that are searched, or not. The page's ``document`` is the document
        as it is now. An unknown ``id`` is a ``NotFoundError``.
        """
        found = await self._client._run(
            chunks.listing(
                self._dataset,
                self.id,
                page=page,
                page_size=page_size,
                keywords=keywords,
                id=id,
                available=available,
            )
        )
        bound = AsyncChunk._all_of(self._client, found)
        return ChunkPage(bound, found.total, found.document)

    def iter_chunks(
        self, keywords: str | None = None, available: bool | None = None
    ) -> AsyncIterator[AsyncChunk]:
        """All chunks one after the other, read a hundred at a time; otherwise as ``list_chunks``."""
        return every(lambda page: self.list_chunks(keywords, page, PAGE, available=available))

    async def get_chunk(self, chunk_id: str) -> AsyncChunk:
        """One chunk by its id (``GET …/documents/{id}/chunks?id=``); ``NotFoundError`` if there is none."""
        found = await self._client._run(chunks.get(self._dataset, self.id, chunk_id))
        return AsyncChunk._of(self._client, found)

    async def add_chunk(
        self,
        content: str,
        important_keywords: Sequence[str] = (),
        questions: Sequence[str] = (),
        image_base64: str | bytes | None = None,
        *,
        tag_kwd: Sequence[str] | None = None,
        tag_feas: Mapping[str, float] | None = None,
    ) -> AsyncChunk:
        """Add a chunk (``POST …/documents/{id}/chunks``), searchable at once.

        ``questions`` that it answers take the content's place in its vector. From v0.25 it can have tags
        (``tag_kwd``, ``tag_feas``), from v0.26 an image, as bytes or in base64. The server derives the id
        from content and document: the same content again is the same chunk.
        """
        made = await self._client._run(
            chunks.add(
                self._dataset,
                self.id,
                content=content,
                important_keywords=important_keywords,
                questions=questions,
                image_base64=image_base64,
                tag_kwd=tag_kwd,
                tag_feas=tag_feas,
            )
        )
        return AsyncChunk._of(self._client, made)

    async def switch_chunks(self, ids: Sequence[str], available: bool) -> None:
        """Take chunks out of the search, or back in (``PATCH …/documents/{id}/chunks``, from v0.25.1)."""
        await self._client._run(chunks.switch(self._dataset, self.id, ids, available))

    async def delete_chunks(
        self,
        ids: Sequence[str] | NotGiven | None = NOT_GIVEN,
        *,
        chunk_ids: Sequence[str] | NotGiven | None = NOT_GIVEN,
        delete_all: bool = False,
    ) -> None:
        """Delete chunks (``DELETE …/documents/{id}/chunks``).

        ``ids=[…]`` (or ``chunk_ids``) deletes those, ``ids=[]`` nothing; everything only by ``ids=None`` or
        ``delete_all=True``. ``NotFoundError`` if one is not there; those that are there are deleted all the
        same. More than a hundred go in several requests: ``PartialError`` says what was deleted before one failed.
        """
        if chunk_ids is not NOT_GIVEN:
            if ids is not NOT_GIVEN:
                raise InvalidRequestError("ids, chunk_ids: give one of them, both are the ids of the chunks")
            wanted = to_delete("chunk_ids", chunk_ids, delete_all)
        else:
            wanted = to_delete("ids", ids, delete_all)
        await self._client._run(chunks.delete(self._dataset, self.id, wanted))

    @property
    def _dataset(self) -> str:
        if not self.dataset_id:
            raise InvalidRequestError(
                f"dataset_id={self.dataset_id!r}: this document does not say its dataset"
            )
        return self.dataset_id
