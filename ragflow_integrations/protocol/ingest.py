"""Bringing files in as a whole: upload, describe, parse; and replacing documents by new versions.

A document is described (metadata, parser settings) before it is parsed, and only what is parsed can be
found: an upload that breaks off never leaves an untagged document searchable. Done again, it goes on where
it stopped: every state in which it can break off is told by what the server says of the documents.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import PurePosixPath
from typing import Any

from ..errors import (
    APIError,
    InvalidRequestError,
    NotFoundError,
    ParseFailedError,
    PartialError,
    RAGFlowError,
)
from ..models import DocumentFields, UploadProgress
from ..sources import Source
from . import chunks, documents, parsing
from .checks import check_flag, check_ids
from .cleanup import clean_up
from .versions import Since, request, server_version
from .wire import Call, FilePart, Flow, ask, work

__all__ = ["Settings", "replace", "upload"]

Settings = Mapping[str, Any]
"""What a document is given before it is parsed: ``meta_fields``, ``parser_config``, ``chunk_method``."""
Report = Callable[[Any], object] | None
_PARSED = ("DONE", "RUNNING")
_SMALL = 1 << 16  # bytes: fetching such a file costs no more than asking for its hash


def upload(
    dataset_id: str,
    gather: Callable[[], Sequence[Source]],
    *,
    settings: Settings,
    parse: bool,
    progress: Report,
    timeout: float | None,
    interval: float,
) -> Flow[list[DocumentFields]]:
    """Every file that is not there yet, described and (with ``parse``) parsed; all of them are returned.

    Raises at the end: ``ParseFailedError`` if some could not be parsed, ``PartialError`` or
    ``InvalidRequestError`` if the server took some of the files or none.
    """
    parsing.check_waiting(timeout, interval)
    check_flag("parse", parse)
    settings = _checked(settings)
    sources = yield from work(gather)
    found: list[DocumentFields] = []
    refused: dict[str, InvalidRequestError] = {}
    for number, source in enumerate(sources, 1):
        try:
            found.append((yield from _brought(dataset_id, source, settings, parse)))
        except _RefusedFile as error:
            refused[source.name] = error.refusal
        if progress is not None:
            progress(UploadProgress(number, len(sources), source.name))
    if parse:
        unparsed = [one for one in found if one.run != "DONE"]
        try:
            yield from _parsed(dataset_id, unparsed, progress=progress, timeout=timeout, interval=interval)
        except RAGFlowError as error:
            if refused:
                error.add_note(_told(refused))
            raise
    documents = yield from parsing.look(dataset_id, [one.id for one in found])
    if refused:
        raise _refusal(documents, refused)
    return documents


def replace(
    dataset_id: str,
    gather: Callable[[], Mapping[str, Source]],
    *,
    settings: Settings,
    progress: Report,
    timeout: float | None,
    interval: float,
) -> Flow[dict[str, str]]:
    """Each document's new version parsed, then all the old ones removed; ``{old id: new id}``.

    If anything goes wrong before that, the new versions are removed and the old ones stay; after that, a
    note on the error has the new ids.
    """
    parsing.check_waiting(timeout, interval)
    settings = _checked(settings)
    sources = yield from work(gather)
    old = yield from parsing.look(dataset_id, check_ids("documents", list(sources)))
    new: list[DocumentFields] = []
    try:
        for number, (document, source) in enumerate(zip(old, sources.values(), strict=True), 1):
            kept = {**_settings_of(document), **settings}
            named = dataclasses.replace(source, name=source.name or document.name)
            taken = {*sources, *(version.id for version in new)}
            new.append((yield from _new_version(dataset_id, named, kept, taken)))
            if progress is not None:
                progress(UploadProgress(number, len(sources), named.name))
        yield from _parsed(dataset_id, new, progress=progress, timeout=timeout, interval=interval)
        yield from _hidden(dataset_id, zip(old, new, strict=True))
    except GeneratorExit:
        raise
    except _RefusedFile as error:
        yield from _removed(dataset_id, new, error.refusal)
        raise error.refusal from None
    except BaseException as error:
        yield from _removed(dataset_id, new, error)
        raise
    ids = {document.id: version.id for document, version in zip(old, new, strict=True)}
    try:
        yield from documents.delete(dataset_id, list(ids))
        for document, version in zip(old, new, strict=True):
            yield from _named(dataset_id, version, document.name)
    except BaseException as error:
        error.add_note(
            f"the new versions are parsed, old ones may still be there; {{old id: new id}} is {ids}"
        )
        raise
    return ids


def _checked(settings: Settings) -> Settings:
    """Refused before anything is uploaded."""
    return documents.checked_update(dict(settings)) if settings else {}


def _brought(dataset_id: str, source: Source, settings: Settings, parse: bool) -> Flow[DocumentFields]:
    """The document with this file's name and content, brought in if it is not there, and described."""
    standing = yield from _standing(dataset_id, source)
    if standing is None:
        return (yield from _described(dataset_id, (yield from _sent(dataset_id, source)), settings))
    changed = _changed(standing, settings)
    if standing.run == "DONE" and not parse:  # its parser settings say what it was parsed with
        changed = {name: value for name, value in changed.items() if name == "meta_fields"}
    if not changed:
        return standing
    if standing.run in _PARSED and set(changed) - {"meta_fields"}:
        return (yield from _parsed_anew(dataset_id, standing, changed))
    return (yield from documents.update(dataset_id, standing.id, changed))


