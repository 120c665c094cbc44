"""Having documents parsed, whatever an earlier run has begun."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import RequestTimeoutError
from ..models import ParseProgress

if TYPE_CHECKING:
    from .. import DataSet, Document

__all__ = ["parse_all", "reason"]

_SECONDS_BETWEEN_LOOKS = 1.0


def parse_all(
    dataset: DataSet,
    documents: Sequence[Document],
    *,
    progress: Callable[[ParseProgress], object] | None = None,
    timeout: float | None = None,
) -> list[Document]:
    """Parse what is not parsed yet and wait; the documents as they then are, some perhaps ``FAIL``.

    What is being parsed already, which servers refuse to start, is waited for. ``RequestTimeoutError`` after
    ``timeout`` seconds, while parsing goes on.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    idle = [each.id for each in documents if each.run not in ("RUNNING", "DONE")]
    if idle:
        dataset.parse_documents(idle, progress=progress, timeout=timeout)
    return [each if each.run == "DONE" else _ended(dataset, each.id, deadline) for each in documents]


def reason(document: Document) -> str:
    """Why a document could not be parsed."""
    told = (document.progress_msg or "").rpartition("[ERROR]")[2].strip()
    return told or f"parsing ended with {document.run}"


def _ended(dataset: DataSet, document_id: str, deadline: float | None) -> Document:
    while True:
        document = dataset.list_documents(id=document_id)[0]
        if document.run != "RUNNING":
            return document
        if deadline is not None and time.monotonic() > deadline:
            raise RequestTimeoutError(f"{document.name!r} is still being parsed; parsing goes on")
        time.sleep(_SECONDS_BETWEEN_LOOKS)
