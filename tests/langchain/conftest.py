"""A small knowledge base on the local engine, in this process and over loopback, and a server that follows a script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ragflow_integrations import AsyncRAGFlow, RAGFlow
from tests.langchain.scripted import Script, running_script

TEXTS = {
    "notice.txt": "The notice period is six weeks. Notice is given in writing to the harbour master.",
    "leave.txt": "Every keeper has thirty days of leave a year. Leave is asked for at the harbour office.",
    "lamps.txt": "The lamps of the lighthouse are lit at dusk. The harbour pays for the oil.",
    "boats.txt": "Boats in the harbour are painted blue. A boat needs a licence from the harbour master.",
}
QUESTION = "How long is the notice period?"
HARBOUR = "What does the harbour master do in the harbour?"
SHIPS = 120


@dataclass(frozen=True)
class KnowledgeBase:
    """A dataset of four documents, one of many chunks, and an assistant on the first."""

    client: RAGFlow
    dataset_id: str
    documents: dict[str, str]
    ships_id: str
    chat_id: str


def build(client: RAGFlow) -> KnowledgeBase:
    """Fill an empty server."""
    handbook = client.create_dataset("handbook")
    documents = {name: add(handbook, name, text) for name, text in TEXTS.items()}
    handbook.parse_documents(list(documents.values()))
    ships = client.create_dataset("ships", parser_config={"chunk_token_num": 1})
    lines = "\n".join(f"Ship number {number} lies in the harbour of Atlantis." for number in range(SHIPS))
    ships.parse_documents([add(ships, "ships.txt", lines)])
    chat = client.create_chat("helpdesk", dataset_ids=[handbook.id])
    return KnowledgeBase(client, handbook.id, documents, ships.id, chat.id)


def add(dataset: Any, name: str, text: str) -> str:
    """Upload a text; the document's id."""
    (document,) = dataset.upload_documents([{"display_name": name, "blob": text.encode()}])
    return str(document.id)


@pytest.fixture(scope="session")
def in_process() -> Iterator[KnowledgeBase]:
    """The knowledge base on an engine of this process."""
    with RAGFlow.local() as client:
        yield build(client)


@pytest.fixture(scope="session")
def loopback() -> Iterator[KnowledgeBase]:
    """The same on an engine that is served on loopback."""
    from ragflow_integrations.local.engine import open_engine
    from ragflow_integrations.local.serve import running_server

    engine = open_engine(":memory:")
    with running_server(engine) as server, RAGFlow(server.api_key, server.base_url) as client:
        yield build(client)
    engine.close()


@pytest.fixture(scope="session")
def kb(in_process: KnowledgeBase) -> KnowledgeBase:
    """The one that most tests use: how requests travel is the client's business."""
    return in_process


def on_both() -> Any:
    """``kb`` for a module that shows what has to hold on both."""

    @pytest.fixture(scope="session", params=["in_process", "loopback"])
    def kb(request: pytest.FixtureRequest) -> Any:
        return request.getfixturevalue(request.param)

    return kb


@pytest.fixture
def script() -> Iterator[Script]:
    """A server on loopback that answers questions as the test tells it to."""
    with running_script() as running:
        yield running


@pytest.fixture
def scripted(script: Script) -> Iterator[RAGFlow]:
    """A client of the scripted server."""
    with RAGFlow("ragflow-key", script.base_url, max_retries=0) as client:
        yield client


@pytest.fixture
async def scripted_async(script: Script) -> Any:
    """A client for coroutines of the scripted server."""
    async with AsyncRAGFlow("ragflow-key", script.base_url, max_retries=0) as client:
        yield client
