"""A dataset and what is done with its documents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import PartialError
from ..models import DataSetFields, Page, ParseProgress
from ..progress import reporting
from ..protocol import datasets, documents, parsing
from ..protocol.bulk import PAGE
from ..protocol.checks import NOT_GIVEN, NotGiven, to_delete
from ..protocol.parsing import Parsed
from .documents import AsyncDocument
from .ingest import AsyncIngest
from .knowledge import AsyncKnowledge
from .paging import every

__all__ = ["AsyncDataSet"]


class AsyncDataSet(DataSetFields, AsyncKnowledge, AsyncIngest):
    """A dataset: its fields, its documents with their metadata and tags, and what is built over them."""

    async def update(self, update_message: Mapping[str, Any]) -> AsyncDataSet:
        """Change fields (``PUT /datasets/{id}``) and take over what the server now says; returns itself.

        Keys: ``name``, ``avatar``, ``description``, ``embedding_model``, ``permission``, ``chunk_method``,
        ``pagerank`` (0 to 100), ``parser_config`` (merged), ``language``. Raises ``InvalidRequestError`` for
        a value beyond its limits and for nothing at all, ``ConflictError`` if the name is taken.
        """
        return self._take(await self._client._send(datasets.update(self.id, update_message)))

    async def upload_documents(self, document_list: Iterable[Mapping[str, Any]]) -> list[AsyncDocument]:
        """Upload files (``POST /datasets/{id}/documents``), each ``{"display_name": name, "blob": bytes}``.

        ``blob`` may also be a ``Path`` or a binary file object: these are read while they are sent. A name that
        is taken becomes ``name(1).txt``. Nothing is parsed yet. Raises ``InvalidRequestError`` for a file type
        the server does not take; if it took others of the list, a ``PartialError`` whose ``data`` holds these
        as documents.
        """
        try:
            rows = await self._client._send(documents.upload(self.id, document_list))
        except PartialError as error:
            error.data = AsyncDocument._all_of(self._client, error.data)
            raise
        return AsyncDocument._all_of(self._client, rows)

    async def upload_url(self, url: str, name: str) -> AsyncDocument:
        """Let the server fetch a web page (``POST /datasets/{id}/documents?type=web``, from v0.25.1).

        It is kept as ``name.pdf``, as a browser prints it, and not parsed yet; the call lasts as long as that takes.
        Raises ``InvalidRequestError`` for what is no http address, and what the server says of a page it cannot get.
        """
        return AsyncDocument._of(
            self._client, await self._client._run(documents.upload_url(self.id, url, name))
        )

    async def list_documents(
        self,
        id: str | None = None,
        keywords: str | None = None,
        page: int = 1,
        page_size: int = 30,
        orderby: str = "create_time",
        desc: bool = True,
        create_time_from: int = 0,
        create_time_to: int = 0,
        *,
        name: str | None = None,
        ids: Sequence[str] | None = None,
        run: Sequence[str] | None = None,
        suffix: Sequence[str] | None = None,
        types: Sequence[str] | None = None,
        metadata_condition: Mapping[str, Any] | None = None,
        metadata: Mapping[str, str | Sequence[str]] | None = None,
        return_empty_metadata: bool | None = None,
    ) -> Page[AsyncDocument]:
        """A page of documents with ``total`` (``GET /datasets/{id}/documents``).

        ``keywords`` is a part of the name; ``run`` a list of ``UNSTART``, ``RUNNING``, ``CANCEL``, ``DONE``,
        ``FAIL``; ``suffix`` of e.g. ``pdf``; ``types`` (from v0.25) of ``pdf``, ``doc``, ``visual``,
        ``aural``, ``virtual``; ``ids`` from v0.25.1 on. ``create_time_from`` and ``create_time_to`` are
        milliseconds since 1970 (0: no bound); servers apply them to the finished page, which gets shorter,
        and do not count them in ``total``. ``orderby`` is ``create_time``, ``update_time`` or ``name``.

        ``metadata_condition`` is as in ``retrieve``; ``metadata`` (from v0.25) ``{"author": ["Ann", "Bob"]}``
        takes documents with one of the values of each key; ``return_empty_metadata=True`` (from v0.25)
        those without metadata. An unknown ``id`` or ``name`` is a ``NotFoundError``, a filter that this
        server would pass over an ``UnsupportedError``.
        """
        found = await self._client._run(
            documents.listing(
                self.id,
                page=page,
                page_size=page_size,
                orderby=orderby,
                desc=desc,
                id=id,
                name=name,
                keywords=keywords,
                create_time_from=create_time_from,
                create_time_to=create_time_to,
                ids=ids,
                run=run,
                suffix=suffix,
                types=types,
                metadata_condition=metadata_condition,
                metadata=metadata,
                return_empty_metadata=return_empty_metadata,
            )
        )
        return AsyncDocument._page_of(self._client, found)

    def iter_documents(
        self, keywords: str | None = None, orderby: str = "create_time", desc: bool = True, **filters: Any
    ) -> AsyncIterator[AsyncDocument]:
        """All documents one after the other, read a hundred at a time; the filters of ``list_documents``."""
        return every(lambda page: self.list_documents(None, keywords, page, PAGE, orderby, desc, **filters))

    async def delete_documents(
        self, ids: Sequence[str] | NotGiven | None = NOT_GIVEN, *, delete_all: bool = False
    ) -> None:
        """Delete documents with their chunks (``DELETE /datasets/{id}/documents``).

        ``ids=[…]`` deletes those, ``ids=[]`` nothing; everything only by ``ids=None`` or ``delete_all=True``.
        More than a hundred go in several requests: ``PartialError`` says what was deleted before one failed.
        """
        await self._client._run(documents.delete(self.id, to_delete("ids", ids, delete_all)))

    async def async_parse_documents(self, document_ids: Sequence[str]) -> None:
        """Queue documents for parsing and return at once (``POST /datasets/{id}/chunks``).

        Documents that were parsed before lose their chunks first. ``NotFoundError`` for an unknown one; the
        others are queued all the same.
        """
        await self._client._run(parsing.parse(self.id, document_ids))

    async def async_cancel_parse_documents(self, document_ids: Sequence[str]) -> None:
        """Stop parsing (``DELETE /datasets/{id}/chunks``); ``ConflictError`` if one is not being parsed."""
        await self._client._run(parsing.cancel(self.id, document_ids))

    async def parse_documents(
        self,
        document_ids: Sequence[str],
        *,
        progress: Callable[[ParseProgress], object] | bool | None = None,
        timeout: float | None = None,
        interval: float = 1.0,
    ) -> list[Parsed]:
        """Parse documents and wait: ``[(document id, run, chunk count, token count)]`` in the order given.

        ``run`` is ``DONE``, ``FAIL`` or ``CANCEL``: that a document could not be parsed is no error here, its
        ``progress_msg`` says why. ``progress`` is called at each look, soon at first, at last every
        ``interval`` seconds; ``True`` shows a bar. Ctrl+C, or cancelling the task, stops on the server what is
        not done yet and is raised again, with a note if some of it goes on (v0.24 does not stop what waits for
        its turn). Raises ``RequestTimeoutError`` after ``timeout`` seconds, while parsing goes on, and
        ``NotFoundError`` for an unknown document and for one that vanishes.
        """
        with reporting(progress) as report:
            flow = parsing.parse_and_wait(
                self.id, document_ids, progress=report, timeout=timeout, interval=interval
            )
            return await self._client._run(flow)
