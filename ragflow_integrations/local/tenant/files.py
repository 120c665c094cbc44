"""Files and folders, as one tenant sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from .. import files
from ..store import Row
from .part import Part, or_none

__all__ = ["FileCalls"]


class FileCalls(Part):
    """The calls about files; ``folder_id`` None is the root folder."""

    def root_folder(self) -> Row:
        """The folder that all others are in; in it ``.knowledgebase`` shows the datasets."""
        with self._shared.store.write() as db:
            return files.root(db, self.tenant_id)

    def list_files(self, folder_id: str, **filters: Unpack[files.Listing]) -> tuple[list[Row], int]:
        """One page of a folder and how much is in it: ``page page_size orderby desc``.

        Optionally ``keywords`` (a part of the name), looked for in subfolders as well if ``deep``.
        """
        with self._shared.store.read() as db:
            return files.listed(db, self.tenant_id, folder_id, **filters)

    def get_file(self, file_id: str) -> Row | None:
        """One file or folder, or None."""
        with self._shared.store.read() as db:
            return or_none(files.get, db, self.tenant_id, file_id)

    def is_foreign_file(self, file_id: str) -> bool:
        """Whether a file is another tenant's, which is all that RAGFlow tells of it."""
        with self._shared.store.read() as db:
            return files.is_foreign(db, self.tenant_id, file_id)

    def file_ancestors(self, file_id: str) -> list[Row]:
        """The file itself, the folder it is in, and so on to the root."""
        with self._shared.store.read() as db:
            return files.ancestors(db, self.tenant_id, file_id)

    def read_file(self, file_id: str) -> bytes:
        """A file's bytes."""
        with self._shared.store.read() as db:
            return files.read(db, self.tenant_id, file_id)

    def add_file(self, folder_id: str, name: str, data: bytes) -> Row:
        """Keep a file; folders in its name are made, and a name that is taken becomes ``stem(1).suffix``."""
        with self._shared.store.write() as db:
            return files.add(db, self.tenant_id, folder_id, name, data)

    def create_folder(self, folder_id: str, name: str, kind: str = files.FOLDER) -> Row:
        """A new folder, or a file without contents (``kind`` "virtual"); ``Refused`` if the name is taken."""
        with self._shared.store.write() as db:
            return files.create_folder(db, self.tenant_id, folder_id, name, kind)

    def delete_file(self, file_id: str) -> int:
        """Delete a file with the documents it is linked to, or a folder with all below it; how many went."""
        with self._shared.store.write() as db:
            return files.delete(db, self.tenant_id, file_id)

    def move_files(self, ids: Sequence[str], folder_id: str | None, name: str | None) -> None:
        """Move files and folders into a folder, or give one a new name, or both; all of it or nothing."""
        with self._shared.store.write() as db:
            files.move(db, self.tenant_id, ids, folder_id, name)

    def link_files(
        self, ids: Sequence[str], dataset_ids: Sequence[str], *, replace: bool = True
    ) -> list[Row]:
        """Make documents of files in datasets, in place of those that they are linked to if ``replace``."""
        with self._shared.store.write() as db:
            return files.link(db, self.tenant_id, ids, dataset_ids, replace=replace)
