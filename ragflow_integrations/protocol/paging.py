"""Reading a listing to its end, page by page, while others add to it and delete from it."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

from ..models import Page
from .bulk import PAGE
from .wire import Call, Flow, T, ask

__all__ = ["Pages", "all_of"]


class Pages:
    """Which page to ask for next, and what of a page is new.

    With a ``total``, which servers count before they filter, the pages end there, however short they are;
    without, with a page that is not full. When ``total`` falls, rows may have moved to pages that were read:
    those are read again. No row comes twice, and the end comes even if a server repeats itself.
    """

    def __init__(self) -> None:
        self.next: int | None = 1
        self._fewest: int | None = None
        self._seen: set[Any] = set()

    def new(self, page: Page[T]) -> list[T]:
        """Of the page ``next``, the rows that were on none before; with those of later pages, if it has them."""
        rows = [row for row in (*page, *(page._following or ())) if self._is_new(row)]
        self.next = None if page._following is not None else self._after(page, bool(rows))
        return rows

    def _after(self, page: Page[Any], advanced: bool) -> int | None:
        number = self.next or 1
        if page.total is None:
            return number + 1 if advanced and len(page) >= PAGE else None
        moved = 0 if self._fewest is None else self._fewest - page.total
        if self._fewest is None or moved > 0:
            self._fewest = page.total
        following = max(1, number - ceil(moved / PAGE)) if moved > 0 else number + 1
        return following if (following - 1) * PAGE < page.total else None

    def _is_new(self, row: Any) -> bool:
        key = getattr(row, "id", None) or getattr(row, "message_id", None)
        if key is None or key == "":
            return True
        fresh = key not in self._seen
        self._seen.add(key)
        return fresh


def all_of(page: Callable[[int], Call[Page[T]]]) -> Flow[list[T]]:
    """Everything that a listing has; ``page(n)`` is the call for its n-th page of ``PAGE``."""
    pages = Pages()
    found: list[T] = []
    while pages.next is not None:
        found += pages.new((yield from ask(page(pages.next))))
    return found
