"""Archives: a folder, or a ``.zip`` of it, with everything as NDJSON and each original file once.

::

    manifest.json       format, version, id, counts; written last, so that what has it is whole
    records.ndjson      one object a line (transfer/records.py)
    files/<sha256>      the original files, and the pictures of chunks

An archive is made beside its place, in ``<path>.part``, and moved there when it is whole. Names in it are never used
as paths: files are found by their digest, which is checked, and links are refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from ..errors import ConfigurationError, InvalidRequestError
from ..progress import reporting
from .ids import lock
from .origin import Carried, Server, Skip
from .records import RECORD, DocumentRecord, LeftRecord, Record
from .refusals import NOT_TO_BE_HAD
from .report import TransferProgress, TransferReport

if TYPE_CHECKING:
    from .. import RAGFlow

__all__ = ["Archive", "export"]

_FORMAT, _VERSION = "ragflow-integrations archive", 1
_MANIFEST, _RECORDS, _FILES, _STATE = "manifest.json", "records.ndjson", "files", "state.json"
_LONGEST_LINE = 2**28
_PIECE = 2**20
_IN_MEMORY = 2**23
_LARGEST_PICTURE = 2**24
_DIGEST = re.compile("[0-9a-f]{64}")


class _Manifest(BaseModel):
    format: str
    version: int
    id: str
    server_version: str = ""
    created: str = ""
    counts: dict[str, int] = {}


def export(
    client: RAGFlow,
    path: str | Path,
    *,
    dataset_ids: Sequence[str] | None = None,
    progress: Callable[[TransferProgress], object] | bool | None = None,
) -> TransferReport:
    """Write everything that the client's key may see to ``path``: a folder, or one file if it ends in ``.zip``.

    Datasets with settings, documents with metadata, parser settings, chunks, their pictures and the original files,
    items, chats, agents, searches, memories, and all conversations; with ``dataset_ids`` these datasets only. No
    vectors, and nothing secret: what was left out is in ``notes``. Broken off and run again it goes on where it
    stopped. It is no snapshot: what changes on the server meanwhile may or may not be in it.

    ``progress`` is told ``TransferProgress``; ``True`` shows a bar. Raises ``InvalidRequestError`` if there is
    something at ``path``, ``ConfigurationError`` if ``<path>.part`` is of another server or other datasets.
    """
    place = Path(path).expanduser()
    if os.path.lexists(place):
        raise InvalidRequestError(f"path={str(place)!r}: there is something already; give another path")
    origin = Server(client, dataset_ids)
    source = f"{client.fingerprint} {sorted(dataset_ids) if dataset_ids is not None else 'all'}"
    with reporting(progress) as report, _Unfinished(place, source, origin) as unfinished:
        for carried in origin.records(unfinished.has):
            unfinished.add(carried)
            if report is not None and isinstance(carried.record, DocumentRecord):
                count = unfinished.report.kept["document"] + unfinished.report.done["document"]
                report(TransferProgress("exporting", count, origin.total, carried.record.name))
        unfinished.finish(client.server_info().version)
        return unfinished.report


class _Unfinished:
    """An archive that is being written, perhaps begun by an earlier run."""

    def __init__(self, place: Path, source: str, origin: Server) -> None:
        self._place, self._folder = place, place.with_name(place.name + ".part")
        self._source, self._origin = hashlib.sha256(source.encode()).hexdigest(), origin
        self._seen: set[tuple[str, str]] = set()
        self.report = TransferReport()

    def __enter__(self) -> Self:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._id = self._claimed()
        (self._folder / _FILES).mkdir(exist_ok=True)
        self._records = (self._folder / _RECORDS).open("ab")
        try:
            lock(self._records, self._folder)
            self._resume()
        except BaseException:
            self._records.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._records.close()

    def has(self, kind: str, id: str) -> bool:
        """Whether the object is in it."""
        return (kind, id) in self._seen

    def add(self, carried: Carried) -> None:
        """Store the original file and the pictures, then the record that names them."""
        record = carried.record
        if self.has(record.kind, record.id):
            return
        if isinstance(record, DocumentRecord):
            if isinstance(carried.content, bytes):
                self._keep(carried.content)
            self._keep_pictures(record)
        self._records.write(record.model_dump_json().encode() + b"\n")
        self._records.flush()
        self._note(record, self.report.done)
        self.report.notes += [
            f"{record.kind} {record.title!r}: {each} is secret and left out" for each in record.withheld
        ]

    def _keep(self, content: bytes) -> str:
        """The digest that a content is kept by."""
        digest = hashlib.sha256(content).hexdigest()
        place = self._folder / _FILES / digest
        if not place.exists():  # several documents may have the same file
            _write(place, content)
        return digest

    def _keep_pictures(self, record: DocumentRecord) -> None:
        """The pictures of its chunks, which then have their digests; those that cannot be had are told."""
        lost = []
        for chunk in record.chunks:
            name, chunk.picture = chunk.picture, ""
            try:
                chunk.picture = self._keep(self._picture(name)) if name else ""
            except NOT_TO_BE_HAD as error:
                lost.append(str(error))
        if lost:
            self.report.leave("picture", record.name, len(lost), lost[0])

    def _picture(self, name: str) -> bytes:
        content = self._origin.picture(name)
        if len(content) > _LARGEST_PICTURE:
            raise InvalidRequestError(f"it has {len(content)} bytes, at most {_LARGEST_PICTURE} are kept")
        return content

    def finish(self, server_version: str) -> None:
        """Make it whole, and move it to its place."""
        counts = self.report.done + self.report.kept
        manifest = _Manifest(
            format=_FORMAT,
            version=_VERSION,
            id=self._id,
            server_version=server_version,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            counts=dict(counts),
        )
        self._records.flush()
        os.fsync(self._records.fileno())
        self._records.close()
        _write(self._folder / _MANIFEST, manifest.model_dump_json(indent=2).encode())
        for torn in self._folder.rglob("*.tmp"):
            torn.unlink()
        if self._place.suffix.lower() == ".zip":
            _zipped(self._folder).replace(self._place)
            (self._folder / _STATE).unlink()  # nobody goes on with the rest
            shutil.rmtree(self._folder)
        else:
            self._folder.rename(self._place)
            (self._place / _STATE).unlink()

    def _claimed(self) -> str:
        """The archive's id; ``ConfigurationError`` if what lies there is something else, or begun for it."""
        state = self._folder / _STATE
        if {each.name for each in self._folder.iterdir()} <= {f"{_STATE}.tmp"}:
            _write(state, json.dumps({"source": self._source, "id": uuid4().hex}).encode())
        try:
            begun = json.loads(state.read_bytes())
            source, id = begun["source"], str(begun["id"])
        except (OSError, ValueError, TypeError, KeyError):
            raise self._is_none() from None
        if source != self._source:
            raise ConfigurationError(
                f"{self._folder}: this unfinished export is of another server or other datasets; delete it, or "
                "give another path"
            )
        return id

    def _is_none(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self._folder}: this is no unfinished export that can be gone on with; move it away, or give another path"
        )

    def _resume(self) -> None:
        """Note what is there; a line that was torn is taken off."""
        with (self._folder / _RECORDS).open("rb") as lines:
            whole = 0
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                try:
                    self._note(RECORD.validate_json(line), self.report.kept)
                except ValidationError:
                    raise self._is_none() from None
        self._records.truncate(whole)

    def _note(self, record: Record, counted: Counter[str]) -> None:
        self._seen.add((record.kind, record.id))
        if isinstance(record, LeftRecord):
            self.report.leave(record.what, record.name, record.count, record.reason)
        else:
            counted[record.kind] += 1


