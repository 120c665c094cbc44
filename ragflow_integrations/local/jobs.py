"""The parsing queue, worked off in the background, several documents at once.

The queue is the table ``job``, so what ``start`` has acknowledged survives a crash. A document's chunks come with
their index entries and counters, some hundreds in a transaction, between which others may write; the last ones
come with ``DONE``. After a crash before that it is still queued, and parsed anew. Among the processes that have the
folder open, the one that holds ``parser.lock`` parses.
"""

from __future__ import annotations

import json
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import apsw

from . import blobs, chunks, datasets, documents, renaming, tags
from .embed import Embedder
from .enrich import enriched, is_asked_for
from .fields import iso, now_ms
from .models import LLM, Message, Models
from .parsing import Chunk, ParseError
from .parsing.pool import ParserPool
from .problems import InUse, Problem, Refused
from .store import Row, Store, row, scalar
from .tagging import Tagger
from .worker import Worker

__all__ = ["Parser", "Untold", "start", "stop"]

_log = logging.getLogger(__name__)
_HANDS = min(4, max(2, os.cpu_count() or 1))  # documents at once
_BATCH = 64  # chunks embedded between two looks at whether the job was cancelled
_PART = 128  # chunks stored in one transaction
_PAUSE = 0.001  # seconds between two of them, or two calls of a model, for others to take their turn
_TICK = 0.2  # seconds between two looks at whether to go on, while others have their turn
_TELL = 0.3  # seconds between two reports of a document's progress
_READ, _EMBEDDED = 0.4, 0.9  # progress when the file is read, and when its chunks have their vectors
_STOPPABLE = 3.0  # seconds for which the end of a parsing can be taken back, while nobody has been told of it
_LEFT = "SELECT EXISTS (SELECT 1 FROM chunk WHERE document_id = ? AND place IS NOT NULL)"
_NOT_TAKEN = "WHERE document_id NOT IN (SELECT value FROM json_each(:taken))"
_NEXT = (  # the renamed documents, which have no id there, come first
    f"SELECT NULL AS id, document_id AS key FROM renamed {_NOT_TAKEN}"
    f" UNION ALL SELECT id, document_id FROM job {_NOT_TAKEN} ORDER BY id LIMIT 1"
)


class _Cancelled(Exception):
    """The job was cancelled, restarted, or its document deleted: what was computed for it is dropped."""


class _Closing(Exception):
    """The engine is being closed: the job stays queued."""


def start(db: apsw.Connection, tenant_id: str, document_ids: Sequence[str]) -> None:
    """Queue documents for parsing; what was parsed before goes."""
    found: dict[str, list[str]] = {}
    for document_id in dict.fromkeys(document_ids):
        document = documents.get(db, tenant_id, document_id)
        if row(db, "SELECT 1 FROM job WHERE document_id = ?", (document_id,)):
            raise InUse("Can't parse document that is currently being processed")
        found.setdefault(document["dataset_id"], []).append(document_id)
    for dataset_id, of_it in found.items():
        chunks.delete_of(db, dataset_id, of_it)
    for document_id in dict.fromkeys(document_ids):
        db.execute("INSERT INTO job(document_id) VALUES (?)", (document_id,))
        _set(
            db,
            document_id,
            run="RUNNING",
            progress=0.0,
            progress_msg="Task is queued...",
            process_begin_at=iso(now_ms()),
            process_duration=0.0,
        )


def stop(db: apsw.Connection, tenant_id: str, document_ids: Sequence[str], untold: Untold) -> None:
    """Cancel documents that are queued or being parsed, or whose end nobody has been told of."""
    for document_id in document_ids:
        document = documents.get(db, tenant_id, document_id)
        db.execute("DELETE FROM job WHERE document_id = ?", (document_id,))
        if not db.changes() and not untold.takes_back(document_id):
            raise Refused("Can't stop parsing document that has not started or already completed")
        chunks.delete_parsed(db, document)
        said = f"{document['progress_msg']}\n{_line('Task stopped by user.')}"
        _set(db, document_id, run="CANCEL", progress=0.0, progress_msg=said)


