"""Documents of a vector store on their way into a dataset, out of it, and found again by their ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from langchain_core.documents import Document

from ragflow_integrations import DataSet, NotFoundError, PartialError, RAGFlowError
from ragflow_integrations import Document as Stored
from ragflow_integrations.adapting import PAGE, Flow, ask, together

from ._records import Record, id_of, prefix, restored

__all__ = ["all_ours", "read", "removed", "versions", "written"]


def versions(dataset: DataSet, ids: Iterable[str]) -> Flow[list[list[Stored]]]:
    """For each id what is there of it, the newest first: several only while one replaces another."""
    return together(_versions_of(dataset, id) for id in dict.fromkeys(ids))


def _versions_of(dataset: DataSet, id: str) -> Flow[list[Stored]]:
    begin = prefix(id)
    found = yield from ask(lambda _: dataset.list_documents(keywords=begin, page_size=PAGE))
    return [document for document in found if document.name.startswith(begin)]


def all_ours(dataset: DataSet) -> Flow[list[Stored]]:
    """Oldest first, so that what is added meanwhile moves nothing to another page."""
    found: list[Stored] = []
    for number in range(1, dataset.document_count // PAGE + 2):
        found += yield from ask(
            lambda _, page=number: dataset.list_documents(page=page, page_size=PAGE, desc=False)  # type: ignore[misc]
        )
    return [document for document in found if id_of(document.meta_fields) is not None]


def read(dataset: DataSet, id: str) -> Flow[Document | None]:
    for version in (yield from _versions_of(dataset, id)):
        if id_of(version.meta_fields) == id:
            content = yield from ask(lambda _, version=version: version.download())  # type: ignore[misc]
            return restored(version.meta_fields, content.decode())
    return None


def written(dataset: DataSet, new: Sequence[Record], batch_size: int) -> Flow[None]:
    """Upload and index; if anything fails, what was uploaded is removed."""
    uploaded: list[Stored] = []
    try:
        for start in range(0, len(new), batch_size):
            uploaded += yield from _uploaded(dataset, new[start : start + batch_size])
        yield from together(_indexed(*pair) for pair in zip(uploaded, new, strict=True))
    except RAGFlowError as error:
        partly = error.data if isinstance(error, PartialError) else []
        try:
            yield from removed(dataset, [document.id for document in (*uploaded, *partly)])
        except RAGFlowError as failed:
            error.add_note(f"what was uploaded before could not be removed: {failed}")
        raise


def _uploaded(dataset: DataSet, batch: Sequence[Record]) -> Flow[list[Stored]]:
    files = [{"display_name": record.name, "blob": record.content.encode()} for record in batch]
    return (yield from ask(lambda _: dataset.upload_documents(files)))


def _indexed(document: Stored, record: Record) -> Flow[None]:
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
