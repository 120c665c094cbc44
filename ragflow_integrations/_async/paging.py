"""One loop for all that is listed page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

from ..models import Page
from ..protocol.paging import Pages

T = TypeVar("T")

__all__ = ["every"]


class AsyncLister(Protocol[T]):
    """Asks for the page of this number, of ``PAGE`` rows."""

    async def __call__(self, number: int, /) -> Page[T]: ...


async def every(page: AsyncLister[T]) -> AsyncIterator[T]:
    """The rows of all pages, each once; a page is asked for when the one before it is used up."""
    pages = Pages()
    while pages.next is not None:
        for row in pages.new(await page(pages.next)):
            yield row
