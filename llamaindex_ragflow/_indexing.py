"""Documents of LlamaIndex on their way into a dataset, where RAGFlow parses them; and found again by their ids."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import PurePosixPath
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit
from uuid import uuid4

from llama_index.core.schema import BaseNode, Document

from ragflow_integrations import (
    DataSet,
    InvalidRequestError,
    NotFoundError,
    ParseFailedError,
    ParseProgress,
    RAGFlowError,
)
from ragflow_integrations import Document as Held
from ragflow_integrations.adapting import (
    PAGE,
    Flow,
    Record,
    ask,
    checked_text,
    mark,
    named,
    removed,
    versions,
    written,
)

__all__ = [
    "Parsing",
    "appended",
    "brought",
    "checked_metadata",
    "chunk_ids",
    "described_and_parsed",
    "document_id",
    "document_records",
    "name_of",
    "node_records",
    "of_document",
    "own_metadata",
]

DOCUMENT_ID = "_li_doc_id"
"""The key of ``meta_fields`` that says which document of LlamaIndex it is."""

_HASH = "_li_hash"
_MARKDOWN = (".md", ".markdown", ".mdx")
_LONGEST = 80  # characters of a name that are for people
_NOT_IN_NAMES = re.compile(r"[^\w .,()+-]+")

Progress = Callable[[ParseProgress], object]


class Parsing(NamedTuple):
    """How documents are parsed: waited for or not; seconds; how many are described at once."""

    wait: bool
    timeout: float | None
    interval: float
    at_once: int


def document_records(documents: Sequence[Document]) -> list[Record]:
    """Checked, before anything is sent.

    Raises ``InvalidRequestError`` for a blank text, for metadata that RAGFlow cannot keep, and for an id given twice.
    """
    found = [_record(number, document) for number, document in enumerate(documents)]
    twice = [id for id, count in Counter(record.id for record in found).items() if count > 1]
    if twice:
        raise InvalidRequestError(f"documents: several have the same id_: {', '.join(map(repr, twice))}")
    return found


def document_mark(id: str) -> str:
    """What the names of a document's versions have."""
    return mark(f"llamaindex indexed {id}")


def document_id(held: Held) -> str:
    """The id that LlamaIndex has for a document: its own, or RAGFlow's for what others brought."""
    return str((held.meta_fields or {}).get(DOCUMENT_ID) or held.id)


def own_metadata(held: Held) -> dict[str, Any]:
    """The metadata without what is said for this adapter."""
    return {
        name: value for name, value in (held.meta_fields or {}).items() if name not in (DOCUMENT_ID, _HASH)
    }


def of_document(dataset: DataSet, id: str) -> Flow[list[Held]]:
    """The versions of a document by its own id, or the document that has this id in RAGFlow."""
    found = yield from named(dataset, document_mark(id))
    if found:
        return found
    try:
        return (yield from ask(lambda _: dataset.list_documents(id=id)))
    except NotFoundError:
        return []


def brought(
    dataset: DataSet, wanted: Sequence[Record], parsing: Parsing, progress: Progress
) -> Flow[list[bool]]:
    """Which documents were new or changed: these are there now, and parsed. The others were not touched.

    Old versions go when the new one is parsed. A document that fails, or is not parsed in time, is as it was before.
    """
    standing = yield from versions(dataset, [document_mark(record.id) for record in wanted])
    changed = []
    for record in wanted:
        known = standing[document_mark(record.id)]
        current = next((one for one in known if _is_current(one, record)), None)
        if current is None:
            changed.append((record, known))
        else:
            outdated = [one for one in known if one is not current and _HASH in (one.meta_fields or {})]
            yield from removed(dataset, [one.id for one in outdated])
    failures = []
    for start in range(0, len(changed), PAGE):
        failures += yield from _replaced(dataset, changed[start : start + PAGE], parsing, progress)
    if failures:
        raise ParseFailedError(failures)
    new = {record.id for record, _ in changed}
    return [record.id in new for record in wanted]


