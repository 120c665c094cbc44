"""People who use a server all at once: upload, parse, ask, remember, delete."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from ragflow_integrations import Chat, DataSet, Document, Memory, RAGFlow, TransportError

from .ledger import Ledger, digest

__all__ = ["Place", "Worker", "place"]

DATASET, CHAT, MEMORY = "soak", "soak helper", "soak memory"
SENTENCE = "The harbour of Poseidonia has number {n} lamps, and the keeper of lamp {n} is called {name}."


@dataclass(frozen=True)
class Place:
    """Where everybody works."""

    client: RAGFlow
    dataset: DataSet
    chat: Chat
    memory: Memory


def place(client: RAGFlow) -> Place:
    """The dataset, the chat and the memory, made if they are not there."""
    datasets = [each for each in client.iter_datasets() if each.name == DATASET]
    dataset = datasets[0] if datasets else client.create_dataset(DATASET)
    if not dataset.chunk_count:
        dataset.upload(text(random.Random(0), 5), name="first.txt")
    chats = [each for each in client.iter_chats() if each.name == CHAT]
    chat = chats[0] if chats else client.create_chat(CHAT, dataset_ids=[dataset.id])
    memories = [each for each in client.iter_memories() if each.name == MEMORY]
    memory = (
        memories[0]
        if memories
        else client.create_memory(MEMORY, ["raw"], "BAAI/bge-small-en-v1.5@Builtin", "glm-4-flash@ZHIPU-AI")
    )
    return Place(client, dataset, chat, memory)


def text(chance: random.Random, sentences: int) -> bytes:
    """A file's content, different each time."""
    lines = (
        SENTENCE.format(n=chance.randint(1, 10**6), name=chance.choice(["Ada", "Bo", "Cy"]))
        for _ in range(sentences)
    )
    return "\n".join(lines).encode()


class Worker(threading.Thread):
    """One of them: does random things until told to stop, or until the server is gone.

    ``failure`` is what went wrong besides that. With ``tidy`` it deletes about as much as it makes. All that have a
    ``beat``, in seconds, do their next thing at the same moment: each time the clock is at a multiple of it.
    """

    def __init__(
        self,
        at: Place,
        ledger: Ledger,
        seed: float,
        stop: threading.Event,
        *,
        tidy: bool,
        beat: float | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self._at, self._ledger, self._chance, self._ended = at, ledger, random.Random(seed), stop
        self._tidy, self._beat = tidy, beat
        self._documents: list[Document] = []
        self._sessions: list[str] = []
        self.failure: Exception | None = None

    def run(self) -> None:
        deeds = [self._upload, self._add_chunk, self._remove, self._ask, self._ask, self._remember]
        deeds += [self._search, self._delete_session, self._recall]
        try:
            while not self._ended.wait(
                0 if self._beat is None else self._beat - time.monotonic() % self._beat
            ):
                self._chance.choice(deeds)()
        except TransportError:
            return  # the server was killed
        except Exception as failure:  # noqa: BLE001 - kept for the one who looks at this thread's end
            self.failure = failure

    def _called(self, what: str, call: Callable[[], object]) -> object:
        self._ledger.begun(what)
        answer = call()
        self._ledger.done(what)
        return answer

    def _upload(self) -> None:
        if self._tidy and len(self._documents) > 3:
            return
        name, data = f"{uuid4().hex}.txt", text(self._chance, self._chance.randint(1, 200))
        self._ledger.begun(name)
        [document] = self._at.dataset.upload_documents([{"display_name": name, "blob": data}])
        self._ledger.documents[document.id] = (name, digest(data))
        self._ledger.done(name)
        self._at.dataset.async_parse_documents([document.id])
        self._ledger.parsing.add(document.id)
        self._ledger.done(document.id)
        self._documents.append(document)

    def _add_chunk(self) -> None:
        if not self._documents:
            return
        document = self._chance.choice(self._documents)
        content = f"chunk {uuid4().hex}"
        document_id = document.id
        if document_id in self._ledger.parsing:
            return  # parsing replaces what was added meanwhile
        chunk = document.add_chunk(content)
        self._ledger.chunks[chunk.id] = (document_id, content)
        self._ledger.done(chunk.id)

    def _remove(self) -> None:
        if not self._documents:
            return
        document = self._documents.pop(self._chance.randrange(len(self._documents)))
        self._called(document.id, lambda: self._at.dataset.delete_documents([document.id]))
        self._ledger.forget_document(document.id)

    def _ask(self) -> None:
        if not self._sessions or (len(self._sessions) < 3 and self._chance.random() < 0.3):
            session = self._at.chat.create_session(uuid4().hex)
            self._ledger.sessions[session.id] = []
            self._sessions.append(session.id)
        identifier = self._chance.choice(self._sessions)
        question = f"Who keeps lamp {uuid4().hex}?"
        session = self._at.client.session(self._at.chat.id, identifier)
        if self._chance.random() < 0.5:
            session.ask(question)
        else:
            with session.ask(question, stream=True) as pieces:
                for _ in pieces:
                    pass
        self._ledger.sessions[identifier].append(question)
        self._ledger.done(question)

    def _delete_session(self) -> None:
        if len(self._sessions) < 3:
            return
        identifier = self._sessions.pop(0)
        self._called(identifier, lambda: self._at.chat.delete_sessions([identifier]))
        self._ledger.sessions.pop(identifier)
        self._ledger.gone.add(identifier)

    def _remember(self) -> None:
        if self._tidy and self._chance.random() < 0.8:
            return
        fact = f"the password of gate {uuid4().hex}"
        self._at.client.add_message([self._at.memory.id], "a", "s", f"Remember {fact}", "I will.")
        self._ledger.messages.append(fact)
        self._ledger.done(fact)

    def _recall(self) -> None:
        self._at.client.search_message("Which password?", [self._at.memory.id])
        self._ledger.done("")

    def _search(self) -> None:
        found = self._at.client.retrieve("Who keeps the lamps of Poseidonia?", [self._at.dataset.id])
        if not found:
            raise AssertionError("the search finds nothing")
        self._ledger.done("")
