"""Deleting some objects, or all of them only if that was said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..models import Page
from .bulk import in_batches
from .paging import all_of
from .reading import nothing
from .versions import Since, request, server_version
from .wire import Call, Flow, ask

__all__ = ["delete"]


def delete(
    operation: str,
    ids: Sequence[str] | None,
    every: Callable[[int], Call[Page[Any]]],
    *,
    field: str = "ids",
    **path: Any,
) -> Flow[None]:
    """Delete these by ``field``, ``None`` for all; ``every(n)`` lists the n-th page of what there is.

    Servers before v0.25 take empty ids for all, and none of them goes out.
    """

    def some(batch: list[str]) -> Call[None]:
        return Call(request(operation, body={field: batch}, **path), nothing)

    if ids is None and (yield from server_version()) >= Since.DELETE_ALL:
        yield from ask(Call(request(operation, body={"delete_all": True}, **path), nothing))
        return
    if ids is None:
        ids = [one.id for one in (yield from all_of(every))]
    yield from in_batches(ids, some)
