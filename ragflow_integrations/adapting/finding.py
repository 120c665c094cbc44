"""Datasets and documents found by id, and the documents whose metadata fits a filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Any

from .. import DataSet, Document, InvalidRequestError, NotFoundError, Page, UnsupportedError
from .concurrency import together
from .flow import Flow, ask

__all__ = [
    "OFTEN_THE_MOST",
    "PAGE",
    "dataset",
    "dataset_ids",
    "found_document",
    "listed_documents",
    "matching_documents",
    "one_dataset",
    "one_dataset_or_made",
]

PAGE = 100  # the most documents that a server lists at once
OFTEN_THE_MOST = 10_000  # where search engines stop to count; a dataset tells its own number then


def dataset(dataset_id: str) -> Flow[DataSet]:
    """One by its id."""
    return (yield from ask(lambda client: client.get_dataset(dataset_id)))


def dataset_ids(
    ids: Sequence[str] | None, names: Sequence[str] | None, known: dict[str, str]
) -> Flow[list[str]]:
    """Ids of the datasets that are given by ids or by names; of neither, those that the client's scope names.

    ``known`` are ids by name: what is missing is looked up and added, so it must not outlive the scope.
    Ids outside the scope are left out. Raises ``InvalidRequestError`` if no dataset is named.
    """
    if names:
        return (yield from _looked_up(names, known))
    scope = yield from ask(lambda client: client.scope)
    if ids:
        return [id for id in ids if scope is None or scope.has_dataset(id)]
    if ids is None and names is None and scope is not None and scope.dataset_ids is not None:
        return sorted(scope.dataset_ids)
    raise InvalidRequestError("no dataset: give dataset_ids=[…], dataset_names=[…] or a scope of datasets")


def _looked_up(names: Sequence[str], known: dict[str, str]) -> Flow[list[str]]:
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    found = yield from together(_named(name) for name in unknown)
    known.update((name, one.id) for name, one in zip(unknown, found, strict=True))
    return [known[name] for name in names]


def _named(name: str) -> Flow[DataSet]:
    return (yield from ask(lambda client: client.get_dataset(name=name)))


def one_dataset(dataset_id: str | None, name: str | None, known: dict[str, str]) -> Flow[DataSet]:
    """The dataset by its id or by its name, which is looked up if it is not ``known``, and kept there."""
    if dataset_id is not None:
        return (yield from dataset(dataset_id))
    if name in known:
        return (yield from dataset(known[name]))
    found = yield from ask(lambda client: client.get_dataset(name=name))
    known[str(name)] = found.id
    return found


def one_dataset_or_made(
    dataset_id: str | None, name: str | None, known: dict[str, str], **settings: Any
) -> Flow[DataSet]:
    """The same; one that is named and was never there is made with these ``settings``."""
    try:
        return (yield from one_dataset(dataset_id, name, known))
    except NotFoundError:
        if name is None or name in known:  # it was there: whoever deleted it wants it gone
            raise
    made = yield from ask(lambda client: client.create_dataset(name, **settings))
    known[name] = made.id
    return made


def found_document(datasets: Sequence[DataSet], document_id: str) -> Flow[Document]:
    """One of their documents; ``NotFoundError`` if it is in none of them."""
    for held in datasets:
        found = yield from _held(held, document_id)
        if found is not None:
            return found
    raise NotFoundError(f"document_id={document_id!r}: there is no such document here")


def _held(held: DataSet, document_id: str) -> Flow[Document | None]:
    try:
        found = yield from ask(lambda _: held.list_documents(id=document_id))
    except NotFoundError:
        return None
    return found[0] if found else None


def matching_documents(
    fits: Callable[[Mapping[str, Any] | None], bool],
    dataset_ids: Sequence[str],
    document_ids: Sequence[str] | None,
    most_calls: int,
) -> Flow[list[str]]:
    """Ids of the documents whose metadata ``fits``, of ``document_ids`` only if given.

    Exact on every server, at the cost of ``listed_documents``, which is an error beyond ``most_calls``.
    """
    if document_ids == []:
        return []
    listed = yield from listed_documents(dataset_ids, most_calls)
    asked_for = None if document_ids is None else set(document_ids)
    return [
        document.id
        for document in listed
        if (asked_for is None or document.id in asked_for) and fits(document.meta_fields)
    ]


def listed_documents(dataset_ids: Sequence[str], most_calls: int) -> Flow[list[Document]]:
    """All documents of the datasets, each once.

    Takes a call for each dataset and one for each hundred of its documents. More than ``most_calls`` are an
    ``InvalidRequestError`` with the size that was measured; a server that lists fewer documents than it says it has
    is an ``UnsupportedError``. Never a part of the documents.
    """
    _check(2 * len(dataset_ids), most_calls, f"{len(dataset_ids)} datasets")
    first = yield from together(_begun(dataset_id) for dataset_id in dataset_ids)
    total = sum(page.total or 0 for _, page in first)
    calls = sum(1 + max(1, ceil((page.total or 0) / PAGE)) for _, page in first)
    _check(calls, most_calls, f"{total} documents")
    found: dict[str, Document] = {}
    for held, page in first:
        found |= yield from _rest(held, page)
    return list(found.values())


def _begun(dataset_id: str) -> Flow[tuple[DataSet, Page[Document]]]:
    """A dataset and the first page of its documents."""
    held = yield from dataset(dataset_id)
    return held, (yield from _page(held, 1))


def _rest(held: DataSet, first: Page[Document]) -> Flow[dict[str, Document]]:
    """The documents of a dataset whose first page is there; the other pages are asked for side by side."""
    total = first.total or 0
    pages = yield from together(_page(held, number) for number in range(2, ceil(total / PAGE) + 1))
    found = {document.id: document for page in (first, *pages) for document in page}
    said = max(total, held.document_count) if total >= OFTEN_THE_MOST else total
    if len(found) < said:
        raise UnsupportedError(
            f"filter: the server lists {len(found)} of the {said} documents of dataset {held.id}: it ends its lists "
            "there, or documents were deleted meanwhile. Try again, or spread the documents over more datasets"
        )
    return found


def _page(held: DataSet, number: int) -> Flow[Page[Document]]:
    """Oldest first, so that what is added meanwhile moves nothing to another page."""
    return (yield from ask(lambda _: held.list_documents(page=number, page_size=PAGE, desc=False)))


def _check(calls: int, most_calls: int, size: str) -> None:
    if calls > most_calls:
        raise InvalidRequestError(
            f"filter: its documents have to be looked up, and the {size} here take {calls} calls; "
            f"max_filter_calls={most_calls} allows fewer. Raise it, or search fewer datasets"
        )
