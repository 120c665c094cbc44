"""A small knowledge base on the local engine, in this process and over loopback; every call, and as a coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.utils import get_tokenizer
from pydantic import Field

from ragflow_integrations import AsyncRAGFlow, RAGFlow
from tests.llamaindex.scripted import KEY, Script, running_script

TEXTS = {
    "notice.txt": "The notice period is six weeks. Notice is given in writing to the harbour master.",
    "leave.txt": "Every keeper has thirty days of leave a year. Leave is asked for at the harbour office.",
    "lamps.txt": "The lamps of the lighthouse are lit at dusk. The harbour pays for the oil.",
    "boats.txt": "Boats in the harbour are painted blue. A boat needs a licence from the harbour master.",
}
QUESTION = "How long is the notice period?"
HARBOUR = "What does the harbour master do in the harbour?"
SHIPS = 130

Call = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class KnowledgeBase:
    """A dataset of four documents, one of many chunks, and two assistants on the first."""

    client: RAGFlow
    async_client: AsyncRAGFlow
    dataset_id: str
    documents: dict[str, str]
    ships_id: str
    chat_id: str
    strict_chat_id: str

    @property
    def clients(self) -> dict[str, Any]:
        """The arguments by which a class reaches the server."""
        return {"client": self.client, "async_client": self.async_client}


def build(client: RAGFlow) -> KnowledgeBase:
    """Fill an empty server."""
    handbook = client.create_dataset("handbook")
    documents = {name: add(handbook, name, text) for name, text in TEXTS.items()}
    handbook.parse_documents(list(documents.values()), interval=0.02)
    ships = client.create_dataset("ships", parser_config={"chunk_token_num": 1})
    lines = "\n".join(f"Ship number {number} lies in the harbour of Atlantis." for number in range(SHIPS))
    ships.parse_documents([add(ships, "ships.txt", lines)], interval=0.02)
    chat = client.create_chat("helpdesk", dataset_ids=[handbook.id])
    strict = client.create_chat("strict", dataset_ids=[handbook.id], similarity_threshold=0.99)
    return KnowledgeBase(client, client.as_async(), handbook.id, documents, ships.id, chat.id, strict.id)


def add(dataset: Any, name: str, text: str) -> str:
    """Upload a text; the document's id."""
    (document,) = dataset.upload_documents([{"display_name": name, "blob": text.encode()}])
    return str(document.id)


@pytest.fixture(scope="session", autouse=True)
def _tokenizer() -> None:
    """LlamaIndex reads its tokenizer from a file at the first answer, in an event loop if that is where it is."""
    get_tokenizer()("a")


@pytest.fixture(scope="session", params=["in-process", "loopback"])
def kb(request: pytest.FixtureRequest) -> Iterator[KnowledgeBase]:
    """The same knowledge base twice: on an engine of this process, and on one that is served on loopback."""
    if request.param == "in-process":
        with RAGFlow.local() as client:
            yield build(client)
        return
    from ragflow_integrations.local.engine import open_engine
    from ragflow_integrations.local.serve import running_server

    engine = open_engine(":memory:")
    with running_server(engine) as server, RAGFlow(server.api_key, server.base_url) as client:
        yield build(client)
    engine.close()


WAYS = {"in-process": "sync", "loopback": "async", "0.24": "sync", "0.27": "async"}
"""How a test calls on each kind of engine; the conformance kit calls in both ways on each."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that calls, and has no engine that it runs on twice, is run in both ways."""
    twice = {"kb", "client", "held", "papers", "engine_of"}
    told = any("call" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "call" in metafunc.fixturenames and not twice & set(metafunc.fixturenames) and not told:
        metafunc.parametrize("call", ["sync", "async"], indirect=True)


@pytest.fixture
def call(request: pytest.FixtureRequest) -> Call:
    """``await call(engine, "query", …)``: the method in a thread, or its async twin in the running loop."""
    way = getattr(request, "param", None)
    if way is None:
        (way,) = {WAYS[one] for one in request.node.callspec.params.values() if one in [*WAYS]}

    async def run(target: Any, method: str, *args: Any, **options: Any) -> Any:
        if way == "sync":
            return await asyncio.to_thread(getattr(target, method), *args, **options)
        return await getattr(target, f"a{method}")(*args, **options)

    return run


class Seen(BaseEventHandler):
    """Keeps what LlamaIndex's instrumentation tells."""

    events: list[BaseEvent] = Field(default_factory=list)

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        self.events.append(event)


@pytest.fixture
def seen() -> Iterator[Seen]:
    """A handler on the root dispatcher, for as long as the test runs."""
    root = get_dispatcher()
    handler = Seen()
    root.add_event_handler(handler)
    yield handler
    root.event_handlers.remove(handler)


@pytest.fixture
def script() -> Iterator[Script]:
    """A server on loopback that answers as the test tells it to."""
    with running_script() as running:
        yield running


@pytest.fixture
def scripted(script: Script) -> Iterator[dict[str, Any]]:
    """The clients of the scripted server, as arguments."""
    with RAGFlow(KEY, script.base_url, max_retries=0) as client:
        yield {"client": client, "async_client": client.as_async()}
