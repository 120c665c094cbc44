"""The extraction queue: what a language model is still to read, kept in the table ``memory_task``.

What is extracted from a message is stored in the transaction that ends its task: after a crash it is all there, or
the task is still to do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import apsw

from ..fields import now_ms, seconds
from ..models import LLM, Models, Reasoning
from ..models import Message as Asked
from ..problems import InUse, Problem
from ..store import Row, Store, row
from ..worker import Worker
from . import memories, messages
from .messages import Message
from .prompts import EXTRACTED, Extract, read_answer, user_prompt

__all__ = ["Extractor", "needs_extraction"]

_log = logging.getLogger(__name__)
_POLL = 0.02  # seconds
_TO_DO = "progress BETWEEN 0 AND 0.99"
_NEXT = (
    "SELECT memory_task.id AS key, memory_task.id, message_id, memory_id, tenant_id, content, user_id, agent_id,"
    " session_id, valid_at, progress_msg FROM memory_task JOIN message ON message.id = message_id"
    " JOIN memory ON memory.id = memory_id"
    f" WHERE {_TO_DO} AND memory_task.id NOT IN (SELECT value FROM json_each(:taken))"
    " ORDER BY memory_task.create_time, message_id LIMIT 1"
)
_WAITING = (
    "SELECT 1 FROM memory_task JOIN message ON message.id = message_id JOIN memory ON memory.id = memory_id"
    f" WHERE {_TO_DO} AND tenant_id = ?"
)


def needs_extraction(memory: Row) -> bool:
    """Whether anything but the raw messages is to be kept."""
    return any(kind in memory["memory_type"] for kind in EXTRACTED)


class Extractor:
    """Works the queue off in the background, with the language model and the embedder that a memory names."""

    def __init__(self, store: Store, models: Models) -> None:
        self._store, self._models = store, models
        self._worker = Worker(store, "memory", _NEXT, self._do)
        self.wake = self._worker.wake
        self.close = self._worker.close

    def wait(self, tenant_id: str, timeout: float) -> bool:
        """Wait until nothing of a tenant is queued; False if something still is after ``timeout`` seconds."""
        give_up = time.monotonic() + timeout
        while self._is_waiting(tenant_id):
            self.wake()
            if time.monotonic() > give_up:
                return False
            time.sleep(_POLL)
        return True

    def _is_waiting(self, tenant_id: str) -> bool:
        with self._store.read() as db:
            return row(db, _WAITING, (tenant_id,)) is not None

    def _do(self, task: Row) -> None:
        try:
            with self._store.read() as db:
                memory = memories.get(db, task["tenant_id"], task["memory_id"])
            llm = self._models.needed_llm("extracting memories", memory["llm_id"])
            found = _extracted(llm, memory, task)
            prepared = messages.prepare(self._models.embedder(memory["embd_id"]), _messages(task, found))
            if not self._worker.is_closing:
                self._finish(task, memory, prepared)
        except InUse:  # another process is writing: the task stays queued
            raise
        except Problem as error:
            self._tell(task, str(error))
        except Exception as error:  # noqa: BLE001 - one message must not stop the others
            _log.exception("nothing could be extracted from message %s", task["message_id"])
            self._tell(task, f"{type(error).__name__}: {error}")

    def _finish(self, task: Row, memory: Row, prepared: Sequence[messages.Prepared]) -> None:
        with self._store.write() as db:
            if _is_to_do(db, task):
                messages.add(db, memory, prepared)
                _end(db, task, 1.0, f"Extracted {len(prepared)} messages from raw dialogue.")

    def _tell(self, task: Row, reason: str) -> None:
        if self._worker.is_closing:
            return
        with self._store.write() as db:
            _end(db, task, -1.0, f"[ERROR]{reason}")


def _extracted(llm: LLM, memory: Row, task: Row) -> list[Extract]:
    """What the language model reads from a message."""
    asked: list[Asked] = [
        {"role": "system", "content": memory["system_prompt"]},
        {"role": "user", "content": user_prompt(task["content"], task["valid_at"], memory["user_prompt"])},
    ]
    deltas = llm.chat(asked, temperature=memory["temperature"])
    answer = "".join(delta for delta in deltas if not isinstance(delta, Reasoning))
    return read_answer(answer, memory["memory_type"])


def _messages(task: Row, found: Sequence[Extract]) -> list[Message]:
    whose = {name: task[name] for name in ("user_id", "agent_id", "session_id")}
    return [
        Message(
            each.content,
            **whose,
            valid_at=each.valid_at or task["valid_at"],
            invalid_at=each.invalid_at,
            message_type=each.message_type,
            source_id=task["message_id"],
        )
        for each in found
    ]


def _is_to_do(db: apsw.Connection, task: Row) -> bool:
    """Whether the message is still there; it may have been deleted in the meantime."""
    return row(db, f"SELECT 1 FROM memory_task WHERE id = ? AND {_TO_DO}", (task["id"],)) is not None


def _end(db: apsw.Connection, task: Row, progress: float, said: str) -> None:
    lines = f"{task['progress_msg']}\n{seconds(now_ms())} {said}"
    db.execute(
        "UPDATE memory_task SET progress = ?, progress_msg = ? WHERE id = ?", (progress, lines, task["id"])
    )
