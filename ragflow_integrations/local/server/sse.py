"""Server-sent events over a synchronous iterator: each frame goes out as it is made."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from .threads import in_thread

__all__ = ["EventStream", "frame"]


def frame(payload: Any) -> str:
    """One event in RAGFlow's framing: no space after ``data:``."""
    return f"data:{json.dumps(payload, ensure_ascii=False, allow_nan=False)}\n\n"


class EventStream(StreamingResponse):
    """Sends the frames of a generator, and closes the generator when the client is gone.

    ``stop`` is called before, to have it come to its next frame soon: until then it cannot be closed.
    """

    def __init__(self, frames: Generator[str, None, None], stop: Callable[[], None] = lambda: None) -> None:
        self._frames, self._stop = frames, stop
        # a cancelled call leaves next() running in its thread: closing waits for it
        self._lock = threading.Lock()
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(self._each(), headers=headers, media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(self._close)

    async def listen_for_disconnect(self, receive: Receive) -> None:
        await super().listen_for_disconnect(receive)
        self._stop()

    async def _each(self) -> AsyncIterator[str]:
        while (text := await in_thread(EventStream, self._next)) is not None:
            yield text

    def _next(self) -> str | None:
        with self._lock:
            return next(self._frames, None)

    def _close(self) -> None:
        self._stop()
        with self._lock:
            self._frames.close()
