"""A dataset and what is done with its documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import PartialError
from ..models import DataSetFields, DocumentFields, Page, ParseProgress
from ..protocol import datasets, documents
from ..protocol.checks import NOT_GIVEN, NotGiven, to_delete
from ..protocol.documents import Parsed
from .documents import AsyncDocument
from .resource import AsyncResource

__all__ = ["AsyncDataSet"]


class AsyncDataSet(DataSetFields, AsyncResource):
    """A dataset: its fields, and its documents."""

    async def update(self, update_message: Mapping[str, Any]) -> AsyncDataSet:
        """Change fields (``PUT /datasets/{id}``) and take over what the server now says; returns itself.

        Keys: ``name``, ``avatar``, ``description``, ``embedding_model``, ``permission``, ``chunk_method``,
        ``pagerank``, ``parser_config`` (merged).
        """
        return self._take(await self._client._send(datasets.update(self.id, update_message)))

    async def upload_documents(self, document_list: Iterable[Mapping[str, Any]]) -> list[AsyncDocument]:
        """Upload files (``POST /datasets/{id}/documents``), each ``{"display_name": name, "blob": bytes}``.

        A name that is taken becomes ``name(1).txt``. Nothing is parsed yet. Raises ``InvalidRequestError``
        for a file type the server does not take; if it took others of the list, a ``PartialError`` whose
        ``data`` holds these as documents.
        """
        try:
            rows = await self._client._send(documents.upload(self.id, document_list))
        except PartialError as error:
            kept = [DocumentFields.model_validate(row) for row in error.data]
            error.data = [AsyncDocument._of(self._client, one) for one in kept]
            raise
        return [AsyncDocument._of(self._client, row) for row in rows]

    async def list_documents(
        self,
        id: str | None = None,
        name: str | None = None,
        keywords: str | None = None,
        page: int = 1,
        page_size: int = 30,
        orderby: str = "create_time",
        desc: bool = True,
        *,
        run: Sequence[str] | None = None,
    ) -> Page[AsyncDocument]:
        """A page of documents with ``total`` (``GET /datasets/{id}/documents``).

        ``keywords`` is a part of the name; ``run`` a list of ``UNSTART``, ``RUNNING``, ``CANCEL``, ``DONE``,
        ``FAIL``. An unknown ``id`` or ``name`` is a ``NotFoundError``.
        """
        found = await self._client._send(
            documents.listing(
                self.id,
                page=page,
                page_size=page_size,
                orderby=orderby,
                desc=desc,
                id=id,
                name=name,
                keywords=keywords,
                run=run,
            )
        )
        return Page([AsyncDocument._of(self._client, one) for one in found], found.total)

    async def delete_documents(
        self, ids: Sequence[str] | NotGiven | None = NOT_GIVEN, *, delete_all: bool = False
    ) -> None:
        """Delete documents with their chunks (``DELETE /datasets/{id}/documents``).

        ``ids=[…]`` deletes those, ``ids=[]`` nothing; everything only by ``ids=None`` or ``delete_all=True``.
        """
        wanted = to_delete("ids", ids, delete_all)
        if wanted != []:
            await self._client._send(documents.delete(self.id, wanted))

    async def async_parse_documents(self, document_ids: Sequence[str]) -> None:
        """Queue documents for parsing and return at once (``POST /datasets/{id}/chunks``).

        Documents that were parsed before lose their chunks first.
        """
        await self._client._send(documents.parse(self.id, document_ids))

    async def async_cancel_parse_documents(self, document_ids: Sequence[str]) -> None:
        """Stop parsing (``DELETE /datasets/{id}/chunks``); ``ConflictError`` if one is not being parsed."""
        await self._client._send(documents.cancel_parsing(self.id, document_ids))

    async def parse_documents(
        self,
        document_ids: Sequence[str],
        *,
        progress: Callable[[ParseProgress], object] | None = None,
        timeout: float | None = None,
        interval: float = 0.5,
    ) -> list[Parsed]:
        """Parse documents and wait: ``[(document id, run, chunk count, token count)]`` in the order given.

        ``progress`` is called at each look, every ``interval`` seconds. Raises ``ParseFailedError`` when all
        have ended and some failed (its ``results`` has all of them), ``RequestTimeoutError`` after
        ``timeout`` seconds, while parsing goes on.
        """
        flow = documents.parse_and_wait(
            self.id, document_ids, progress=progress, timeout=timeout, interval=interval
        )
        return await self._client._run(flow)
