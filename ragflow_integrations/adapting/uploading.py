"""Writing by a tool: a text, or a file of one folder, becomes a document of one dataset."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .. import Document, InvalidRequestError
from .finding import dataset
from .flow import Flow, ask, work

__all__ = ["uploaded"]


def uploaded(
    dataset_id: str,
    *,
    name: str | None,
    content: str | None,
    path: str | None,
    root: Path | None,
    max_bytes: int,
    timeout: float | None,
) -> Flow[Document]:
    """Store what a model wrote, its text or the path of a file below ``root``, and wait until it can be found.

    Links are resolved first; what is then outside of ``root``, hidden, no plain file or larger than ``max_bytes``
    is refused, always in the same words. Nothing is overwritten: a name that is taken gets a number. Raises
    ``InvalidRequestError`` for what is refused.
    """
    blob, called = yield from _content(name, content, path, root, max_bytes)
    held = yield from dataset(dataset_id)
    (stored,) = yield from ask(lambda _: held.upload(blob, name=called, timeout=timeout))
    return stored


def _content(
    name: str | None, content: str | None, path: str | None, root: Path | None, max_bytes: int
) -> Flow[tuple[bytes, str]]:
    """The bytes to store and the document's name."""
    if content is not None and path is None:
        blob = content.encode("utf-8", "replace")
        if len(blob) > max_bytes:
            raise InvalidRequestError(f"content: it has more than {max_bytes} bytes")
        return blob, _plain_name(name)
    if content is not None or path is None:
        raise InvalidRequestError("content, path: give one of them")
    if root is None:
        raise InvalidRequestError("path: give the content instead; there is no shared folder")
    blob, called = yield from work(lambda: _read(root, path, max_bytes))
    return blob, called if name is None else _plain_name(name)


def _plain_name(name: str | None) -> str:
    """The name of one file, no path."""
    if not name or name.startswith(".") or any(char in "/\\" or char < " " for char in name):
        raise InvalidRequestError(f"name={name!r}: give a plain file name with its ending, e.g. notes.md")
    return name


def _read(root: Path, path: str, most: int) -> tuple[bytes, str]:
    """A file's bytes and name; whatever is wrong with the path, the answer tells nothing of what is outside."""
    refused = InvalidRequestError(
        f"path={path!r}: there is no such file in the shared folder that may be uploaded (of at most {most} bytes)"
    )
    try:
        folder = root.resolve(strict=True)
        file = (folder / path).resolve(strict=True)
        inside = file.is_relative_to(folder) and not _hidden(file.relative_to(folder))
        blob = _opened(file, most) if inside else None
    except (OSError, ValueError, RuntimeError):  # none, not readable, no path at all, links in a circle
        raise refused from None
    if blob is None:
        raise refused
    return blob, file.name


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _opened(file: Path, most: int) -> bytes | None:
    """Its bytes, if it is a plain file of that size; what is opened is what is looked at, and no link."""
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    with os.fdopen(os.open(file, flags), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            return None
        blob = opened.read(most + 1)
    return blob if len(blob) <= most else None
