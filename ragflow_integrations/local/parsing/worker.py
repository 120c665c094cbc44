"""The process that parses files, one after another, until its input ends or nothing has come for a minute.

On standard input: a line of JSON (``name``, ``chunk_method``, ``parser_config``, ``language``, the ``size`` of the
file in bytes, and what it may use: ``seconds`` of computing, ``memory`` in bytes), then the file. On standard output
lines of JSON: ``begun``; ``share`` and ``line`` of progress; ``chunks``, some at a time; ``done``, or ``failed`` with
the reason.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from . import ParseError, chunk_document

if sys.platform != "win32":
    import fcntl
    import resource

__all__ = ["main"]

_IDLE = 60.0  # seconds without work after which the process ends
_BATCH = 256  # chunks a line
_FAT = 1 << 29  # bytes; a process that has needed more makes room for a new one

Json = dict[str, Any]


def main() -> None:
    """Parse what comes; libraries that print do not get between the lines."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests = os.fdopen(os.dup(0), "rb")
    while _has_work(requests) and (line := requests.readline()):
        job = json.loads(line)
        data = requests.read(job["size"])
        _say(answers, begun=True)
        with _watched(requests):
            _limit(job["seconds"], job["memory"])
            last = _parse(job, data, answers)
        _say(answers, **last)
        if _is_fat():
            return


def _parse(job: Json, data: bytes, answers: BinaryIO) -> Json:
    """Writes progress and chunks; returns what is to be said last."""
    try:
        chunks = chunk_document(
            job["name"],
            data,
            chunk_method=job["chunk_method"],
            parser_config=job["parser_config"],
            language=job["language"],
            tell=lambda share, line: _say(answers, share=share, line=line),
        )
        for start in range(0, len(chunks), _BATCH):
            _say(answers, chunks=[asdict(chunk) for chunk in chunks[start : start + _BATCH]])
    except ParseError as error:
        return {"failed": str(error)}
    except MemoryError:
        return {"failed": f"To read the file takes more than {job['memory'] >> 20} MB of memory."}
    except Exception as error:  # noqa: BLE001 - whatever a file does to its reader, its owner has to know
        return {"failed": f"The file cannot be read: {type(error).__name__}: {error}"}
    return {"done": True}


def _say(answers: BinaryIO, **what: Any) -> None:
    answers.write(json.dumps(what).encode() + b"\n")
    answers.flush()


def _has_work(requests: BinaryIO) -> bool:
    return sys.platform == "win32" or bool(select.select([requests], [], [], _IDLE)[0])


def _limit(seconds: int, memory: int) -> None:
    """Where the system can: it ends this process after so much computing, and denies it more memory."""
    if sys.platform == "win32":
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    _set_limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + seconds)
    _set_limit(resource.RLIMIT_CORE, 0)
    if sys.platform == "linux":
        _set_limit(resource.RLIMIT_AS, memory)


def _set_limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


@contextmanager
def _watched(requests: BinaryIO) -> Iterator[None]:
    """While a file is parsed nothing comes in: what happens to the input is its end, and ends this process at once.

    The system does that by a signal, also while a library holds the interpreter.
    """
    if sys.platform == "win32":
        yield
        return
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    flags = fcntl.fcntl(requests, fcntl.F_GETFL)
    fcntl.fcntl(requests, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(requests, fcntl.F_SETFL, flags | os.O_ASYNC)
    if select.select([requests], [], [], 0)[0]:  # it has ended before anybody watched
        sys.exit()
    yield
    fcntl.fcntl(requests, fcntl.F_SETFL, flags)


def _is_fat() -> bool:
    if sys.platform == "win32":
        return False
    if sys.platform == "linux":  # where getrusage() counts in what the process that started this one needed
        status = Path("/proc/self/status").read_text("ascii")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024 > _FAT
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit > _FAT
