"""Bringing files into a dataset as a whole: upload, describe and parse; replace by a new version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import PartialError
from ..models import DocumentFields
from ..progress import Progress, reporting
from ..protocol import ingest
from ..sources import Uploadable, gathered, replacements
from .documents import AsyncDocument
from .resource import AsyncResource

__all__ = ["AsyncIngest"]


class AsyncIngest(AsyncResource):
    """What a dataset can do with files of this machine."""

    id: str = ""

    async def upload(
        self,
        source: Uploadable | Sequence[Uploadable],
        *,
        name: str | None = None,
        meta_fields: Mapping[str, Any] | None = None,
        parser_config: Mapping[str, Any] | None = None,
        chunk_method: str | None = None,
        parse: bool = True,
        progress: Progress | bool | None = None,
        timeout: float | None = None,
        interval: float = 1.0,
    ) -> list[AsyncDocument]:
        """Upload files, set their metadata and parser settings, and parse them; the documents, in order.

        ``source`` is a path, a folder, the bytes of a file (with ``name``), a binary file object, or a list
        of these; files are streamed from disk. Files of a folder are named by their path from there.
        ``meta_fields``, ``parser_config`` and ``chunk_method`` are set before parsing, so that nothing can be
        found that is not tagged yet. A file of the same name with other content becomes ``name(1)``; see
        ``replace``.

        Done again it goes on where it stopped: a file that is there with the same content is not uploaded
        again. For that the server's hash of it is compared (from v0.25, if the library ``xxhash`` is
        there), or the content itself, which is fetched. What is being parsed is waited for; what was parsed
        is not parsed again unless its parser settings changed (with ``parse=False`` it keeps those that it
        has).

        ``progress=True`` shows a bar; a function is told ``UploadProgress`` and ``ParseProgress``.
        ``timeout`` (seconds; ``None``: no end) is for parsing, ``interval`` how often it is looked at. Raises
        ``InvalidRequestError`` before anything is sent for a source that is no file or cannot be read.

        A file that the server refuses, e.g. for its type, does not hold up the others: at the end there is a
        ``PartialError`` whose ``data`` has the ``documents`` and, by name, why files were ``refused``
        (``InvalidRequestError`` if all were). ``ParseFailedError`` when files could not be parsed (the others
        are), ``RequestTimeoutError`` after ``timeout``, while parsing goes on: refused files are then a note.
        """
        settings = _settings(meta_fields, parser_config, chunk_method)
        with reporting(progress) as report:
            uploading = ingest.upload(
                self.id,
                lambda: gathered(source, name),
                settings=settings,
                parse=parse,
                progress=report,
                timeout=timeout,
                interval=interval,
            )
            try:
                return self._bound(await self._client._run(uploading))
            except PartialError as error:
                if "documents" in error.data:
                    error.data["documents"] = self._bound(error.data["documents"])
                raise

    async def replace(
        self,
        documents: Mapping[str, Uploadable],
        *,
        meta_fields: Mapping[str, Any] | None = None,
        parser_config: Mapping[str, Any] | None = None,
        chunk_method: str | None = None,
        progress: Progress | bool | None = None,
        timeout: float | None = None,
        interval: float = 1.0,
    ) -> dict[str, str]:
        """Replace documents by new versions, ``{document id: source}``; ``{old id: new id}``.

        The new versions are uploaded and parsed before an old one is removed; if anything fails until then,
        or takes longer than ``timeout``, the new ones are removed and the old ones stay as they were. (One
        whose upload broke off half-way may stay, unparsed; done again, it is taken up.) If it fails after
        that, a note on the error has the new ids.

        Name (for files of the same type), metadata, chunk method and being switched off are taken over, the
        first three unless given; the parser settings are the dataset's unless given. Otherwise as ``upload``,
        but that one refused file stops it. Raises ``NotFoundError`` for a document that is not there.
        """
        settings = _settings(meta_fields, parser_config, chunk_method)
        with reporting(progress) as report:
            return await self._client._run(
                ingest.replace(
                    self.id,
                    lambda: replacements(documents),
                    settings=settings,
                    progress=report,
                    timeout=timeout,
                    interval=interval,
                )
            )

    def _bound(self, found: Sequence[DocumentFields]) -> list[AsyncDocument]:
        return AsyncDocument._all_of(self._client, found)


def _settings(
    meta_fields: Mapping[str, Any] | None,
    parser_config: Mapping[str, Any] | None,
    chunk_method: str | None,
) -> dict[str, Any]:
    given = {"meta_fields": meta_fields, "parser_config": parser_config, "chunk_method": chunk_method}
    return {name: value for name, value in given.items() if value is not None}
