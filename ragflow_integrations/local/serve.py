"""The local engine on a socket: in the foreground for the command line, in a thread for tests and notebooks."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import uvicorn

from .engine import Engine
from .server import build_app

__all__ = ["Running", "running_server", "serve"]

_BACKLOG = 2048
_SECONDS_TO_FINISH = 5


@dataclass(frozen=True)
class Running:
    """A server that accepts connections: where it is and which key it wants."""

    base_url: str
    api_key: str = field(repr=False)


def serve(
    engine: Engine,
    host: str,
    port: int,
    *,
    api_version: str = "0.27",
    on_ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve the engine until Ctrl+C or SIGTERM; call from the main thread.

    ``on_ready`` gets the base URL as soon as connections are accepted; ``port`` 0 takes a free one. Open answers
    have 5 seconds to finish. Raises ``OSError`` if the port is taken; the engine stays open.
    """
    listener = _listen(host, port)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        on_ready(_url(listener))
        # uvicorn stops at either signal and raises it again when it has finished
        _server(engine, api_version, host).run(sockets=[listener])
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)
        listener.close()


@contextmanager
def running_server(
    engine: Engine,
    *,
    api_key: str | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    api_version: str = "0.27",
) -> Iterator[Running]:
    """Serve the engine from a thread while the ``with`` block runs, on a free port unless one is given.

    Connections are accepted from the first line of the block on. ``api_key`` becomes the owner's key, which
    is the kept one otherwise; it answers as RAGFlow of ``api_version``.
    Raises ``OSError`` if the port is taken; the engine stays open.
    """
    with closing(_listen(host, port)) as listener:
        key = engine.api_key(api_key)  # takes the kept one's place only when the port is ours
        server = _server(engine, api_version, host)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="ragflow-local-server"
        )
        thread.start()
        try:
            yield Running(_url(listener), key)
        finally:
            # told to stop before it runs, uvicorn leaves things open
            while thread.is_alive() and not server.started:
                time.sleep(0.01)
            server.should_exit = True
            thread.join()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named; without it an answer can take 40 ms longer
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two servers have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server(engine: Engine, api_version: str, host: str) -> uvicorn.Server:
    config = uvicorn.Config(
        build_app(engine, api_version=api_version, host=host),
        access_log=False,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
        ws="none",
    )
    return uvicorn.Server(config)