def described_and_parsed(
    dataset: DataSet, held: Held, told: Mapping[str, Any], parsing: Parsing, progress: Progress
) -> Flow[None]:
    """Give a new document its metadata and parse it; removed again if that fails."""
    ended: dict[str, Held] = {}
    try:
        if told:
            yield from ask(lambda _: held.update({"meta_fields": told}))
        if parsing.wait:
            yield from _parsed(dataset, [held.id], parsing, progress, ended)
        else:
            yield from ask(lambda _: dataset.async_parse_documents([held.id]))
        failed = [one for one in ended.values() if one.run != "DONE"]
        if failed:
            raise ParseFailedError([(one.name, _reason(one)) for one in failed])
    except RAGFlowError as error:
        yield from _cleaned_up(dataset, [held.id], error)
        raise


def name_of(url: str) -> str:
    """What a page is called after its address."""
    told = urlsplit(url)
    return _NOT_IN_NAMES.sub("_", f"{told.netloc}{told.path}").strip("_")[:_LONGEST] or "page"


def appended(dataset: DataSet, made: Sequence[tuple[Record, list[str]]], at_once: int) -> Flow[None]:
    """Documents with these texts as their chunks; all of them or none."""
    texts = {record.id: parts for record, parts in made}

    def chunked(held: Held, record: Record) -> Flow[None]:
        yield from _described(held, record)
        for text in texts[record.id]:
            yield from ask(lambda _, text=text: held.add_chunk(text))  # type: ignore[misc]

    yield from written(dataset, [record for record, _ in made], index=chunked, at_once=at_once)


def chunk_ids(held: Held) -> Flow[list[str]]:
    """The ids of a document's chunks."""
    found: list[str] = []
    for page in count(1):
        rows = yield from ask(lambda _, page=page: held.list_chunks(page=page, page_size=PAGE))  # type: ignore[misc]
        found += [row.id for row in rows]
        if len(rows) < PAGE:
            break
    return found


def _replaced(
    dataset: DataSet, changed: Sequence[tuple[Record, list[Held]]], parsing: Parsing, progress: Progress
) -> Flow[list[tuple[str, str]]]:
    """Upload and parse new versions, then remove the old ones; what failed, with the reason, is removed itself."""
    records = [record for record, _ in changed]
    new = yield from written(dataset, records, index=_described, at_once=parsing.at_once)
    ids = {held.id: record.id for held, record in zip(new, records, strict=True)}
    old = {held.id: known for held, (_, known) in zip(new, changed, strict=True)}
    waited = [id for id, known in old.items() if known or parsing.wait]
    queued = [id for id in old if id not in waited]
    ended: dict[str, Held] = {}
    try:
        if queued:
            yield from ask(lambda _: dataset.async_parse_documents(queued))
        if waited:
            yield from _parsed(dataset, waited, parsing, progress, ended)
    except RAGFlowError as error:
        complete = {id for id, held in ended.items() if held.run == "DONE"}
        outdated = [one.id for id in complete for one in old[id]]
        yield from _cleaned_up(dataset, [*(id for id in ids if id not in complete), *outdated], error)
        raise
    failed = [held for held in ended.values() if held.run != "DONE"]
    yield from removed(dataset, [held.id for held in failed])
    done = [id for id in waited if ended[id].run == "DONE"]
    yield from removed(dataset, [one.id for id in done for one in old[id]])
    return [(ids[held.id], _reason(held)) for held in failed]


def _parsed(
    dataset: DataSet, ids: list[str], parsing: Parsing, progress: Progress, ended: dict[str, Held]
) -> Flow[None]:
    def look(state: ParseProgress) -> None:
        ended.update((held.id, cast(Held, held)) for held in state.documents if held.finished)
        progress(state)

    limits: dict[str, Any] = {"timeout": parsing.timeout, "interval": parsing.interval}
    yield from ask(lambda _: dataset.parse_documents(ids, progress=look, **limits))


