"""The parsing of documents: ``/api/v1/datasets/{id}/chunks``, and waiting for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ..errors import APIError, ConflictError, InvalidRequestError, NotFoundError, RequestTimeoutError
from ..models import DocumentFields, ParseProgress
from . import documents
from .bulk import PAGE, in_batches
from .checks import check_ids
from .cleanup import clean_up
from .paging import Pages
from .reading import nothing
from .versions import request
from .wire import Call, Flow, Sleep, ask

__all__ = ["Parsed", "cancel", "check_waiting", "look", "parse", "parse_and_wait", "reason", "stop"]

Parsed = tuple[str, str, int, int]
"""One parsed document: ``(document id, run, chunk count, token count)``."""

_FIRST_PAUSE = 0.1
_GROWTH = 1.5


def parse(dataset_id: str, document_ids: Sequence[str]) -> Flow[object]:
    """``POST /datasets/{id}/chunks``: queue these; an unknown id is an error, the others of it are started."""
    ids = check_ids("document_ids", document_ids)
    return in_batches(ids, lambda batch: _call("DataSet.async_parse_documents", dataset_id, batch))


def cancel(dataset_id: str, document_ids: Sequence[str]) -> Flow[object]:
    """``DELETE /datasets/{id}/chunks``: stop these; their chunks are removed."""
    ids = check_ids("document_ids", document_ids)
    return in_batches(ids, lambda batch: _call("DataSet.async_cancel_parse_documents", dataset_id, batch))


def check_waiting(timeout: Any, interval: Any) -> None:
    """How long to wait, and how often to look: seconds."""
    if not (_is_number(interval) and interval > 0):
        raise InvalidRequestError(f"interval={interval!r}: give seconds above 0")
    if timeout is not None and not (_is_number(timeout) and timeout >= 0):
        raise InvalidRequestError(f"timeout={timeout!r}: give seconds from 0, or None for no end")


def parse_and_wait(
    dataset_id: str,
    document_ids: Sequence[str],
    *,
    running: Collection[str] = (),
    progress: Callable[[ParseProgress], object] | None = None,
    timeout: float | None = None,
    interval: float = 1.0,
) -> Flow[list[Parsed]]:
    """Parse, then look until all have ended: soon at first, at last every ``interval`` seconds.

    Those of them that are ``running`` already, which a server refuses to start, are waited for. How each
    ended is its ``run``: ``DONE``, ``FAIL`` or ``CANCEL``; that one failed is no error here. Being
    interrupted (Ctrl+C, a cancelled task) stops what is not done yet. Raises ``RequestTimeoutError`` after
    ``timeout`` seconds (parsing goes on) and ``NotFoundError`` if a document vanishes.
    """
    check_waiting(timeout, interval)
    wanted = check_ids("document_ids", document_ids)
    starting = [one for one in wanted if one not in running]
    return _parsed(dataset_id, wanted, starting, progress, timeout, interval)


def look(dataset_id: str, document_ids: Sequence[str]) -> Flow[list[DocumentFields]]:
    """These documents in the order asked for, a hundred a call; right also where a server ignores ``ids``.

    Raises ``NotFoundError`` if the dataset does not have all of them.
    """
    found = yield from _seen(dataset_id, document_ids)
    missing = [one for one in document_ids if one not in found]
    if missing:
        raise NotFoundError(f"documents are gone from the dataset: {', '.join(missing)}")
    return [found[one] for one in document_ids]


def _seen(dataset_id: str, document_ids: Sequence[str]) -> Flow[dict[str, DocumentFields]]:
    """Those of them that there are."""
    found: dict[str, DocumentFields] = {}
    for start in range(0, len(document_ids), PAGE):
        batch = list(document_ids[start : start + PAGE])
        pages = Pages()
        while pages.next is not None and not all(one in found for one in batch):
            rows = yield from ask(documents.listed(dataset_id, page=pages.next, page_size=PAGE, ids=batch))
            found.update((row.id, row) for row in pages.new(rows))
    return found


def reason(document: DocumentFields) -> str:
    """Why it could not be parsed: what the log says after its last ``[ERROR]``."""
    log = (document.progress_msg or "").strip()
    return log.rpartition("[ERROR]")[2].strip() or log or "the server gave no reason"


def _parsed(
    dataset_id: str,
    wanted: Sequence[str],
    starting: Sequence[str],
    progress: Callable[[ParseProgress], object] | None,
    timeout: float | None,
    interval: float,
) -> Flow[list[Parsed]]:
    known: dict[str, DocumentFields] = {}
    try:
        if starting:
            yield from parse(dataset_id, starting)
        yield from _waited(dataset_id, wanted, known, progress, timeout, interval)
    except GeneratorExit:
        raise
    except BaseException as error:
        if not isinstance(error, Exception):  # Ctrl+C, or the task was cancelled
            yield from clean_up(error, stop(dataset_id, _pending(wanted, known)), "parsing goes on")
        raise
    ended = [known[one] for one in wanted]
    return [(document.id, document.run, document.chunk_count, document.token_count) for document in ended]


def _waited(
    dataset_id: str,
    wanted: Sequence[str],
    known: dict[str, DocumentFields],
    progress: Callable[[ParseProgress], object] | None,
    timeout: float | None,
    interval: float,
) -> Flow[None]:
    elapsed, pause = 0.0, min(_FIRST_PAUSE, interval)
    while True:
        yield from _look_again(dataset_id, wanted, known)
        state = ParseProgress([known[one] for one in wanted])
        if progress is not None:
            progress(state)
        if state.finished == state.total:
            return
        if timeout is not None and elapsed >= timeout:
            raise _late(state, timeout)
        elapsed = yield Sleep(pause if timeout is None else min(pause, timeout - elapsed))
        pause = min(pause * _GROWTH, interval)


def _look_again(dataset_id: str, wanted: Sequence[str], known: dict[str, DocumentFields]) -> Flow[None]:
    """Once at each document that has not ended yet."""
    rows = yield from look(dataset_id, _pending(wanted, known))
    known.update((row.id, row) for row in rows)


def _pending(wanted: Sequence[str], known: Mapping[str, DocumentFields]) -> list[str]:
    return [one for one in wanted if one not in known or not known[one].finished]


def stop(dataset_id: str, ids: Sequence[str]) -> Flow[None]:
    """Have none of these running, whether they are stopped or have ended; ``ConflictError`` if something goes on.

    Asked twice, since a server may still be starting them; v0.24 does not stop what waits for its turn.
    """
    for _ in range(2):
        refused = yield from _not_stopped(dataset_id, ids)
        found = yield from _seen(dataset_id, refused)
        ids = [one for one in refused if one in found and found[one].run == "RUNNING"]
    if ids:
        raise ConflictError(f"the server does not stop {', '.join(ids)}")


def _not_stopped(dataset_id: str, ids: Sequence[str]) -> Flow[list[str]]:
    """A server stops at the first of a call that has ended meanwhile: then each is stopped by itself."""
    refused: list[str] = []
    for start in range(0, len(ids), PAGE):
        batch = ids[start : start + PAGE]
        if not (yield from _stopped(dataset_id, batch)):
            for one in batch:
                refused += [] if (yield from _stopped(dataset_id, [one])) else [one]
    return refused


def _stopped(dataset_id: str, ids: Sequence[str]) -> Flow[bool]:
    try:
        yield from ask(_call("DataSet.async_cancel_parse_documents", dataset_id, ids))
    except APIError:
        return False
    return True


def _late(state: ParseProgress, timeout: float) -> RequestTimeoutError:
    return RequestTimeoutError(
        f"{state.total - state.finished} of {state.total} documents were not parsed within {timeout} s; "
        "parsing goes on: list_documents() shows how far it is"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value < math.inf


def _call(operation: str, dataset_id: str, ids: Sequence[str]) -> Call[None]:
    return Call(request(operation, dataset_id=dataset_id, body={"document_ids": list(ids)}), nothing)
