"""Archives of XML (docx, pptx, xlsx, epub), read with limits: a small file must not become a huge one in memory."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers import expat

from .base import File, ParseError
from .kinds import kind_of

__all__ = ["Archive", "check_xml", "descendants", "local_name"]

_LARGEST = 256 << 20  # bytes that all parts that are read may have together
_RATIO = 200  # how many times its packed size a part larger than _HARMLESS may have
_HARMLESS = 1 << 20
_MANY = 20_000  # entries


class Archive:
    """The parts of a zip file by their names; ``ParseError`` says what is wrong with it."""

    def __init__(self, file: File) -> None:
        self.file = file
        self._left = _LARGEST
        try:
            self._zip = zipfile.ZipFile(BytesIO(file.data))
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise ParseError(self._broken(error)) from None
        if len(self._zip.namelist()) > _MANY:
            raise self._too_large()

    def names(self) -> list[str]:
        """All names in the archive."""
        return self._zip.namelist()

    def read(self, name: str) -> bytes:
        """The bytes of a part; ``KeyError`` if there is none of this name."""
        info = self._zip.getinfo(name)
        if info.flag_bits & 1:
            raise ParseError(f"The file {self.file.name!r} is protected by a password. Save it without one.")
        if info.file_size > self._left or self._is_bomb(info):
            raise self._too_large()
        try:
            with self._zip.open(info) as part:
                data = part.read(info.file_size + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise ParseError(self._broken(error)) from None
        self._left -= len(data)
        return data

    def xml(self, name: str) -> Element:
        """A part as XML; ``KeyError`` if there is none of this name."""
        data = self.read(name)
        try:
            check_xml(data)
            return ElementTree.fromstring(data)
        except ElementTree.ParseError as error:
            raise ParseError(
                f"The file {self.file.name!r} is damaged: {name} is not XML ({error})."
            ) from None

    def related(self, name: str) -> dict[str, tuple[str, str]]:
        """What an Office part refers to: ``{id: (kind, name of the other part)}``; links to elsewhere are left out."""
        folder, base = posixpath.split(name)
        try:
            relations = self.xml(f"{folder}/_rels/{base}.rels" if folder else f"_rels/{base}.rels")
        except KeyError:
            return {}
        return {
            each.get("Id", ""): (_kind(each), _joined(folder, each.get("Target", "")))
            for each in relations
            if each.get("TargetMode") != "External"
        }

    def main_part(self) -> str:
        """The name of an Office file's main part."""
        for kind, name in self.related("").values():
            if kind == "officeDocument":
                return name
        suffix = self.file.suffix
        raise ParseError(
            f"The file {self.file.name!r} is no {suffix} file: it is an archive of something else."
        )

    def _is_bomb(self, info: zipfile.ZipInfo) -> bool:
        return info.file_size > _HARMLESS and info.file_size > _RATIO * max(info.compress_size, 1)

    def _broken(self, error: Exception) -> str:
        kind = kind_of(self.file.data)
        if kind is not None and kind != "zip":
            return f"The file {self.file.name!r} is no {self.file.suffix} file: its content is {kind}."
        return f"The file {self.file.name!r} is damaged: it cannot be unpacked ({error})."

    def _too_large(self) -> ParseError:
        return ParseError(
            f"The file {self.file.name!r} is too large once unpacked: at most {_LARGEST >> 20} MB are read."
        )


def check_xml(data: bytes) -> None:
    """Refuses a document type, which could define endless entities or name other files; ``ElementTree.ParseError``."""

    def reached(*_: object) -> None:
        raise _RootReached

    def refused(*_: object) -> None:
        raise ElementTree.ParseError("it has a document type, which is not read")

    parser = expat.ParserCreate()
    parser.StartElementHandler = reached
    parser.StartDoctypeDeclHandler = refused
    try:
        parser.Parse(data, True)
    except _RootReached:
        return
    except expat.ExpatError as error:
        raise ElementTree.ParseError(str(error)) from None


def local_name(element: Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def descendants(element: Element, skipped: frozenset[str]) -> Iterator[Element]:
    """All elements in ``element`` in order, without those named in ``skipped`` and what is in them."""
    for child in element:
        if local_name(child) not in skipped:
            yield child
            yield from descendants(child, skipped)


class _RootReached(Exception):
    pass


def _kind(relation: Element) -> str:
    return relation.get("Type", "").rpartition("/")[2]


def _joined(folder: str, target: str) -> str:
    return posixpath.normpath(target[1:] if target.startswith("/") else posixpath.join(folder, target))
