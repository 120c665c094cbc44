"""Datasets within a scope."""

from __future__ import annotations

from typing import Any

from ...errors import NotFoundError
from ...models import DataSetFields, Page
from ...scope import Scope
from ..wire import Call, Flow, ask
from .guard import Guarded, check_whole, cut, ids_of, known, missing, queried, with_query

__all__ = ["get", "listing", "unchanged", "whole"]

_COUNTS = ("document_count", "chunk_count", "token_num")


def unchanged(guard: Guarded, call: Call[Any]) -> Flow[Any]:
    """A call that says nothing of what the server holds."""
    return (yield from ask(call))


def get(guard: Guarded, call: Call[Any]) -> Flow[Any]:
    """By its id, which stands in the path, or on servers before v0.25.1 in the query."""
    identifier = {**queried(call.request), **ids_of(call.request)}
    dataset_id = identifier.get("dataset_id") or identifier["id"]
    known("dataset", dataset_id, guard.scope.has_dataset(dataset_id))
    found = yield from ask(call)
    for dataset in found if isinstance(found, list) else [found]:
        known("dataset", dataset_id, dataset.id == dataset_id)
        _without_counts(guard.scope, dataset)
    return found


def listing(guard: Guarded, call: Call[Page[DataSetFields]]) -> Flow[Page[DataSetFields]]:
    """Those within the scope; for an unknown name the same error, whether a dataset has it or not."""
    asked = queried(call.request)
    wanted = [value for name, value in call.request.query if name in ("id", "ids")]
    inside = [one for one in wanted if guard.scope.has_dataset(one)]
    sought = asked.get("id") or asked.get("name")
    if (wanted and not inside) or guard.scope.dataset_ids == frozenset():
        if sought:
            raise missing("dataset", sought)
        return Page([], 0)
    if "ids" in asked:
        call = Call(with_query(call.request, ids=inside), call.read)
    try:
        page = yield from cut(call, lambda dataset: guard.scope.has_dataset(dataset.id))
    except NotFoundError:
        page = Page([], 0)
    if sought and not page.total:
        raise missing("dataset", sought)
    for dataset in (*page, *(page._following or ())):
        _without_counts(guard.scope, dataset)
    return page


def whole(guard: Guarded, call: Call[Any]) -> Flow[Any]:
    """What is about a dataset as a whole, and what is written into it."""
    dataset_id = ids_of(call.request)["dataset_id"]
    known("dataset", dataset_id, guard.scope.has_dataset(dataset_id))
    check_whole(guard.scope, call.request.operation)
    return (yield from ask(call))


def _without_counts(scope: Scope, dataset: DataSetFields) -> None:
    """How many documents a dataset has is not told to whom sees only some of them."""
    if not scope.whole_datasets:
        for name in _COUNTS:
            setattr(dataset, name, 0)
        (dataset.model_extra or {}).pop("parsing_status", None)
