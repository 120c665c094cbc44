"""A loopback server that answers exactly the bytes a test gives it, and counts what it sees."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 10  # how long anything here waits before it gives up

CERTIFICATE = Path(__file__).with_name("loopback.pem")
"""Of 127.0.0.1, signed by itself, with its key: good for nothing but these tests."""

Answer = bytes | Callable[["Connection"], None] | None
"""Bytes to send, what to do with the connection, or ``None`` to close it without an answer."""


def http(body: bytes | dict[str, Any], status: str = "200 OK", **headers: str) -> bytes:
    """A whole HTTP answer; a dict is sent as JSON."""
    kind = "application/json" if isinstance(body, dict) else "text/html"
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    lines = {"content-type": kind, "content-length": str(len(content)), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + content


def stream_head() -> bytes:
    """The beginning of an answer that comes in chunks of server-sent events."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(content: bytes) -> bytes:
    """One piece of such an answer; an empty one ends it."""
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


class Connection:
    """One client's connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._input = sock.makefile("rb")
        self.last: Received | None = None

    def send(self, content: bytes) -> None:
        self._socket.sendall(content)

    def receive(self) -> Received | None:
        """The next request; ``None`` when the client has closed."""
        head = []
        while (line := self._line()) not in ("", "\r\n"):
            head.append(line.rstrip("\r\n"))
        if not head:
            return None
        headers = dict(each.lower().split(": ", 1) for each in head[1:])
        self.last = Received(head[0], headers, self._input.read(int(headers.get("content-length", 0))))
        return self.last

    def tunnel(self, host: str, port: int) -> None:
        """Say yes to a proxy's client, and carry bytes both ways until one side ends."""
        with socket.create_connection((host, port), SECONDS) as other:
            self.send(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_carry, args=(other, self._socket))
            back.start()
            _carry(self._socket, other)
            back.join()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)

    def wait_for_end(self) -> bool:
        """Whether the client closed the connection, while it had an answer open."""
        return self._line() == ""

    def _line(self) -> str:
        try:
            return self._input.readline().decode("latin-1")
        except ConnectionError:
            return ""


class RawServer:
    """Each request gets the next answer, the last one again and again."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self._lock = threading.Lock()
        self.requests: list[Received] = []
        self.connections = 0
        self._arrived = threading.Semaphore(0)
        self._ended = threading.Semaphore(0)

    def wait_for_request(self) -> bool:
        """Whether one more request came in time."""
        return self._arrived.acquire(timeout=SECONDS)

    def wait_for_ends(self, count: int = 1) -> bool:
        """Whether that many connections were closed by the client in time."""
        return all(self._ended.acquire(timeout=SECONDS) for _ in range(count))

    def serve(self, sock: socket.socket) -> None:
        """One connection, from its first request to its end."""
        sock.settimeout(SECONDS)
        connection = Connection(sock)
        with self._lock:
            self.connections += 1
        while (received := connection.receive()) is not None:
            with self._lock:
                self.requests.append(received)
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            self._arrived.release()
            if answer is None:
                return
            if callable(answer):
                answer(connection)
            else:
                connection.send(answer)
        self._ended.release()


def _carry(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(1 << 16):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(*answers: Answer, port: int = 0, tls: bool = False) -> Iterator[tuple[RawServer, str]]:
    """The server and its address."""
    script = RawServer(*answers)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if not tls:
                script.serve(self.request)
                return
            with suppress(ssl.SSLError), context.wrap_socket(self.request, server_side=True) as sock:
                script.serve(sock)  # if the client trusts it

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False
        request_queue_size = 200

    with Server(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield script, f"http{'s' * tls}://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