class Archive:
    """An archive to read; nothing in it is trusted."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path).expanduser()
        self._open = ExitStack()
        self._zip: zipfile.ZipFile | None = None

    def __enter__(self) -> Self:
        if not self._path.exists():
            raise InvalidRequestError(f"path={str(self._path)!r}: there is no such file or folder")
        if not self._path.is_dir():
            with _readable(self._path):
                self._zip = self._open.enter_context(zipfile.ZipFile(self._path))
        with _readable(self._path):
            self._manifest = self._read_manifest()
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    @property
    def id(self) -> str:
        """What tells it from every other archive, wherever it lies."""
        return self._manifest.id

    @property
    def total(self) -> int:
        """How many documents there are."""
        return self._manifest.counts.get("document", 0)

    def records(self, skip: Skip) -> Iterator[Carried]:
        """The records in their order, a document with its original file, whose content is checked."""
        with _readable(self._path), self._member(_RECORDS) as lines:
            for number in range(1, 2**62):
                line = lines.readline(_LONGEST_LINE + 1)
                if not line:
                    return
                record = self._record(line, number)
                if not isinstance(record, DocumentRecord):
                    yield Carried(record)
                elif not skip("document", record.id):
                    with self._content(record) as content:
                        yield Carried(record, content)

    def picture(self, name: str) -> bytes:
        """A chunk's picture by its digest, which is checked."""
        if not _DIGEST.fullmatch(name):
            raise InvalidRequestError(f"{self._path}: a picture is called {name[:64]!r}, which is no digest")
        with _readable(self._path), self._member(f"{_FILES}/{name}") as file:
            content = file.read(_LARGEST_PICTURE + 1)
        if hashlib.sha256(content).hexdigest() != name:
            raise InvalidRequestError(f"{self._path}: the picture {name} is not the one that was exported")
        return content

    def _record(self, line: bytes, number: int) -> Any:
        if len(line) > _LONGEST_LINE:
            raise InvalidRequestError(
                f"{self._path}: {_RECORDS}, line {number} is longer than {_LONGEST_LINE} bytes"
            )
        try:
            return RECORD.validate_json(line)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, wrong["loc"]))
            raise InvalidRequestError(
                f"{self._path}: {_RECORDS}, line {number}: {where} {wrong['msg']}"
            ) from None

    @contextmanager
    def _content(self, record: DocumentRecord) -> Iterator[IO[bytes] | None]:
        """A copy that nobody else can change, with the digest that its name promises."""
        if record.sha256 is None:
            yield None
            return
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
            digest, left = hashlib.sha256(), record.size
            with self._member(f"{_FILES}/{record.sha256}") as file:
                while piece := file.read(min(_PIECE, left + 1)):
                    left -= len(piece)
                    digest.update(piece)
                    copy.write(piece)
                    if left < 0:
                        break
            if left or digest.hexdigest() != record.sha256:
                raise InvalidRequestError(
                    f"{self._path}: the file of {record.name!r} is not the one that was exported"
                )
            copy.seek(0)
            yield copy

    def _read_manifest(self) -> _Manifest:
        with self._member(_MANIFEST) as file:
            manifest = _Manifest.model_validate_json(file.read(_PIECE))
        if manifest.format != _FORMAT or manifest.version > _VERSION:
            raise InvalidRequestError(
                f"{self._path}: {manifest.format!r} version {manifest.version}, and this reads "
                f"{_FORMAT!r} up to version {_VERSION}"
            )
        return manifest

    @contextmanager
    def _member(self, name: str) -> Iterator[IO[bytes]]:
        """One of its files, whose name is ours and not the archive's; a link is refused."""
        if self._zip is None:
            place = self._path / name
            if (
                any(each.is_symlink() for each in (place, place.parent) if each != self._path)
                or not place.is_file()
            ):
                raise InvalidRequestError(
                    f"{self._path}: there is no file {name} in it; is it a whole export?"
                )
            with place.open("rb") as file:
                yield file
            return
        try:
            info = self._zip.getinfo(name)
        except KeyError:
            raise InvalidRequestError(
                f"{self._path}: there is no file {name} in it; is it an export?"
            ) from None
        if stat.S_ISLNK(info.external_attr >> 16):
            raise InvalidRequestError(f"{self._path}: {name} is a link in it")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InvalidRequestError(f"{self._path}: {name} is packed in a way that export never does")
        with self._zip.open(info) as member:
            yield member


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What is wrong with an archive is said of it, in one line."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        UnicodeDecodeError,
        zlib.error,
    ) as error:  # encrypted, odd compression or names
        raise InvalidRequestError(f"{path}: this archive cannot be read: {error}") from error
    except ValidationError:
        raise InvalidRequestError(f"{path}: {_MANIFEST} is not that of an export") from None
    except OSError as error:
        raise InvalidRequestError(f"{path}: this cannot be read: {error}") from error


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing."""
    unfinished = path.with_name(path.name + ".tmp")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _zipped(folder: Path) -> Path:
    """The folder as one file beside it, readable by its owner only."""
    target = folder.with_name(folder.name + ".zip")
    with (
        os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed,
    ):
        for member in (folder / _MANIFEST, folder / _RECORDS, *sorted((folder / _FILES).iterdir())):
            packed.write(member, member.relative_to(folder).as_posix())
    return target
