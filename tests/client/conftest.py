"""Where the clients are tested: the engine in this process, on loopback, and a real server's recorded answers."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ragflow_integrations import RAGFlow
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.serve import running_server
from tests.protocol.recorded import recorded
from tests.transport.raw_server import RawServer, http, serving

Replaying = Callable[..., tuple[RawServer, str]]

FILES = {
    "atlantis.txt": b"The capital of Atlantis is Poseidonia.\nThe moon over Atlantis is made of green cheese.",
    "zebras.md": b"# Zebras\n\nZebras live in Africa and eat grass.\n\n## Stripes\n\nNo two zebras have equal stripes.",
    "tea.html": "<html><body><h1>Tee</h1><p>Grüner Tee zieht zwei Minuten.</p></body></html>".encode(),
}
LIGHT = {
    "atlantis.txt": FILES["atlantis.txt"],
    "zebras.md": FILES["zebras.md"],
    "tea.mdx": "# Tee\n\nGrüner Tee zieht zwei Minuten.".encode(),
}
"""The same where each test has an engine of its own: without a web page, which is read by a process of its own."""


@dataclass(frozen=True)
class Place:
    """The address and key of a knowledge base."""

    base_url: str
    api_key: str | None = field(default=None, repr=False)


@contextmanager
def place_of(kind: str, folder: Path) -> Iterator[Place]:
    """A new knowledge base: ``memory``, ``folder`` or ``loopback``."""
    if kind == "memory":
        yield Place(":memory:")
    elif kind == "folder":
        yield Place(f"local:{folder}")
    else:
        with Engine(folder) as engine, running_server(engine) as server:
            yield Place(server.base_url, server.api_key)


# The twins say the same: what one does in this process the other does over HTTP.
WAYS = {"place": {"async": "loopback", "sync": "memory"}, "library": {"async": "folder", "sync": "loopback"}}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    client = "async" if inspect.iscoroutinefunction(metafunc.function) else "sync"
    own = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    for fixture, ways in WAYS.items():
        if fixture in metafunc.fixturenames and fixture not in own:
            scope = "session" if fixture == "library" else "function"
            metafunc.parametrize(fixture, [ways[client]], indirect=True, scope=scope)


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, str]]:
    """An engine on loopback in which many tests live, each with a key and data of its own."""
    with Engine(tmp_path_factory.mktemp("house") / "kb") as engine, running_server(engine) as server:
        yield engine, server.base_url


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    """An empty knowledge base, in this process or on loopback."""
    if request.param == "memory":
        return Place(":memory:")
    engine, base_url = request.getfixturevalue("house")
    key = f"ragflow-{uuid.uuid4().hex}"
    engine.add_tenant(key)
    return Place(base_url, key)


@pytest.fixture(params=["memory", "folder", "loopback"])
def any_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Each of the three ways."""
    with place_of(request.param, tmp_path / "kb") as place:
        yield place


@pytest.fixture(scope="session")
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A knowledge base that has ``FILES`` in its dataset "facts", for tests that leave it as it is."""
    with ExitStack() as stack:
        place = stack.enter_context(place_of(request.param, tmp_path_factory.mktemp("library") / "kb"))
        client = stack.enter_context(RAGFlow(place.api_key, place.base_url))
        dataset = client.create_dataset("facts")
        files = [{"display_name": name, "blob": blob} for name, blob in FILES.items()]
        documents = dataset.upload_documents(files)
        dataset.parse_documents([document.id for document in documents], interval=0.05)
        yield place


@contextmanager
def _replaying(*names: str) -> Iterator[tuple[RawServer, str]]:
    with serving(*(answer(name) for name in names)) as (server, url):
        yield server, url
    asked = [received.line.split(" ")[:2] for received in server.requests]
    told = [[exchange.method, exchange.path] for exchange in (recorded("v0.27", name) for name in names)]
    assert [[verb, path.partition("?")[0]] for verb, path in asked] == told


def answer(name: str) -> bytes:
    """A recorded answer as it goes over the wire; a file has the disposition that the recordings leave out."""
    exchange = recorded("v0.27", name)
    body = exchange.sent
    lines = [
        f"HTTP/1.1 {exchange.status} OK",
        f"content-type: {exchange.content_type}",
        f"content-length: {len(body)}",
    ]
    if exchange.name.startswith("doc.download") and isinstance(exchange.body, str):
        lines.append("content-disposition: attachment; filename=a.txt")
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
def replaying() -> Iterator[Replaying]:
    """``server, url = replaying("name", …)``: that many calls get these answers of a real v0.27.0.

    When the test ends the calls must have been those that the real server was asked.
    """
    with ExitStack() as stack:
        yield lambda *names: stack.enter_context(_replaying(*names))


@pytest.fixture
def html_page() -> Iterator[str]:
    """The address of a server that has nothing but a web page."""
    with serving(http(b"<!doctype html><title>Login</title>")) as (_, url):
        yield url