def _parsed_anew(dataset_id: str, old: DocumentFields, changed: Settings) -> Flow[DocumentFields]:
    """Give it other parser settings and start parsing at once: only that they differ says that it is due.

    A server starts nothing that is running, e.g. since an earlier try never heard that it was started: it is stopped
    before. If it cannot be started it gets back the settings that it had.
    """
    if old.run == "RUNNING":
        yield from parsing.stop(dataset_id, [old.id])
    try:
        described = yield from documents.update(dataset_id, old.id, changed)
        if described.run not in _PARSED:  # another chunk method makes servers forget the chunks
            return described
        yield from parsing.parse(dataset_id, [old.id])
    except GeneratorExit:
        raise
    except BaseException as error:
        left = f"{old.name!r} has other parser settings now than its chunks were made with"
        yield from clean_up(error, _restored(dataset_id, old, changed), left)
        raise
    return old.model_copy(update={"run": "RUNNING"})


def _restored(dataset_id: str, old: DocumentFields, changed: Settings) -> Flow[None]:
    before: dict[str, Any] = {}
    if "chunk_method" in changed:
        before["chunk_method"] = old.chunk_method
    if "parser_config" in changed:
        before["parser_config"] = {
            name: (old.parser_config or {}).get(name) for name in changed["parser_config"]
        }
    yield from documents.update(dataset_id, old.id, before)


def _new_version(
    dataset_id: str, source: Source, settings: Settings, taken: Container[str]
) -> Flow[DocumentFields]:
    """Uploaded, or what an earlier try has left of it: its answer was lost, or it was killed before it parsed."""

    def is_left_over(row: DocumentFields) -> bool:
        tagged = row.meta_fields and row.meta_fields != settings.get("meta_fields")
        return row.id not in taken and row.run == "UNSTART" and not tagged

    version = yield from _standing(dataset_id, source, is_left_over)
    if version is None:
        version = yield from _sent(dataset_id, source)
    return (yield from _described(dataset_id, version, settings))


def _standing(
    dataset_id: str, source: Source, fits: Callable[[DocumentFields], bool] = lambda _: True
) -> Flow[DocumentFields | None]:
    """The document that an earlier try has left, told by its name, size and content.

    Where the name was taken by another file, the server has numbered it.
    """
    for name in _names_on_server(source.name):
        try:
            rows = yield from ask(documents.listed(dataset_id, page=1, page_size=1, name=name))
        except NotFoundError:
            return None
        if not rows or rows[0].name.casefold() != name.casefold():  # databases take A and a for the same
            return None
        if rows[0].name == name and fits(rows[0]) and (yield from _is_same(dataset_id, rows[0], source)):
            return rows[0]
    return None


def _names_on_server(name: str) -> Iterator[str]:
    """``a.txt``, ``a(1).txt``, ``a(2).txt`` …; a server that numbers ``b/a.txt`` forgets the folder."""
    yield name
    path = PurePosixPath(name)
    counted = re.fullmatch(r"(.*?)\((\d+)\)", path.stem)
    base, last = (counted[1].rstrip(), int(counted[2])) if counted else (path.stem, 0)
    for number in count(last + 1):
        yield f"{base}({number}){path.suffix}"


def _is_same(dataset_id: str, row: DocumentFields, source: Source) -> Flow[bool]:
    if row.size != source.size:
        return False
    if not row.size:  # servers refuse to send an empty file
        return True
    if row.size > _SMALL and (yield from _is_told_same(dataset_id, row, source)):
        return True
    content = yield from ask(documents.download(dataset_id, row.id))
    return (yield from work(partial(source.holds, content)))


