"""Records on their way into a dataset, out of it, and found again by the ids in their names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count

from .. import (
    DataSet,
    Document,
    InvalidRequestError,
    NotFoundError,
    PartialError,
    RAGFlowError,
    UnsupportedError,
)
from .concurrency import together
from .finding import OFTEN_THE_MOST, PAGE
from .flow import Flow, ask
from .records import Record, marks_of

__all__ = ["listed", "named", "removed", "versions", "written"]


def named(dataset: DataSet, mark: str) -> Flow[list[Document]]:
    """The documents with a mark in their names, the newest first."""
    found = yield from _all(lambda page: dataset.list_documents(keywords=mark, page=page, page_size=PAGE))
    return [document for document in found if mark in marks_of(document.name)]


def versions(dataset: DataSet, marks: Iterable[str]) -> Flow[dict[str, list[Document]]]:
    """For each mark the documents that have it, the newest first.

    Takes a call for each, or for each hundred documents of the dataset if these are fewer.
    """
    wanted = dict.fromkeys(marks)
    if dataset.document_count > PAGE * len(wanted):
        found = yield from together(named(dataset, mark) for mark in wanted)
        return dict(zip(wanted, found, strict=True))
    seen: dict[str, list[Document]] = {mark: [] for mark in wanted}
    for document in reversed((yield from listed(dataset))):
        for mark in seen.keys() & marks_of(document.name):
            seen[mark].append(document)
    return seen


def listed(dataset: DataSet) -> Flow[list[Document]]:
    """All documents, oldest first, so that what is added meanwhile moves nothing to another page.

    ``UnsupportedError`` if the server ends its list before.
    """
    found = yield from _all(lambda page: dataset.list_documents(page=page, page_size=PAGE, desc=False))
    if OFTEN_THE_MOST <= len(found) < dataset.document_count:
        raise UnsupportedError(
            f"the server lists {len(found)} of the {dataset.document_count} documents of dataset {dataset.id}, so it "
            "cannot be said which of them are ours; spread them over more datasets"
        )
    return found


def _all(read: Callable[[int], list[Document]]) -> Flow[list[Document]]:
    """Each document of all pages once."""
    found: dict[str, Document] = {}
    for page in count(1):
        rows = yield from ask(lambda _, page=page: read(page))  # type: ignore[misc]
        known = len(found)
        found.update((row.id, row) for row in rows)
        if len(rows) < PAGE or len(found) == known:
            break
    return list(found.values())


def written(
    dataset: DataSet,
    new: Sequence[Record],
    batch_size: int = PAGE,
    index: Callable[[Document, Record], Flow[None]] | None = None,
    at_once: int | None = None,
) -> Flow[list[Document]]:
    """Upload and index; if anything fails, what was uploaded is removed and nothing of it is found any more.

    Each document gets its metadata and then, unless ``index`` does something else, its text as one chunk.
    ``batch_size`` files go in one upload, ``at_once`` are indexed at a time.
    """
    if batch_size < 1:
        raise InvalidRequestError(f"batch_size={batch_size!r}: give a whole number from 1")
    uploaded: list[Document] = []
    try:
        for start in range(0, len(new), batch_size):
            uploaded += yield from _uploaded(dataset, new[start : start + batch_size])
        pairs = zip(uploaded, new, strict=True)
        yield from together(((index or _as_one_chunk)(*pair) for pair in pairs), at_once)
    except RAGFlowError as error:
        partly = error.data if isinstance(error, PartialError) else []
        try:
            yield from removed(dataset, [document.id for document in (*uploaded, *partly)])
        except RAGFlowError as failed:
            error.add_note(f"what was uploaded before could not be removed: {failed}")
        raise
    return uploaded


def _uploaded(dataset: DataSet, batch: Sequence[Record]) -> Flow[list[Document]]:
    files = [{"display_name": record.name, "blob": record.content.encode()} for record in batch]
    return (yield from ask(lambda _: dataset.upload_documents(files)))


def _as_one_chunk(document: Document, record: Record) -> Flow[None]:
    yield from ask(lambda _: document.update({"meta_fields": record.meta_fields}))
    yield from ask(lambda _: document.add_chunk(record.content))


def removed(dataset: DataSet, ids: list[str]) -> Flow[None]:
    """Delete documents that may be gone already."""
    try:
        yield from ask(lambda _: dataset.delete_documents(ids))
    except NotFoundError:
        yield from together(_removed_one(dataset, id) for id in ids)


def _removed_one(dataset: DataSet, id: str) -> Flow[None]:
    try:
        yield from ask(lambda _: dataset.delete_documents([id]))
    except NotFoundError:
        return  # somebody else was faster
