"""A server on loopback that answers as a real RAGFlow server was recorded to answer.

    with replay("v0.24", "09_agents") as server:
        client = RAGFlow("key", server.url)
        agents = client.list_agents()
    assert [agent.id for agent in agents] == [row["id"] for row in recorded("v0.24", "agents.list").body["data"]]

The fixtures ``replay_v024`` and ``replay_v027`` serve everything of a version. ``names=[…]`` serves only the
exchanges of these names (say which, where one request was answered differently at different times), and the
block fails unless each of them was asked for.

A request is answered if its method, path, key, query and JSON body (of an upload: the files' names and contents)
are those of a recording. Ids are exact. What a client spells out and the recorded caller left to the
server makes no difference: ``None`` and the values in ``DEFAULTS``. Equal requests get the recorded answers in
their order, and the last one from then on. ``server.served`` has the names of what was answered.

Everything else was never recorded: it is answered with status 599, and the block fails with the recordings that
come nearest and how they differ.

Streams are sent whole, or in pieces of ``cut`` bytes; one that the server broke off is broken off here as well.
The client's key is the owner's, whatever it is; ``"<KEY2>"`` is another tenant's and ``"ragflow-WRONGKEY"`` nobody's.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.protocol.recorded import OWNER, Exchange, exchanges

DEFAULTS: dict[str, Any] = {
    "page": 1,
    "page_size": 30,
    "orderby": "create_time",
    "desc": True,
    "similarity_threshold": 0.2,
    "keywords_similarity_weight": 0.7,
    "top_n": 5,  # of a search for messages
}
ANYWHERE = "01_auth_system"  # holds what clients ask by themselves: version and health
NEVER_RECORDED = 599
SECONDS = 30  # how long a connection may stay silent

Fields = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A request, received or recorded, in a form that can be compared."""

    method: str
    path: str
    authorization: str | None
    query: Fields
    body: Any

    @classmethod
    def recorded(cls, exchange: Exchange) -> Asked:
        return cls(
            exchange.method,
            exchange.path,
            exchange.authorization,
            {name: _text(value) for name, value in exchange.query.items() if value is not None},
            exchange.request_body,
        )

    @property
    def route(self) -> tuple[str, str, str | None]:
        return self.method, self.path, self.authorization

    def key(self, exact: bool) -> str:
        """Equal for requests that count as equal."""
        query, body = (self.query, self.body) if exact else (_told(self.query), _told(self.body))
        return json.dumps([*self.route, query, body], sort_keys=True)


def _text(value: Any) -> Any:
    """A query parameter as it arrives."""
    values = [str(each) for each in value] if isinstance(value, list) else [str(value)]
    return values[0] if len(values) == 1 else values


def _told(value: Any) -> Any:
    """Without what says the same as nothing."""
    if not isinstance(value, dict):
        return value
    return {name: each for name, each in value.items() if each is not None and not _is_default(name, each)}


def _is_default(name: str, value: Any) -> bool:
    return name in DEFAULTS and str(value).lower() == str(DEFAULTS[name]).lower()


def _asked(exchange: Exchange) -> Iterator[Asked]:
    """As it was asked; what the server tells anybody it tells the owner of a key as well."""
    asked = Asked.recorded(exchange)
    yield asked
    if asked.authorization is None and exchange.status == 200 and "/system/" in exchange.path:
        yield replace(asked, authorization=OWNER)


