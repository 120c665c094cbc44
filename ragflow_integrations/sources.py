"""What can be uploaded: files, folders, bytes and file objects, found and compared on this machine."""

from __future__ import annotations

import hashlib
import io
import os
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from .errors import InvalidRequestError

__all__ = ["Content", "Source", "Uploadable", "check_name", "gathered", "inside", "replacements"]

Content = bytes | Path | IO[bytes]
Uploadable = str | Path | bytes | IO[bytes]
"""A file or a folder by its path, a file's content as bytes, or a binary file object that can seek."""

_BYTES = (bytes, bytearray, memoryview)
_PIECE = 2**20
_LONGEST_NAME = 255  # bytes, as servers have it
_LONGEST_SHOWN = 300  # characters, of what may be a text in a path's place


@dataclass(frozen=True, slots=True)
class Source:
    """One file to upload: its name on the server (empty: not said), its content and its size in bytes."""

    name: str
    content: Content = field(repr=False)
    size: int

    def holds(self, other: bytes) -> bool:
        """Whether the content is exactly this."""
        if self.size != len(other):
            return False
        if isinstance(self.content, bytes):
            return self.content == other
        with _readable(), _opened(self.content) as file:
            return all(piece == other[at : at + len(piece)] for at, piece in _pieces(file))

    def sha256(self) -> str:
        """The content's SHA-256 in hex."""
        digest = hashlib.sha256()
        self._feed(digest.update)
        return digest.hexdigest()

    def xxh128(self) -> str | None:
        """The content's XXH128 in hex, as servers know it; ``None`` where the library ``xxhash`` is missing."""
        try:
            from xxhash import xxh128
        except ImportError:
            return None
        digest = xxh128()
        self._feed(digest.update)
        return digest.hexdigest()

    def _feed(self, update: Callable[[bytes], object]) -> None:
        if isinstance(self.content, bytes):
            update(self.content)
            return
        with _readable(), _opened(self.content) as file:
            for _, piece in _pieces(file):
                update(piece)


def gathered(source: Uploadable | Sequence[Uploadable], name: str | None = None) -> list[Source]:
    """The files of one or several sources, a folder's with those of its folders, in the order of their names.

    A file of a folder is called by its path from there, with ``/``; hidden files and folders are left out, as
    is what is no file (a broken link, a socket). ``name`` names one file; bytes and nameless file objects need
    it. Raises ``InvalidRequestError`` for what is no file or cannot be read, and for two files of one name.
    """
    if name is not None:
        _check_given(name)
    several = not isinstance(source, (str, Path, *_BYTES)) and isinstance(source, Sequence)
    given: Sequence[Uploadable] = source if several else [source]  # type: ignore[assignment,list-item]
    with _readable():
        found = [one for each in given for one in _files(each, name)]
    if name is not None and len(found) != 1:
        raise InvalidRequestError(f"name={name!r}: it names one file, and there are {len(found)}")
    if not found:
        raise InvalidRequestError(f"source={source!r}: there is no file in it")
    if any(not one.name for one in found):
        raise InvalidRequestError(f"name={name!r}: bytes have no name of their own; give name='report.txt'")
    _check_names([one.name for one in found])
    return found


def inside(folder: Path, is_left_out: Callable[[str], bool]) -> list[Source]:
    """A folder's files as ``gathered`` has them, but for those that ``is_left_out`` says by their names or folders.

    Names that servers do not take are among them. Raises ``InvalidRequestError`` for a folder that cannot be read.
    """
    with _readable():
        return list(_of_folder(folder, is_left_out))


def check_name(name: str) -> None:
    """Raises ``InvalidRequestError`` for a name that servers do not take."""
    if len(name.encode("utf-8", "replace")) > _LONGEST_NAME:
        raise InvalidRequestError(f"name={name!r}: servers take {_LONGEST_NAME} bytes at most")
    if any(ord(char) < ord(" ") or "\ud800" <= char <= "\udfff" for char in name):
        raise InvalidRequestError(f"name={name!r}: a name is text in one line; upload it under another one")


