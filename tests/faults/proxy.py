"""A proxy on loopback that spoils what a real server answers, and counts what it sees.

::

    with proxying(server.base_url) as proxy:
        client = RAGFlow(server.api_key, proxy.url, timeout=0.3)
        with proxy.spoiling(cut_body):
            ...  # requests reach the server, half of each answer reaches the client
        ...      # nothing is spoiled any more

A fault is a function of the ``Exchange`` that it spoils. Whatever it does not answer itself, it takes from
``exchange.answer()``: only that forwards the request.
"""

from __future__ import annotations

import http.client
import json
import socket
import socketserver
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, BinaryIO
from urllib.parse import urlsplit

__all__ = [
    "FAULTS",
    "HUGE",
    "Exchange",
    "Fault",
    "Proxy",
    "Seen",
    "bad_gateway",
    "bad_json",
    "clean_end",
    "cut_body",
    "drip",
    "huge_error",
    "pass_on",
    "proxying",
    "refuse",
    "reset_body",
    "reset_head",
    "stall_body",
    "stall_head",
    "too_many",
    "unauthorized",
    "web_page",
    "wrong_type",
]

SECONDS = 10  # how long anything here waits before it gives up
HUGE = 100 * 1024 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Answer:
    """A whole answer; the body without its transfer encoding."""

    status: str
    headers: dict[str, str]
    body: bytes

    @property
    def streamed(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    def head(self, **changed: str) -> bytes:
        """Status and headers; an event stream goes out in chunks, everything else with its length."""
        length = (
            {"transfer-encoding": "chunked"} if self.streamed else {"content-length": str(len(self.body))}
        )
        headers = {
            **self.headers,
            **length,
            **{name.replace("_", "-"): text for name, text in changed.items()},
        }
        lines = [f"HTTP/1.1 {self.status}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode()

    def framed(self, part: bytes) -> bytes:
        """A part of the body as it goes over the wire."""
        return f"{len(part):x}\r\n".encode() + part + b"\r\n" if self.streamed else part

    @property
    def end(self) -> bytes:
        return b"0\r\n\r\n" if self.streamed else b""

    @property
    def half(self) -> bytes:
        return self.body[: len(self.body) // 2]


def answer(status: str, content_type: str, body: bytes, **headers: str) -> Answer:
    """An answer of our own."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"content-type": content_type, **named}, body)


@dataclass
class Exchange:
    """One request of a client, and the way to answer it."""

    proxy: Proxy
    sock: socket.socket
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)

    def send(self, content: bytes) -> None:
        self.sock.sendall(content)
        self.proxy.sent(len(content))

    def send_answer(self, whole: Answer) -> None:
        self.send(whole.head() + (whole.framed(whole.body) if whole.body else b"") + whole.end)

    @cached_property
    def real(self) -> Answer:
        """What the server behind the proxy answers: asking for it forwards the request."""
        place = urlsplit(self.proxy.upstream)
        server = http.client.HTTPConnection(place.hostname or "", place.port, timeout=SECONDS)
        try:
            server.request(self.method, self.path, self.body, {**self.headers, "connection": "close"})
            got = server.getresponse()
            kept = {"content-type", "content-disposition"}
            headers = {name.lower(): text for name, text in got.getheaders() if name.lower() in kept}
            return Answer(f"{got.status} {got.reason}", headers, got.read())
        finally:
            server.close()

    def forward(self) -> None:
        """Let the server do its work, whoever hears of it."""
        _ = self.real

    def reset(self) -> None:
        """Break the connection off so that the client sees a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        raise ConnectionAbortedError

    def close(self) -> None:
        """End the connection as if all were said."""
        raise ConnectionAbortedError

    def stall(self) -> None:
        """Say nothing more until the client goes."""
        with suppress(OSError):
            self.sock.recv(1)
        raise ConnectionAbortedError


Fault = Callable[[Exchange], None]


def pass_on(exchange: Exchange) -> None:
    """No fault at all."""
    exchange.send_answer(exchange.real)


def refuse(exchange: Exchange) -> None:
    """Nobody listens (``Proxy.spoiling`` closes the port)."""
    exchange.reset()


def reset_head(exchange: Exchange) -> None:
    """The server does its work, and the connection is reset before its answer."""
    exchange.forward()
    exchange.reset()


def reset_body(exchange: Exchange) -> None:
    """Half an answer, then a reset."""
    exchange.send(exchange.real.head() + exchange.real.framed(exchange.real.half))
    time.sleep(0.02)  # a reset overtakes what the client has not read yet
    exchange.reset()


def cut_body(exchange: Exchange) -> None:
    """Half an answer, then the connection ends."""
    exchange.send(exchange.real.head() + exchange.real.framed(exchange.real.half))
    exchange.close()


def clean_end(exchange: Exchange) -> None:
    """Half an answer that ends as if it were whole."""
    real = exchange.real
    exchange.send_answer(Answer(real.status, real.headers, real.half))


def stall_head(exchange: Exchange) -> None:
    """The server does its work and never answers."""
    exchange.forward()
    exchange.stall()


def stall_body(exchange: Exchange) -> None:
    """Half an answer, then silence."""
    exchange.send(exchange.real.head() + exchange.real.framed(exchange.real.half))
    exchange.stall()


def drip(exchange: Exchange) -> None:
    """The answer comes for ever, a byte at a time and always in time for the next."""
    real = exchange.real
    exchange.send(real.head(**({} if real.streamed else {"content_length": str(HUGE)})))
    began = time.monotonic()
    while time.monotonic() - began < SECONDS:
        exchange.send(real.framed(b" "))
        time.sleep(0.02)
    exchange.close()


def bad_gateway(exchange: Exchange) -> None:
    """A proxy before the server has lost it: 502 with a web page."""
    exchange.send_answer(answer("502 Bad Gateway", "text/html", b"<html><h1>502 Bad Gateway</h1></html>"))


def too_many(exchange: Exchange) -> None:
    """429: come back in a second."""
    body = json.dumps({"code": 429, "message": "Too many requests"}).encode()
    exchange.send_answer(answer("429 Too Many Requests", "application/json", body, retry_after="1"))


def unauthorized(exchange: Exchange) -> None:
    """401 as RAGFlow says it."""
    body = json.dumps({"code": 401, "message": "<Unauthorized '401: Unauthorized'>", "data": None}).encode()
    exchange.send_answer(answer("401 Unauthorized", "application/json", body))


def bad_json(exchange: Exchange) -> None:
    """200 with what is nearly JSON."""
    exchange.send_answer(answer("200 OK", "application/json", b'{"code": 0, "data": [{]}'))


def web_page(exchange: Exchange) -> None:
    """200 with the page of something else."""
    exchange.send_answer(answer("200 OK", "text/html", b"<!doctype html><title>Login</title>"))


def wrong_type(exchange: Exchange) -> None:
    """The right answer under the wrong name."""
    real = exchange.real
    exchange.send_answer(Answer(real.status, {**real.headers, "content-type": "text/plain"}, real.body))


def huge_error(exchange: Exchange) -> None:
    """500 with 100 MB of text."""
    exchange.send(answer("500 Internal Server Error", "text/html", b"").head(content_length=str(HUGE)))
    piece = b"<p>Traceback</p>" * 4096
    for _ in range(HUGE // len(piece)):
        exchange.send(piece)


FAULTS: tuple[Fault, ...] = (
    pass_on, refuse, reset_head, reset_body, cut_body, clean_end, stall_head, stall_body, drip, bad_gateway,
    too_many, unauthorized, bad_json, web_page, wrong_type, huge_error,
)  # fmt: skip


@dataclass
class Seen:
    """What passed the proxy while it was spoiling."""

    requests: Counter[str] = field(default_factory=Counter)  # by method and path, without the query
    bytes: int = 0
    connections: int = 0


class Proxy:
    """Stands before a server; one fault at a time."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self._lock = threading.Lock()
        self._fault: Fault = pass_on
        self._open: set[socket.socket] = set()
        self.seen = Seen()
        self._listener = self._listening(0)
        self._port: int = self._listener.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def open_connections(self) -> int:
        """Those that neither side has ended."""
        with self._lock:
            return len(self._open)

    def settled(self, most: int) -> bool:
        """Whether there are soon at most so many open connections."""
        end = time.monotonic() + SECONDS
        while self.open_connections > most and time.monotonic() < end:
            time.sleep(0.005)
        return self.open_connections <= most

    @contextmanager
    def spoiling(self, fault: Fault) -> Iterator[Seen]:
        """Spoil every answer in this way; gives what is seen meanwhile."""
        self.seen = seen = Seen()
        if fault is refuse:
            self._stop()
        self._fault = fault
        try:
            yield seen
        finally:
            self._fault = pass_on
            self.seen = Seen()
            if fault is refuse:
                self._listener = self._listening(self._port)

    def close(self) -> None:
        self._stop()

    def sent(self, size: int) -> None:
        with self._lock:
            self.seen.bytes += size

    def _stop(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        with self._lock:
            still_open = list(self._open)
        for sock in still_open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _listening(self, port: int) -> socketserver.ThreadingTCPServer:
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                proxy._serve(self.request)

        class Listener(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False
            request_queue_size = 256

            def shutdown_request(self, request: Any) -> None:
                """Without the polite end, which would come before a reset."""
                self.close_request(request)

        listener = Listener(("127.0.0.1", port), Handler)
        threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True).start()
        return listener

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open.add(sock)
            self.seen.connections += 1
        try:
            with sock.makefile("rb") as received, suppress(OSError):
                while (exchange := self._next(sock, received)) is not None:
                    with self._lock:
                        fault = self._fault
                        self.seen.requests[f"{exchange.method} {exchange.path.partition('?')[0]}"] += 1
                    fault(exchange)
        finally:
            with self._lock:
                self._open.discard(sock)

    def _next(self, sock: socket.socket, received: BinaryIO) -> Exchange | None:
        """The next request on this connection; ``None`` when the client has ended it."""
        lines: list[str] = []
        while (line := received.readline().decode("latin-1")) not in ("", "\r\n"):
            lines.append(line.rstrip("\r\n"))
        if not lines:
            return None
        method, path, _ = lines[0].split(" ")
        headers = {name.lower(): value for name, value in (each.split(": ", 1) for each in lines[1:])}
        body = received.read(int(headers.get("content-length", 0)))
        return Exchange(self, sock, method, path, headers, body)


@contextmanager
def proxying(upstream: str) -> Iterator[Proxy]:
    """A proxy before the server at ``upstream``."""
    proxy = Proxy(upstream)
    try:
        yield proxy
    finally:
        proxy.close()
