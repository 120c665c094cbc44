"""Files of the server's file manager, which can be linked to datasets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from ..models import FileFields, FilePage
from ..protocol import files
from ..protocol.bulk import PAGE
from ..sources import Uploadable, gathered
from .calls import AsyncCalls
from .paging import every

__all__ = ["AsyncFileCalls"]


class AsyncFileCalls(AsyncCalls):
    """Files and folders of the account, and their links to datasets."""

    async def list_files(
        self,
        parent_id: str | None = None,
        keywords: str | None = None,
        page: int = 1,
        page_size: int = 30,
        orderby: str = "create_time",
        desc: bool = True,
    ) -> FilePage:
        """A page of the files and folders in a folder, with ``total`` (``GET /files``); the root by default.

        ``page_size`` is 1 to 100; ``orderby`` is ``create_time``, ``update_time``, ``name``, ``size`` or
        ``type``. ``keywords`` finds a part of the name, from v0.27 on also in the folders of the folder.
        Raises ``NotFoundError`` for an unknown folder, ``UnsupportedError`` for ``desc=False`` on v0.24.
        """
        return await self._client._run(
            files.listing(
                parent_id=parent_id,
                keywords=keywords,
                page=page,
                page_size=page_size,
                orderby=orderby,
                desc=desc,
            )
        )

    def iter_files(
        self, parent_id: str | None = None, keywords: str | None = None
    ) -> AsyncIterator[FileFields]:
        """Every file and folder in a folder, a hundred a call."""
        return every(lambda page: self.list_files(parent_id, keywords, page, PAGE))

    async def upload_file(
        self,
        source: Uploadable | Sequence[Uploadable],
        parent_id: str | None = None,
        *,
        name: str | None = None,
    ) -> list[FileFields]:
        """Upload files into a folder (``POST /files``), the root by default; streamed from disk.

        ``source`` as for ``DataSet.upload``. A name that is taken becomes ``name(1)``; a path in a name
        makes folders. When one of several fails, those before it stay.
        """
        return await self._client._run(files.upload(lambda: gathered(source, name), parent_id))

    async def create_folder(self, name: str, parent_id: str | None = None) -> FileFields:
        """Make a folder (``POST /files``), in the root by default; its ``name`` has at most 255 characters.

        Raises ``ConflictError`` if there is one of that name, ``NotFoundError`` for an unknown ``parent_id``.
        """
        return await self._client._run(files.create_folder(name, parent_id))

    async def download_file(self, file_id: str) -> bytes:
        """A file's content (``GET /files/{id}``), held in memory as a whole; ``NotFoundError`` if there is none.

        Of an empty file newer servers say that it is one: ``InvalidRequestError``.
        """
        return await self._client._run(files.download(file_id))

    async def move_files(self, file_ids: Sequence[str], folder_id: str) -> None:
        """Move files into a folder (``POST /files/move``)."""
        await self._client._run(files.move(file_ids, folder_id))

    async def rename_file(self, file_id: str, name: str) -> None:
        """Give a file or folder another name (at most 255 characters); a file's extension stays.

        Raises ``ConflictError`` if the name is taken, ``InvalidRequestError`` for another extension.
        """
        await self._client._run(files.rename(file_id, name))

    async def delete_files(self, ids: Sequence[str]) -> None:
        """Delete files, and folders with what is in them (``DELETE /files``); ``ids=[]`` deletes nothing.

        The documents that were made of them in datasets go as well. Raises ``NotFoundError`` if there is none
        of them, ``PartialError`` if only some could be deleted: what says so, servers from v0.26 on; older
        ones stop at the first that they cannot delete. Folders of datasets stay.
        """
        await self._client._run(files.delete(ids))

    async def link_files(self, file_ids: Sequence[str], dataset_ids: Sequence[str]) -> None:
        """Make files, or all in a folder, documents of datasets (``POST /files/link-to-datasets``), unparsed.

        From v0.25.1 on the documents are made after the answer: they appear soon. From v0.27 on links that the
        files have already stay; older servers first delete the documents that were made by them.
        """
        await self._client._run(files.link(file_ids, dataset_ids))
