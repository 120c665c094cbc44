"""Documents, their metadata and their parsing, as one tenant sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Unpack

from .. import datasets, documents, jobs, renaming
from ..metadata import Filter
from ..store import Row
from .part import Part, or_none

__all__ = ["DocumentCalls"]


class DocumentCalls(Part):
    """The calls about documents."""

    def add_document(
        self,
        dataset_id: str,
        name: str,
        data: bytes | None,
        *,
        folder: str = "",
        parser_config: Mapping[str, Any] = MappingProxyType({}),
    ) -> Row:
        """Store a file, not parsed yet; a name that is taken becomes ``stem(1).suffix``.

        Without ``data`` the document is virtual: it has no file. ``folder`` only shows in its ``location``;
        ``parser_config`` goes over the dataset's.
        """
        with self._shared.store.write() as db:
            dataset = datasets.get(db, self.tenant_id, dataset_id)
            return documents.add(
                db, self.tenant_id, dataset, name, data, folder=folder, parser_config=parser_config
            )

    def list_documents(self, dataset_id: str, **filters: Unpack[documents.Filters]) -> tuple[list[Row], int]:
        """One page of a dataset's documents and how many fit: ``page page_size orderby desc``.

        Optionally ``id name``, the lists ``run suffix types ids``, ``keywords`` (a part of the name), and
        ``without_metadata``.
        """
        with self._shared.store.read() as db:
            found, total = documents.listed(db, self.tenant_id, dataset_id, **filters)
        self._see_to(found)
        return found, total

    def document_facets(self, dataset_id: str, **filters: Unpack[documents.Narrowed]) -> tuple[Row, int]:
        """``{"suffix": {…: n}, "run": {…: n}, "metadata": {key: {value: n}}}`` of what fits, and how many fit."""
        with self._shared.store.read() as db:
            return documents.facets(db, self.tenant_id, dataset_id, filters)

    def get_document(self, document_id: str) -> Row | None:
        """One document, or None."""
        found = self.find_document(document_id)
        self._see_to([found] if found else [])
        return found

    def find_document(self, document_id: str) -> Row | None:
        """One document, or None, which its owner is not shown."""
        with self._shared.store.read() as db:
            return or_none(documents.get, db, self.tenant_id, document_id)

    def read_document(self, document_id: str) -> bytes:
        """The bytes of a document's file."""
        with self._shared.store.read() as db:
            return documents.read(db, self.tenant_id, document_id)

    def update_document(self, document_id: str, fields: Mapping[str, Any]) -> Row:
        """Change ``name meta_fields chunk_method enabled`` or ``parser_config`` (merged).

        Another ``chunk_method`` takes the document's chunks: it is to be parsed again. The search knows another name
        at once; of a document of many megabytes some seconds later.
        """
        with self._shared.store.write() as db:
            updated = documents.update(db, self.tenant_id, document_id, fields)
        if not renaming.follow(self._shared.store, document_id):
            self._shared.parser.wake()
        return updated

    def reset_document(self, document_id: str) -> None:
        """Take a document's chunks, as if it had never been parsed."""
        with self._shared.store.write() as db:
            documents.reset(db, documents.get(db, self.tenant_id, document_id))

    def metadata(self, dataset_ids: Sequence[str], ids: Sequence[str] | None = None) -> dict[str, Row]:
        """``{id: meta_fields}`` of the datasets' documents (or of these ones) that have some."""
        with self._shared.store.read() as db:
            datasets.check_owner(db, self.tenant_id, dataset_ids)
            return documents.metadata(db, dataset_ids, ids)

    def documents_fitting(self, dataset_ids: Sequence[str], wanted: Filter) -> list[str]:
        """The ids of the datasets' documents whose metadata a filter fits."""
        with self._shared.store.read() as db:
            datasets.check_owner(db, self.tenant_id, dataset_ids)
            return documents.fitting(db, dataset_ids, wanted)

    def update_metadata(
        self, dataset_id: str, ids: Sequence[str], updates: Sequence[Row], deletes: Sequence[Row]
    ) -> int:
        """Change the metadata of documents of a dataset (``metadata.changed``) and say how many have changed."""
        with self._shared.store.write() as db:
            datasets.check_owner(db, self.tenant_id, [dataset_id])
            return documents.update_metadata(db, dataset_id, ids, updates, deletes)

    def delete_documents(self, dataset_id: str, ids: Sequence[str] | None) -> int:
        """Delete documents of a dataset (None: all); none if one is unknown (``Missing``)."""
        with self._shared.store.write() as db:
            datasets.check_owner(db, self.tenant_id, [dataset_id])
            return documents.delete(db, dataset_id, ids)

    def start_parsing(self, document_ids: Sequence[str]) -> None:
        """Queue documents for parsing; their old chunks go at once. ``InUse`` if one is queued already."""
        with self._shared.store.write() as db:
            jobs.start(db, self.tenant_id, document_ids)
        self._shared.parser.wake()

    def stop_parsing(self, document_ids: Sequence[str]) -> None:
        """Cancel documents that are queued or being parsed, as far as anyone has been shown; else ``Refused``."""
        with self._shared.store.write() as db:
            jobs.stop(db, self.tenant_id, document_ids, self._shared.parser.untold)