def _cleaned_up(dataset: DataSet, ids: list[str], error: RAGFlowError) -> Flow[None]:
    try:
        yield from removed(dataset, ids)
    except RAGFlowError as failed:
        error.add_note(f"what is not complete, or outdated, could not be removed: {failed}")


def _described(held: Held, record: Record) -> Flow[None]:
    yield from ask(lambda _: held.update({"meta_fields": record.meta_fields}))


def _is_current(held: Held, record: Record) -> bool:
    """Whether it is this very version, parsed or about to be."""
    told = (held.meta_fields or {}).get(_HASH)
    return told == record.meta_fields[_HASH] and held.run in ("DONE", "RUNNING")


def _reason(held: Held) -> str:
    """What the server's log says after its last ``[ERROR]``."""
    log = (held.progress_msg or "").strip()
    return log.rpartition("[ERROR]")[2].strip() or held.run


def _record(number: int, document: Document) -> Record:
    where = f"documents[{number}]"
    if not isinstance(document, Document):
        raise InvalidRequestError(f"{where}: <{type(document).__name__}>: give documents of LlamaIndex")
    text = checked_text(f"{where}: its text", document.text)
    told = checked_metadata(where, document.metadata)
    content = json.dumps([text, told], sort_keys=True, ensure_ascii=False)
    told = {**told, DOCUMENT_ID: document.id_, _HASH: hashlib.sha256(content.encode()).hexdigest()}
    return Record(document.id_, _name(document.id_, document.metadata), text, told)


def node_records(nodes: Sequence[BaseNode]) -> list[tuple[Record, list[str]]]:
    """A record for each document that nodes are of, with their texts; checked, before anything is sent."""
    of: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for number, node in enumerate(nodes):
        where = f"nodes[{number}]"
        if not isinstance(node, BaseNode):
            raise InvalidRequestError(f"{where}: <{type(node).__name__}>: give nodes of LlamaIndex")
        text = checked_text(f"{where}: its text", node.get_content())
        of.setdefault(node.ref_doc_id or node.node_id, []).append(
            (text, checked_metadata(where, node.metadata))
        )
    made = []
    for id, parts in of.items():
        shared = {
            name: value
            for name, value in parts[0][1].items()
            if all(told.get(name) == value for _, told in parts)
        }
        texts = [text for text, _ in parts]
        record = Record(id, _name(id, shared), "\n\n".join(texts), {**shared, DOCUMENT_ID: id})
        made.append((record, texts))
    return made


def _name(id: str, metadata: Mapping[str, Any]) -> str:
    """The file's own name, as far as it is given, for people; the document's mark; what makes it unique."""
    told = PurePosixPath(
        str(metadata.get("file_name") or metadata.get("title") or "document").replace("\\", "/")
    )
    stem = _NOT_IN_NAMES.sub("_", told.stem).encode()[:_LONGEST].decode(errors="ignore").strip() or "document"
    suffix = ".md" if told.suffix.lower() in _MARKDOWN else ".txt"
    return f"{stem}-{document_mark(id)}-{uuid4().hex[:8]}{suffix}"


def checked_metadata(where: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What RAGFlow keeps of it: what is blank is as good as missing, and what is ours is left out."""
    told = {}
    for name, value in metadata.items():
        if name in (DOCUMENT_ID, _HASH) or value is None or value in ("", []):
            continue
        values = value if isinstance(value, list) else [value]
        if not name.strip() or not all(_is_plain(each) for each in values):
            raise InvalidRequestError(
                f"{where}: metadata[{name!r}]={value!r}: RAGFlow keeps texts, numbers and lists of these, each with a "
                "name; write it as a text"
            )
        told[name] = value
    return told


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, (int, float)) and math.isfinite(value))
