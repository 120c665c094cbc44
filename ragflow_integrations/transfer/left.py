"""What a server has and no call makes anew elsewhere: told, so that nothing is left behind without a word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import NotFoundError, UnsupportedError
from .records import LeftRecord

if TYPE_CHECKING:
    from .. import DataSet, RAGFlow

__all__ = ["files", "hidden", "made_of_documents"]

_MADE_OF_DOCUMENTS = {
    "graphrag_task_finish_at": "knowledge_graph",
    "raptor_task_finish_at": "raptor_tree",
}


def made_of_documents(dataset: DataSet) -> Iterator[LeftRecord]:
    """A dataset's knowledge graph and tree of summaries, which cost many calls of a language model."""
    for field, what in _MADE_OF_DOCUMENTS.items():
        if (dataset.model_extra or {}).get(field):
            yield LeftRecord(
                id=f"{dataset.id}:{what}",
                what=what,
                name=dataset.name,
                reason="it is not carried, have it made again there",
            )


def files(client: RAGFlow) -> Iterator[LeftRecord]:
    """The files of the file manager that are in no dataset."""
    try:
        count = _files_in(client)
    except NotFoundError:  # a server without a file manager
        return
    except UnsupportedError as error:
        yield from hidden(client, "file", "all", error)
        return
    if count:
        reason = "files of the file manager are not carried; those in datasets are, as documents"
        yield LeftRecord(id="files", what="file", name="/", count=count, reason=reason)


def _files_in(client: RAGFlow) -> int:
    count = 0
    folders: list[str | None] = [None]
    while folders:
        for file in client.iter_files(folders.pop()):
            if file.is_folder and file.source_type != "knowledgebase":
                folders.append(file.id)
            count += not file.is_folder and not file.kbs_info
    return count


def hidden(client: RAGFlow, what: str, name: str, error: UnsupportedError) -> Iterator[LeftRecord]:
    """What a scope does not let its client look at; nothing for a server that has no such objects."""
    if client._guard is not None:
        yield LeftRecord(id=f"{what}:{name}", what=what, name=name, count=0, reason=str(error))