def _is_told_same(dataset_id: str, row: DocumentFields, source: Source) -> Flow[bool]:
    """Whether the server has the same hash of the content: another one may be of another kind and says nothing."""
    if (yield from server_version()) < Since.CONTENT_HASH:
        return False
    if (own := (yield from work(source.xxh128))) is None:
        return False
    page = yield from chunks.listing(dataset_id, row.id, page=1, page_size=1)
    return page.document is not None and page.document.content_hash == own


class _RefusedFile(Exception):
    """The server takes this file not at all, e.g. for its type."""

    def __init__(self, refusal: InvalidRequestError) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


def _refusal(found: Sequence[DocumentFields], refused: Mapping[str, InvalidRequestError]) -> APIError:
    """What is raised when the server has taken only these of the files."""
    first = next(iter(refused.values()))
    if not found and len(refused) == 1:
        return first
    kind = PartialError if found else InvalidRequestError
    data = {"documents": found, "refused": {name: error.message for name, error in refused.items()}}
    return kind(_told(refused), code=first.code, method=first.method, path=first.path, data=data)


def _told(refused: Mapping[str, InvalidRequestError]) -> str:
    reasons = "; ".join(
        f"{name}: {error.message.removeprefix(name + ': ')}" for name, error in refused.items()
    )
    return f"{len(refused)} of the files could not be uploaded: {reasons}"


def _sent(dataset_id: str, source: Source) -> Flow[DocumentFields]:
    """A new document, not described yet."""
    part = FilePart("file", source.name, source.content)
    sending = request("DataSet.upload_documents", dataset_id=dataset_id, files=(part,))
    try:
        return (yield from ask(Call(sending, documents.read_uploaded)))[0]
    except InvalidRequestError as error:
        raise _RefusedFile(error) from None


def _described(dataset_id: str, document: DocumentFields, settings: Settings) -> Flow[DocumentFields]:
    """The new document with these settings; removed again if they cannot be set."""
    wanted = _changed(document, settings)
    if not wanted:
        return document
    try:
        return (yield from documents.update(dataset_id, document.id, wanted))
    except GeneratorExit:
        raise
    except BaseException as error:
        yield from _removed(dataset_id, [document], error)
        raise


def _parsed(dataset_id: str, unparsed: Sequence[DocumentFields], **options: Any) -> Flow[None]:
    """Parse these and wait; ``ParseFailedError`` if some failed or were cancelled."""
    if not unparsed:
        return
    running = {one.id for one in unparsed if one.run == "RUNNING"}
    ids = [one.id for one in unparsed]
    results = yield from parsing.parse_and_wait(dataset_id, ids, running=running, **options)
    failed = [id for id, run, *_ in results if run != "DONE"]
    if failed:
        rows = yield from parsing.look(dataset_id, failed)
        raise ParseFailedError([(one.name, parsing.reason(one)) for one in rows], results)


def _removed(dataset_id: str, made: Sequence[DocumentFields], error: BaseException) -> Flow[None]:
    """Clean up before ``error`` is raised again."""
    ids = [one.id for one in made]
    left = f"these new documents could not be removed: {', '.join(ids)}"
    yield from clean_up(error, documents.delete(dataset_id, ids), left)


def _hidden(dataset_id: str, versions: Iterable[tuple[DocumentFields, DocumentFields]]) -> Flow[None]:
    """The new version of what was switched off is switched off: that has to follow its parsing."""
    for document, version in versions:
        if document.status == "0":
            yield from documents.update(dataset_id, version.id, {"enabled": False})


def _named(dataset_id: str, document: DocumentFields, name: str) -> Flow[None]:
    """Give the new version its old name, where the file's type is the same: servers refuse another suffix."""
    if document.name != name and document.name.rpartition(".")[2] == name.rpartition(".")[2]:
        yield from documents.update(dataset_id, document.id, {"name": name})


def _settings_of(document: DocumentFields) -> dict[str, Any]:
    """What the new version takes over from the old one."""
    kept = {"meta_fields": document.meta_fields, "chunk_method": document.chunk_method}
    return {name: value for name, value in kept.items() if value}


def _changed(document: DocumentFields, settings: Settings) -> dict[str, Any]:
    """Those of the settings that the document has not. Its ``parser_config`` may have more: servers add to it."""
    changed = {name: value for name, value in settings.items() if getattr(document, name) != value}
    if _covers(document.parser_config, changed.get("parser_config")):
        del changed["parser_config"]
    return changed


def _covers(present: Any, wanted: Any) -> bool:
    if not isinstance(present, Mapping) or not isinstance(wanted, Mapping):
        return wanted is not None and bool(present == wanted)
    return all(name in present and _covers(present[name], value) for name, value in wanted.items())
