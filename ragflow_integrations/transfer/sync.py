"""A folder and a dataset in step: what is new is brought in, what changed is replaced, what is gone is removed.

What was brought in is known by a mark among the document's own metadata, ``sync``: which folder, which file, and
a digest of its content. So nothing is kept on this machine, any machine can go on, and documents without the
folder's mark are never touched.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Self

from ..errors import ConflictError, InvalidRequestError, UnsupportedError
from ..models import UploadProgress
from ..progress import Progress, reporting
from ..sources import Source, check_name, gathered, inside
from .parsing import parse_all, reason
from .report import SyncReport

if TYPE_CHECKING:
    from .. import DataSet, Document

__all__ = ["MARK", "sync_files", "sync_folder"]

MARK = "sync"
"""The metadata key that says which file of which folder a document is."""

_LABEL = re.compile(r"[^/#\x00-\x1f]{1,100}")


def sync_folder(
    dataset: DataSet,
    folder: str | Path,
    *,
    label: str | None = None,
    meta_fields: Mapping[str, Any] | None = None,
    exclude: Sequence[str] = (),
    remove: bool = True,
    progress: Progress | bool | None = None,
    timeout: float | None = None,
) -> SyncReport:
    """Bring a dataset in step with a folder and those in it; hidden files and folders are left out.

    New files are uploaded and parsed. The old version of a changed file is removed when the new one has been
    parsed, not before. Files that are gone are removed, unless ``remove=False``. A file that cannot be read,
    or that the server does not take or cannot parse, is no error but ``failed`` in the report, and tried
    again next time. Broken off at any moment and run again, it goes on where it stopped.

    ``label`` says which folder it is, by default its name and a digest of its path: give one if the same folder
    lies elsewhere on another machine. ``meta_fields`` is set on all documents beside the mark, ``exclude`` leaves
    out files by patterns such as ``*.log`` or ``drafts/*``, ``timeout`` (seconds) is for parsing. ``progress`` is
    as in ``DataSet.upload``. Raises ``InvalidRequestError`` if there is no such folder or no file in it: an
    empty folder would remove everything.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise InvalidRequestError(f"folder={str(folder)!r}: there is no such folder")
    sources = inside(root, partial(_is_excluded, patterns=exclude))
    if not sources:
        left_out = f", or exclude={list(exclude)!r} leaves out every file" if exclude else ""
        raise InvalidRequestError(f"folder={str(folder)!r}: there is no file in it{left_out}")
    run = _Sync(dataset, _checked(label or _label_of(root)), _checked_meta(meta_fields))
    return run.bring(sources, remove=remove, progress=progress, timeout=timeout)


def sync_files(
    dataset: DataSet,
    files: Sequence[str | Path],
    *,
    label: str = "files",
    meta_fields: Mapping[str, Any] | None = None,
    progress: Progress | bool | None = None,
    timeout: float | None = None,
) -> SyncReport:
    """Bring in single files by their names: new ones added, changed ones replaced, nothing removed.

    Otherwise as ``sync_folder``. Raises ``InvalidRequestError`` if one is no file, or two have the same name.
    """
    for file in files:
        if not Path(file).expanduser().is_file():
            raise InvalidRequestError(f"files: {str(file)!r} is no file")
    run = _Sync(dataset, _checked(label), _checked_meta(meta_fields))
    return run.bring(gathered(list(files)), remove=False, progress=progress, timeout=timeout)


@dataclass(frozen=True, slots=True)
class _Mark:
    """Which file a document is: the folder's label, the path in it, and a digest of the content."""

    label: str
    path: str
    digest: str

    def __str__(self) -> str:
        return f"{self.label}/{self.path}#{self.digest}"

    @classmethod
    def of(cls, document: Document) -> Self | None:
        """The mark that a document has."""
        text = (document.meta_fields or {}).get(MARK)
        label, slash, rest = text.partition("/") if isinstance(text, str) else ("", "", "")
        path, number_sign, digest = rest.rpartition("#")
        return cls(label, path, digest) if slash and number_sign else None


@dataclass(slots=True)
class _File:
    """A file that is to be in the dataset: its document, the earlier versions, and the list that it will be in."""

    name: str
    document: Document
    earlier: list[Document]
    done: list[str]


class _Sync:
    """One run: what is there, and what it does about it."""

    def __init__(self, dataset: DataSet, label: str, meta_fields: Mapping[str, Any]) -> None:
        self.dataset, self.label, self.meta_fields = dataset, label, meta_fields
        self.ours: dict[str, list[tuple[_Mark, Document]]] = defaultdict(list)
        self.unmarked: list[Document] = []
        self.names: set[str] = set()
        self.report = SyncReport()
        for document in dataset.iter_documents(orderby="create_time", desc=False):
            mark = _Mark.of(document)
            self.names.add(document.name)
            if mark is None:
                self.unmarked.append(document)
            elif mark.label == label:
                self.ours[mark.path].append((mark, document))

    def bring(
        self,
        sources: Sequence[Source],
        *,
        remove: bool,
        progress: Progress | bool | None,
        timeout: float | None,
    ) -> SyncReport:
        """Bring everything in, then parse, then remove what is superseded or gone."""
        files = []
        with reporting(progress) as report:
            for number, source in enumerate(sources, 1):
                files += self._brought(source)
                if report is not None:
                    report(UploadProgress(number, len(sources), source.name))
            parsed = parse_all(
                self.dataset, [one.document for one in files], progress=report, timeout=timeout
            )
        for file, document in zip(files, parsed, strict=True):
            self._settled(file, document)
        if remove:
            self._removed({source.name for source in sources})
        return self.report

    def _brought(self, source: Source) -> list[_File]:
        """The file's document, uploaded if it is not there; none if the server does not take it."""
        standing = self.ours[source.name]
        try:
            check_name(source.name)
            mark = _Mark(self.label, source.name, source.sha256()[:32])
            present = [document for known, document in standing if known == mark]
            current = self._described(min(present, key=_readiness)) if present else self._new(source, mark)
        except (InvalidRequestError, UnsupportedError) as error:
            told = error.message if isinstance(error, InvalidRequestError) else str(error)
            self.report.failed.append((source.name, told.removeprefix(f"{source.name}: ")))
            return []
        done = self.report.unchanged if present else self.report.changed if standing else self.report.added
        earlier = [document for _, document in standing if document.id != current.id]
        return [_File(source.name, current, earlier, done)]

    def _described(self, document: Document) -> Document:
        wanted = {**self.meta_fields, MARK: (document.meta_fields or {})[MARK]}
        if {**(document.meta_fields or {}), **wanted} != document.meta_fields:
            document.update({"meta_fields": {**(document.meta_fields or {}), **wanted}})
        return document

    def _new(self, source: Source, mark: _Mark) -> Document:
        """Upload it, or take the one that an interrupted run has uploaded and could not mark any more."""
        document = next((one for one in self.unmarked if _is_left_over(one, source)), None)
        if document is None:
            [document] = self.dataset.upload_documents(
                [{"display_name": source.name, "blob": source.content}]
            )
        return document.update({"meta_fields": {**self.meta_fields, MARK: str(mark)}})

    def _settled(self, file: _File, document: Document) -> None:
        """Earlier versions go when the new one can be found; it takes over their name."""
        if document.run != "DONE":
            self.report.failed.append((file.name, reason(document)))
            return
        file.done.append(file.name)
        self.dataset.delete_documents(ids=[one.id for one in file.earlier])
        self.names -= {one.name for one in file.earlier}
        if document.name != file.name and file.name not in self.names:
            try:
                document.update({"name": file.name})
            except ConflictError:  # taken since, or by a name that differs in case: the number stays
                return

    def _removed(self, names: set[str]) -> None:
        gone = {path: standing for path, standing in self.ours.items() if path not in names and standing}
        self.dataset.delete_documents(ids=[one.id for standing in gone.values() for _, one in standing])
        self.report.removed += gone


def _readiness(document: Document) -> int:
    """Of several documents of the same content the one that is parsed, or nearest to it."""
    return ["DONE", "RUNNING"].index(document.run) if document.run in ("DONE", "RUNNING") else 2


def _is_left_over(document: Document, source: Source) -> bool:
    """Whether it is this file, uploaded and never described: unparsed, without metadata, of the same content."""
    if document.run != "UNSTART" or document.meta_fields or document.size != source.size:
        return False
    if not _may_be_called(document.name, source.name):
        return False
    return not source.size or source.holds(document.download())


def _may_be_called(name: str, wanted: str) -> bool:
    """``a.txt`` or, where that was taken, ``a(1).txt``; servers that number a name may forget its folder."""
    path = PurePosixPath(wanted)
    numbered = rf"(.*/)?{re.escape(path.stem)} ?\(\d+\){re.escape(path.suffix)}"
    return name == wanted or re.fullmatch(numbered, name) is not None


def _is_excluded(name: str, patterns: Sequence[str]) -> bool:
    parts = PurePosixPath(name).parts
    return any(
        fnmatchcase(name, pattern) or any(fnmatchcase(part, pattern) for part in parts)
        for pattern in patterns
    )


def _label_of(folder: Path) -> str:
    place = folder.resolve()
    digest = hashlib.sha256(str(place).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    name = re.sub(r"[^\w. -]", "_", place.name)[:80]
    return f"{name}-{digest}"


def _checked(label: str) -> str:
    if not _LABEL.fullmatch(label):
        raise InvalidRequestError(
            f"label={label!r}: give a text of 1 to 100 characters in one line, without '/' and '#'"
        )
    return label


def _checked_meta(meta_fields: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if meta_fields and MARK in meta_fields:
        raise InvalidRequestError(
            f"meta_fields[{MARK!r}]: this key is the mark of synced files; choose another one"
        )
    return meta_fields or {}
