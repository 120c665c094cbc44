"""The documents of datasets one after the other, for what loads them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from .. import AsyncDocument, AsyncRAGFlow, DataSet, Document, RAGFlow
from .concurrency import together
from .finding import dataset, found_document
from .flow import Flow, arun, run

__all__ = ["aiter_documents", "datasets", "iter_documents"]


def datasets(ids: Sequence[str]) -> Flow[list[DataSet]]:
    """Each with a call of its own; ``NotFoundError`` for an unknown one."""
    return (yield from together(dataset(id) for id in ids))


def iter_documents(
    client: RAGFlow, held: Flow[list[DataSet]], document_ids: Sequence[str] | None
) -> Iterator[Document]:
    """These documents in this order, or all of the datasets, oldest first, a hundred a call.

    Nothing is asked before it is used. Raises ``NotFoundError`` for a document that is in none of the datasets.
    """
    known = run(held, client)
    if document_ids is None:
        for each in known:
            yield from each.iter_documents(desc=False)
        return
    for id in document_ids:
        yield run(found_document(known, id), client)


async def aiter_documents(
    client: AsyncRAGFlow, held: Flow[list[DataSet]], document_ids: Sequence[str] | None
) -> AsyncIterator[AsyncDocument]:
    """As ``iter_documents``."""
    known: Any = await arun(held, client)
    if document_ids is None:
        for each in known:
            async for one in each.iter_documents(desc=False):
                yield one
        return
    for id in document_ids:
        found: Any = await arun(found_document(known, id), client)
        yield found