class Untold:
    """The documents whose parsing ended a moment ago, and that nobody has been shown since.

    A server takes seconds for a document that is parsed here at once, and who stops what he has just started expects
    it to stop. As long as nobody has seen it ``DONE``, nobody can tell that the stop came too late: it has not.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: dict[str, float] = {}

    def add(self, document_id: str) -> None:
        """Its parsing ends now."""
        now = time.monotonic()
        with self._lock:
            self._ended = {each: ended for each, ended in self._ended.items() if now - ended < _STOPPABLE}
            self._ended[document_id] = now

    def told(self, document_ids: Iterable[str]) -> None:
        """Somebody is shown these as they are."""
        if self._ended:
            with self._lock:
                for each in document_ids:
                    self._ended.pop(each, None)

    def takes_back(self, document_id: str) -> bool:
        """Whether it can still be stopped."""
        with self._lock:
            return time.monotonic() - self._ended.pop(document_id, -math.inf) < _STOPPABLE


class Parser:
    """Works the queue off, and has the index follow documents that were renamed."""

    def __init__(self, store: Store, models: Models) -> None:
        self.untold = Untold()
        self._tools = _Tools(store, models, ParserPool(), self.untold)
        self._worker = Worker(store, "parser", _NEXT, self._do, hands=_HANDS)

    def wake(self) -> None:
        """See to it that the queue is worked off."""
        self._worker.wake()

    def close(self) -> None:
        """Stop after the current batches; what is not finished stays queued, and the processes that parse end.

        A thread that waits for an embedding model is left to itself after 5 seconds: it writes nothing any more.
        """
        self._worker.stop()
        self._tools.processes.close()
        self._worker.close()

    def _do(self, job: Row) -> None:
        if job["id"] is None:
            renaming.follow(self._tools.store, job["key"])
        else:
            _Task(self._tools, self._worker, job).run()


@dataclass(frozen=True)
class _Tools:
    """What the parsing of all documents has in common."""

    store: Store
    models: Models
    processes: ParserPool
    untold: Untold
    turns: dict[str, threading.Lock] = field(default_factory=dict)


class _Task:
    """The parsing of one document."""

    def __init__(self, tools: _Tools, worker: Worker, job: Row) -> None:
        self._tools = tools
        self._store = tools.store
        self._worker = worker
        self._job = job["id"]
        self._document = job["key"]
        self._begun = self._told = time.monotonic()
        self._lines = [_line("Task has been received.")]

    def run(self) -> None:
        try:
            name, found = self._chunked()
            self._store_all(name, self._prepared(name, found))
        except (_Cancelled, _Closing):
            return
        except InUse:  # another process is writing: the job stays queued
            raise
        except (ParseError, Problem) as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001 - one bad document must not stop the others
            _log.exception("document %s could not be parsed", self._document)
            self._fail(f"{type(error).__name__}: {error}")

    def _chunked(self) -> tuple[str, list[Chunk]]:
        with self._store.read() as db:
            found = self._row(db)
            has_left = scalar(db, _LEFT, (self._document,))
            self._embedder = datasets.embedder(db, found["dataset_id"], self._tools.models)
            data = blobs.read(db, found["sha256"])
            settings = scalar(db, "SELECT settings_json FROM dataset WHERE id = ?", (found["dataset_id"],))
            source = tags.source(db, [found["dataset_id"]])
        if has_left:
            self._clear()
        config = json.loads(found["parser_config_json"])
        cut = self._tools.processes.parse(
            found["name"],
            data,
            chunk_method=found["chunk_method"],
            parser_config=config,
            language=json.loads(settings)["language"],
            tell=self._heard,
        )
        self._lines.append(_line(f"Generate {len(cut)} chunks"))
        if is_asked_for(config):
            cut = list(self._enriched(cut, config))
        if source is not None:
            cut = list(self._tagged(found["name"], cut, source))
        return found["name"], cut

    def _heard(self, share: float, line: str) -> None:
        if line:
            self._lines.append(_line(line))
        self._tell(_READ * share)

    def _enriched(self, cut: Sequence[Chunk], config: Row) -> Iterator[Chunk]:
        self._lines.append(_line("Start to generate keywords and questions for every chunk"))
        llm = self._tools.models.needed_llm("parser_config.auto_keywords and auto_questions")
        for chunk in enriched(cut, config, _InTurn(llm, self._turn)):
            self._tell(_READ)
            yield chunk

    def _tagged(self, name: str, cut: Sequence[Chunk], source: tags.Source) -> Iterator[Chunk]:
        begun = time.monotonic()
        llm = self._tools.models.llm()
        tagger = Tagger(self._store, source, None if llm is None else _InTurn(llm, self._turn))
        for chunk in cut:
            self._tell(_READ)
            yield tagger.tagged(name, chunk)
        self._lines.append(_line(f"Tagging {len(cut)} chunks ({time.monotonic() - begun:.2f}s)"))
        if tagger.untagged:
            said = f"{tagger.untagged} have no tags: their words do not tell, a language model would (llm=…)"
            self._lines.append(_line(said))

    def _prepared(self, name: str, found: Sequence[Chunk]) -> list[chunks.Prepared]:
        begun = time.monotonic()
        prepared: list[chunks.Prepared] = []
        for start in range(0, len(found), _BATCH):
            with self._turn(self._embedder, _READ + (_EMBEDDED - _READ) * start / len(found)):
                prepared += chunks.prepare(self._embedder, name, found[start : start + _BATCH])
        self._lines.append(_line(f"Embedding chunks ({time.monotonic() - begun:.2f}s)"))
        return prepared

    @contextmanager
    def _turn(self, model: Embedder | LLM, progress: float) -> Iterator[None]:
        """Hands take turns with a model: whoever made it need not have reckoned with several calls at once."""
        lock = self._tools.turns.setdefault(model.name, threading.Lock())
        while not lock.acquire(timeout=_TICK):
            self._tell(progress)
        try:
            self._tell(progress)
            yield
        finally:
            lock.release()
        time.sleep(_PAUSE)

    def _tell(self, progress: float) -> None:
        """Look whether to go on, and let users see the progress of what takes its time."""
        if self._worker.is_closing:
            raise _Closing
        if time.monotonic() - self._told < _TELL:
            return
        self._told = time.monotonic()
        with self._store.write() as db:
            self._row(db)
            self._set(db, progress=progress)

    def _store_all(self, name: str, prepared: Sequence[chunks.Prepared]) -> None:
        """Store the chunks, which have been prepared for the document's ``name`` of then, a part at a time."""
        for start in range(0, len(prepared), _PART):
            self._tell(_EMBEDDED + (1 - _EMBEDDED) * start / len(prepared))
            part = prepared[start : start + _PART]
            with self._store.write() as db:
                found = self._row(db)
                chunks.add(db, found, part, first_place=start)
                if start + len(part) == len(prepared):
                    self._finish(db, found, name)
            time.sleep(_PAUSE)
        renaming.follow(self._store, self._document)

    def _finish(self, db: apsw.Connection, found: Row, name: str) -> None:
        if found["name"] != name:
            renaming.mark(db, self._document, name, found["name"])
        self._lines.append(_line(f"Task done ({time.monotonic() - self._begun:.2f}s)"))
        self._end(db, run="DONE", progress=1.0)

    def _clear(self) -> None:
        """Delete what an earlier parsing of this job has left behind when its process ended."""
        with self._store.write() as db:
            chunks.delete_parsed(db, self._row(db))

    def _fail(self, reason: str) -> None:
        if self._worker.is_closing:
            return
        try:
            with self._store.write() as db:
                chunks.delete_parsed(db, self._row(db))
                self._lines.append(_line(f"[ERROR]{reason}"))
                self._end(db, run="FAIL", progress=-1.0)
        except _Cancelled:
            return

    def _end(self, db: apsw.Connection, **values: Any) -> None:
        self._set(db, **values)
        db.execute("DELETE FROM job WHERE id = ?", (self._job,))
        self._tools.untold.add(self._document)  # nobody can stop it before this transaction ends

    def _row(self, db: apsw.Connection) -> Row:
        """The document as it is now; ``_Cancelled`` if it is no longer this job's."""
        found = row(
            db,
            "SELECT document.* FROM document JOIN job ON document_id = document.id WHERE job.id = ?",
            (self._job,),
        )
        if found is None:
            raise _Cancelled
        return found

    def _set(self, db: apsw.Connection, **values: Any) -> None:
        spent = time.monotonic() - self._begun
        _set(db, self._document, process_duration=spent, progress_msg="\n".join(["", *self._lines]), **values)


class _InTurn:
    """A language model that hands take turns with."""

    def __init__(self, llm: LLM, turn: Callable[[LLM, float], AbstractContextManager[None]]) -> None:
        self.name, self._llm, self._turn = llm.name, llm, turn

    def chat(self, messages: Sequence[Message], **settings: Any) -> Iterator[str]:
        with self._turn(self._llm, _READ):
            yield from self._llm.chat(messages, **settings)


def _line(text: str) -> str:
    return f"{time.strftime('%H:%M:%S')} {text}"


def _set(db: apsw.Connection, document_id: str, **values: Any) -> None:
    values["update_time"] = now_ms()
    assignments = ", ".join(f"{key} = :{key}" for key in values)
    db.execute(f"UPDATE document SET {assignments} WHERE id = :id", {**values, "id": document_id})