@dataclass
class Replay:
    """What is served, what was, and what could not be."""

    exchanges: Sequence[Exchange]
    cut: int | None = None
    url: str = ""
    served: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    _of_path: dict[str, list[Exchange]] = field(default_factory=dict)
    _queues: dict[str, list[Exchange]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for exchange in self.exchanges:
            self._of_path.setdefault(exchange.path, []).append(exchange)

    def answer_to(self, asked: Asked) -> Exchange | None:
        """The next recorded answer; ``None`` notes what was asked as never recorded."""
        with self._lock:
            for exact in (True, False):
                queue = self._queue(asked, exact)
                if queue:
                    exchange = queue.pop(0) if len(queue) > 1 else queue[0]
                    self.served.append(exchange.name)
                    return exchange
            self.unknown.append(self._nearest(asked))
            return None

    def _queue(self, asked: Asked, exact: bool) -> list[Exchange]:
        """What is left of the answers to equal requests, looked for when the first comes: most never do."""
        key = asked.key(exact)
        if (name := f"{exact} {key}") not in self._queues:
            self._queues[name] = [
                exchange
                for exchange in self._of_path.get(asked.path, ())
                for recorded in _asked(exchange)
                if recorded.key(exact) == key
            ]
        return self._queues[name]

    def _nearest(self, asked: Asked) -> str:
        known = [Asked.recorded(exchange) for exchange in self.exchanges]
        order = sorted(range(len(known)), key=lambda index: _distance(asked, known[index]))
        lines = [f"never recorded: {asked.method} {asked.path}; nearest:"]
        for index in order[:3]:
            unlike = _differences(asked, known[index])
            lines += [f"  {self.exchanges[index].name}", *(f"    {each}" for each in unlike)]
        return "\n".join(lines)


def _distance(asked: Asked, other: Asked) -> tuple[int, int, int]:
    ours, theirs = asked.path.split("/"), other.path.split("/")
    steps = abs(len(ours) - len(theirs)) * 2 + sum(a != b for a, b in zip(ours, theirs, strict=False))
    return steps, asked.method != other.method, len(_differences(asked, other))


def _differences(asked: Asked, other: Asked) -> list[str]:
    return [
        *_unlike("method", asked.method, other.method),
        *_unlike("path", asked.path, other.path),
        *_unlike("authorization", asked.authorization, other.authorization),
        *_unlike("query", _told(asked.query), _told(other.query)),
        *_unlike("body", _told(asked.body), _told(other.body)),
    ]


def _unlike(where: str, ours: Any, theirs: Any) -> list[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            line
            for name in sorted(ours.keys() | theirs.keys())
            for line in _unlike(f"{where}.{name}", ours.get(name), theirs.get(name))
        ]
    return [] if ours == theirs else [f"{where}: {ours!r} was sent, {theirs!r} recorded"]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = SECONDS
    disable_nagle_algorithm = True
    server: Server

    def answer(self) -> None:
        """Any request."""
        exchange = self.server.replay.answer_to(self._asked())
        if exchange is None:
            problem = {"code": NEVER_RECORDED, "message": self.server.replay.unknown[-1]}
            self._send(NEVER_RECORDED, "application/json", {}, json.dumps(problem).encode())
        elif exchange.content_type.startswith("text/event-stream"):
            self._stream(exchange)
        else:
            self._send(exchange.status, exchange.content_type, exchange.disposition, exchange.sent)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - as the standard library calls them

    def _asked(self) -> Asked:
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        address = urlsplit(self.path)
        query = {
            name: _text(values) for name, values in parse_qs(address.query, keep_blank_values=True).items()
        }
        return Asked(self.command, unquote(address.path), self._key(), query, self._body(content))

    def _key(self) -> str | None:
        sent = self.headers.get("authorization")
        named = {exchange.authorization for exchange in self.server.replay.exchanges}
        return sent if sent in named else sent and OWNER

    def _body(self, content: bytes) -> Any:
        kind = self.headers.get("content-type", "")
        if kind.startswith("multipart/"):
            return _multipart(kind, content)
        try:
            return json.loads(content) if content else None
        except ValueError:
            return content.decode("utf-8", "replace")

    def _send(self, status: int, kind: str, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {"content-type": kind, **headers, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, exchange: Exchange) -> None:
        self.send_response(exchange.status)
        for kind in exchange.content_type.split(", "):  # real servers send the header twice
            self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        content = exchange.sent
        size = self.server.replay.cut or len(content)
        for start in range(0, len(content), size or 1):
            piece = content[start : start + size]
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        if exchange.broken_off:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


class Server(ThreadingHTTPServer):
    """The socket."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 200

    def __init__(self, replay: Replay) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replay = replay
        replay.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no fault; everything else is noted, and fails the block."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            self.replay.unknown.append(f"the replay server failed: {error!r}")


def _multipart(kind: str, content: bytes) -> Fields:
    """As the recordings have it."""
    message = BytesParser(policy=HTTP).parsebytes(f"content-type: {kind}\r\n\r\n".encode() + content)
    files, form = [], {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
        if part.get_filename() is None:
            form[name] = text
        else:
            files.append({"field": name, "filename": part.get_filename(), "content": text})
    return {"multipart": files, "form": form or None}


@contextmanager
def replay(version: str, *files: str, names: Iterable[str] = (), cut: int | None = None) -> Iterator[Replay]:
    """The server for the block; its address is ``.url``."""
    wanted = list(names)
    known = exchanges(version, *files, *([ANYWHERE] if files and ANYWHERE not in files else []))
    chosen = [each for each in known if not wanted or each.name in wanted or "/system/" in each.path]
    if missing := set(wanted) - {each.name for each in chosen}:
        raise LookupError(f"not recorded from {version}: {', '.join(sorted(missing))}")
    served = Replay(chosen, cut)
    with Server(served) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield served
        except BaseException as error:
            for problem in served.unknown:
                error.add_note(problem)
            raise
        finally:
            server.shutdown()
            thread.join()
    assert not served.unknown, "\n".join(served.unknown)
    unasked = set(wanted) - set(served.served)
    assert not unasked, f"never asked for: {', '.join(sorted(unasked))}"
