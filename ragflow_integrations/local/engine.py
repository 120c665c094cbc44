"""The local engine: everything a RAGFlow server keeps and computes, in one folder, without HTTP.

Plain synchronous code that any number of threads may call. What a method has returned is committed: it is
there after a crash. Rows are dicts with RAGFlow v0.27's field names. Errors are those of ``problems``.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, Unpack

from . import chats, chunks, conversation, datasets, documents, jobs, search
from .conversation import Delta, Final
from .embed import Embedder, HashedEmbedder
from .fields import new_id
from .jobs import Parser
from .matrix import Matrices
from .problems import Missing, Refused
from .search import Retrieval, Retrieved
from .store import MEMORY, Row, Store, scalar

__all__ = ["Delta", "Engine", "Final", "Retrieval", "Retrieved", "open_engine"]


class Engine:
    """A knowledge base in the folder ``path`` (made if missing), or in memory with ``":memory:"``.

    Raises ``Refused`` if the folder holds a ``knowledge.db`` that is not ours or is newer than this version.
    Most callers want ``open_engine``, which gives all users of a folder in this process the same engine.
    """

    def __init__(self, path: str | Path, *, embedder: Embedder | None = None) -> None:
        self._embedder = embedder or HashedEmbedder()
        self._store = Store(path)
        self._key: str | None = None
        self._users = 1
        self._matrices = Matrices()
        self.tenant_id = self._setting("tenant_id", new_id())
        self._parser = Parser(self._store, self._embedder)
        self._parser.wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the engine up; the last user's call stops parsing (the queue is kept) and closes the file."""
        with _opening:
            self._users -= 1
            if self._users > 0:
                return
            for folder in [folder for folder, engine in _open.items() if engine is self]:
                del _open[folder]
            self._parser.close()
            self._store.close()

    @property
    def embedding_model(self) -> str:
        """The ``embedding_model`` of datasets that name none."""
        return datasets.embedding_model(self._embedder)

    def api_key(self, key: str | None = None) -> str:
        """The key the server accepts: ``key`` from now on, or else the one kept in the folder (made if missing).

        The file ``api_key`` is readable by its owner only; an engine in memory forgets its key.
        """
        folder = self._store.folder
        kept = self._key if folder is None else _read(folder / "api_key")
        chosen = key or kept or f"ragflow-{secrets.token_urlsafe(24)}"
        if folder is not None and chosen != kept:
            _write_private(folder / "api_key", chosen)
        self._key = chosen
        return chosen

    # Datasets

    def create_dataset(self, fields: Mapping[str, Any]) -> Row:
        """A new dataset of these fields (``name`` at least); a name that is taken becomes ``name(1)``."""
        with self._store.write() as db:
            return datasets.create(db, self.tenant_id, self._embedder, fields)

    def list_datasets(self, **filters: Unpack[datasets.Filters]) -> tuple[list[Row], int]:
        """One page of datasets and how many fit: ``page page_size orderby desc``, optionally ``id name ids``."""
        with self._store.read() as db:
            return datasets.listed(db, self.tenant_id, **filters)

    def get_dataset(self, dataset_id: str) -> Row | None:
        """One dataset, or None."""
        with self._store.read() as db:
            return _or_none(datasets.get, db, self.tenant_id, dataset_id)

    def dataset_size(self, dataset_id: str) -> int:
        """The bytes of a dataset's files, counted as often as they were added."""
        with self._store.read() as db:
            return documents.size(db, dataset_id)

    def update_dataset(self, dataset_id: str, fields: Mapping[str, Any]) -> Row:
        """Change a dataset; ``parser_config`` is merged. ``Refused`` if the new name is taken."""
        with self._store.write() as db:
            return datasets.update(db, self.tenant_id, dataset_id, fields)

    def delete_datasets(self, ids: Sequence[str] | None) -> int:
        """Delete datasets (None: all) with all that is in them; none if one is unknown (``Missing``)."""
        with self._store.write() as db:
            gone = datasets.delete(db, ids)
        self._matrices.forget(gone)
        return len(gone)

    # Documents

    def add_document(self, dataset_id: str, name: str, data: bytes) -> Row:
        """Store a file, not parsed yet; a name that is taken becomes ``stem(1).suffix``."""
        with self._store.write() as db:
            return documents.add(db, self.tenant_id, datasets.get(db, self.tenant_id, dataset_id), name, data)

    def list_documents(self, dataset_id: str, **filters: Unpack[documents.Filters]) -> tuple[list[Row], int]:
        """One page of a dataset's documents and how many fit: ``page page_size orderby desc``.

        Optionally ``id name``, the lists ``run suffix types ids``, ``keywords`` (a part of the name), and
        ``without_metadata``.
        """
        with self._store.read() as db:
            found, total = documents.listed(db, self.tenant_id, dataset_id, **filters)
        self._see_to(found)
        return found, total

    def get_document(self, document_id: str) -> Row | None:
        """One document, or None."""
        with self._store.read() as db:
            found = _or_none(documents.get, db, self.tenant_id, document_id)
        self._see_to([found] if found else [])
        return found

    def read_document(self, document_id: str) -> bytes:
        """The bytes of a document's file."""
        with self._store.read() as db:
            return documents.read(db, document_id)

    def update_document(self, document_id: str, fields: Mapping[str, Any]) -> Row:
        """Change ``name meta_fields chunk_method enabled`` or ``parser_config`` (merged)."""
        with self._store.write() as db:
            return documents.update(db, self.tenant_id, document_id, fields)

    def metadata(self, dataset_ids: Sequence[str], ids: Sequence[str] | None = None) -> dict[str, Row]:
        """``{id: meta_fields}`` of the datasets' documents (or of these ones) that have some."""
        with self._store.read() as db:
            return documents.metadata(db, dataset_ids, ids)

    def update_metadata(
        self, dataset_id: str, ids: Sequence[str], updates: Sequence[Row], deletes: Sequence[Row]
    ) -> int:
        """Change the metadata of documents of a dataset (``metadata.changed``) and say how many have changed."""
        with self._store.write() as db:
            return documents.update_metadata(db, dataset_id, ids, updates, deletes)

    def delete_documents(self, dataset_id: str, ids: Sequence[str] | None) -> int:
        """Delete documents of a dataset (None: all); none if one is unknown (``Missing``)."""
        with self._store.write() as db:
            return documents.delete(db, dataset_id, ids)

    def start_parsing(self, document_ids: Sequence[str]) -> None:
        """Queue documents for parsing; their old chunks go at once. ``InUse`` if one is queued already."""
        with self._store.write() as db:
            jobs.start(db, self.tenant_id, document_ids)
        self._parser.wake()

    def stop_parsing(self, document_ids: Sequence[str]) -> None:
        """Cancel documents that are queued or being parsed; ``Refused`` if one is neither."""
        with self._store.write() as db:
            jobs.stop(db, self.tenant_id, document_ids)

    # Chunks

    def add_chunk(
        self,
        document_id: str,
        content: str,
        *,
        important_keywords: Sequence[str] = (),
        questions: Sequence[str] = (),
    ) -> Row:
        """Add a chunk to a document, searchable at once; the same content again replaces it."""
        with self._store.read() as db:
            document = documents.get(db, self.tenant_id, document_id)
            datasets.check_embedder(db, document["dataset_id"], self._embedder)
        prepared = chunks.prepare(
            self._embedder,
            document["name"],
            [content],
            important_keywords=important_keywords,
            questions=questions,
        )
        with self._store.write() as db:
            document = documents.get(db, self.tenant_id, document_id)
            return chunks.get(db, chunks.add(db, document, prepared, parsed=False)[0])

    def list_chunks(self, document_id: str, **filters: Unpack[chunks.Filters]) -> tuple[list[Row], int]:
        """One page of a document's chunks and how many fit: ``page page_size``.

        Optionally ``keywords id``, the list ``ids``, and ``available``.
        """
        with self._store.read() as db:
            return chunks.listed(db, document_id, **filters)

    def get_chunk(self, chunk_id: str) -> Row | None:
        """One chunk, or None."""
        with self._store.read() as db:
            return _or_none(chunks.get, db, chunk_id)

    def update_chunk(self, chunk_id: str, fields: Mapping[str, Any]) -> None:
        """Change ``content important_keywords questions available`` of a chunk, which keeps its id and its place.

        The search knows it at once. ``Missing`` if there is none with this id.
        """
        with self._store.read() as db:
            old = chunks.get(db, chunk_id)
            datasets.check_embedder(db, old["dataset_id"], self._embedder)
        new = {**old, **fields}
        kept = {key: new[key] for key in ("important_keywords", "questions")}
        [prepared] = chunks.prepare(self._embedder, old["docnm_kwd"], [new["content"]], **kept)
        with self._store.write() as db:
            document = documents.get(db, self.tenant_id, old["document_id"])
            chunks.replace(db, document, chunk_id, prepared, available=new["available"])

    def switch_chunks(self, document_id: str, ids: Sequence[str], available: bool) -> None:
        """Let the search find chunks of a document, or not; all of the ids or none (``Missing``)."""
        with self._store.write() as db:
            chunks.switch(db, documents.get(db, self.tenant_id, document_id), ids, available)

    def delete_chunks(self, document_id: str, ids: Sequence[str] | None) -> int:
        """Delete chunks of a document (None: all) and say how many went; unknown ids are passed over."""
        with self._store.write() as db:
            return chunks.delete(db, documents.get(db, self.tenant_id, document_id), ids)

    # Search

    def retrieve(self, query: Retrieval) -> Retrieved:
        """The chunks that answer a question best, by RAGFlow's scores; ``Missing`` if a dataset is unknown."""
        asked = self._embedder.embed([query.question])[0]  # before reading: readers of ":memory:" take turns
        with self._store.read() as db:
            return search.retrieve(db, self._embedder, self._matrices, query, asked)

    # Chats and sessions

    def create_chat(self, fields: Mapping[str, Any]) -> Row:
        """A new chat (``name`` at least); ``Refused`` if the name is taken or a dataset has no chunks yet."""
        with self._store.write() as db:
            return chats.create(db, self.tenant_id, fields)

    def list_chats(self, **filters: Unpack[chats.Filters]) -> tuple[list[Row], int]:
        """One page of chats and how many fit: ``page page_size orderby desc``, optionally ``id name keywords``."""
        with self._store.read() as db:
            return chats.listed(db, self.tenant_id, **filters)

    def get_chat(self, chat_id: str) -> Row | None:
        """One chat, or None."""
        with self._store.read() as db:
            return _or_none(chats.get, db, self.tenant_id, chat_id)

    def update_chat(self, chat_id: str, fields: Mapping[str, Any]) -> Row:
        """Change a chat; the values replace the old ones. ``Refused`` if the name is taken."""
        with self._store.write() as db:
            return chats.update(db, self.tenant_id, chat_id, fields)

    def delete_chats(self, ids: Sequence[str] | None) -> int:
        """Delete chats (None: all) with their sessions and say how many went; unknown ids are passed over."""
        with self._store.write() as db:
            return chats.delete(db, ids)

    def create_session(self, chat_id: str, name: str) -> Row:
        """A new session of a chat, which begins with the chat's prologue."""
        with self._store.write() as db:
            return chats.create_session(db, self.tenant_id, chats.get(db, self.tenant_id, chat_id), name)

    def list_sessions(self, chat_id: str, **filters: Unpack[chats.Filters]) -> list[Row]:
        """One page of a chat's sessions: ``page page_size orderby desc``, and optionally ``id name``."""
        with self._store.read() as db:
            return chats.listed_sessions(db, self.tenant_id, chat_id, **filters)

    def get_session(self, session_id: str) -> Row | None:
        """One session with its messages, or None."""
        with self._store.read() as db:
            return _or_none(chats.get_session, db, self.tenant_id, session_id)

    def update_session(self, session_id: str, fields: Mapping[str, Any]) -> Row:
        """Change a session's ``name``."""
        with self._store.write() as db:
            return chats.update_session(db, self.tenant_id, session_id, fields)

    def delete_sessions(self, chat_id: str, ids: Sequence[str] | None) -> int:
        """Delete sessions of a chat (None: all) and say how many went; unknown ids are passed over."""
        with self._store.write() as db:
            return chats.delete_sessions(db, chat_id, ids)

    def converse(
        self,
        chat: Row | None,
        messages: Sequence[Mapping[str, Any]],
        *,
        session: Row | None,
        document_ids: Sequence[str] | None = None,
        metadata_fields: Collection[str] | None = (),
        message_id: str | None = None,
        quote: bool = True,
    ) -> Iterator[Delta | Final]:
        """Answer the last message with sentences of the chat's datasets: deltas, then the reference.

        ``messages`` end with the user's ``{"role": "user", "content": …}``. When the iterator is exhausted,
        question and answer are stored in ``session`` under ``message_id`` (made if missing). ``document_ids``
        and ``metadata_fields`` are those of ``Retrieval``; without ``quote`` the text has no citations. ``Refused``
        at once without a chat or if it has no dataset: that would take a language model.
        """
        question = conversation.last_question(messages)
        chat = conversation.with_datasets(chat)
        query = conversation.query_for(chat, question, document_ids, metadata_fields)
        return self._answered(query, chat, session, message_id or new_id(), quote=quote)

    def _answered(
        self, query: Retrieval, chat: Row, session: Row | None, message_id: str, *, quote: bool
    ) -> Iterator[Delta | Final]:
        retrieved = self.retrieve(query)
        question, text = query.question, ""
        for piece in conversation.answered(chat, question, retrieved, quote=quote):
            if isinstance(piece, Delta):
                text += piece.text
            elif session is not None:
                turn = conversation.turn(message_id, question, text)
                with self._store.write() as db:
                    chats.append_turn(db, session["id"], turn, piece.reference)
            yield piece

    def _see_to(self, listed: Sequence[Row]) -> None:
        """Have what is queued parsed: the process that queued it may be gone by now."""
        if any(document["run"] == "RUNNING" for document in listed):
            self._parser.wake()

    def _join(self, embedder: Embedder | None) -> None:
        if embedder is not None and embedder.name != self._embedder.name:
            raise Refused(f"this folder is open with the embedder {self._embedder.name}, not {embedder.name}")
        self._users += 1

    def _setting(self, name: str, default: str) -> str:
        with self._store.write() as db:
            db.execute("INSERT OR IGNORE INTO setting VALUES (?, ?)", (name, default))
            return str(scalar(db, "SELECT value FROM setting WHERE name = ?", (name,)))


def open_engine(path: str | Path, *, embedder: Embedder | None = None) -> Engine:
    """The engine of a folder, shared by all who open it in this process; each calls ``close()`` once.

    ``":memory:"`` makes a new one each time. ``Refused`` if the folder is open with another ``embedder``.
    """
    if str(path) == MEMORY:
        return Engine(MEMORY, embedder=embedder)
    folder = Path(path).expanduser().resolve()
    with _opening:
        engine = _open.get(folder)
        if engine is None:
            engine = _open[folder] = Engine(folder, embedder=embedder)
        else:
            engine._join(embedder)
        return engine


_opening = threading.RLock()
_open: dict[Path, Engine] = {}


def _forget_after_fork() -> None:
    global _opening
    _opening = threading.RLock()
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)


def _or_none(get: Callable[..., Row], *args: Any) -> Row | None:
    try:
        return get(*args)
    except Missing:
        return None


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip() if file.exists() else ""
    except UnicodeDecodeError:
        raise Refused(f"{file} holds no key, it is not text: delete it to have a new one made") from None


def _write_private(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600, exist_ok=False)
    new.write_text(text + "\n", "utf-8")
    new.replace(file)
