"""What a server turns away: foreign hosts and origins, and what is too much."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.serve import Running, running_server
from ragflow_integrations.local.server import guard
from ragflow_integrations.local.server.guard import names_of


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A server on loopback."""
    with Engine(":memory:") as engine, running_server(engine) as running:
        yield running


@pytest.fixture
def http(server: Running) -> Iterator[httpx.Client]:
    """A client that has the key."""
    headers = {"Authorization": f"Bearer {server.api_key}"}
    with httpx.Client(base_url=f"{server.base_url}/api/v1", headers=headers) as client:
        yield client


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:9380"])
def test_names_of_loopback(http: httpx.Client, host: str) -> None:
    """All of loopback's names are answered, whatever the port."""
    assert http.get("/datasets", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9380", "localhost.evil.example", "192.168.1.1", "["]
)
def test_foreign_hosts(http: httpx.Client, host: str) -> None:
    """A name that is not loopback's is what a page rebinds: 403, also where no key is needed."""
    for path in ("/datasets", "/system/version"):
        answer = http.get(path, headers={"Host": host})
        assert (answer.status_code, answer.json()["code"]) == (403, 403)


@pytest.mark.parametrize("origin", ["http://evil.example", "https://localhost", "null"])
def test_pages_of_others(http: httpx.Client, origin: str) -> None:
    """A page of another origin gets 403, and no header that would let it read anything."""
    for method in ("GET", "OPTIONS"):
        answer = http.request(method, "/datasets", headers={"Origin": origin})
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_pages_of_its_own(http: httpx.Client, server: Running) -> None:
    """A page of the server's own origin is let in, without CORS headers."""
    answer = http.get("/datasets", headers={"Origin": server.base_url})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "kb.example"])
def test_other_addresses_have_any_name(host: str) -> None:
    """A server that others can reach is asked for under names that it cannot know."""
    assert names_of(host) is None


@contextmanager
def posting(server: Running, *headers: str) -> Iterator[socket.socket]:
    """A connection over which the head of a POST has gone, and nothing of its body."""
    host, port = server.base_url.removeprefix("http://").split(":")
    key = f"Authorization: Bearer {server.api_key}"
    lines = [
        "POST /api/v1/datasets HTTP/1.1",
        f"Host: {host}",
        key,
        "Content-Type: application/json",
        *headers,
    ]
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        yield connection


def test_a_body_that_is_announced_too_large(server: Running) -> None:
    """It is refused before any of it has come."""
    with posting(server, f"Content-Length: {guard.MAX_BODY + 1}") as connection:
        answer = connection.makefile("rb").read()  # until the server closes
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"the body is larger than 32 MiB" in answer


def test_a_body_that_becomes_too_large(server: Running) -> None:
    """One of unknown length is refused while it comes: not all of it is taken."""
    piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    sent = 0
    with posting(server, "Transfer-Encoding: chunked") as connection, suppress(ConnectionError):
        while sent < 256:
            connection.sendall(piece)
            sent += 1
    assert sent < 256


def test_a_query_that_is_too_long(http: httpx.Client) -> None:
    """It is refused, and how much would be taken is said."""
    assert http.get("/datasets", params={"name": "x" * 30_000}).json()["code"] == 102
    answer = http.get("/datasets", params={"name": "x" * 33_000})
    assert (answer.status_code, answer.json()["message"]) == (414, "the query is longer than 32768 bytes")


def test_a_form_of_too_many_parts(http: httpx.Client) -> None:
    """A form with more fields or files than are taken is refused, and says so."""
    dataset = http.post("/datasets", json={"name": "x"}).json()["data"]["id"]
    files = [("file", (f"{number}.txt", b"x")) for number in range(guard.MAX_FILES + 1)]
    answer = http.post(f"/datasets/{dataset}/documents", files=files).json()
    assert (answer["code"], "Too many files" in answer["message"]) == (100, True)
    assert http.get(f"/datasets/{dataset}/documents").json()["data"]["total"] == 0


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 100_000, b'{"name": NaN}', b"\xff"])
def test_odd_json(http: httpx.Client, body: bytes) -> None:
    """What no JSON parser should have to take is an error answer, not a failure."""
    for path in ("/datasets", "/retrieval"):
        answer = http.post(path, content=body, headers={"Content-Type": "application/json"}).json()
        assert answer["code"] in (100, 101)
        assert "Error" not in answer["message"]
