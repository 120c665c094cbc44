"""What a server has acknowledged, kept on the side of those who were told, and compared with what is there."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from dataclasses import dataclass, field

from ragflow_integrations import Chat, DataSet, Memory, NotFoundError, RAGFlow

__all__ = ["Ledger", "digest"]

_ROOM = 500  # messages that a memory of the usual 5 MB has room for, at least


def digest(data: bytes) -> str:
    """What tells two files apart."""
    return hashlib.sha256(data).hexdigest()


@dataclass
class Ledger:
    """Written to by many threads; ``begun`` before a call goes out, the other methods when its answer came."""

    documents: dict[str, tuple[str, str]] = field(default_factory=dict)  # id: name, digest
    parsing: set[str] = field(default_factory=set)
    chunks: dict[str, tuple[str, str]] = field(default_factory=dict)  # chunk id: document id, content
    sessions: dict[str, list[str]] = field(default_factory=dict)  # id: questions that were answered
    messages: deque[str] = field(  # texts that a memory has: the newest, the oldest go when it is full
        default_factory=lambda: deque(maxlen=_ROOM)
    )
    gone: set[str] = field(default_factory=set)  # documents and sessions that were deleted
    unsure: set[str] = field(default_factory=set)  # names and ids of calls whose answer never came
    acknowledged: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begun(self, what: str) -> None:
        """A call about this name or id is on its way: from now on it may or may not have happened."""
        with self._lock:
            self.unsure.add(what)

    def done(self, what: str) -> None:
        """The call about it was answered."""
        with self._lock:
            self.unsure.discard(what)
            self.acknowledged += 1

    def forget_document(self, identifier: str) -> None:
        """A document was deleted, and its chunks with it."""
        with self._lock:
            self.documents.pop(identifier, None)
            self.parsing.discard(identifier)
            self.chunks = {key: at for key, at in self.chunks.items() if at[0] != identifier}
            self.gone.add(identifier)

    def check(self, client: RAGFlow, dataset: DataSet, chat: Chat, memory: Memory) -> None:
        """Everything that was acknowledged is there, and nothing that was deleted."""
        self._check_documents(client, dataset)
        self._check_sessions(chat)
        self._check_messages(memory)

    def _check_documents(self, client: RAGFlow, dataset: DataSet) -> None:
        there = {document.id: document for document in dataset.iter_documents()}
        for identifier, (name, sha) in self.documents.items():
            if identifier in self.unsure:
                continue
            assert identifier in there, f"document {name} is lost"
            assert digest(there[identifier].download()) == sha, f"document {name} holds something else"
        assert not self.gone & there.keys(), "deleted documents are back"
        for key, (identifier, content) in self.chunks.items():
            if identifier in self.unsure or identifier not in there:
                continue
            [found] = there[identifier].list_chunks(id=key)
            assert found.content == content, f"chunk {key} holds something else"

    def _check_sessions(self, chat: Chat) -> None:
        there = {session.id: session for session in chat.iter_sessions()}
        for identifier, questions in self.sessions.items():
            if identifier in self.unsure:
                continue
            assert identifier in there, f"session {identifier} is lost"
            said = [message.content for message in there[identifier].messages]
            for question in questions:
                assert question in said, f"the session lost {question!r}"
                assert said[said.index(question) + 1 :], f"{question!r} has no answer"
        assert not self.gone & there.keys(), "deleted sessions are back"

    def _check_messages(self, memory: Memory) -> None:
        contents = []
        for message in memory.iter_messages():
            try:
                contents.append(memory.get_message_content(message.message_id).content or "")
            except NotFoundError:
                raise AssertionError(f"the memory lists {message.message_id} but does not have it") from None
        whole = "\n".join(contents)
        lost = [text for text in self.messages if text not in whole]
        assert not lost, f"the memory lost {len(lost)} of {len(self.messages)} messages, e.g. {lost[0]!r}"
