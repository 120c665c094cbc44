"""What no honest client sends, over loopback: it is answered, it stays where it is, and others are served meanwhile."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.serve import Running, running_server

PATIENCE = 60  # seconds for one answer, on any machine
MALFORMED = (101, "Malformed JSON syntax: Missing commas/brackets or invalid encoding")
BAD_REQUEST = (100, "<BadRequest '400: Bad Request'>")


@pytest.fixture(scope="module", params=["0.27", "0.24"])
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    """A server of each version."""
    with Engine(":memory:") as engine, running_server(engine, api_version=request.param) as running:
        yield running


@pytest.fixture
def http(server: Running) -> Iterator[httpx.Client]:
    """A client that has the key."""
    headers = {"Authorization": f"Bearer {server.api_key}"}
    with httpx.Client(base_url=f"{server.base_url}/api/v1", headers=headers, timeout=PATIENCE) as client:
        yield client


def said(http: httpx.Client, path: str, body: bytes, kind: str = "application/json") -> tuple[int, str]:
    """Code and message of the answer to a POST."""
    answer = http.post(path, content=body, headers={"Content-Type": kind})
    return answer.json()["code"], answer.json().get("message", "")


def connected(server: Running) -> socket.socket:
    """A connection over which nothing has gone yet."""
    host, port = server.base_url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


UNREADABLE = [
    b'\xef\xbb\xbf{"name": "x"}',
    '{"name": "x"}'.encode("utf-16"),
    b'{"name": "\xff"}',
    b'{"name": "\xed\xa0\x80"}',
    b'{"name": ' + b"9" * 5000 + b"}",
    b'{"name": "x"',
    b"[" * 500 + b"]" * 500,
    b'{"name":' * 201 + b"1" + b"}" * 201,
]


def test_bodies_that_are_no_json(http: httpx.Client) -> None:
    """Byte order marks, other encodings, numbers of thousands of digits, and what is nested too deeply to be kept."""
    for body in UNREADABLE:
        assert said(http, "/datasets", body) == MALFORMED, body[:40]
        assert said(http, "/chats", body) == BAD_REQUEST, body[:40]


def test_of_a_key_that_comes_twice_the_last_counts(http: httpx.Client) -> None:
    """As Python reads JSON, on RAGFlow and here."""
    made = http.post(
        "/chats", content=b'{"name": "one", "name": "two"}', headers={"Content-Type": "application/json"}
    )
    assert made.json()["data"]["name"] == "two"


def test_more_values_than_are_read(http: httpx.Client) -> None:
    """Millions of small values, which would hold everybody up while they are read, are refused unread."""
    answer = http.post(
        "/datasets", content=b"[" + b"[]," * 250_000, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, 413)
    assert answer.json()["message"] == "the body has more than 250000 commas and brackets"


def canvas(levels: int) -> str:
    """The text of a canvas with a list of so many levels in it."""
    begin = '"begin": {"obj": {"component_name": "Begin", "params": {}}}'
    return f'{{"components": {{{begin}, "x": {"[" * levels}{"]" * levels}}}}}'


def test_what_is_nested_as_deeply_as_can_be_is_listed(http: httpx.Client) -> None:
    """A body of 200 levels is kept and shown; one of 201 is refused, also where it is a text in the body."""
    body = '{{"title": "{}", "dsl": {}}}'
    assert said(http, "/agents", body.format("deep", canvas(197)).encode())[0] == 0
    assert said(http, "/agents", body.format("deeper", canvas(198)).encode()) == BAD_REQUEST
    code, _ = said(http, "/agents", body.format("told", json.dumps(canvas(199))).encode())
    assert code in (100, 101)
    assert http.get("/agents").json()["code"] == 0


FORM = b'--X\r\nContent-Disposition: form-data; name="file"; filename="%b.txt"\r\n\r\nhello\r\n--X--\r\n'
IN_CHARSETS = [
    ("undefined", b"x"),
    ("utf-7", b"+2D0-"),
    ("unicode_escape", rb"\ud83d"),
]


def test_forms_in_charsets_that_are_none(http: httpx.Client) -> None:
    """Python knows charsets that decode nothing, and some with half surrogate pairs: what they hold is refused."""
    dataset = http.post("/datasets", json={"name": "forms"}).json()["data"]["id"]
    for charset, name in IN_CHARSETS:
        kind = f"multipart/form-data; charset={charset}; boundary=X"
        code, message = said(http, f"/datasets/{dataset}/documents", FORM % name, kind)
        assert code == 100, (charset, message)
        assert "charset" in message, (charset, message)
    assert http.get(f"/datasets/{dataset}/documents").json()["data"]["total"] == 0


BROKEN_FORMS = [
    ("multipart/form-data", FORM % b"a"),
    ("multipart/form-data; boundary=", FORM % b"a"),
    ("multipart/form-data; boundary=Y", FORM % b"a"),
    ("multipart/form-data; boundary=X", (FORM % b"a")[:60]),
    ("multipart/form-data; boundary=X", b"--X\r\nno header\r\n\r\nhello\r\n--X--\r\n"),
    ("multipart/form-data; boundary=X", b"--X\r\n" + b"A: b\r\n" * 100_000 + b"\r\nhello\r\n--X--\r\n"),
    ("multipart/form-data; boundary=X", b""),
    ("application/x-www-form-urlencoded", b"a=&" * 1_000_000),
    ("application/x-www-form-urlencoded", b"a=" + b"b" * 2**21),
]


def test_broken_forms(http: httpx.Client) -> None:
    """What is cut off, has no or another boundary, or too much of everything: an error in words, and no document."""
    dataset = http.post("/datasets", json={"name": "broken"}).json()["data"]["id"]
    for kind, body in BROKEN_FORMS:
        code, message = said(http, f"/datasets/{dataset}/documents", body, kind)
        assert code in (100, 101), (kind, body[:60])
        assert "BadRequest" in message or message == "No file part!", (kind, body[:60], message)
    assert http.get(f"/datasets/{dataset}/documents").json()["data"]["total"] == 0


ASKED = (
    "GET /api/v1/datasets HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n"
)
JSON = (
    "POST /api/v1/datasets HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n"
    + ("Content-Type: application/json\r\n")
)
HEADS = [
    (ASKED + "Origin: http://[\r\n\r\n", 403),
    (ASKED + "Origin: http://[::zz]\r\n\r\n", 403),
    ("GET /api/v1/datasets HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n", 200),
    ("GET /api/v1/datasets HTTP/1.0\r\nAuthorization: Bearer {key}\r\n\r\n", 403),
    ("GET /api/v1/datasets HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n", 400),
    ("GET http://evil.example/api/v1/datasets HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
    ("GET /%00%ff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
    ("BREW /api/v1/datasets HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200),
    (ASKED + "X: " + "x" * 1_000_000 + "\r\n\r\n", 400),
    (ASKED + "X: x\r\n" * 200_000 + "\r\n", 400),
    (JSON + "Content-Length: -5\r\n\r\n{{}}", 400),
    (JSON + "Content-Length: " + "9" * 5000 + "\r\n\r\n{{}}", 400),
    (JSON + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}", 400),
    (JSON + "Content-Length: " + "9" * 19 + "\r\n\r\n{{}}", 413),
    (JSON + "Transfer-Encoding: gzip\r\n\r\n{{}}", 400),
    (JSON + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n", 400),
]


def test_odd_requests(server: Running) -> None:
    """Each head that is none, or wrong about its body, gets the status for it, and the connection is closed."""
    for text, status in HEADS:
        with connected(server) as connection, connection.makefile("rb") as answer:
            try:
                connection.sendall(text.format(key=server.api_key).encode("latin-1"))
                first = answer.readline()
            except ConnectionError:  # it was refused before all of it was sent
                assert len(text) > 100_000
                continue
        assert first.split()[1:2] == [str(status).encode()], text[:80]


def test_several_at_once_on_one_connection(server: Running) -> None:
    """Requests that come without waiting for answers are answered in their order."""
    paths = ["/api/v1/system/version", "/none", "/v1/system/healthz"]
    sent = "".join(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n" for path in paths[:-1])
    with connected(server) as connection, connection.makefile("rb") as answer:
        connection.sendall(
            f"{sent}GET {paths[-1]} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        assert [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answer.read())][1:] == [404, 200]


HANGING = [
    "GET /api/v1/datasets HTTP/1.1\r\nHost: loc",
    JSON + "Content-Length: 1000\r\n\r\n{{",
    JSON + "Transfer-Encoding: chunked\r\n\r\n5\r\n{{",
    JSON.replace("application/json", "multipart/form-data; boundary=X")
    + "Content-Length: 1000\r\n\r\n--X\r\n",
    ASKED.replace("Connection: close", "X: x") * 3,
]


def test_others_are_served_while_some_hang(server: Running, http: httpx.Client) -> None:
    """Hundreds of requests that never end, and clients that read no answer, hold nobody up."""
    with ExitStack() as stack:
        for text in HANGING * 50:
            connection = stack.enter_context(connected(server))
            connection.sendall(text.format(key=server.api_key).encode())
        for _ in range(5):
            assert http.get("/datasets").json()["code"] == 0


def test_an_engine_that_was_closed_says_so() -> None:
    """What fails before a handler has the request, here on looking up the key, is an answer as any other."""
    with Engine(":memory:") as engine, running_server(engine) as running:
        engine.close()
        headers = {"Authorization": f"Bearer {running.api_key}"}
        answer = httpx.get(f"{running.base_url}/api/v1/datasets", headers=headers, timeout=PATIENCE)
    assert (answer.status_code, answer.json()) == (
        200,
        {"code": 102, "message": "this local engine is closed"},
    )
