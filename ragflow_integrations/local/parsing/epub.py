"""E-books: the HTML pages of an epub in reading order."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

from .archive import Archive, local_name
from .base import File, ParseError
from .text import decode

__all__ = ["read_epub"]

_PAGES = ("application/xhtml+xml", "text/html", "text/xml")
_SUFFIXES = (".xhtml", ".html", ".htm")


def read_epub(file: File) -> list[str]:
    """The pages that the book's spine lists, in its order; all pages by name if it has none."""
    archive = Archive(file)
    names = _spine(archive) or sorted(
        name
        for name in archive.names()
        if name.lower().endswith(_SUFFIXES) and not name.startswith("META-INF/")
    )
    pages = []
    for number, name in enumerate(names, start=1):
        try:
            pages.append(decode(archive.read(name)))
        except KeyError:
            file.tell(number / len(names), f"{name} is missing in the book.")
        file.tell(number / len(names), "")
    if not pages:
        raise ParseError(f"The file {file.name!r} holds no pages of text.")
    return pages


def _spine(archive: Archive) -> list[str]:
    try:
        container = archive.xml("META-INF/container.xml")
        package = next(
            each.get("full-path", "") for each in container.iter() if local_name(each) == "rootfile"
        )
        root = archive.xml(package)
    except (KeyError, StopIteration):
        return []
    items = {
        each.get("id"): each.get("href", "")
        for each in root.iter()
        if local_name(each) == "item" and each.get("media-type") in _PAGES
    }
    order = [each.get("idref") for each in root.iter() if local_name(each) == "itemref"]
    folder = posixpath.dirname(package)
    return [
        posixpath.normpath(posixpath.join(folder, unquote(items[each]))) for each in order if each in items
    ]