def replacements(documents: Mapping[str, Uploadable]) -> dict[str, Source]:
    """The new version of each document; what has no name takes over the old one's."""
    map_like: Any = documents
    if not isinstance(map_like, Mapping) or not map_like:
        given = reprlib.repr(documents)  # cut, since it may be a whole file
        raise InvalidRequestError(f"documents={given}: give {{document id: path, bytes or file object}}")
    with _readable():
        return {id: _only(id, source) for id, source in documents.items()}


def _only(id: str, source: Uploadable) -> Source:
    found = list(_files(source, None, f"documents[{id!r}]"))
    if len(found) != 1 or (isinstance(source, (str, Path)) and Path(source).expanduser().is_dir()):
        raise InvalidRequestError(f"documents[{id!r}]={source!r}: give one file; this is a folder")
    _check_names([found[0].name])
    return found[0]


def _files(source: Any, name: str | None, argument: str = "source") -> Iterator[Source]:
    if isinstance(source, _BYTES):
        content = bytes(source)
        yield Source(name or "", content, len(content))
    elif isinstance(source, (str, Path)):
        yield from _of_path(Path(os.path.expanduser(source)), name, argument)  # noqa: PTH111 - no error for a stranger's
    elif hasattr(source, "read") and hasattr(source, "seek"):
        yield _of_file(source, name, argument)
    else:
        raise InvalidRequestError(
            f"{argument} of type {type(source).__name__}: give a path, bytes, a binary file object, or a list of them"
        )


def _of_path(path: Path, name: str | None, argument: str) -> Iterator[Source]:
    if path.is_file():
        yield Source(name or path.name, path, path.stat().st_size)
    elif path.is_dir():
        for file in _of_folder(path):
            yield replace(file, name=name) if name else file
    else:
        raise InvalidRequestError(
            f"{argument}={str(path)[:_LONGEST_SHOWN]!r}: there is no such file or folder"
        )


def _of_folder(folder: Path, is_left_out: Callable[[str], bool] = lambda name: False) -> Iterator[Source]:
    """Its files and those of its folders; raises ``OSError`` for a folder that cannot be read."""

    def is_taken(path: Path) -> bool:
        return not path.name.startswith(".") and not is_left_out(path.relative_to(folder).as_posix())

    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=_raised):
        folders[:] = [name for name in folders if is_taken(Path(place, name))]
        found += filter(is_taken, (Path(place, name) for name in names))
    for file in sorted(found):
        if file.is_file():
            yield Source(file.relative_to(folder).as_posix(), file, file.stat().st_size)


def _raised(error: OSError) -> None:
    raise error


def _of_file(file: IO[bytes], name: str | None, argument: str) -> Source:
    if isinstance(file, io.TextIOBase):
        raise InvalidRequestError(f"{argument}: open the file in binary mode ('rb')")
    try:
        start = file.tell()
        size = file.seek(0, io.SEEK_END) - start
        file.seek(start)
    except ValueError as error:  # it is closed, or is a pipe
        raise InvalidRequestError(
            f"{argument}: give an open file that can seek; with this one: {error}"
        ) from None
    own = getattr(file, "name", None)  # a number for a file object of a descriptor
    return Source(name or (Path(own).name if isinstance(own, str) else ""), file, size)


def _check_given(name: Any) -> None:
    if not isinstance(name, str) or not name.strip():
        raise InvalidRequestError(f"name={name!r}: give a text that is not empty")


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        check_name(name)
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InvalidRequestError(f"source: several files are called {', '.join(map(repr, twice))}")


@contextmanager
def _readable() -> Iterator[None]:
    """What the system says of a file that cannot be read is said of the argument."""
    try:
        yield
    except OSError as error:
        raise InvalidRequestError(f"source: this cannot be read: {str(error)[:_LONGEST_SHOWN]}") from error


@contextmanager
def _opened(content: Path | IO[bytes]) -> Iterator[IO[bytes]]:
    """A file to read from; a file object is put back where it stood."""
    if isinstance(content, Path):
        with content.open("rb") as file:
            yield file
        return
    start = content.tell()
    try:
        yield content
    finally:
        content.seek(start)


def _pieces(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    at = 0
    while piece := file.read(_PIECE):
        yield at, piece
        at += len(piece)
