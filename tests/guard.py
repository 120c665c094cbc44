"""A guard against blocking calls: nothing may make an event loop wait while it is watching.

Connections, sleeping, SQLite, and files that our packages touch are refused in any thread whose event loop runs.
asyncio's own sockets do not block and pass.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import linecache
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OURS = tuple(
    f"{ROOT / name}/" for name in ("ragflow_integrations", "langchain_ragflow", "llamaindex_ragflow")
)
ALWAYS = {"socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname", "sqlite3.connect"}
IF_OURS = {
    "open",
    "os.listdir",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.scandir",
    "subprocess.Popen",
}
LOOKING_UP = linecache.updatecache.__code__
SOCKET_CALLS = ("accept", "connect", "recv", "recv_into", "recvfrom", "send", "sendall", "sendto")

_caught: list[str] | None = None  # what was refused; None while nobody watches


class BlockingCallError(AssertionError):
    """Something would have made an event loop wait."""


@contextmanager
def watching() -> Iterator[None]:
    """Refuses blocking calls while it is open; raises at its end if one was made and its refusal swallowed."""
    global _caught
    _caught = caught = []
    try:
        yield
    finally:
        _caught = None
    if caught:
        raise BlockingCallError("blocking calls in an event loop:\n" + "\n".join(caught))


@functools.cache
def install() -> None:
    """Puts the guard in place; to be called before our packages are imported, which may keep ``time.sleep``."""
    sys.addaudithook(_on_audit)
    time.sleep = _guarded(time.sleep, "time.sleep", lambda *_: True)
    for name in SOCKET_CALLS:
        guarded = _guarded(
            getattr(socket.socket, name), f"socket.{name}", lambda sock: sock.gettimeout() != 0
        )
        setattr(socket.socket, name, guarded)
    if importlib.util.find_spec("apsw"):
        import apsw

        apsw.connection_hooks.append(_on_apsw)


def _refuse(what: str) -> None:
    """Raises if this thread's event loop runs while somebody watches, and notes it in case that gets lost."""
    if _caught is not None and asyncio._get_running_loop():
        _caught.append(what)
        raise BlockingCallError(f"{what} blocks the event loop of this thread")


def _guarded(function: Callable[..., Any], name: str, blocks: Callable[..., bool]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _caught is not None and blocks(args[0]):
            _refuse(name)
        return function(*args, **kwargs)

    return call


def _on_audit(event: str, args: tuple[Any, ...]) -> None:
    if _caught is None:
        return
    if event in ALWAYS or (event in IF_OURS and not isinstance(args[0], int) and _called_by_us()):
        _refuse(f"{event}({args[0]!r})")


def _on_apsw(connection: Any) -> None:
    def before_statement(cursor: Any, sql: str, bindings: Any) -> bool:
        _refuse(f"apsw: {sql}")
        return True

    _refuse(f"apsw.Connection({connection.filename!r})")
    connection.exec_trace = before_statement


def _called_by_us() -> bool:
    """Whether our code is below this call, other than by an import or by a traceback whose lines are looked up."""
    frame: FrameType | None = sys._getframe()
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib") or frame.f_code is LOOKING_UP:
            return False
        if frame.f_code.co_filename.startswith(OURS):
            return True
        frame = frame.f_back
    return False
