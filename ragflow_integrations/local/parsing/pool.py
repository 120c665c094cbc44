"""Parsing in processes of its own, which are started when they are needed and kept for the next files.

Each is a Python of its own, not a fork and not ``multiprocessing``, whose children run the caller's script again: it
works in notebooks, threads and scripts of any form. It has no part of the database.
"""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, Unpack

from . import LIGHT, Chunk, ParseError, chunk_document
from .base import Tell

__all__ = ["Limits", "ParserPool", "ParserProcess"]

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from ragflow_integrations.local.parsing.worker import main; main()"
)
_TICK = 0.2  # seconds between two looks at whether to go on
_WAITING = 60  # seconds that a busy machine may keep the process waiting, besides as many as it computes
_SMALL = 256 << 10  # bytes; text of this size takes some tenths of a second at worst
_CLOSING = "The engine is being closed."
_SECRET = re.compile("KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)

Json = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """What the parsing of one file may take."""

    seconds: int = 300
    """Of computing, where the system can count them (not on Windows); waiting ends after twice as long and a minute."""
    memory: int = 2 << 30
    """Bytes, where the system can limit it (Linux)."""


class How(TypedDict):
    """What ``chunk_document`` takes besides the file."""

    chunk_method: str
    parser_config: Mapping[str, Any]
    language: str
    tell: Tell


class ParserPool:
    """Parses files, each that may take long in a process that is parsing no other; ``close()`` ends them all.

    There are as many processes as files are parsed at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[ParserProcess] = []
        self._idle: list[ParserProcess] = []
        self._closed = False

    def parse(self, name: str, data: bytes, **how: Unpack[How]) -> list[Chunk]:
        """As ``ParserProcess.parse``; a small text, which cannot take long, is parsed here."""
        if how["chunk_method"] == "naive" and _is_light(name, data):
            return chunk_document(name, data, **how)
        with self._process() as process:
            return process.parse(name, data, **how)

    def close(self) -> None:
        """End the processes; files that are being parsed fail."""
        with self._lock:
            self._closed = True
        for process in self._all:
            process.close()

    @contextmanager
    def _process(self) -> Iterator[ParserProcess]:
        with self._lock:
            if self._closed:
                raise ParseError(_CLOSING)
            if self._idle:
                process = self._idle.pop()  # the one that has worked last: the others end for want of work
            else:
                process = ParserProcess()
                self._all.append(process)
        try:
            yield process
        finally:
            with self._lock:
                self._idle.append(process)


class _Gone(Exception):
    """The process has ended; ``code`` is its exit code."""

    def __init__(self, code: int, begun: bool) -> None:
        super().__init__(code)
        self.code, self.begun = code, begun


class ParserProcess:
    """Parses one file at a time; ``close()`` ends it, and whatever it is doing."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._closed = False

    def parse(self, name: str, data: bytes, **how: Unpack[How]) -> list[Chunk]:
        """As ``chunk_document``. ``tell`` is called at least every 0.2 seconds; what it raises ends the parsing.

        ``ParseError`` also if the file takes too long, needs too much memory or breaks the process.
        """
        tell = how["tell"]
        request = self._request(name, len(data), how)
        for is_last in (False, True):
            try:
                answer = self._answer(self._started(), request + data, tell)
            except _Gone as gone:
                self._end()
                if gone.begun or self._closed or is_last:
                    raise ParseError(self._reason(name, gone.code)) from None
                continue  # it had just ended for want of work
            except BaseException:
                self._end()
                raise
            if isinstance(answer, str):
                raise ParseError(answer)
            return answer
        raise AssertionError("both tries have ended")

    def close(self) -> None:
        """End the process; a file that is being parsed fails."""
        self._closed = True
        self._end()

    def _request(self, name: str, size: int, how: How) -> bytes:
        job: Json = {
            "name": name,
            "size": size,
            "seconds": self._limits.seconds,
            "memory": self._limits.memory,
        }
        job |= {"chunk_method": how["chunk_method"], "language": how["language"]}
        return json.dumps({**job, "parser_config": dict(how["parser_config"])}).encode() + b"\n"

    def _answer(self, running: _Running, request: bytes, tell: Tell) -> list[Chunk] | str:
        """The chunks, or why there are none."""
        patience = 2 * self._limits.seconds + _WAITING
        deadline = time.monotonic() + patience
        running.send(request)
        chunks: list[Chunk] = []
        share = 0.0
        while True:
            message = running.next(_TICK)
            if "done" in message:
                return chunks
            if "failed" in message:
                return str(message["failed"])
            chunks += [Chunk(**each) for each in message.get("chunks", ())]
            share = message.get("share", share)
            tell(share, message.get("line", ""))
            if time.monotonic() > deadline:
                raise ParseError(f"To read the file takes longer than {patience} seconds.")

    def _started(self) -> _Running:
        with self._lock:
            if self._closed:
                raise ParseError(_CLOSING)
            if self._running is None:
                self._running = _Running()
            return self._running

    def _end(self) -> None:
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            running.end()

    def _reason(self, name: str, code: int) -> str:
        if hasattr(signal, "SIGXCPU") and code == -signal.SIGXCPU:
            return f"To read {name!r} takes longer than {self._limits.seconds} seconds."
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return (
            f"The file {name!r} breaks the process that reads it ({how}): it is damaged, "
            f"or takes more than {self._limits.memory >> 20} MB of memory."
        )


class _Running:
    """A process, and the thread that hears what it says; the thread ends with it and leaves no zombie."""

    def __init__(self) -> None:
        paths = json.dumps([str(Path(path).absolute()) for path in sys.path])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if not _SECRET.search(name)},
            start_new_session=True,  # Ctrl+C is for the program, which closes the engine
        )
        self._said: queue.SimpleQueue[Json | None] = queue.SimpleQueue()
        self._begun = False
        self._hearing = threading.Thread(target=self._hear, name="ragflow-parser-process", daemon=True)
        self._hearing.start()

    def send(self, request: bytes) -> None:
        """Give it a file; an ended process is noticed by ``next``."""
        assert self._process.stdin is not None
        self._begun = False
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return

    def next(self, seconds: float) -> Json:
        """What it says next; nothing if that takes longer. ``_Gone`` if it has ended."""
        try:
            message = self._said.get(timeout=seconds)
        except queue.Empty:
            return {}
        if message is None:
            raise _Gone(self._process.wait(), self._begun)
        self._begun = self._begun or "begun" in message
        return message

    def end(self) -> None:
        """End the process and wait until it is gone."""
        self._process.kill()
        self._hearing.join()

    def _hear(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._process.stdout as said:
            for line in said:
                self._said.put(json.loads(line))
        self._process.wait()
        with suppress(BrokenPipeError):  # what was not sent yet
            self._process.stdin.close()
        self._said.put(None)


def _is_light(name: str, data: bytes) -> bool:
    """Whether a file is so simple and small that it may be parsed here: it cannot take long."""
    return len(data) <= _SMALL and name.rpartition(".")[2].lower() in LIGHT
